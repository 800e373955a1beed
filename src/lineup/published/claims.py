"""What the five reports claim: the published numbers, from ``claims.yaml`` beside this module."""

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
ByClass = Annotated[list[Share | None], Field(min_length=10, max_length=10)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class Claim:
    """The published numbers of one model or committee, on the 10,000 test images.

    Parameters
    ----------
    report : str
        Letter of the report.
    accuracy : float
        Test accuracy; of a range, the lower end.
    accuracy_to : float, optional
        The upper end of a range.
    digits : int
        With how many decimals the report gives its accuracy. Default 4.
    loss, precision, recall, f1 : float, optional
        Test loss in nats; macro averages.
    val_accuracy, best_val_accuracy : float, optional
        After the last and after the best epoch, where the report did not validate on the test set.
    train_accuracy : float, optional
        Over the last epoch, or over `train_epoch`.
    train_epoch : int, optional
        From 1; default the last.
    seconds : float, optional
        Of the training.
    recall_by_class, f1_by_class : list of float or None, optional
        In the order of the classes; None where the report does not say it. The recall of a class is what reports call
        its accuracy.
    contradiction : str, optional
        Which of its own numbers the report contradicts.
    remark : str, optional
        What else has to be known to compare; goes on after "The report".
    why : str, optional
        One sentence on why ours differs, shown only where it does.
    experiments, variants : dict of str to str
        Entries of ``params.yaml`` that shed light on a difference, and those that the reports call future work; and
        what each changes. Default none.
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
        """The accuracy as the report gives it: ``0.8760``, or ``0.87\N{EN DASH}0.89``."""
        ends = [self.accuracy] if self.accuracy_to is None else [self.accuracy, self.accuracy_to]
        return "\N{EN DASH}".join(f"{end:.{self.digits}f}" for end in ends)

    def nearest(self, accuracy: float) -> float:
        """Return the published accuracy; of a range, what in it is nearest to an accuracy."""
        return min(max(accuracy, self.accuracy), self.accuracy_to or self.accuracy)


@cache
def load_claims() -> dict[str, Claim]:
    """Return every claim by the name of the model or committee in ``params.yaml``.

    Raises
    ------
    LineupError
        If ``claims.yaml`` is damaged. The line names file and key.
    """
    path = Path(__file__).with_name("claims.yaml")
    claims: dict[str, Claim] = checked(read_yaml(path), dict[str, Claim], path, strict=True)
    return claims


def in_digits(published: float) -> str:
    """Return a published share or loss with two decimals if it has no more, with four otherwise."""
    return f"{published:.2f}" if round(published, 2) == published else f"{published:.4f}"


def published_accuracy(name: str) -> float | None:
    """Return the published test accuracy of a model or committee, None if there is none or it is a range."""
    claim = load_claims().get(name)
    return claim.accuracy if claim and claim.accuracy_to is None else None
