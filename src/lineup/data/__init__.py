"""Download, generate, read and split datasets."""
