"""The section ``training`` of ``params.yaml``.

>>> Training(threads=1).threads
1
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from lineup.settings import STRICT


@dataclass(frozen=True, config=STRICT)
class Training:
    """The settings of all trainings.

    Parameters
    ----------
    threads : int
        Number of threads of one training. The last digits of a matrix product depend on it, so that it is a parameter
        of the result.
    """

    threads: Annotated[int, Field(ge=1, le=1024)]
