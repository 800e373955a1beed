"""Links to files in DVC's cache are published as files, and all other links are rejected."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from lineup.errors import LineupError
from lineup.records.record import CONFUSION, MODEL, PREDICTIONS, read_record
from lineup.tracking.links import check_links, copy_files
from lineup.tracking.publish import publish, publish_folder
from lineup.tracking.store import open_store

from .published import IMAGES, Published, files_of, run_of, runs_of


def dvc(folder: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "--quiet", *arguments], cwd=folder, check=True)


@pytest.mark.slow
def test_links_into_the_dvc_cache_are_published_as_files(published: Published, root: Path, tmp_path: Path) -> None:
    """With a cache outside the project, which several checkouts share."""
    for name in ("one/seed_1", "two/seed_1"):
        shutil.copytree(published.root / "runs" / "models" / name, root / "runs" / "models" / name)
    shutil.copytree(published.root / "runs" / "pair", root / "runs" / "pair")
    (root / "pages").mkdir()
    (root / "pages" / "leaderboard.md").write_text("| name |")
    (root / ".dvc").mkdir()
    settings = f"[core]\n    analytics = false\n    no_scm = true\n[cache]\n    dir = {tmp_path / 'shared'}\n"
    (root / ".dvc" / "config").write_text(f"{settings}    type = symlink\n")
    folders = [root / "runs" / name for name in ("models/one/seed_1", "models/two/seed_1", "pair")]
    dvc(root, "add", *(str(folder / name) for folder in folders for name in (MODEL, PREDICTIONS)), str(root / "pages"))
    assert (folders[0] / PREDICTIONS).is_symlink()
    assert (folders[0] / MODEL / "network.keras").resolve().is_relative_to(tmp_path / "shared")

    records = [read_record(folder) for folder in folders]
    publish(root, records, log=lambda line: None)
    client, _ = open_store(root, "synthetic")
    run = run_of(root, records[2])
    answers = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model").predict(IMAGES)
    assert len(answers) == len(IMAGES)
    publish_folder(root, "synthetic", run.info.run_id, root / "pages")
    assert "evaluation/leaderboard.md" in files_of(client, run.info.run_id)
    assert not [path for path in (root / "mlartifacts").rglob("*") if path.is_symlink()]


def test_a_link_out_of_the_project_is_refused(published: Published, root: Path, tmp_path: Path) -> None:
    """A record may come from another machine."""
    record = read_record(Path(shutil.copytree(published.records["one"].folder, root / "one")))
    secret = tmp_path / "secret.csv"
    (record.folder / CONFUSION).rename(secret)
    (record.folder / CONFUSION).symlink_to(secret)
    with pytest.raises(LineupError, match=rf"{CONFUSION}: a link to {secret}, which is outside the project"):
        publish(root, [record], log=lambda line: None)
    assert runs_of(root, record) == []
    with pytest.raises(LineupError, match="outside the project"):
        publish_folder(root, "synthetic", "0" * 32, record.folder)


@pytest.mark.parametrize("target", ["..", "nowhere", "/dev/null"])
def test_a_link_that_is_not_to_a_file_is_named(tmp_path: Path, target: str) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "link").symlink_to(target)
    with pytest.raises(LineupError, match=r"model/link: a link to .*, which is not a file; restore it"):
        check_links(tmp_path, tmp_path / "model")


def test_links_inside_the_project_become_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "link").symlink_to("../file")
    copy = copy_files(tmp_path, tmp_path / "model", tmp_path / "copy")
    assert not (copy / "link").is_symlink()
    assert (copy / "link").read_text() == "content"
