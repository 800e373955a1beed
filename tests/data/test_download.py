"""Fetching from real servers on this machine that behave, and that misbehave in each way that a server can."""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lineup.data.datasets import DATASETS, FILE_NAMES, DatasetSpec, RemoteFile
from lineup.data.download import download, local_folder
from lineup.data.idx import read_idx
from lineup.errors import LineupError

FIRST = FILE_NAMES[0]
# Longer than what one read takes, and different in every place.
CONTENTS = {
    name: b"".join(hashlib.sha256(f"{name}{i}".encode()).digest() for i in range(6000 + 10 * rank))
    for rank, name in enumerate(FILE_NAMES)
}
SPEC = DatasetSpec(
    name="tiny",
    title="Tiny set",
    classes=("a", "b"),
    files=tuple(RemoteFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in CONTENTS.items()),
    hosts=(),
    generated=False,
)


@dataclass
class Host:
    """A file server and its manners."""

    contents: dict[str, bytes] = field(default_factory=lambda: dict(CONTENTS))
    ranges: bool = True
    lengths: bool = True
    dies_after: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    sent: int = 0
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        host: Host = self.server.host  # type: ignore[attr-defined]
        name, wanted = self.path.rsplit("/", 1)[-1], self.headers.get("Range")
        host.asked.append((name, wanted))
        if name not in host.contents:
            return self.send_error(404)
        data, start = host.contents[name], 0
        if wanted and host.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        for key, value in host.headers.items():
            self.send_header(key, value)
        if host.lengths:
            self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:] if host.dies_after is None else data[start : start + host.dies_after]
        host.sent += len(body)
        self.wfile.write(body)
        return None

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def serving(host: Host) -> Iterator[Host]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.host = host  # type: ignore[attr-defined]
    host.url = f"http://127.0.0.1:{server.server_port}/data/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "tiny", SPEC)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def _download(target: Path, *hosts: Host | str, folder: Path | None = None, name: str = "tiny") -> None:
    urls = [host if isinstance(host, str) else host.url for host in hosts]
    download(name, target, folder=folder, train_images=40, test_images=20, seed=3, hosts=urls)


def _failure(target: Path, *hosts: Host | str, folder: Path | None = None) -> str:
    with pytest.raises(LineupError) as caught:
        _download(target, *hosts, folder=folder)
    assert "\n" not in str(caught.value)
    assert not (target / "dataset.json").exists()
    return str(caught.value)


def _assert_complete(target: Path) -> None:
    assert sorted(path.name for path in target.iterdir()) == sorted([*FILE_NAMES, "dataset.json"])
    assert {name: (target / name).read_bytes() for name in FILE_NAMES} == CONTENTS


def _leave_partial(target: Path, data: bytes) -> Path:
    target.mkdir(exist_ok=True)
    partial = target / f".{FIRST}.partial"
    partial.write_bytes(data)
    return partial


def _dead_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


def _source(folder: Path) -> Path:
    folder.mkdir()
    for name, data in CONTENTS.items():
        (folder / name).write_bytes(data)
    return folder


def test_fetches_verifies_and_describes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Host()) as host:
        _download(tmp_path, host)
    _assert_complete(tmp_path)
    text = (tmp_path / "dataset.json").read_text()
    description = json.loads(text)
    assert list(description) == ["name", "title", "classes", "generated", "files"]
    assert description["files"] == {file.name: file.sha256 for file in SPEC.files}
    assert description["generated"] is False
    assert text.endswith("}\n")
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(":")[0] for line in err.splitlines()] == list(FILE_NAMES)


def test_what_is_there_is_not_fetched_again_and_what_is_wrong_is(tmp_path: Path) -> None:
    with serving(Host()) as host:
        _download(tmp_path, host)
        before = (tmp_path / "dataset.json").read_bytes()
        (tmp_path / FIRST).write_bytes(bytes(len(CONTENTS[FIRST])))
        host.asked.clear()
        _download(tmp_path, host)
        assert host.asked == [(FIRST, None)]
    _assert_complete(tmp_path)
    assert (tmp_path / "dataset.json").read_bytes() == before


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_transfer_is_continued_by_the_next_run(tmp_path: Path, ranges: bool) -> None:
    with serving(Host(dies_after=100_000)) as host:
        message = _failure(tmp_path, host)
        assert f"{FIRST}: no host delivered it" in message
        assert "broke off after" in message
        kept = (tmp_path / f".{FIRST}.partial").stat().st_size
        assert 0 < kept <= 100_000
        host.dies_after, host.ranges, host.sent = None, ranges, 0
        host.asked.clear()
        _download(tmp_path, host)
        assert host.asked[0] == (FIRST, f"bytes={kept}-")
        assert host.sent == sum(map(len, CONTENTS.values())) - (kept if ranges else 0)
    _assert_complete(tmp_path)


def test_a_broken_transfer_is_continued_by_the_next_host(tmp_path: Path) -> None:
    with serving(Host(dies_after=100_000)) as first, serving(Host()) as second:
        _download(tmp_path, first, second)
        assert len(first.asked) == 1
        assert second.asked[0][1] is not None
        assert second.asked[1:] == [(name, None) for name in FILE_NAMES[1:]]
    _assert_complete(tmp_path)


def test_a_connection_that_ends_early_without_a_length_is_noticed(tmp_path: Path) -> None:
    with serving(Host(dies_after=100_000, lengths=False)) as host:
        assert f"broke off after 100,000 of {len(CONTENTS[FIRST]):,} bytes" in _failure(tmp_path, host)
    assert (tmp_path / f".{FIRST}.partial").read_bytes() == CONTENTS[FIRST][:100_000]


@pytest.mark.parametrize("lengths", [True, False])
def test_a_wrong_checksum_is_named_and_leaves_nothing_behind(tmp_path: Path, lengths: bool) -> None:
    wrong = bytes(len(CONTENTS[FIRST]))
    with serving(Host(contents={**CONTENTS, FIRST: wrong}, lengths=lengths)) as host:
        message = _failure(tmp_path, host)
        assert host.asked == [(FIRST, None)]
    assert FIRST in message
    assert f"{host.url}: wrong SHA-256: expected {SPEC.files[0].sha256}" in message
    assert f"found {hashlib.sha256(wrong).hexdigest()}" in message
    assert "make demo" in message
    assert list(tmp_path.iterdir()) == []


def test_after_a_wrong_checksum_the_next_host_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Host(contents={**CONTENTS, FIRST: bytes(len(CONTENTS[FIRST]))})) as bad, serving(Host()) as good:
        _download(tmp_path, bad, good)
        assert len(bad.asked) == 1
    _assert_complete(tmp_path)
    assert f"from {good.url}, SHA-256 verified; {bad.url}: wrong SHA-256" in capsys.readouterr().err


def test_no_more_is_read_than_the_file_is_long(tmp_path: Path) -> None:
    endless = Host(contents={**CONTENTS, FIRST: bytes(50_000_000)}, lengths=False)
    with serving(endless):
        assert "wrong SHA-256" in _failure(tmp_path, endless)
    assert list(tmp_path.iterdir()) == []


def test_a_page_instead_of_the_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with serving(Host(contents={FIRST: b"<html>log in first</html>"})) as portal:
        assert f"expected {len(CONTENTS[FIRST]):,} bytes, found 25" in _failure(tmp_path, portal)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_and_a_dead_host_are_both_named(tmp_path: Path) -> None:
    dead = _dead_address()
    with serving(Host(contents={})) as host:
        message = _failure(tmp_path, dead, host)
    assert f"{dead}: ConnectionError; {host.url}: HTTP status 404" in message


def test_no_host_at_all_is_one_error_with_three_ways_on(tmp_path: Path) -> None:
    message = _failure(tmp_path, _dead_address(), _dead_address())
    assert "Tiny set: no host can be reached" in message
    for way in ("try again with a network", "data.folder", "params.yaml", "FASHION_MNIST_DIR", "make demo"):
        assert way in message
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lineup.data.download._READ_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        message = _failure(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}/")
    assert "ReadTimeout" in message


@pytest.mark.parametrize(
    ("left", "asked"),
    [
        (CONTENTS[FIRST][:70_000], ["bytes=70000-"]),
        (CONTENTS[FIRST], []),
        (CONTENTS[FIRST] + b"more", [None]),
        (b"of another file", ["bytes=15-", None]),
        (bytes(len(CONTENTS[FIRST])), [None]),
    ],
    ids=["a part", "all", "too long", "a wrong part", "wrong as a whole"],
)
def test_any_partial_file_ends_in_the_right_one(tmp_path: Path, left: bytes, asked: list[str | None]) -> None:
    _leave_partial(tmp_path, left)
    with serving(Host()) as host:
        _download(tmp_path, host)
        assert [wanted for name, wanted in host.asked if name == FIRST] == asked
    _assert_complete(tmp_path)


def test_a_refused_range_starts_again_from_the_beginning(tmp_path: Path) -> None:
    _leave_partial(tmp_path, CONTENTS[FIRST][:1000])
    with serving(Host(contents={**CONTENTS, FIRST: CONTENTS[FIRST][:500]})) as short:
        message = _failure(tmp_path, short)
        assert short.asked == [(FIRST, "bytes=1000-"), (FIRST, None)]
        assert f"expected {len(CONTENTS[FIRST]):,} bytes, found 500" in message


def test_a_declared_compression_does_not_change_the_file(tmp_path: Path) -> None:
    with serving(Host(headers={"Content-Encoding": "gzip"})) as host:
        _download(tmp_path, host)
    _assert_complete(tmp_path)


def test_a_folder_is_copied_and_no_host_is_asked(tmp_path: Path) -> None:
    source = _source(tmp_path / "source")
    _download(tmp_path / "raw", _dead_address(), folder=source)
    _assert_complete(tmp_path / "raw")


def test_a_folder_that_lacks_a_file_or_has_a_wrong_one_is_an_error(tmp_path: Path) -> None:
    target = tmp_path / "raw"
    assert f"{tmp_path / 'none'}: no such folder" in _failure(target, folder=tmp_path / "none")
    source = _source(tmp_path / "source")
    (source / FIRST).write_bytes(b"wrong")
    message = _failure(target, folder=source)
    assert f"{source / FIRST}: wrong SHA-256: expected {SPEC.files[0].sha256}" in message
    assert hashlib.sha256(b"wrong").hexdigest() in message
    (source / FIRST).unlink()
    message = _failure(target, folder=source)
    assert f"{source / FIRST}: no such file" in message
    assert all(name in message for name in FILE_NAMES)
    assert list(target.iterdir()) == []


def test_the_parameter_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASHION_MNIST_DIR", "environment")
    assert local_folder("parameter") == Path("parameter")
    assert local_folder(None) == local_folder("") == Path("environment")
    assert local_folder("~/images") == Path.home() / "images"
    monkeypatch.delenv("FASHION_MNIST_DIR")
    assert local_folder(None) is None


def test_generated_data_is_drawn_twice_alike_and_says_that_it_is(tmp_path: Path) -> None:
    _leave_partial(tmp_path / "a", b"of a transfer that was given up")
    for target in (tmp_path / "a", tmp_path / "b"):
        _download(target, _dead_address(), name="synthetic")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == sorted([*FILE_NAMES, "dataset.json"])
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)
    description = json.loads((tmp_path / "a" / "dataset.json").read_text())
    assert description["generated"] is True
    assert {key: description[key] for key in ("seed", "train_images", "test_images")} == {
        "seed": 3,
        "train_images": 40,
        "test_images": 20,
    }
    assert read_idx(tmp_path / "a" / FIRST).shape == (40, 28, 28)
    assert gzip.decompress((tmp_path / "a" / FIRST).read_bytes())[:4] == b"\0\0\x08\x03"


def test_a_target_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "file" in _failure(tmp_path / "file" / "raw", _dead_address())


def test_an_unknown_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(LineupError, match="no dataset 'other'"):
        _download(tmp_path, name="other")
