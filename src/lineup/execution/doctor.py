"""Check the machine and the project, and suggest a fix for each problem.

Examples
--------
>>> finding = Finding("data", fine=False, found="not split yet", remedy="dvc repro split")
>>> f"{finding.name}: {finding.found}, run {finding.remedy}"
'data: not split yet, run dvc repro split'
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

from lineup.errors import LineupError
from lineup.paths import Project, find_project
from lineup.records.machine import bfloat16_instructions, this_machine


@dataclass(frozen=True)
class Finding:
    """Result of a check. If the check failed, the result contains a suggested fix."""

    name: str
    fine: bool
    found: str
    remedy: str = ""


def run_checks() -> bool:
    """Run all checks, print the results, and return whether all checks passed."""
    from rich.console import Console
    from rich.markup import escape  # descriptions may contain brackets

    project = find_project()
    checks: list[Callable[[Project], Finding]] = [_python, _packages, _devices, _dvc, _parameters, _data, _store]
    console = Console()
    findings = []
    for check in checks:
        finding = check(project)
        findings.append(finding)
        mark = "[green]ok    [/green]" if finding.fine else "[red]not ok[/red]"
        # Lines are not wrapped, so that a command can be copied.
        console.print(
            f"{mark}  {escape(f'{finding.name:12}')}  {escape(finding.found)}", soft_wrap=True, highlight=False
        )
        if not finding.fine:
            console.print(f"{'':22}→ {escape(finding.remedy)}", soft_wrap=True, highlight=False)
    return all(finding.fine for finding in findings)


def _python(_: Project) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    fine = (3, 11) <= sys.version_info < (3, 14)
    return Finding("Python", fine, f"{version} ({sys.executable})", "install lineup with Python 3.11, 3.12 or 3.13")


def _packages(project: Project) -> Finding:
    """Check that all direct dependencies are installed in the pinned versions."""
    from packaging.requirements import Requirement

    try:
        needed = metadata.requires("lineup") or []
    except metadata.PackageNotFoundError:  # lineup was found through PYTHONPATH
        found = "lineup is not installed, so the versions that it needs are unknown"
        return Finding("packages", False, found, _how_to_install(project))
    wrong = []
    for text in needed:
        need = Requirement(text)
        if need.marker is not None:
            continue  # an optional dependency; TensorFlow is checked by importing it
        version = _version(need.name)
        if version is None or version not in need.specifier:
            wrong.append(f"{need.name} {version or 'missing'} (pinned {need.specifier})")
    return Finding("packages", not wrong, ", ".join(wrong) or "as pinned", _how_to_install(project))


def _devices(project: Project) -> Finding:
    from lineup.training.devices import onednn_enabled, quiet_stderr

    try:
        with quiet_stderr():
            import tensorflow as tf
    except ImportError as error:
        return Finding("TensorFlow", False, str(error), _how_to_install(project))
    gpus = tf.config.list_physical_devices("GPU")
    names = [str(tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")) for gpu in gpus]
    onednn = "on" if onednn_enabled() else "off"
    device = ", ".join(names) or f"{this_machine().cpu_model}, {this_machine().cores} cores"
    found = f"{tf.__version__} on {device}, oneDNN {onednn}{_bfloat16(gpus=bool(gpus))}"
    return Finding("TensorFlow", True, found)


def _bfloat16(*, gpus: bool) -> str:
    """Describe whether ``precision: mixed_bfloat16`` makes training faster on this machine."""
    if gpus:
        return ""
    instructions = bfloat16_instructions()
    if not instructions:
        return "; no instructions for bfloat16, so precision: mixed_bfloat16 is not available"
    return f"; bfloat16 instructions ({instructions}), so precision: mixed_bfloat16 makes convolutions faster"


def _dvc(project: Project) -> Finding:
    from lineup.execution.pipeline import PipelineError, read_pipeline

    version = _version("dvc")
    try:
        pipeline = read_pipeline(project.root)
    except PipelineError as error:
        return Finding("DVC", False, f"{version}; {error.problem}", error.remedy)
    if _code_changed(project):
        return Finding("DVC", True, f"{version}; the code has changed: lineup repro runs the stages that depend on it")
    count = len(pipeline.out_of_date)
    if not count:
        return Finding("DVC", True, f"{version}, everything is up to date")
    return Finding(
        "DVC", True, f"{version}; {count} of {len(pipeline.graph)} stages are out of date; lineup repro runs them"
    )


def _code_changed(project: Project) -> bool:
    """Return whether the code has changed since ``code.yaml`` was written."""
    from lineup.code.stages import CODE, code_yaml
    from lineup.files import read_text

    path = project.root / CODE
    return path.is_file() and read_text(path) != code_yaml(project.root)


def _parameters(project: Project) -> Finding:
    from lineup.params import load_params

    try:
        params = load_params(project.params)
    except LineupError as error:
        return Finding("params.yaml", False, str(error), "correct that line")
    return Finding("params.yaml", True, params.summary())


def _data(project: Project) -> Finding:
    from lineup.data.dataset import load_dataset

    if not project.dataset.is_file():
        remedy = "dvc repro split; without a network set data.folder in params.yaml"
        return Finding("data", False, "not split yet", remedy)
    try:
        dataset = load_dataset(project.dataset)
    except LineupError as error:
        return Finding("data", False, str(error), "dvc repro -f split")
    counts = f"{len(dataset.train_labels):,} + {len(dataset.test_labels):,} images"
    return Finding("data", True, f"{dataset.title}, {counts}, fingerprint {dataset.fingerprint[:12]}")


def _store(project: Project) -> Finding:
    from lineup.tracking.address import StoreError, shown_uri, store_file, tracking_uri
    from lineup.tracking.artifacts import describe_missing_artifacts
    from lineup.tracking.store import count_runs, has_database

    try:
        uri = tracking_uri(project.root)
        database = store_file(uri)
        if database is not None and not has_database(database):
            return Finding("MLflow store", True, f"{shown_uri(uri)}, not created yet; the first run creates it")
        found = f"{shown_uri(uri)}, {count_runs(project.root)}"
        if missing := describe_missing_artifacts(project.root):
            return Finding("MLflow store", False, f"{found}; {missing}", "lineup publish")
        return Finding("MLflow store", True, found)
    except StoreError as error:
        return Finding("MLflow store", False, error.found, error.remedy)


def _how_to_install(project: Project) -> str:
    """Explain how to install the dependencies of lineup.

    In a checkout of lineup, ``make setup`` installs the dependencies.
    """
    return "make setup" if (project.root / "Makefile").is_file() else "install lineup again in this environment"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
