"""What the five reports claim: the published numbers, from ``claims.yaml`` beside this module."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from lineup.seeds import base_name

Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
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
    contradiction : str, optional
        Which of its own numbers the report contradicts.
    remark : str, optional
        What else has to be known to compare.
    """

    report: str
    accuracy: Share
    accuracy_to: Share | None = None
    digits: Annotated[int, Field(ge=1, le=4)] = 4
    loss: Annotated[float, Field(gt=0)] | None = None
    precision: Share | None = None
    recall: Share | None = None
    f1: Share | None = None
    contradiction: str | None = None
    remark: str | None = None


@cache
def load_claims() -> dict[str, Claim]:
    """Return every claim by the name of the model or committee in ``params.yaml``."""
    values = yaml.safe_load(Path(__file__).with_name("claims.yaml").read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, Claim]).validate_python(values)


def published_accuracy(name: str) -> float | None:
    """Return the published test accuracy of a model or committee, None if there is none or it is a range."""
    claim = load_claims().get(base_name(name))
    return claim.accuracy if claim and claim.accuracy_to is None else None
