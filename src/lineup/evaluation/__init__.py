"""Metrics, calibration, curves and significance tests for classifiers."""
