"""Compute metrics, calibration, curves and significance tests for classifiers.

Examples
--------
>>> import numpy as np
>>> from lineup.evaluation.metrics import classification_metrics
>>> metrics = classification_metrics(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]), ["cat", "dog"], "test_")
>>> metrics["test_accuracy"], metrics["test_recall/cat"]
(0.5, 1.0)
"""
