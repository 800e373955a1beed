"""Define the settings in the section ``training`` of ``params.yaml``.

Examples
--------
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
    """Settings of all training runs.

    Parameters
    ----------
    threads : int
        Number of threads of one training run. Results depend on it, because it changes the last digits of matrix
        products.
    """

    threads: Annotated[int, Field(ge=1, le=1024)]
