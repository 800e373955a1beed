"""A clone without records shows the committed results, and states which commands need the full records."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from lineup.cli import plots
from lineup.cli.committees import committee
from lineup.cli.compare import compare
from lineup.cli.exchange import export, list_
from lineup.cli.pages import compact, evaluate, explain, report
from lineup.cli.predict import predict
from lineup.errors import LineupError
from lineup.execution.init import create_project
from lineup.paths import Project
from tests.make_records import member_of
from tests.runs import make_run, make_seeds

PARAMS = """
data: {name: synthetic, train_images: 3000, test_images: 900, seed: 1}
split: {seed: 2025}
training: {threads: 1}
models:
  shallow_nn: {family: dense, architecture: shallow_nn, epochs: 2, batch_size: 32, learning_rate: 0.001,
    validation: 0.2, seeds: 2}
  random_forest: {family: classical, architecture: random_forest, validation: 0.2}
committees:
  vote: {members: [shallow_nn, random_forest], rule: average}
champion: {metric: loss, among: all}
"""


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True, timeout=60
    ).stdout


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with full records, whose small files are committed."""
    project = create_project(tmp_path_factory.mktemp("projects") / "original")
    (project.root / "params.yaml").write_text(PARAMS)
    members = [
        make_seeds(project.models, "shallow_nn", [780, 790])[0],
        make_run(project.models, "random_forest", 700, kind="classical", weights=None),
    ]
    make_run(
        project.committees,
        "vote",
        800,
        kind="committee",
        family="committee",
        architecture="average",
        weights=None,
        members=[member_of(member) for member in members],
        parameters={"rule": "average"},
    )
    with chdir(project.root):
        compact()
    git(project.root, "init", "--quiet")
    git(project.root, "add", ".")
    git(project.root, "commit", "--quiet", "--message", "Add results")
    return project


@pytest.fixture
def clone(original: Project, tmp_path: Path) -> Iterator[Path]:
    """The current directory is a clone of the project."""
    git(tmp_path, "clone", "--quiet", str(original.root), "clone")
    with chdir(tmp_path / "clone"):
        yield tmp_path / "clone"


def test_git_contains_the_small_files_only(clone: Path) -> None:
    assert [path.name for path in Path("runs").iterdir()] == ["compact"]
    tracked = git(clone, "ls-files", "runs").splitlines()
    assert len(tracked) == 4 * 6  # four runs
    assert {path.split("/")[2] for path in tracked} == {"shallow_nn", "random_forest", "vote"}


def test_the_pages_are_those_of_the_full_records(
    original: Project, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with chdir(original.root):
        evaluate(clone / "full")
    assert "compact" not in capsys.readouterr().out
    evaluate(clone / "pages")
    said = capsys.readouterr().out
    assert "4 runs from compact records, without what git does not contain: models" in said
    assert said.count("compact records") == 1
    assert "dvc pull" not in said  # there is no remote
    full, pages = ({path.name: path.read_bytes() for path in (clone / name).iterdir()} for name in ("full", "pages"))
    assert full.keys() - pages.keys() == {"reliability.png"}
    different = {name for name in pages if name.endswith((".csv", ".md")) and pages[name] != full[name]}
    assert different == {"evidence.md"}
    page = pages["evidence.md"].decode()
    assert "The figure of the calibration of `vote` is left out" in page
    assert set(full["evidence.md"].decode().splitlines()) - set(page.splitlines()) == {
        "This figure shows the calibration of `vote`. Points below the diagonal indicate overconfidence.",
        "![vote: accuracy by confidence](reliability.png)",
    }
    report(clone / "report.html")
    assert "shallow_nn" in (clone / "report.html").read_text()


def test_two_models_are_compared_and_listed(original: Project, clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare(["shallow_nn", "vote"])
    list_()
    shown = capsys.readouterr().out
    with chdir(original.root):
        compare(["shallow_nn", "vote"])
        list_()
    assert capsys.readouterr().out == shown


def test_a_remote_is_named_where_there_is_one(clone: Path) -> None:
    with (clone / ".dvc" / "config").open("a") as file:
        file.write("    remote = shared\n['remote \"shared\"']\n    url = /srv/lineup\n")
    with pytest.raises(LineupError, match=r"fetch the full records \(dvc pull\), or train again \(lineup repro\)$"):
        plots.roc(["shallow_nn", "random_forest"])


def test_what_needs_the_full_records_or_the_images_says_so_in_one_line(clone: Path) -> None:
    needs_all: list[Callable[[], object]] = [
        lambda: committee("vote"),
        lambda: plots.roc(["shallow_nn", "random_forest"]),
        lambda: plots.gradcam("shallow_nn"),
        lambda: predict([clone / "boot.png"], model="vote"),
        lambda: export(["shallow_nn"], to=clone / "records.zip"),
        explain,
    ]
    for command in needs_all:
        with pytest.raises(LineupError, match=r"^\w+_seed1: this needs the full record, .* \(lineup repro\)$"):
            command()
    with pytest.raises(LineupError, match="no record yet for shallow_nn, random_forest, vote; run dvc repro"):
        compact()
    with pytest.raises(LineupError, match=r"dataset\.npz: no images yet; run dvc repro split$"):
        plots.errors("shallow_nn")
    assert git(clone, "status", "--short") == ""
