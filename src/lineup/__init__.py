"""Compare image classifiers and ensembles of classifiers (committees)."""

__version__ = "0.1.0"
