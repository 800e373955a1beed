"""Fitted scikit-learn estimators in skops files: safe to read, because nothing is made that is not on a fixed list.

A skops file is a ZIP archive of arrays and of ``schema.json``, a tree that names the type of every object. skops itself
refuses what it does not trust, but it trusts every estimator of scikit-learn, and it cannot know whether the numbers
inside are sound: scikit-learn follows a tree's node numbers and a neighbour's label without looking at their range, so
that a forged file would make it read or write outside its memory. Here a file must consist of the types of lineup's own
models, and the numbers that scikit-learn relies upon are checked before it gets them.

Files are written without dates and addresses in memory: equal estimators are equal files.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lineup.errors import LineupError, shortened
from lineup.files import open_regular, replacing_file

MAX_BYTES = 512 * 2**20
"""The largest file that is opened."""

MAX_UNPACKED = 2 * 2**30
"""The most bytes that it may unpack to."""

MAX_SCHEMA = 64 * 2**20
"""The most bytes of its tree of types, which takes many times as much as Python objects."""

_MODELS = (
    "lineup.models.kernel_machine.KernelMachine",
    "sklearn.ensemble._forest.RandomForestClassifier",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.neighbors._classification.KNeighborsClassifier",
    "sklearn.neural_network._multilayer_perceptron.MLPClassifier",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.MinMaxScaler",
)
_PARTS = (
    "sklearn._loss._loss.CyHalfMultinomialLoss",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.preprocessing._label.LabelBinarizer",
    "sklearn.preprocessing._label.LabelEncoder",
    "sklearn.tree._classes.DecisionTreeClassifier",
    "sklearn.tree._tree.Tree",
)
_PLAIN = (
    *(f"builtins.{name}" for name in ("bool", "dict", "float", "int", "list", "str", "tuple")),
    *(f"numpy.{name}" for name in ("float32", "float64", "int32", "int64", "ndarray", "uint64", "uint8")),
    "numpy.random._generator.Generator",
    "numpy.random.mtrand.RandomState",
)
TYPES = frozenset(_MODELS + _PARTS + _PLAIN)
"""Every type that the models of the family ``classical`` consist of."""

_NODES = frozenset(
    f"{name}Node"
    for name in (
        *("Dict", "Json", "List", "Loss", "NdArray", "Object"),
        *("RandomGenerator", "RandomState", "Tree", "Tuple", "Type"),
    )
)
"""Every way of making an object that these types need."""

_FEATURES = 28 * 28
_SCHEMA = "schema.json"


def save_estimator(path: Path, estimator: Any) -> None:
    """Write a fitted estimator, compressed; equal estimators give equal files.

    Parameters
    ----------
    path : Path
        The file. It is replaced as a whole; its folder is made.
    estimator : sklearn.base.BaseEstimator
        Fitted, of the types in `TYPES`.

    Raises
    ------
    LineupError
        If a type is another one: the file could not be read again.
    """
    parts = _parts(estimator)
    _check_types(path, json.loads(parts[_SCHEMA]))
    with replacing_file(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            # An entry without a date has the earliest that an archive can hold.
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=zipfile.ZIP_DEFLATED)


def arrays_sha256(estimator: Any) -> str:
    """Return a hash of every array that a fitted estimator holds: the identity of what it has learnt.

    Generators of random numbers hold arrays too. Settings that are no arrays do not count.
    """
    parts = _parts(estimator)
    digest = hashlib.sha256()
    for node in _nodes(json.loads(parts[_SCHEMA])):
        if "file" in node:
            digest.update(parts[node["file"]])
    return digest.hexdigest()


def file_arrays_sha256(path: Path) -> str:
    """Return `arrays_sha256` of the estimator in a file of `save_estimator`, which is not loaded.

    Raises
    ------
    LineupError
        As of `load_estimator`.
    """
    with _opened(path) as (_, archive):
        digest = hashlib.sha256()
        for node in _nodes(_checked_schema(path, archive)):
            if "file" in node:
                digest.update(archive.read(node["file"]))
        return digest.hexdigest()


def load_estimator(path: Path) -> Any:
    """Read a file of `save_estimator`.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    sklearn.base.BaseEstimator

    Raises
    ------
    LineupError
        If the file is missing, damaged, too large, not made of `TYPES`, or its numbers are not sound.
    """
    import skops.io

    with _opened(path) as (stream, archive):
        _check_numbers(path, archive, _checked_schema(path, archive))
        return skops.io.load(stream, trusted=sorted(TYPES))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, zipfile.ZipFile]]:
    """Open a file of `save_estimator` to read; whatever is wrong with it is a `LineupError`."""
    try:
        with open_regular(path) as stream:
            if (size := path.stat().st_size) > MAX_BYTES:
                raise LineupError(f"{path}: too large: expected at most {MAX_BYTES:,} bytes, found {size:,}")
            with zipfile.ZipFile(stream) as archive:
                yield stream, archive
    except LineupError:
        raise
    except FileNotFoundError:
        raise LineupError(f"{path}: no such file") from None
    except Exception as error:  # damage surfaces as any of a dozen types, out of zipfile, json, numpy, skops
        reason = shortened(error) or type(error).__name__
        raise LineupError(
            f"{path}: expected a skops file of lineup, found a damaged or different one: {reason}"
        ) from error


def _parts(estimator: Any) -> dict[str, bytes]:
    """Return the files of an estimator's archive: the tree of types, and arrays numbered in the order of the tree."""
    import skops.io

    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator))) as archive:
        schema = json.loads(archive.read(_SCHEMA))
        names: dict[str, str] = {}
        arrays: dict[str, bytes] = {}
        for node in _nodes(schema):
            del node["__id__"]  # an address in memory; without it the tree is one, and each of its nodes is made once
            if "file" in node:
                name = names.setdefault(node["file"], f"{len(names)}.npy")
                if name not in arrays:
                    arrays[name] = _without_padding(archive.read(node["file"]))
                node["file"] = name
    return {_SCHEMA: json.dumps(schema, separators=(",", ":")).encode(), **arrays}


def _without_padding(content: bytes) -> bytes:
    """Return an array's file with zeros between its fields, where the nodes of a tree have whatever was in memory."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    stream = io.BytesIO()
    np.save(stream, clean, allow_pickle=False)
    return stream.getvalue()


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Return every object of a tree of types, in order."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            if "__loader__" in node:
                yield node
            todo.extend(reversed(node.values()))
        elif isinstance(node, list):
            todo.extend(reversed(node))


def _checked_schema(path: Path, archive: zipfile.ZipFile) -> Any:
    """Return the tree of types, once it is neither too large nor made of anything else than `TYPES`."""
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    if sizes[_SCHEMA] > MAX_SCHEMA:
        raise LineupError(
            f"{path}: too large: {_SCHEMA}: expected at most {MAX_SCHEMA:,}, found {sizes[_SCHEMA]:,} bytes"
        )
    schema = json.loads(archive.read(_SCHEMA))
    _check_types(path, schema)
    # What is read counts, not what is there: an array may be named more than once.
    total = sum(sizes[node["file"]] for node in _nodes(schema) if "file" in node)
    if total > MAX_UNPACKED:
        raise LineupError(f"{path}: too large: expected at most {MAX_UNPACKED:,} bytes unpacked, found {total:,}")
    return schema


def _check_types(path: Path, schema: Any) -> None:
    for node in _nodes(schema):
        name, loader = f"{node['__module__']}.{node['__class__']}", node["__loader__"]
        if name not in TYPES or loader not in _NODES:
            found = f"{shortened(name, 100)} ({shortened(loader, 60)})"
            raise LineupError(f"{path}: {found}: a type that no model of lineup has; not loaded")
    if any("__id__" in node for node in _nodes(schema)):
        raise LineupError(f"{path}: objects with names, by which one can take the place of another; not loaded")


def _check_numbers(path: Path, archive: zipfile.ZipFile, schema: Any) -> None:
    """Check the numbers that scikit-learn's compiled code relies upon without a look at their range."""
    checks = {"Tree": _tree_is_sound, "TreePredictor": _boosted_tree_is_sound, "_BinMapper": _bins_are_sound}
    checks["KNeighborsClassifier"] = _neighbours_are_sound
    for node in _nodes(schema):
        check = checks.get(node["__class__"])
        if check and not check(archive, node):
            raise LineupError(f"{path}: {node['__class__']}: numbers out of range; not loaded")


def _tree_is_sound(archive: zipfile.ZipFile, node: dict[str, Any]) -> bool:
    features, classes, outputs = node["__reduce__"]["args"]["content"]
    nodes = _array(archive, node, "nodes")
    return (
        (_json(features), _json(outputs)) == (_FEATURES, 1)
        and _read(archive, classes).shape == (1,)
        and _json(node["content"]["content"]["node_count"]) == len(nodes)
        and _leads_to_leaves(nodes, nodes["left_child"] == -1, "left_child", "right_child", "feature")
    )


def _boosted_tree_is_sound(archive: zipfile.ZipFile, node: dict[str, Any]) -> bool:
    nodes = _array(archive, node, "nodes")
    leads = _leads_to_leaves(nodes, nodes["is_leaf"] != 0, "left", "right", "feature_idx")
    return leads and not nodes["is_categorical"].any()


def _leads_to_leaves(nodes: Any, leaf: Any, left: str, right: str, feature: str) -> bool:
    """Return whether each inner node asks for a pixel and leads to two later ones: no way out, no way round."""
    number, inner = np.arange(len(nodes)), ~leaf
    children = np.stack([nodes[left][inner], nodes[right][inner]]).astype(np.int64)
    asked = nodes[feature][inner].astype(np.int64)
    return (
        nodes.ndim == 1
        and len(nodes) > 0
        and bool(np.all((children > number[inner]) & (children < len(nodes))))
        and bool(np.all((asked >= 0) & (asked < _FEATURES)))
    )


def _bins_are_sound(archive: zipfile.ZipFile, node: dict[str, Any]) -> bool:
    return not _array(archive, node, "is_categorical_").any()


def _neighbours_are_sound(archive: zipfile.ZipFile, node: dict[str, Any]) -> bool:
    images, labels = _array(archive, node, "_fit_X"), _array(archive, node, "_y")
    classes = len(_array(archive, node, "classes_"))
    neighbours = _json(node["content"]["content"]["n_neighbors"])
    return (
        labels.shape == images.shape[:1]
        and images.shape[1:] == (_FEATURES,)
        and 0 < neighbours <= len(images)
        and bool(np.all((labels >= 0) & (labels < classes)))
    )


def _array(archive: zipfile.ZipFile, node: dict[str, Any], attribute: str) -> Any:
    return _read(archive, node["content"]["content"][attribute])


def _read(archive: zipfile.ZipFile, node: dict[str, Any]) -> Any:
    return np.load(io.BytesIO(archive.read(node["file"])), allow_pickle=False)


def _json(node: dict[str, Any]) -> Any:
    return json.loads(node["content"])
