"""`make test` distributes whole files, so that a fixture of a module is set up once."""

from __future__ import annotations

import pytest


def test_a_process_runs_whole_files(request: pytest.FixtureRequest, worker_id: str) -> None:
    if worker_id == "master":
        pytest.skip("needs several test processes")
    group = request.node.nodeid.rpartition("@")[2]
    assert group == f"{request.node.path} quick"
