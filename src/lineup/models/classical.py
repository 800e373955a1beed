"""Build classical models, which predict class probabilities from pixels with scikit-learn.

Each function in this module returns an unfitted estimator. Each estimator takes a float32 array of pixels from 0 to
255, with one row per image. If a model needs scaled pixels, it contains a scaler that is fitted to the training images.
Classical models are not trained in epochs. Importing this module does not import scikit-learn.

Examples
--------
>>> from lineup.models.registry import architecture
>>> architecture("classical", "knn").options
('neighbours',)
"""

from __future__ import annotations

from typing import Any

from lineup.models.layers import Shape
from lineup.models.registry import register_model


@register_model(report="E", parameters=0)
def logistic_regression(shape: Shape, classes: int, c: float = 1.0, iterations: int = 1000) -> Any:
    """Multinomial logistic regression on pixels in [0, 1] (report E, accuracy about 0.83)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    return make_pipeline(MinMaxScaler(), LogisticRegression(C=c, max_iter=iterations))


@register_model(report="E", parameters=0)
def svm(shape: Shape, classes: int, c: float = 10.0) -> Any:
    """Support vector machine with an RBF kernel. Report E states an accuracy of 0.87 to 0.89."""
    from lineup.models.kernel_machine import KernelMachine

    return KernelMachine(c=c)


@register_model(report="C", parameters=0)
def svm_linear(shape: Shape, classes: int, c: float = 10.0) -> Any:
    """Support vector machine with a linear kernel, as in the appendix of report C. It predicts class probabilities."""
    from lineup.models.kernel_machine import KernelMachine

    return KernelMachine(c=c, degree=1)


@register_model(report="C", parameters=0)
def svm_polynomial(shape: Shape, classes: int, c: float = 10.0, degree: int = 3) -> Any:
    """Support vector machine with a polynomial kernel, as in the appendix of report C. It predicts class
    probabilities.
    """
    from lineup.models.kernel_machine import KernelMachine

    return KernelMachine(c=c, degree=degree)


@register_model(report="E", parameters=0)
def random_forest(shape: Shape, classes: int, trees: int = 100) -> Any:
    """Random forest with 100 trees. Report E states an accuracy of 0.87 to 0.89."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=trees)


@register_model(report="E", parameters=0)
def knn(shape: Shape, classes: int, neighbours: int = 5) -> Any:
    """Nearest-neighbour classifier with 5 neighbours (report E, accuracy 0.83 to 0.89)."""
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(n_neighbors=neighbours, algorithm="brute")


@register_model(report="E", parameters=0)
def mlp(shape: Shape, classes: int, units: int = 256, epochs: int = 20) -> Any:
    """Multilayer perceptron with 256 hidden units, trained for 20 epochs (report E, accuracy 0.83 to 0.89)."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    return make_pipeline(MinMaxScaler(), MLPClassifier(hidden_layer_sizes=(units,), max_iter=epochs))


@register_model(report="-", parameters=0)
def gradient_boosting(
    shape: Shape, classes: int, trees: int = 200, learning_rate: float = 0.1, leaves: int = 31
) -> Any:
    """Histogram-based gradient boosting with 200 trees per class (not in a report)."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    # Early stopping would hold out a part of the training images for validation.
    return HistGradientBoostingClassifier(
        max_iter=trees, learning_rate=learning_rate, max_leaf_nodes=leaves, early_stopping=False
    )
