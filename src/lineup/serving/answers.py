"""Format the predictions for pictures as text for users.

Examples
--------
>>> answer = answer_of(np.array([0.7, 0.2, 0.06, 0.04]), ["cat", "dog", "fox", "owl"], threshold=0.8)
>>> print(describe(answer))
not sure: cat 0.700, dog 0.200, fox 0.060
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineup.evaluation.curves import selective_accuracy
from lineup.evaluation.scores import Scores

UNLIKE = "unlike the training images"

TOP = 3
"""Number of classes in an answer."""


@dataclass(frozen=True)
class Threshold:
    """Threshold for the probability of the predicted class. A prediction is marked as "not sure" if its highest
    probability is below the threshold.

    Parameters
    ----------
    probability : float
        From 0 to 1; infinity if the accuracy is not reached.
    accuracy : float
        Accuracy on the validation images that reach this probability; NaN if there are none.
    coverage : float
        Fraction of all validation images that reach this probability.
    """

    probability: float
    accuracy: float
    coverage: float


@dataclass(frozen=True)
class Answer:
    """The answer of a model for one picture.

    Parameters
    ----------
    top : list of tuple of str and float
        The most probable classes with their probabilities, in decreasing order.
    sure : bool
        Whether the highest probability reaches the threshold.
    agreeing, members : int
        Number of members of a committee that predict the same class, and of all members. Both are 1 for a single model.
    unlike : bool
        Whether the picture is unlike the training images.
    """

    top: list[tuple[str, float]]
    sure: bool
    agreeing: int = 1
    members: int = 1
    unlike: bool = False

    @property
    def warning(self) -> str:
        """Return the reasons why the prediction may be unreliable. If there are no reasons, return an empty string."""
        reasons = {UNLIKE: self.unlike, "not sure": not self.sure}
        return ", ".join(reason for reason, holds in reasons.items() if holds)


def sure_threshold(validation: Scores, accuracy: float) -> Threshold:
    """Find the smallest threshold above which the predictions are accurate enough.

    The accuracy is measured on validation images.

    Parameters
    ----------
    validation : Scores
        Predictions of one model for the validation images. The test images choose nothing.
    accuracy : float
        Smallest accuracy on the images that reach the probability, from 0 to 1.

    Examples
    --------
    >>> rows = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]])
    >>> sure_threshold(Scores(np.arange(3), np.array([0, 0, 1]), rows), accuracy=0.9).probability
    0.8
    """
    curve = selective_accuracy(validation.probabilities, validation.labels)
    kept = np.flatnonzero(curve.accuracy >= accuracy)
    if not kept.size:
        return Threshold(math.inf, math.nan, 0.0)
    last = kept[-1]
    # If all images are kept, no probability is too small.
    probability = 0.0 if curve.coverage[last] == 1 else float(curve.confidence[last])
    return Threshold(probability, float(curve.accuracy[last]), float(curve.coverage[last]))


def answer_of(
    probabilities: NDArray[np.floating],
    classes: Sequence[str],
    threshold: float,
    *,
    agreement: float = 1.0,
    members: int = 1,
    unlike: bool = False,
) -> Answer:
    """Return the answer for one picture.

    Parameters
    ----------
    probabilities : ndarray of float, shape (k,)
        Class probabilities. Ties go to the lowest index.
    classes : sequence of str
        Class names.
    threshold : float
        Smallest probability at which the model counts as sure.
    agreement : float, optional
        Fraction of the members that predict the most probable class. Default 1.
    members : int, optional
        Number of members. Default 1.
    unlike : bool, optional
        Whether the picture is unlike the training images. Default False.
    """
    order = np.argsort(-probabilities, kind="stable")[:TOP]
    top = [(classes[index], float(probabilities[index])) for index in order]
    return Answer(top, top[0][1] >= threshold, round(agreement * members), members, unlike)


def describe(answer: Answer) -> str:
    """Describe an answer in one line."""
    classes = ", ".join(f"{name} {probability_text(probability)}" for name, probability in answer.top)
    agree = f" ({agreement_text(answer)})" if answer.members > 1 else ""
    warning = f"{answer.warning}: " if answer.warning else ""
    return f"{warning}{classes}{agree}"


def agreement_text(answer: Answer) -> str:
    """Describe how many members of a committee agree."""
    return f"{answer.agreeing} of {answer.members} members agree"


def probability_text(probability: float) -> str:
    """Return a probability with three digits. No probability is rounded to 0 or 1.

    Examples
    --------
    >>> probability_text(0.25), probability_text(0.99999), probability_text(1e-6)
    ('0.250', '>0.999', '<0.001')
    """
    if 0.0005 <= probability < 0.9995:
        return f"{probability:.3f}"
    return "<0.001" if probability < 0.5 else ">0.999"
