"""The section ``training`` of ``params.yaml``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from lineup.settings import STRICT


@dataclass(frozen=True, config=STRICT)
class Training:
    """What all trainings share.

    Parameters
    ----------
    threads : int
        Threads of one training. The sums of a matrix product depend on it in the last digits, so it belongs to the
        parameters that a result depends on.
    """

    threads: Annotated[int, Field(ge=1, le=1024)]
