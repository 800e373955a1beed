"""Metrics, calibration, curves and significance tests of classifiers: arrays in, numbers out."""
