"""Folders, tables and arrays of small images, for tests of a user's own images."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

RED, BLUE = (200, 30, 30), (30, 30, 200)


def picture(seed: int, size: tuple[int, int] = (12, 10), mode: str = "RGB") -> Image.Image:
    """Return an image of noise, of this width and height."""
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


def save(path: Path, image: Image.Image | None = None, **options: Any) -> Path:
    """Save an image, and create its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or picture(zlib.crc32(str(path).encode()))).save(path, **options)
    return path


def folder(root: Path, classes: Iterable[str] = ("cat", "dog"), images: int = 6) -> Path:
    """Write a folder with one sub-folder per class."""
    for number, name in enumerate(classes):
        for index in range(images):
            save(root / name / f"{index}.png", picture(1000 * number + index))
    return root


def table(root: Path, text: str, images: int = 12) -> Path:
    """Write pictures ``0.png``, ``1.png`` and so on, and a table beside them."""
    for index in range(images):
        save(root / f"{index}.png", picture(index))
    path = root / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def arrays(root: Path, **values: Any) -> Path:
    """Write an NPZ file."""
    path = root / "images.npz"
    np.savez(path, **values)
    return path


def png_header(width: int, height: int) -> bytes:
    """Return a small file whose header states the given size of the picture."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(1000))
    chunks = [
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in (header, data)
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
