"""Damage bytes, texts and values at random, in the same way for the same seed.

>>> damaged(Random(1), b"abcdef") == damaged(Random(1), b"abcdef")
True
"""

from __future__ import annotations

import copy
import json
import re
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

NUMBERS = (0, 1, -1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
"""Whole numbers at which formats and programs often fail."""

VALUES: tuple[Any, ...] = (
    *(None, True, False, *NUMBERS, 2**64, -(2**63), 10**30, 0.5, -0.0, 1e308, -1e308, 5e-324),
    *("", "x", "x" * 2_000, "nan", "1e999", "\0", "a\nb", "\ud800", "\u202e", "../../x", "/etc/passwd", "small"),
    *([], {}, [[]], [None], {"": 0}, {"a": {"b": []}}, [0] * 300, {str(number): number for number in range(300)}),
)
"""Values that replace a value of a JSON or YAML file."""

TOKENS = ("NaN", "-Infinity", "1e999", "-1e999", "9" * 25, "0x1F", "1_0", ".5", "'", '"', "null", "{}", "[]", ",", "")
"""Texts that replace a number of a JSON, YAML or CSV file."""


def damaged(random: Random, content: bytes, others: Sequence[bytes] = (b"",)) -> bytes:
    """Change bytes in one to four places.

    Parameters
    ----------
    random : Random
        Source of all choices.
    content : bytes
        A valid file.
    others : sequence of bytes
        Files from which parts are copied. Default: an empty file.
    """
    data = bytearray(content)
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(data) + 1)
        end = min(len(data), place + random.choice((1, 2, 4, 16, 256)))
        match random.randrange(7):
            case 0:
                del data[place:]
            case 1:
                data[place:end] = random.randbytes(end - place)
            case 2:
                data[place:place] = random.randbytes(random.choice((1, 4, 64)))
            case 3:
                del data[place:end]
            case 4:
                data[place:place] = data[place:end]
            case 5:
                data[place : place + 8] = _number(random)[: len(data) - place]
            case 6:
                other = random.choice(others)
                begin = random.randrange(len(other) + 1)
                data[place:end] = other[begin : begin + 256]
    return bytes(data)


def _number(random: Random) -> bytes:
    """Return a special number as 1, 2, 4 or 8 bytes, in either byte order."""
    order, kind = random.choice("<>"), random.choice("BHIQ")
    limit = 1 << (8 * struct.calcsize(kind))
    return struct.pack(order + kind, random.choice(NUMBERS) % limit)


def changed(random: Random, value: Any) -> Any:
    """Return a copy of nested lists and dictionaries with one to three changed values."""
    whole = [copy.deepcopy(value)]
    for _ in range(random.choice((1, 1, 2, 3))):
        parent, key = random.choice(_places(whole))
        match random.randrange(6):
            case 0 if isinstance(parent, dict):
                del parent[key]
            case 1 if isinstance(parent, dict):
                parent[random.choice(("", "x", "schema", "name", "best", "../x", "\0"))] = random.choice(VALUES)
            case 2 if isinstance(parent, list) and parent is not whole:
                parent.extend(parent[:1] * random.choice((1, 1_000)))
            case 3:
                parent[key] = copy.deepcopy(random.choice(_places(whole))[0])
            case _:
                parent[key] = copy.deepcopy(random.choice(VALUES))
    return whole[0]


def _places(whole: list[Any]) -> list[tuple[Any, Any]]:
    """Return the collection and the key of each value inside of a list, at all levels."""
    places: list[tuple[Any, Any]] = []
    todo: list[Any] = [whole]
    while todo:
        parent = todo.pop()
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        places += [(parent, key) for key in keys]
        todo += [parent[key] for key in keys if isinstance(parent[key], dict | list)]
    return places


def changed_text(random: Random, content: bytes) -> bytes:
    """Replace one number or word of a text."""
    found = list(re.finditer(rb"-?[0-9.]+|\w+", content))
    if not found:
        return damaged(random, content)
    one = random.choice(found)
    return content[: one.start()] + random.choice(TOKENS).encode() + content[one.end() :]


def changed_json(random: Random, content: bytes) -> bytes:
    """Change the values, the text or the bytes of a JSON file."""
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: json.dumps(changed(random, json.loads(content))).encode(),
        lambda: changed_text(random, content),
        lambda: damaged(random, content),
    )
    return random.choices(ways, (4, 1, 1))[0]()
