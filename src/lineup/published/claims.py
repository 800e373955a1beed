"""Read the published results of the five reports from ``claims.yaml``.

Examples
--------
>>> load_claims("fashion_mnist")["basic_cnn"].text
'0.9156'
>>> load_claims("synthetic")
{}
"""

from __future__ import annotations

from dataclasses import field
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lineup.schema import checked, read_yaml

Share = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
ByClass = list[Share | None]


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class Claim:
    """Test results that a report states for one model or committee.

    Parameters
    ----------
    report : str
        Letter of the report.
    accuracy : float
        Test accuracy, or the lower end of a range.
    accuracy_to : float, optional
        Upper end of a range.
    digits : int
        Number of decimals of the published accuracy. Default: 4.
    loss, precision, recall, f1 : float, optional
        Test loss in nats, and macro averages of the other scores.
    val_accuracy, best_val_accuracy : float, optional
        Validation accuracy after the last and after the best epoch, if the report did not validate on the test set.
    train_accuracy : float, optional
        Training accuracy after the epoch `train_epoch`.
    train_epoch : int, optional
        Number of the epoch, from 1. Default: the last epoch.
    seconds : float, optional
        Training time in seconds.
    recall_by_class, f1_by_class : list of float or None, optional
        Scores in the order of the classes, or None for a class without a published value. The reports call the recall
        of a class its accuracy.
    contradiction : str, optional
        Description of a contradiction in the report.
    remark : str, optional
        Note on the comparison. It completes a sentence that starts with "The report".
    why : str, optional
        Explanation of a difference from our result.
    experiments, variants : dict of str to str
        Models in ``params.yaml`` that help to explain a difference, and models that the reports call future work, each
        with a description of the change. Default: none.
    """

    report: str
    accuracy: Share
    accuracy_to: Share | None = None
    digits: Annotated[int, Field(ge=1, le=4)] = 4
    loss: Positive | None = None
    precision: Share | None = None
    recall: Share | None = None
    f1: Share | None = None
    val_accuracy: Share | None = None
    best_val_accuracy: Share | None = None
    train_accuracy: Share | None = None
    train_epoch: Annotated[int, Field(ge=1)] | None = None
    seconds: Positive | None = None
    recall_by_class: ByClass | None = None
    f1_by_class: ByClass | None = None
    contradiction: str | None = None
    remark: str | None = None
    why: str | None = None
    experiments: dict[str, str] = field(default_factory=dict)
    variants: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Published accuracy as text, for example ``0.8760`` or ``0.87\N{EN DASH}0.89``."""
        ends = [self.accuracy] if self.accuracy_to is None else [self.accuracy, self.accuracy_to]
        return "\N{EN DASH}".join(f"{end:.{self.digits}f}" for end in ends)

    def nearest(self, accuracy: float) -> float:
        """Return the published accuracy. If the report states a range, return the value in this range that is nearest
        to our result.
        """
        return min(max(accuracy, self.accuracy), self.accuracy_to or self.accuracy)


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class _File:
    """Content of the file ``claims.yaml``."""

    dataset: str
    claims: dict[str, Claim]


@cache
def load_claims(dataset: str) -> dict[str, Claim]:
    """Read the published results of all models and committees for a dataset.

    Parameters
    ----------
    dataset : str
        Name of the dataset.

    Returns
    -------
    dict of str to Claim
        Published results by the name of the model or committee in ``params.yaml``. The dictionary is empty if the
        reports did not use this dataset.

    Raises
    ------
    LineupError
        If ``claims.yaml`` is invalid. The message names the file and the key.
    """
    path = Path(__file__).with_name("claims.yaml")
    file: _File = checked(read_yaml(path), _File, path, strict=True)
    return file.claims if file.dataset == dataset else {}


def format_score(published: float) -> str:
    """Format a published score or loss with two decimals. Use four decimals if the score has more than two."""
    return f"{published:.2f}" if round(published, 2) == published else f"{published:.4f}"
