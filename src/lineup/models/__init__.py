"""Build the networks and estimators of all architectures, with one module per family."""
