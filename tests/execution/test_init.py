"""``lineup init`` creates a complete project or nothing, inside and outside of git, and from a wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from lineup.errors import LineupError
from lineup.execution.init import FILES, create_project, project_files
from lineup.models.registry import architecture, list_architectures
from lineup.params import load_params
from lineup.paths import Project
from lineup.tracking.address import sqlite_uri
from tests.small_disk import small_disk

ROOT = Path(__file__).parents[2]
FIRST_IMPORT = "from lineup.models.layers"


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A new project; the test runs in it."""
    made = create_project(tmp_path / "shoes")
    monkeypatch.chdir(made.root)
    return made


def test_the_stages_are_those_of_this_repository_without_reproduce() -> None:
    own = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    shortened = re.sub(r"\n  reproduce:\n.*?\n\n", "\n", own, flags=re.DOTALL)
    assert shortened != own
    assert project_files(in_git=False)["dvc.yaml"].decode() == shortened


def test_the_plots_are_those_of_this_repository() -> None:
    name = ".dvc/plots/confusion_counts.json"
    assert project_files(in_git=False)[name] == (ROOT / name).read_bytes()


def test_git_ignores_what_this_repository_ignores() -> None:
    own = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    files = project_files(in_git=True)
    ours_alone = {"*.egg-info/", ".venv/", ".mypy_cache/", ".pytest_cache/", ".ruff_cache/", ".hypothesis/", "/.demo/"}
    ours_alone |= {"/benchmarks/results/.*", "/gpu-results/"}
    assert files[".gitignore"].decode().splitlines() == [line for line in own if line not in ours_alone]


def test_a_new_project_has_every_file_and_valid_parameters(project: Project) -> None:
    found = {path.relative_to(project.root).as_posix() for path in project.root.rglob("*") if path.is_file()}
    assert found == set(FILES)
    params = load_params(project.params)
    written = yaml.safe_load(project.params.read_text())
    assert set(params.models) == set(written["models"])
    assert params.models["small_cnn"].family == "project"
    assert max(len(recipe.seeds) for recipe in params.models.values()) > 1
    assert not list(project.root.parent.glob(".lineup-init-*"))


@pytest.mark.parametrize("name", ["params.yaml", ".dvc", ".gitignore"])
def test_existing_files_are_named_and_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(LineupError, match=f"{re.escape(name)} would be replaced; name a new or empty folder"):
        create_project(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"
    with pytest.raises(LineupError, match=f"{re.escape(name)}: not a folder"):
        create_project(tmp_path / name / "below")


def test_other_files_of_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    create_project(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4k") as disk:
        for folder in (disk, disk / "a" / "b"):
            with pytest.raises(OSError, match="No space left"):
                create_project(folder)
            assert not list(disk.iterdir())


def test_dvc_uses_git_where_the_folder_is_in_git(tmp_path: Path) -> None:
    def uses_git(folder: Path) -> bool:
        return b"no_scm" not in (create_project(folder).root / ".dvc" / "config").read_bytes()

    assert not uses_git(tmp_path / "plain")
    git(tmp_path, "init", "--quiet", "repository")
    (tmp_path / "repository" / ".git" / "info" / "exclude").write_text("/ignored/\n")
    assert uses_git(tmp_path / "repository" / "deep" / "er")
    assert not uses_git(tmp_path / "repository" / "ignored")
    assert uses_git(tmp_path / "repository")


def test_architectures_of_the_project_are_listed(project: Project) -> None:
    (small_cnn,) = list_architectures("project")
    assert (small_cnn.name, small_cnn.options) == ("small_cnn", ("filters",))
    assert small_cnn in list_architectures()


def test_another_project_has_its_own_architectures(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    other = create_project(project.root.parent / "hats").root
    text = (other / "models.py").read_text().replace("def small_cnn", "def tiny_cnn").replace("(32)", "(WIDTH)")
    (other / "models.py").write_text(text.replace(FIRST_IMPORT, f"from sizes import WIDTH\n{FIRST_IMPORT}"))
    (other / "sizes.py").write_text("WIDTH = 5\n")
    assert architecture("project", "small_cnn").name == "small_cnn"
    monkeypatch.chdir(other)
    assert [entry.name for entry in list_architectures("project")] == ["tiny_cnn"]
    layers = architecture("project", "tiny_cnn").make((8, 8, 1), 2, {})
    assert [layer.units for layer in layers if hasattr(layer, "units")] == [5, 2]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("def small_cnn(", "def small_cnn((", r"models\.py, line \d+: SyntaxError: "),
        ("@register_model()", "@register_modle()", r"models\.py, line 17: NameError: name 'register_modle' is not "),
        (
            "from lineup.models.layers",
            "import missing_module\nfrom lineup.models.layers",
            r"models\.py, line 13: ModuleNotFoundError: No module named 'missing_module'",
        ),
        ("shape: Shape, classes: int, ", "", r"models\.py, line 17: ValueError: small_cnn: expected the arguments sh"),
    ],
)
def test_an_error_in_models_py_is_one_line_with_its_place(project: Project, old: str, new: str, said: str) -> None:
    path = project.root / "models.py"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(LineupError, match=said) as caught:
        load_params(project.params)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("layers.Conv2D(filters", "layers.Conv3D(undefined", r"models\.py, line 23: NameError: name 'undefined' is"),
        (
            "return [",
            "return layers.Flatten()\n    return [",
            "small_cnn: expected a list of Keras layers, found Flatten",
        ),
    ],
)
def test_an_error_of_a_builder_is_one_line(project: Project, old: str, new: str, said: str) -> None:
    path = project.root / "models.py"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(LineupError, match=said) as caught:
        architecture("project", "small_cnn").make((28, 28, 1), 10, {})
    assert str(path) in str(caught.value)


def test_a_missing_models_py_is_named(project: Project) -> None:
    (project.root / "models.py").unlink()
    assert all(entry.family != "project" for entry in list_architectures())
    with pytest.raises(LineupError, match=r"models\.py: no such file"):
        load_params(project.params)


def test_dvc_repro_without_the_environment_of_lineup_gives_one_line(project: Project) -> None:
    # As for a user with an activated environment that has DVC, but not lineup.
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(project.root)}
    command = [sys.executable, "-m", "dvc", "repro"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert "error: python cannot import lineup; activate its environment" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.count("Running stage") == 1


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The Python of a new environment with lineup from a wheel; other packages come from the tests' environment."""
    source = tmp_path / "source"
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run([*pip, *build], check=True, capture_output=True, timeout=300)
    shutil.rmtree(source)
    (wheel,) = tmp_path.glob("*.whl")
    folder = tmp_path / "environment"
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    install = [*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def shorten_demo(python: Path) -> None:
    """Leave a classical model and the network of ``models.py`` in the demo, with one epoch and few images.

    All other stages remain.
    """
    (path,) = python.parents[1].rglob("lineup/template/params.yaml")
    params = yaml.safe_load(path.read_text())
    params["data"] |= {"train_images": 400, "test_images": 100}
    for name in ("basic_cnn", "shallow_nn"):
        del params["models"][name]
    for recipe in params["models"].values():
        recipe |= {"seeds": 1} | ({"epochs": 1} if "epochs" in recipe else {})
    params["committees"]["networks"] |= {"members": ["random_forest", "small_cnn"], "seeds": 1}
    path.write_text(yaml.safe_dump(params, sort_keys=False))


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of each file in a project, apart from the demo and the files of the MLflow store."""
    others = (".demo", "mlartifacts", "mlflow.db", ".mlflow.lock", ".mlflow.publish.lock", ".published.json")
    paths = {path: path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {str(name): path.read_bytes() for path, name in paths.items() if name.parts[0] not in others}


@pytest.mark.slow
def test_the_demo_runs_with_lineup_from_a_wheel(installed: Path, tmp_path: Path) -> None:
    """Without a checkout, outside of git, and with an environment that is not activated."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_", "PYTHON"))}
    environment = kept | {"PATH": "/usr/bin:/bin", "MLFLOW_DISABLE_TELEMETRY": "true"}
    shoes = tmp_path / "shoes"
    demo, store = shoes / ".demo", sqlite_uri(shoes / "mlflow.db")

    def run(module: str, *arguments: str, folder: Path, **variables: str) -> str:
        command = [str(installed), "-m", module, *arguments]
        done = subprocess.run(
            command, cwd=folder, env=environment | variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    shorten_demo(installed)
    run("lineup", "init", "shoes", folder=tmp_path)
    before = contents(shoes)
    output = run("lineup", "demo", folder=shoes)
    assert contents(shoes) == before
    assert "small_cnn" in output  # in the leaderboard
    assert "See every run with its curves: lineup ui" in output
    assert "[code] stage 1 of 14" in output
    assert re.search(r"stage 14 of 14, about \d+ s left", output)
    assert f"Open the report in a browser: {demo / 'reports' / 'index.html'}" in output
    assert (demo / "reports" / "index.html").is_file()
    assert (demo / "runs" / "models" / "small_cnn" / "seed_1" / "record.json").is_file()
    assert list(installed.parents[1].rglob("lineup/published/claims.yaml"))
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("lineup-synthetic")
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 4  # two models and two committees
    path = os.pathsep.join([str(installed.parent), environment["PATH"]])
    done = run("dvc", "repro", folder=demo, PATH=path, MLFLOW_TRACKING_URI=store)
    assert [line.split("'")[1] for line in done.splitlines() if line.startswith("Running")] == ["code"]
