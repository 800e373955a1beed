"""The classical models of report E: estimators of scikit-learn on raw pixels, all of them with probabilities.

A builder returns an estimator that is not fitted yet. It takes float32 pixels 0 to 255, 784 an image; where a model
needs them scaled, that is a step of its pipeline, with numbers from its training images. Nothing here is trained in
epochs. scikit-learn is imported when a builder is called.
"""

from __future__ import annotations

from typing import Any

from lineup.models.kernel_machine import KernelMachine
from lineup.models.registry import register_model


@register_model(report="E", parameters=0)
def logistic_regression(c: float = 1.0, iterations: int = 1000) -> Any:
    """Multinomial logistic regression on pixels in [0, 1]: report E, about .83."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    return make_pipeline(MinMaxScaler(), LogisticRegression(C=c, max_iter=iterations))


@register_model(report="E", parameters=0)
def svm(c: float = 10.0) -> Any:
    """Support vector machine, RBF kernel, with coupled pairwise probabilities: report E, .87 to .89."""
    return KernelMachine(c=c)


@register_model(report="E", parameters=0)
def random_forest(trees: int = 100) -> Any:
    """Random forest of 100 trees, the mean of their leaves' shares as probabilities: report E, .87 to .89."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=trees)


@register_model(report="E", parameters=0)
def knn(neighbours: int = 5) -> Any:
    """The 5 nearest neighbours by Euclidean distance, their shares as probabilities: report E, .83 to .89."""
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(n_neighbors=neighbours, algorithm="brute")


@register_model(report="E", parameters=0)
def mlp(units: int = 256, epochs: int = 20) -> Any:
    """Multilayer perceptron of scikit-learn, one hidden layer of 256 units, 20 epochs: report E, .83 to .89."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    return make_pipeline(MinMaxScaler(), MLPClassifier(hidden_layer_sizes=(units,), max_iter=epochs))


@register_model(report="-", parameters=0)
def gradient_boosting(trees: int = 200, learning_rate: float = 0.1, leaves: int = 31) -> Any:
    """Gradient boosting, 200 rounds of one tree a class on histograms: no report's, beside report E's models."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    # It would stop early by a part of the training images that it then does not train on.
    return HistGradientBoostingClassifier(
        max_iter=trees, learning_rate=learning_rate, max_leaf_nodes=leaves, early_stopping=False
    )
