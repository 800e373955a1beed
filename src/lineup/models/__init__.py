"""Functions that build all architectures, with one module per family."""
