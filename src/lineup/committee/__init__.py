"""Combine the predictions of several models in a committee (ensemble).

Examples
--------
>>> import numpy as np
>>> from lineup.committee.rules import combine
>>> combine("average", np.array([[[1.0, 0.0]], [[0.5, 0.5]]])).tolist()
[[0.75, 0.25]]
"""
