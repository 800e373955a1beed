"""The stage number and the estimated remaining time."""

from __future__ import annotations

from lineup.execution.progress import Progress


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_estimate_uses_the_stages_of_the_same_kind() -> None:
    clock = Clock()
    progress = Progress(["code", "train@a", "train@b", "report"], 1, clock=clock)
    assert progress.start("code") == "stage 1 of 4"  # nothing is known yet
    clock.now = 2
    progress.end("code")
    assert progress.start("train@a") == "stage 2 of 4"  # no training has ended yet
    clock.now = 302
    progress.end("train@a")
    # 300 s for train@b, and 2 s, as for code, for report.
    assert progress.seconds_left() == 302
    assert progress.start("train@b") == "stage 3 of 4, about 5 min left"
    clock.now = 552
    assert progress.seconds_left() == 52
    clock.now = 902
    assert progress.seconds_left() == 2  # late: the estimate of a running stage is not negative


def test_durations_of_the_last_run_are_used_and_jobs_share_the_time() -> None:
    progress = Progress(["train@a", "train@b", "train@c"], 2, {"train@a": 100, "train@b": 100, "train@c": 100}, Clock())
    assert progress.seconds_left() == 150
    progress.start("train@a")
    progress.end("train@a")
    assert progress.seconds_left() == 100  # a stage cannot be shared


def test_nothing_is_left_at_the_end() -> None:
    progress = Progress(["code"], 1, clock=Clock())
    progress.start("code")
    progress.end("code")
    assert progress.seconds_left() == 0
