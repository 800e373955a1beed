"""Check that two sources have the same meaning if and only if they compute the same results."""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lineup.code.meaning import meaning

SOURCE = Path(__file__).parents[2] / "src"

SAME = {
    "comment": ("x = 1", "x = 1  # one"),
    "layout": ("f(a, b)", "f(\n    a,\n    b,\n)"),
    "quotes": ("x = 'a'", 'x = "a"'),
    "number": ("x = 1_000", "x = 1000"),
    "docstring of a module": ("'''Old.'''\nx = 1", "'''New.'''\nx = 1"),
    "docstring of a function": ("def f():\n    'Old.'", "def f():\n    'New.'\n    pass"),
    "text under a constant": ("x = 1\n'''What it is.'''", "x = 1"),
    "annotation of an argument": ("def f(a: int = 1) -> int: return a", "def f(a=1): return a"),
    "annotation of a variable": ("x: int = 1", "x = 1"),
    "declared variable": ("def f():\n    x: int\n    x = 1", "def f():\n    x = 1"),
    "annotation of a field": ("class A:\n    x: int = 1", "class A:\n    x: float = 1"),
    "imports for annotations": ("from typing import Any, Protocol\nx = 1", "from typing import Self\nx = 1"),
    "future": ("from __future__ import annotations\nx = 1", "x = 1"),
    "type checking": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a\nelse:\n    import b",
        "import b",
    ),
    "text of an exception": ("raise ValueError('old') from e", "raise ValueError(f'new {x}') from e"),
    "text of an assertion": ("assert x, 'old'", "assert x"),
    "parts of an f-string": ("x = f'a{b}c' 'd'", "x = f'a{b}' f'cd'"),
}
DIFFERENT = {
    "number": ("x = 1", "x = 2"),
    "type of a number": ("x = 1", "x = 1.0"),
    "sign": ("x = 1", "x = -1"),
    "operator": ("x = a + b", "x = a - b"),
    "order": ("f(a, b)", "f(b, a)"),
    "name": ("x = a.b", "x = a.c"),
    "default value": ("def f(a=1): return a", "def f(a=2): return a"),
    "default value of a field": ("class A:\n    x: int = 1", "class A:\n    x: int = 2"),
    "field of a dataclass": ("class A:\n    x: int = 1", "class A:\n    x = 1"),
    "decorator": ("@a\ndef f(): return 1", "@b\ndef f(): return 1"),
    "type of an exception": ("raise ValueError('a')", "raise KeyError('a')"),
    "asserted condition": ("assert x, 'a'", "assert y, 'a'"),
    "text": ("x = 'a'", "x = 'b'"),
    "text of an f-string": ("x = f'a{b}'", "x = f'c{b}'"),
    "value in an f-string": ("x = f'a{b}'", "x = f'a{c}'"),
    "format in an f-string": ("x = f'{a:.1f}'", "x = f'{a:.2f}'"),
    "imported name": ("from a import b", "from a import c"),
    "block": ("for a in b:\n    f()\n    g()", "for a in b:\n    f()\ng()"),
    "else of type checking": ("if TYPE_CHECKING:\n    pass\nelse:\n    x = 1", "if TYPE_CHECKING:\n    pass"),
    "call instead of a lambda": ("f = lambda: g()", "f = g()"),
    "none and missing": ("def f():\n    return None\n    x = 1", "def f():\n    x = 1"),
}


@pytest.mark.parametrize(("before", "after"), SAME.values(), ids=SAME)
def test_code_that_does_not_affect_results_keeps_the_meaning(before: str, after: str) -> None:
    assert meaning(before) == meaning(after)


@pytest.mark.parametrize(("before", "after"), DIFFERENT.values(), ids=DIFFERENT)
def test_code_that_affects_results_changes_the_meaning(before: str, after: str) -> None:
    assert meaning(before) != meaning(after)


def test_the_whole_package_without_its_texts_and_annotations_has_the_same_meaning() -> None:
    for path in sorted((SOURCE / "lineup").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        assert meaning(ast.unparse(ast.parse(source))) == meaning(source), path


# The module is loaded without the package, whose dependencies other interpreters may lack.
HASHES = """
import hashlib, importlib.util, pathlib, sys
spec = importlib.util.spec_from_file_location("meaning", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
for path in sorted(pathlib.Path(sys.argv[2]).rglob("*.py")):
    print(path.name, hashlib.sha256(module.meaning(path.read_text(encoding="utf-8")).encode()).hexdigest())
"""

# Versions of Python divide the texts of these differently, or print them differently.
DIFFICULT = r"""
value, width, spec = 3.14159, 10, ".2f"
texts = [f"{value=}", f"{value!r:>{width}}", f"a{value:{width}{spec}}b" "c" f"", f"{{}}{value}{{x}}", f"", f"{'a' 'b'}"]
more = ["\U0001fae0\u0378\ud800", b"\xff", 1e400, 1j, ..., f"{value:%Y-{width}-%d}", f"{f'{value}'}"]
def f(a, /, b, *, c=1, **d): return lambda x: (y := x)
match value:
    case {"a": 1, **rest}: pass
    case [1, *_] | None: g()
async def h():
    async with a as b: yield [x async for x in y if x]
try: f()
except* ValueError: pass
"""


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_every_python_gives_the_same_hash(version: str, tmp_path: Path) -> None:
    interpreter = _interpreter(version)
    if interpreter is None:
        pytest.skip(f"no Python {version} here")
    shutil.copytree(SOURCE / "lineup", tmp_path / "lineup", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "difficult.py").write_text(DIFFICULT, encoding="utf-8")
    done = subprocess.run(
        [interpreter, "-c", HASHES, str(SOURCE / "lineup" / "code" / "meaning.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    expected = [
        f"{path.name} {hashlib.sha256(meaning(path.read_text(encoding='utf-8')).encode()).hexdigest()}"
        for path in sorted(tmp_path.rglob("*.py"))
    ]
    assert done.stdout.splitlines() == expected


def _interpreter(version: str) -> str | None:
    """Return a Python of a version: this one, one on the PATH, or one that pyenv has installed."""
    if sys.version.startswith(f"{version}."):
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    installed = sorted(pyenv.glob(f"{version}.*/bin/python"))
    for candidate in [shutil.which(f"python{version}"), *map(str, installed)]:
        if candidate and _runs(candidate):
            return candidate
    return None


def _runs(interpreter: str) -> bool:
    """Return whether an interpreter runs: a shim of pyenv may exist and not run."""
    return subprocess.run([interpreter, "--version"], capture_output=True, check=False, timeout=30).returncode == 0
