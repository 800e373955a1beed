"""The installation: pyproject.toml, both lock files, conda.yaml and CI name the same packages and versions."""

from __future__ import annotations

import os
import re
import tomllib
from itertools import product
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VERSIONS = ("3.11", "3.12", "3.13")
PLATFORMS = {
    "linux x86_64": {"sys_platform": "linux", "platform_machine": "x86_64", "platform_system": "Linux"},
    "linux aarch64": {"sys_platform": "linux", "platform_machine": "aarch64", "platform_system": "Linux"},
    "macos arm64": {"sys_platform": "darwin", "platform_machine": "arm64", "platform_system": "Darwin"},
}
LOCKS = {"requirements.lock": "cpu", "requirements-cuda.lock": "cuda"}

each_lock = pytest.mark.parametrize("lock", LOCKS)
each_machine = pytest.mark.parametrize(("version", "platform"), list(product(VERSIONS, PLATFORMS)))


def _direct(*extras: str) -> list[Requirement]:
    """Return the requirements in pyproject.toml, including those of some extras."""
    lines = list(PROJECT["project"]["dependencies"])
    for extra in extras:
        lines += PROJECT["project"]["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def _entries(lock: str) -> list[tuple[Requirement, list[str]]]:
    """Return each requirement of a lock file with its hashes."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / lock).read_text(encoding="utf-8"), flags=re.MULTILINE)
    entries = []
    for line in text.replace("\\\n", " ").splitlines():
        requirement, *hashes = line.split(" --hash=")
        entries.append((Requirement(requirement), [value.strip() for value in hashes]))
    return entries


def _environment(version: str, platform: str) -> dict[str, str]:
    """Return the values of the markers for a Python version on a platform."""
    return {
        **{key: str(value) for key, value in default_environment().items()},
        **PLATFORMS[platform],
        "python_version": version,
        "python_full_version": f"{version}.0",
        "os_name": "posix",
    }


def _needed(requirements: list[Requirement], environment: dict[str, str]) -> list[Requirement]:
    return [one for one in requirements if one.marker is None or one.marker.evaluate(environment)]


def _version(requirement: Requirement) -> str:
    """Return the version that a requirement pins; fail if it pins none."""
    (specifier,) = requirement.specifier
    assert specifier.operator == "==", requirement
    assert "*" not in specifier.version, requirement
    return specifier.version


def _locked(lock: str, environment: dict[str, str]) -> dict[str, str]:
    """Return the one version of every package that a lock file installs in an environment."""
    needed = _needed([requirement for requirement, _ in _entries(lock)], environment)
    versions: dict[str, str] = {canonicalize_name(requirement.name): _version(requirement) for requirement in needed}
    assert len(versions) == len(needed), "a package stands there twice"
    return versions


@each_lock
@each_machine
def test_lock_has_every_direct_pin(lock: str, version: str, platform: str) -> None:
    environment = _environment(version, platform)
    direct = _needed(_direct(LOCKS[lock], "dev"), environment)
    locked = _locked(lock, environment)

    assert len(direct) > 20
    assert {one.name: locked.get(canonicalize_name(one.name)) for one in direct} == {
        one.name: _version(one) for one in direct
    }


@each_lock
def test_lock_has_the_same_versions_for_every_python(lock: str) -> None:
    # Results do not depend on the version of Python.
    for platform in PLATFORMS:
        first, *others = (_locked(lock, _environment(version, platform)) for version in VERSIONS)
        assert others == [first, first]


@each_lock
def test_lock_has_the_build_requirements(lock: str) -> None:
    # lineup is installed without build isolation, with the packages of the lock file.
    locked = _locked(lock, _environment("3.11", "linux x86_64"))

    for requirement in map(Requirement, PROJECT["build-system"]["requires"]):
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)])


@each_lock
def test_every_locked_package_has_hashes(lock: str) -> None:
    entries = _entries(lock)

    assert len(entries) > 100
    for requirement, hashes in entries:
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), requirement


@each_lock
def test_lock_names_no_index(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")

    assert "://" not in text
    assert not re.search(r"^\s*-[^-]|--(?!hash=)", text, flags=re.MULTILINE), "an option other than --hash"
    assert not re.search(r"\b[\w-]+\.(com|dev|io|net|org)\b", text), "a host"
    assert all(requirement.url is None for requirement, _ in _entries(lock))


def test_lock_files_differ_only_in_tensorflow() -> None:
    environment = _environment("3.11", "linux x86_64")
    cpu, cuda = (set(_locked(lock, environment).items()) for lock in LOCKS)
    tensorflow = re.compile(r"tensorflow(-cpu)?|nvidia-.*")

    assert {name for name, _ in cpu ^ cuda if not tensorflow.fullmatch(name)} == set()
    assert {name for name, _ in cpu - cuda} == {"tensorflow-cpu"}


def test_conda_environment_has_the_direct_pins() -> None:
    environment = yaml.safe_load((ROOT / "conda.yaml").read_text(encoding="utf-8"))
    *conda, pip = environment["dependencies"]

    assert environment["name"] == PROJECT["project"]["name"]
    assert conda == ["python=3.11", "pip"]
    assert {str(Requirement(line)) for line in pip["pip"]} == {str(one) for one in _direct("cpu")}
    assert len(pip["pip"]) == len(_direct("cpu"))


def test_make_accepts_the_python_versions_of_the_package() -> None:
    supported = SpecifierSet(PROJECT["project"]["requires-python"])

    assert [f"3.{minor}" for minor in range(9, 20) if f"3.{minor}" in supported] == list(VERSIONS)


def test_ci_calls_the_test_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    commands = [line.strip() for line in script.read_text(encoding="utf-8").splitlines()]
    readme = [line.strip() for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()]

    assert os.access(script, os.X_OK)
    assert "make demo" in readme
    assert "make test" in readme
    assert "make test" in commands
