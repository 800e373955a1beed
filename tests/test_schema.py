"""Reading any YAML file gives a value or a one-line error, quickly and with little memory."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lineup.errors import LineupError
from lineup.schema import YAML_BYTES, checked, read_json, read_yaml

ROOT = Path(__file__).parents[1]
FILES = ["params.yaml", "src/lineup/template/params.yaml", "dvc.yaml", "src/lineup/published/claims.yaml"]
NINE = "[" + ", ".join(["{0}"] * 9) + "]"
BOMB = "\n".join(["a0: &a0 lol", *(f"a{n}: &a{n} {NINE.format(f'*a{n - 1}')}" for n in range(1, 10))])
MERGES = "\n".join(["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{<<: {NINE.format(f'*a{n - 1}')}}}" for n in range(1, 10))])
DEEP = "\n".join(["a0: &a0 x", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100))])


def read(folder: Path, content: str | bytes) -> object:
    path = folder / "values.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(path)


@pytest.mark.parametrize("name", FILES)
def test_the_files_of_the_repository_give_the_values_of_pyyaml(name: str) -> None:
    assert read_yaml(ROOT / name) == yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (BOMB, "line 8, column 15: more than 4,194,304 characters with its aliases expanded"),
        (MERGES, "more than 4,194,304 characters with its aliases expanded"),
        (f"a: &a {'x' * 9000}\nb: [{'*a, ' * 1000}]", "more than 4,194,304 characters with its aliases expanded"),
        (DEEP, "line 32, column 12: more than 32 levels of lists and sections"),
        ("[" * 100_000, "line 1, column 32: more than 32 levels"),
        ("- " * 100_000, "more than 32 levels"),
        ("a: &a [*a]", "line 1, column 8: alias 'a' inside its own anchor"),
        ("a: [*b]", "line 1, column 5: found undefined alias"),
        ("a: 1\nb:\n  c: 1\n  c: 2", "line 4, column 3: duplicate key 'c'"),
        ("a: !!python/object/apply:os.getcwd []", "line 1, column 4: tag tag:yaml.org,2002:python/object/apply:os"),
        ("a: !!int x", "line 1, column 4: tag"),
        ("x" * 10_001, "line 1, column 1: a key or value of more than 10,000 characters"),
        ("x: " + "9" * 5000, "Exceeds the limit"),
        ("1" + ":1" * 300 + ":1.5", "too large to convert to float"),
        ("2025-13-45", "month must be in 1..12"),
        ("a: b: c", "line 1, column 5: mapping values are not allowed"),
        ("models: [", "line 2, column 1: "),
        ("a: 1\n---\nb: 2", "line 2, column 1: expected a single document"),
        (b"\x00", "unacceptable character"),
        (b"\xff\xfe", "not a UTF-8 text: byte 0 is 0xff"),
        (b" " * (YAML_BYTES + 1), "expected at most 1,048,576 bytes, found more"),
    ],
    ids=lambda value: str(value[:30]),
)
def test_unreadable_yaml_raises_an_error_with_its_position_quickly(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    begin = time.process_time()
    with pytest.raises(LineupError) as caught:
        read(tmp_path, content)
    assert time.process_time() - begin < 1
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'values.yaml'}: ")
    assert said in message
    assert "\n" not in message
    assert len(message) < 600


def test_aliases_and_merge_keys_are_expanded(tmp_path: Path) -> None:
    content = "a: &a {x: 1, y: [1, 2]}\nb: {<<: *a, x: 2}\nc: [*a, *a]\n"
    first = {"x": 1, "y": [1, 2]}
    assert read(tmp_path, content) == {"a": first, "b": {"x": 2, "y": [1, 2]}, "c": [first, first]}


FRAGMENTS = ["a", "b: ", "- ", "\n", "  ", "[", "]", "{", "}", ", ", "&a ", "*a", "<<: ", "? ", "|\n", "'", '"', "#"]
FRAGMENTS += ["!!int ", "!", "---\n", "1:1", "0x", "0b_", ".inf", "1e400", "2001-01-01 00:00:00 +99:99", "=", "~", "\\"]


@given(st.text() | st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join) | st.binary())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_a_value_or_a_one_line_error(tmp_path: Path, content: str | bytes) -> None:
    message = ""
    try:
        read(tmp_path, content if isinstance(content, bytes) else content.encode(errors="surrogatepass"))
    except LineupError as error:
        message = str(error)
    assert "\n" not in message
    assert len(message) < 600


def test_half_of_a_character_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    path.write_text('{"name": "\\ud83d\\ude00"}')
    assert read_json(path) == {"name": "\N{GRINNING FACE}"}
    path.write_text('{"name": "\\ud83d"}')
    with pytest.raises(LineupError, match=r"values\.json: not JSON: .*surrogates not allowed"):
        read_json(path)


def test_wrong_values_by_the_million_take_little_memory(tmp_path: Path) -> None:
    """The errors of these values would need gigabytes."""
    path = tmp_path / "values.json"
    few = checked([{"a": 1}, {"a": 2}], list[dict[str, int]], path)
    assert few == [{"a": 1}, {"a": 2}]
    for values, kind, said in (
        ({"a": [{}] * 100_001}, dict[str, list[int]], "expected at most 100,000 values, found more"),
        ({"a": [{}] * 20_000}, dict[str, list[int]], "more than 10,000 values are wrong"),
        ([{"a": "x"}] * 200_000, list[dict[str, int]], "0.a: Input should be a valid integer"),
    ):
        tracemalloc.start()
        with pytest.raises(LineupError, match=said):
            checked(values, kind, path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 20_000_000
