"""Read many damaged and hostile files of each format that lineup reads from others.

``python -m tests.fuzz`` reads 120,000 of them, and `test_fuzz` two thousand.
"""
