"""The registry of architectures, and one family of them a file."""
