"""The classical models of report E: scikit-learn estimators on raw pixels, all of them with probabilities.

A builder returns an estimator that is not fitted yet. Its inputs are float32 pixels from 0 to 255, one row per image.
Where a model needs scaled pixels, the scaling is a step of its pipeline, fitted on the training images. Nothing here is
trained in epochs by lineup. scikit-learn is imported when a builder is called.

>>> from lineup.models.registry import architecture
>>> architecture("classical", "knn").options
('neighbours',)
"""

from __future__ import annotations

from typing import Any

from lineup.models.kernel_machine import KernelMachine
from lineup.models.layers import Shape
from lineup.models.registry import register_model


@register_model(report="E", parameters=0)
def logistic_regression(shape: Shape, classes: int, c: float = 1.0, iterations: int = 1000) -> Any:
    """Multinomial logistic regression on pixels in [0, 1]: report E, about .83."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    return make_pipeline(MinMaxScaler(), LogisticRegression(C=c, max_iter=iterations))


@register_model(report="E", parameters=0)
def svm(shape: Shape, classes: int, c: float = 10.0) -> Any:
    """Support vector machine, RBF kernel, with coupled pairwise probabilities: report E, .87 to .89."""
    return KernelMachine(c=c)


@register_model(report="E", parameters=0)
def random_forest(shape: Shape, classes: int, trees: int = 100) -> Any:
    """Random forest of 100 trees, with the mean class shares of their leaves as probabilities: report E, .87 to .89."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=trees)


@register_model(report="E", parameters=0)
def knn(shape: Shape, classes: int, neighbours: int = 5) -> Any:
    """The 5 nearest neighbours by Euclidean distance, their shares as probabilities: report E, .83 to .89."""
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(n_neighbors=neighbours, algorithm="brute")


@register_model(report="E", parameters=0)
def mlp(shape: Shape, classes: int, units: int = 256, epochs: int = 20) -> Any:
    """Multilayer perceptron of scikit-learn, one hidden layer of 256 units, 20 epochs: report E, .83 to .89."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    return make_pipeline(MinMaxScaler(), MLPClassifier(hidden_layer_sizes=(units,), max_iter=epochs))


@register_model(report="-", parameters=0)
def gradient_boosting(
    shape: Shape, classes: int, trees: int = 200, learning_rate: float = 0.1, leaves: int = 31
) -> Any:
    """Gradient boosting on histograms, 200 rounds of one tree per class: not in the reports, for comparison."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    # Early stopping would hold out a part of the training images.
    return HistGradientBoostingClassifier(
        max_iter=trees, learning_rate=learning_rate, max_leaf_nodes=leaves, early_stopping=False
    )
