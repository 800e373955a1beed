"""Check that each stage of dvc.yaml depends on exactly the code that it runs."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from lineup.code.closure import SOURCE, closure
from lineup.code.explain import explain
from lineup.code.stages import check_code, code_of, code_yaml, from_text, keys, to_text, training_sha256, write_code
from lineup.errors import LineupError
from lineup.models.registry import FAMILIES, PROJECT, list_architectures
from lineup.paths import FILES

ROOT = Path(__file__).parents[2]
TRAIN = ["train.${item.family}", "models.${item.family}.${item.architecture}"]
NETWORKS = [name for name, family in FAMILIES.items() if family.kind == "network" and name != PROJECT]


def stages() -> dict[str, Any]:
    """Return the definition of each stage, those of a group once."""
    found = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return {name: stage.get("do", stage) for name, stage in found.items()}


def named(stage: dict[str, Any]) -> list[str]:
    """Return the keys of code.yaml that a stage names."""
    return [key for item in stage.get("params", []) if isinstance(item, dict) for key in item.get("code.yaml", [])]


def test_every_stage_names_its_own_key() -> None:
    expected = {name: [name] for name in stages()} | {"code": [], "publish": [], "train": TRAIN}
    for name in ("select", "compact", "evaluate", "reproduce", "champion", "report", "explain"):
        expected[name] += ["params.models", "params.committees"]  # they read all models and committees
    assert {name: named(stage) for name, stage in stages().items()} == expected
    assert {name for name in keys() if "." not in name} == set(stages()) - {"code", "publish", "train"}


def test_dvc_yaml_names_no_file_of_the_package() -> None:
    assert "src/" not in (ROOT / "dvc.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["train", "committee"])
def test_no_name_from_params_yaml_is_part_of_a_command(name: str) -> None:
    assert stages()[name]["cmd"] == f'python -m lineup {name} "$DVC_STAGE"'


@pytest.mark.parametrize("family", NETWORKS)
def test_a_network_depends_on_the_loop_and_on_its_own_family_alone(family: str) -> None:
    training = set(code_of(f"train.{family}"))
    assert {"lineup/training/loop.py", "lineup/training/network.py"} <= training
    name = list_architectures(family)[0].name
    architecture = set(code_of(f"models.{family}.{name}"))
    assert f"lineup/models/{family}.py" in architecture
    assert not {f"lineup/models/{other}.py" for other in FAMILIES if other != family} & (training | architecture)


def test_a_classical_model_depends_on_its_file_format_and_on_no_loop() -> None:
    code = code_of("train.classical")
    assert {"lineup/training/skops_file.py", "lineup/training/estimator.py"} <= set(code)
    assert not {f"lineup/training/{name}.py" for name in ("loop", "fit", "network", "classifier")} & set(code)


def test_an_architecture_depends_only_on_files_that_its_builder_imports() -> None:
    assert "lineup/models/kernel_machine.py" in code_of("models.classical.svm")
    assert "lineup/models/kernel_machine.py" not in code_of("models.classical.knn")


def test_a_new_builder_changes_the_code_of_no_other_architecture(tmp_path: Path) -> None:
    before = """
        from lineup.models.registry import register_model
        from layers import block
        @register_model(report="A")
        def small(shape, classes): return [block(8)]
        """
    path = tmp_path / "models.py"
    (tmp_path / "layers.py").write_text("def block(filters): ...")
    path.write_text(dedent(before))
    small = code_of("models.project.small", tmp_path)
    assert {"layers.py", "models.py"} <= set(small)
    path.write_text(
        dedent(before)
        + "@register_model()\ndef large(shape, classes):\n    import wide\n    return small(shape, classes)\n"
    )
    (tmp_path / "wide.py").write_text("x = 1\n")
    assert code_of("models.project.small", tmp_path) == small
    large = code_of("models.project.large", tmp_path)
    assert "wide.py" in large
    path.write_text(path.read_text().replace("block(8)", "block(16)"))
    assert code_of("models.project.small", tmp_path) != small
    assert code_of("models.project.large", tmp_path) != large  # it calls small
    path.write_text(path.read_text().replace("block(16)", "block(8)") + "LARGE = 3\n")
    assert code_of("models.project.small", tmp_path) != small  # other code of the module counts


def test_the_architectures_in_params_yaml_have_keys(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(
        "models: {a: {family: cnn, architecture: depth_2}, b: {family: cnn, architecture: depth_2},"
        " c: {family: dense, architecture: 7}, d: 1, e: {family: none, architecture: x}}\n"
    )
    assert [key for key in keys(tmp_path) if key.startswith("models.")] == ["models.cnn.depth_2"]
    assert yaml.safe_load(code_yaml(tmp_path))["models"]["cnn"]["depth_2"] == to_text(code_of("models.cnn.depth_2"))


@pytest.mark.parametrize("key", keys())
def test_no_stage_depends_on_how_it_is_called_or_shown(key: str) -> None:
    rooms = {name.split("/")[1] for name in code_of(key)}
    assert not rooms & {"cli", "execution", "tracking", "code", "errors.py", "terminal.py", "__init__.py"}
    assert all((SOURCE / name).is_file() for name in code_of(key))


def test_a_data_file_of_a_module_counts() -> None:
    assert "lineup/published/claims.yaml" in code_of("reproduce")
    page = {"report.html", "report.css", "report.js", "plotly.js"}
    assert {f"lineup/pages/{name}" for name in page} <= set(code_of("report"))


def test_the_code_of_a_stage_is_one_text(tmp_path: Path) -> None:
    values = yaml.safe_load(code_yaml(tmp_path))
    assert from_text(values.pop("train")["cnn"]) == code_of("train.cnn")
    others = {key: from_text(text) for key, text in values.items()}
    assert others == {key: code_of(key) for key in keys() if not key.startswith("train.")}
    assert all(" " not in text for text in values.values())  # DVC writes it on one line of dvc.lock
    assert max(map(len, code_yaml(tmp_path).splitlines())) < 120


def test_a_section_has_a_hash_of_its_content_and_order(tmp_path: Path) -> None:
    def hashes(params: str) -> Any:
        (tmp_path / "params.yaml").write_text(params)
        return yaml.safe_load(code_yaml(tmp_path))["params"]

    before = hashes("models: {a: {epochs: 1}, b: {epochs: 2}}\ncommittees: {}\n")
    assert set(before) == {"models", "committees"}
    assert hashes("# a comment\nmodels:\n  a: {epochs: 1}\n  b: {epochs: 2}\ncommittees: {}\n") == before
    for changed in ("{b: {epochs: 2}, a: {epochs: 1}}", "{a: {epochs: 1}}", "{a: {epochs: 1}, b: {epochs: 3}}"):
        after = hashes(f"models: {changed}\ncommittees: {{}}\n")
        assert after["models"] != before["models"]
        assert after["committees"] == before["committees"]


def test_the_file_is_written_only_if_it_differs(tmp_path: Path) -> None:
    assert write_code(tmp_path)
    before = (tmp_path / "code.yaml").stat().st_mtime_ns
    assert not write_code(tmp_path)
    assert (tmp_path / "code.yaml").stat().st_mtime_ns == before
    (tmp_path / "code.yaml").write_text("train: {}\n")
    assert write_code(tmp_path)


def test_code_that_changed_after_the_file_was_written_is_refused(tmp_path: Path) -> None:
    check_code("train.cnn", tmp_path)  # no file yet
    write_code(tmp_path)
    check_code("train.cnn", tmp_path)
    (tmp_path / "code.yaml").write_text(code_yaml(tmp_path).replace("loop.py=", "loop.py=0"))
    check_code("train.classical", tmp_path)
    with pytest.raises(
        LineupError, match=r"code\.yaml: the code of train\.cnn has changed since this file was written"
    ):
        check_code("train.cnn", tmp_path)


def test_the_project_family_is_models_py_and_what_it_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "train.project" not in keys(tmp_path)
    files = {
        "models.py": "import blocks.deep\nimport json\nfrom sizes import SIZE\nimport lineup.models.layers\n",
        "blocks/__init__.py": "'''Only a docstring.'''\n",
        "blocks/deep.py": "from . import wide\nfrom .narrow import n\n",
        "blocks/wide.py": "w = 1\n",
        "blocks/narrow.py": "n = 1\n",
        "sizes.py": "SIZE = 1\n",
        "json.py": "j = 1\n",
        "unused.py": "u = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    code = code_of("models.project.any", tmp_path)
    own = [name for name in code if not name.startswith("lineup/")]
    assert own == ["blocks/deep.py", "blocks/narrow.py", "blocks/wide.py", "json.py", "models.py", "sizes.py"]
    assert "lineup/models/layers.py" in code
    assert "lineup/training/loop.py" in code_of("train.project", tmp_path)
    for name in FILES:
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    before = training_sha256("project", "any")
    (tmp_path / "sizes.py").write_text("SIZE = 1  # a comment\n")
    assert training_sha256("project", "any") == before
    (tmp_path / "sizes.py").write_text("SIZE = 2\n")
    assert training_sha256("project", "any") != before


def test_a_mistake_in_models_py_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text("x = 1\ndef f(:\n")
    with pytest.raises(LineupError, match=rf"^{tmp_path}/models\.py: line 2: not Python code: "):
        code_of("models.project.f", tmp_path)


def test_a_missing_module_is_an_error() -> None:
    with pytest.raises(LineupError, match=r"no module lineup\.models\.none in "):
        closure(["lineup.models.none"])


def test_explain_marks_the_files_that_changed_since_the_lock(tmp_path: Path) -> None:
    code = code_of("train.cnn")
    added, changed, *_ = code
    locked = {name: digest for name, digest in code.items() if name != added}
    locked |= {changed: "0" * 12, "lineup/models/former.py": "1" * 12}
    entries = {"train@a": to_text(locked), "train@b": to_text(code)}
    lock = {"stages": {name: {"params": {"code.yaml": {"train.cnn": files}}} for name, files in entries.items()}}
    (tmp_path / "dvc.lock").write_text(json.dumps(lock))
    lines = explain("train.cnn", tmp_path)
    assert lines[0] == f"train.cnn: {len(code)} files, 3 changed since dvc.lock"
    assert f"  {code[added]}  {added}  added" in lines
    assert f"  {code[changed]}  {changed}  changed" in lines
    assert f"  {' ' * 12}  lineup/models/former.py  removed" in lines
    assert lines[-1] == "out of date: train@a"
    assert sum("  " in line.strip() and line.endswith(("added", "changed", "removed")) for line in lines) == 3
    assert explain("train.dense", tmp_path)[0].endswith("no stage in dvc.lock has run it")
    (tmp_path / "dvc.lock").write_text(json.dumps(lock | {"stages": {"train@b": lock["stages"]["train@b"]}}))
    assert explain("train.cnn", tmp_path)[0].endswith("none changed since dvc.lock")
