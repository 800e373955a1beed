"""``lineup repro -j``: several stages at the same time give the result of a sequential ``dvc repro``."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from .conftest import Checkout, ran

pytestmark = pytest.mark.slow

# Outputs that say how long something took, and what is made from them.
TIMED = ("history.csv", "runtime.json", "runs/models", "runs/committees", "leaderboard", "runs.csv")


def lock(checkout: Checkout) -> dict[str, Any]:
    """Return ``dvc.lock`` without the hashes that differ from run to run."""
    stages = yaml.safe_load((checkout.demo / "dvc.lock").read_text())["stages"]
    for stage in stages.values():
        for item in [*stage.get("deps", []), *stage.get("outs", [])]:
            if any(item["path"].endswith(name) or f"/{name}" in item["path"] for name in TIMED):
                for key in ("md5", "size", "nfiles"):
                    item.pop(key, None)
    return dict(stages)


def test_side_by_side_gives_the_sequential_lock(copy: Checkout) -> None:
    before = lock(copy)
    (copy.demo / "dvc.lock").unlink()
    done = copy.run("lineup", "repro", "-j", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[train@shallow_nn] shallow_nn epoch 3/3" in done.stdout
    assert lock(copy) == before
    done = copy.run("dvc", "repro")
    assert ran(done.stdout) == ["publish"]


def test_a_failing_stage_stops_what_depends_on_it_alone(copy: Checkout) -> None:
    copy.change(shallow_nn={"validation": 0.02}, frozen_encoder={"learning_rate": 0.002})
    done = copy.run("lineup", "repro", "-j", "2")
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    left = "select, committee@pair, evaluate, reproduce, champion, publish"
    assert error.startswith(f"error: failed: train@shallow_nn; not run: {left}")
    assert "validation: 0.02 of 400 images leaves 8 for validation" in done.stdout
    assert (copy.demo / "runs" / "models" / "frozen_encoder" / "record.json").is_file()
    assert not (copy.demo / "runs" / "models" / "shallow_nn" / "record.json").exists()
