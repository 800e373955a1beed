"""Build all architectures, with one module per family."""
