"""lineup: compare image classifiers and committees of them, with evidence."""

__version__ = "0.1.0"
