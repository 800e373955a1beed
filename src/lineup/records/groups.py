"""Group the records of a project by device, host, commit, library version or setting, and compare the groups.

Only training runs with the same recipe are compared. A recipe consists of the model, its settings and the data.

Examples
--------
>>> match_records([], "device").models
[]
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lineup.errors import LineupError, count, expected_one_of, shortened
from lineup.records.header import Header, Value
from lineup.records.machine import Machine
from lineup.records.record import Record

KEYS = ("device", "host", "commit", "libraries")
"""Keys of every record. The other keys are the names of libraries and of settings."""

DEFAULTS: dict[str, Value] = {
    "optimizer": "adam",
    "weight_decay": 0.0,
    "schedule": "constant",
    "warmup": 0.0,
    "l2": 0.0,
    "label_smoothing": 0.0,
    "augment.shift": 0,
    "augment.mirror": False,
    "augment.cutout": 0,
    "average_epochs": 0,
    "scaling": "unit",
    "precision": "float32",
    "mirror_predictions": False,
}
"""Default values of the settings of networks. A record that does not contain a setting was trained with the default."""

_SEED = "seed"
_COMMIT = 12
"""Number of characters of a commit in a label."""


_COMMITTEES = "committees"
_OTHER_DATA = "trained with other data or another split"
_REPEATED = "another training run with the same settings, group and seed"
_ALONE = "no training run with the same settings in another group"

Groups = dict[str, dict[int, Record]]
"""Training runs of one recipe, by group label and seed."""


@dataclass(frozen=True)
class MatchedModel:
    """Training runs of one recipe, divided into several groups.

    Parameters
    ----------
    name : str
        Name of the model. If several recipes of a model are compared, their different settings are in parentheses.
    runs : Groups
        The first group is the reference.
    """

    name: str
    runs: Groups

    @property
    def reference(self) -> str:
        """Return the label of the reference group."""
        return next(iter(self.runs))


@dataclass(frozen=True)
class Matched:
    """Records in groups.

    Parameters
    ----------
    key : str
        Property by which the records are grouped.
    found : list of str
        Labels of all groups of training runs.
    groups : list of str
        Labels of the groups that are compared. The group with the most training runs comes first.
    models : list of MatchedModel
        Models with training runs in at least two groups, in the order of the records.
    repeated : list of list of Record
        Training runs that differ only in the seed, for each recipe and group. The seed noise is estimated from these
        runs.
    left_out : dict of str to int
        Number of records that are not compared, by reason.
    """

    key: str
    found: list[str]
    groups: list[str]
    models: list[MatchedModel]
    repeated: list[list[Record]]
    left_out: dict[str, int]


def match_records(records: Sequence[Record], key: str, names: Collection[str] = ()) -> Matched:
    """Group records, and find the recipes that occur in several groups.

    Parameters
    ----------
    records : sequence of Record
        In order of preference: of several training runs with the same recipe, group and seed, only the first counts.
        Committees are left out, because their accuracy depends on the devices of their members. Records with different
        data than the first record are also left out.
    key : str
        One of `KEYS`, the name of a library such as ``keras``, or the name of a setting such as ``batch_size``.
    names : collection of str, optional
        Names of the models to compare. Default: all.

    Returns
    -------
    Matched
        Without models if no recipe has training runs in two groups.

    Raises
    ------
    LineupError
        If no record has the key, or if a name is unknown.
    """
    left_out: Counter[str] = Counter()
    trained = _trained(records, left_out)
    known = dict.fromkeys(record.header.name for record in trained)
    for name in names:
        if name not in known:
            raise LineupError(f"no training run of {shortened(repr(name), 80)}; {expected_one_of(name, known)}")
    labels = group_labels(trained, key) if trained else []
    recipes = _recipes(trained, labels, key, left_out)
    chosen = [groups for groups in recipes if not names or _first(groups).header.name in names]
    several = [groups for groups in chosen if len(groups) > 1]
    left_out[_ALONE] += sum(len(runs) for groups in chosen if len(groups) == 1 for runs in groups.values())
    counts = Counter(label for groups in several for label, runs in groups.items() for _ in runs)
    ranked = [label for label, _ in counts.most_common()]  # ties keep the order of the records
    models = [
        MatchedModel(name, {label: dict(sorted(groups[label].items())) for label in ranked if label in groups})
        for name, groups in zip(_names(several, key), several, strict=True)
    ]
    repeated = [list(runs.values()) for groups in recipes for runs in groups.values()]
    return Matched(key, list(dict.fromkeys(labels)), ranked, models, repeated, dict(+left_out))


def _trained(records: Sequence[Record], left_out: Counter[str]) -> list[Record]:
    """Keep the records of models that use the same data as the first record.

    ``left_out`` counts the other records. It has one number for each reason.
    """
    trained = []
    for record in records:
        if record.header.kind == "committee":
            left_out[_COMMITTEES] += 1
        elif record.header.data.fingerprint != records[0].header.data.fingerprint:
            left_out[_OTHER_DATA] += 1
        else:
            trained.append(record)
    return trained


def _recipes(records: Sequence[Record], labels: Sequence[str], key: str, left_out: Counter[str]) -> list[Groups]:
    """Sort the training runs of each recipe by group and seed, and count the repeated runs."""
    recipes: dict[tuple[object, ...], Groups] = {}
    for record, label in zip(records, labels, strict=True):
        runs = recipes.setdefault(_recipe(record, key), {}).setdefault(label, {})
        if runs.setdefault(record.header.seed, record) is not record:
            left_out[_REPEATED] += 1
    return list(recipes.values())


def group_labels(records: Sequence[Record], key: str) -> list[str]:
    """Return the group label of each record. The keys and the errors are described in `match_records`."""
    libraries = {name: None for record in records for name in record.header.libraries}
    settings = {name: None for record in records for name in record.header.parameters if name != _SEED}
    if key == "device":
        return [record.header.device.name for record in records]
    if key == "host":
        return _host_labels(records)
    if key == "commit":
        return [short_commit(record.runtime.git_commit) for record in records]
    if key == "libraries":
        return [libraries_of(record) for record in records]
    if key in libraries:
        return [_label(key, record.header.libraries) for record in records]
    if key in settings:
        return [_label(key, _with_default(record.header, key)) for record in records]
    place = f"the files record.json, such as {', '.join(KEYS)}"
    raise LineupError(
        f"unknown key {shortened(repr(key), 80)}; {expected_one_of(key, [*KEYS, *libraries, *settings], place)}"
    )


def short_commit(commit: str) -> str:
    """Return the first characters of a commit.

    Examples
    --------
    >>> short_commit("0123456789abcdef0123456789abcdef01234567-dirty")
    '0123456789ab-dirty'
    """
    return re.sub(rf"^([0-9a-f]{{{_COMMIT}}})[0-9a-f]+", r"\1", commit)


def libraries_of(record: Record, without: str = "") -> str:
    """Return the library versions of a record, sorted by name. The library ``without`` is left out."""
    return ", ".join(
        f"{name} {version}" for name, version in sorted(record.header.libraries.items()) if name != without
    )


def cores_and_memory(machine: Machine) -> str:
    """Return the number of cores and the memory of a machine.

    Examples
    --------
    >>> cores_and_memory(Machine("vm", "A processor", 2, 2**34, "Linux x86_64"))
    '2 cores, 16 GiB'
    """
    return f"{count(machine.cores, 'core')}, {machine.memory_bytes / 2**30:.0f} GiB"


def hardware_of(record: Record) -> str:
    """Return one text with the training device, the number of cores and the size of the memory."""
    return f"{record.header.device.name}, {cores_and_memory(record.runtime.machine)}"


def _settings(parameters: Mapping[str, Value], key: str) -> dict[str, Value]:
    """Return the settings, sorted by name. The seed is left out. The key that defines the groups is also left out.

    Settings with their default value are left out, because records of older versions do not contain newer settings.
    """
    settings = sorted(_current(parameters).items())
    return {
        name: value
        for name, value in settings
        if name not in (_SEED, key) and value not in (None, DEFAULTS.get(_base(name)))
    }


def _current(parameters: Mapping[str, Value]) -> dict[str, Value]:
    """Return the settings with their current names.

    In older records, ``augment`` is true or false. True means shifts of up to two pixels and mirrored images.
    """
    current: dict[str, Value] = {}
    for name, value in parameters.items():
        if _base(name) != "augment":
            current[name] = value
        elif value:
            current |= {f"{name}.shift": 2, f"{name}.mirror": True}
    return current


def _base(name: str) -> str:
    """Return the name of a setting without the phase of the training.

    Examples
    --------
    >>> _base("pretrain.batch_size")
    'batch_size'
    """
    return name.removeprefix("pretrain.").removeprefix("finetune.")


def _recipe(record: Record, key: str) -> tuple[object, ...]:
    """Return the model, the data and the settings of a training run. Two training runs are comparable if these values
    are equal.
    """
    header = record.header
    settings = tuple((name, repr(value)) for name, value in _settings(header.parameters, key).items())
    return header.kind, header.name, header.data.fingerprint, settings


def _host_labels(records: Sequence[Record]) -> list[str]:
    """Return the host of each record. If two machines have the same host name but different hardware, the text includes
    the hardware.
    """
    hardware: dict[str, set[str]] = {}
    for record in records:
        hardware.setdefault(record.runtime.machine.host, set()).add(hardware_of(record))
    hosts = [record.runtime.machine.host for record in records]
    return [
        f"{host} ({hardware_of(record)})" if len(hardware[host]) > 1 else host
        for host, record in zip(hosts, records, strict=True)
    ]


def _with_default(header: Header, key: str) -> dict[str, Value]:
    """Return the settings of a record. If the record of a network does not contain the key, add its default value."""
    default = DEFAULTS.get(_base(key)) if header.kind == "network" else None
    return {key: default} | header.parameters


def _label(key: str, values: Mapping[str, Value]) -> str:
    return f"{key} {values[key]}" if values.get(key) is not None else f"no {key}"


def _first(groups: Groups) -> Record:
    return next(iter(next(iter(groups.values())).values()))


def _names(several: Sequence[Groups], key: str) -> list[str]:
    """Return the name of each recipe. If several recipes use the same model, the names contain the settings that
    differ.
    """
    headers = [_first(groups).header for groups in several]
    names = []
    for header in headers:
        settings = [_settings(other.parameters, key) for other in headers if other.name == header.name]
        differing = [
            f"{name}={value}"
            for name, value in _settings(header.parameters, key).items()
            if any(repr(other.get(name)) != repr(value) for other in settings)
        ]
        names.append(f"{header.name} ({', '.join(differing)})" if differing else header.name)
    return names
