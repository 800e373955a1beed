"""Builders of all architectures, with one module per family."""
