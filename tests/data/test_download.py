"""Download from real servers on this machine, including servers with errors."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineup.data.datasets import DATASETS, FILE_NAMES, DatasetSpec, RemoteFile
from lineup.data.download import download
from lineup.data.idx import idx_bytes, read_idx, write_idx
from lineup.data.local import LocalFolder, local_folder
from lineup.errors import LineupError

FIRST = FILE_NAMES[0]
# Longer than what one read takes, and different in every place.
ARRAYS = {
    name: np.random.default_rng(rank).integers(0, 256, 192_000 + 320 * rank, np.uint8)
    for rank, name in enumerate(FILE_NAMES)
}
PLAIN = {name: idx_bytes(array) for name, array in ARRAYS.items()}
# As the publisher does it, with a name and a time in the header.
CONTENTS = {name: gzip.compress(data, mtime=1_504_176_627) for name, data in PLAIN.items()}


def _remote(name: str) -> RemoteFile:
    published, content = (hashlib.sha256(of[name]).hexdigest() for of in (CONTENTS, PLAIN))
    return RemoteFile(name, len(CONTENTS[name]), published, ARRAYS[name].shape, content)


SPEC = DatasetSpec(
    name="tiny",
    title="Tiny set",
    classes=("a", "b"),
    files=tuple(map(_remote, FILE_NAMES)),
    hosts=(),
    generated=False,
)


@dataclass
class Host:
    """A file server that can behave in different ways."""

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


def _download(target: Path, *hosts: Host | str, folder: Path | None = None, name: str = "tiny") -> str:
    urls = [host if isinstance(host, str) else host.url for host in hosts]
    local = LocalFolder(folder, "a test") if folder else None
    return download(name, target, folder=local, train_images=40, test_images=20, seed=3, hosts=urls)


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


def test_download_verifies_and_describes_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Host()) as host:
        assert _download(tmp_path, host) == "Tiny set: 4 files downloaded, verified"
        assert _download(tmp_path, host) == f"Tiny set: 4 files already in {tmp_path}, verified"
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


def test_only_missing_and_wrong_files_are_downloaded(tmp_path: Path) -> None:
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
        assert f"{FIRST}: all downloads failed" in message
        assert "disconnected after" in message
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


def test_a_connection_that_ends_early_is_detected_without_a_length(tmp_path: Path) -> None:
    with serving(Host(dies_after=100_000, lengths=False)) as host:
        assert f"disconnected after 100,000 of {len(CONTENTS[FIRST]):,} bytes" in _failure(tmp_path, host)
    assert (tmp_path / f".{FIRST}.partial").read_bytes() == CONTENTS[FIRST][:100_000]


@pytest.mark.parametrize("lengths", [True, False])
def test_a_wrong_checksum_is_named_and_the_file_is_removed(tmp_path: Path, lengths: bool) -> None:
    wrong = bytes(len(CONTENTS[FIRST]))
    with serving(Host(contents={**CONTENTS, FIRST: wrong}, lengths=lengths)) as host:
        message = _failure(tmp_path, host)
        assert host.asked == [(FIRST, None)]
    assert FIRST in message
    assert f"{host.url}: wrong SHA-256: expected {SPEC.files[0].sha256}" in message
    assert f"found {hashlib.sha256(wrong).hexdigest()}" in message
    assert "make demo" in message
    assert list(tmp_path.iterdir()) == []


def test_the_next_host_is_used_after_a_wrong_checksum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Host(contents={**CONTENTS, FIRST: bytes(len(CONTENTS[FIRST]))})) as bad, serving(Host()) as good:
        _download(tmp_path, bad, good)
        assert len(bad.asked) == 1
    _assert_complete(tmp_path)
    assert f"from {good.url}, SHA-256 verified; {bad.url}: wrong SHA-256" in capsys.readouterr().err


def test_at_most_the_size_of_the_file_is_read(tmp_path: Path) -> None:
    endless = Host(contents={**CONTENTS, FIRST: bytes(50_000_000)}, lengths=False)
    with serving(endless):
        assert "wrong SHA-256" in _failure(tmp_path, endless)
    assert list(tmp_path.iterdir()) == []


def test_a_web_page_instead_of_the_file_is_not_read(tmp_path: Path) -> None:
    with serving(Host(contents={FIRST: b"<html>log in first</html>"})) as portal:
        assert f"expected {len(CONTENTS[FIRST]):,} bytes, found 25" in _failure(tmp_path, portal)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_and_a_dead_host_are_both_named(tmp_path: Path) -> None:
    dead = _dead_address()
    with serving(Host(contents={})) as host:
        message = _failure(tmp_path, dead, host)
    assert f"{dead}: ConnectionError; {host.url}: HTTP status 404" in message


def test_an_unreachable_network_is_one_error_with_three_suggestions(tmp_path: Path) -> None:
    message = _failure(tmp_path, _dead_address(), _dead_address())
    assert "Tiny set: no host can be reached" in message
    for way in ("try again with a network", "data.folder", "params.yaml", "FASHION_MNIST_DIR", "make demo"):
        assert way in message
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_hangs_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_any_partial_file_is_completed(tmp_path: Path, left: bytes, asked: list[str | None]) -> None:
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


def test_files_are_copied_from_a_folder_without_a_host(tmp_path: Path) -> None:
    source, target = _source(tmp_path / "source"), tmp_path / "raw"
    assert _download(target, _dead_address(), folder=source) == f"Tiny set: 4 files from {source} (a test), verified"
    _assert_complete(target)
    (target / FIRST).unlink()
    done = f"Tiny set: 1 of 4 files from {source} (a test), the others already in {target}, verified"
    assert _download(target, folder=source) == done


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train-images-idx3-ubyte", PLAIN[FIRST]),
        ("train-images.idx3-ubyte", PLAIN[FIRST]),
        (FIRST, gzip.compress(PLAIN[FIRST], 1)),
        (FIRST, PLAIN[FIRST]),
        ("train-images.idx3-ubyte.gz", CONTENTS[FIRST]),
    ],
    ids=["plain", "plain with a dot", "compressed again", "plain but called gz", "published with a dot"],
)
def test_a_file_is_identified_by_its_content(tmp_path: Path, name: str, content: bytes) -> None:
    source, target = _source(tmp_path / "source"), tmp_path / "raw"
    (source / FIRST).unlink()
    (source / name).write_bytes(content)
    _download(target, folder=source)
    np.testing.assert_array_equal(read_idx(target / FIRST), ARRAYS[FIRST])
    write_idx(tmp_path / "again.gz", ARRAYS[FIRST])
    assert (target / FIRST).read_bytes() in (CONTENTS[FIRST], (tmp_path / "again.gz").read_bytes())
    assert (target / FIRST).read_bytes() == CONTENTS[FIRST] or content != CONTENTS[FIRST]
    # The next call, with hosts and without the folder, accepts it too.
    assert _download(target, _dead_address()) == f"Tiny set: 4 files already in {target}, verified"


def test_a_damaged_file_does_not_hide_a_valid_one(tmp_path: Path) -> None:
    source = _source(tmp_path / "source")
    (source / FIRST).write_bytes(CONTENTS[FIRST][:1000])
    (source / FIRST.removesuffix(".gz")).write_bytes(PLAIN[FIRST])
    _download(tmp_path / "raw", folder=source)
    np.testing.assert_array_equal(read_idx(tmp_path / "raw" / FIRST), ARRAYS[FIRST])


def _other_content() -> bytes:
    return idx_bytes(ARRAYS[FIRST][::-1].copy())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"wrong", "expected an IDX file"),
        (CONTENTS[FIRST][:1000], "cannot be read: Compressed file ended"),
        (CONTENTS[FILE_NAMES[1]], "expected 192,000 bytes of data, found 192,320"),
        (_other_content(), "unexpected content: the SHA-256 of its 192,000 bytes of data is "),
        (gzip.compress(bytes([0, 0, 8, 3, 255, 255, 255, 255] * 2)), "its header gives 4294967295 x "),
    ],
    ids=["no IDX", "cut", "of another file", "other values", "bomb"],
)
def test_a_folder_with_a_wrong_file_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    source = _source(tmp_path / "source")
    (source / FIRST).write_bytes(content)
    found = _failure(tmp_path / "raw", folder=source)
    assert found.startswith(f"{source / FIRST}: {message}")
    assert found.endswith("; expected Tiny set in the folder set by a test")
    assert list((tmp_path / "raw").iterdir()) == []


def test_a_missing_file_in_the_folder_is_an_error(tmp_path: Path) -> None:
    assert f"{tmp_path / 'none'}: no such folder" in _failure(tmp_path / "raw", folder=tmp_path / "none")
    source = _source(tmp_path / "source")
    (source / FIRST).unlink()
    os.mkfifo(source / FIRST)
    message = _failure(tmp_path / "raw", folder=source)
    assert message.startswith(f"{source / FIRST}: no such file; also looked for train-images-idx3-ubyte, train-")
    assert list((tmp_path / "raw").iterdir()) == []


def test_the_parameter_has_precedence_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    both = LocalFolder(Path("parameter"), "data.folder in params.yaml, which has precedence over FASHION_MNIST_DIR")
    monkeypatch.setenv("FASHION_MNIST_DIR", "environment")
    assert local_folder("parameter") == both
    assert local_folder(None) == local_folder("") == LocalFolder(Path("environment"), "FASHION_MNIST_DIR")
    monkeypatch.delenv("FASHION_MNIST_DIR")
    assert local_folder("~/images") == LocalFolder(Path.home() / "images", "data.folder in params.yaml")
    assert local_folder(None) is None


def test_generated_data_is_reproducible_and_marked_as_generated(tmp_path: Path) -> None:
    _leave_partial(tmp_path / "a", b"of a transfer that was given up")
    for target in (tmp_path / "a", tmp_path / "b"):
        done = _download(target, _dead_address(), name="synthetic")
        assert done == "Synthetic garments: 40 training and 20 test images generated"
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


def test_a_target_that_cannot_be_written_raises_a_one_line_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "file" in _failure(tmp_path / "file" / "raw", _dead_address())


def test_an_unknown_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(LineupError, match="unknown dataset 'other'"):
        _download(tmp_path, name="other")
