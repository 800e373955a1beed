"""Save fitted scikit-learn estimators in skops files, and load them safely.

A skops file is a ZIP archive that contains arrays and a file ``schema.json`` with the type of every object. By default,
skops trusts all estimators of scikit-learn and does not check their arrays. Some of the arrays contain indices, such as
the indices of the child nodes in a tree. The compiled code of scikit-learn does not check these indices, so a forged
file could cause memory errors. This module therefore allows only the types that lineup's own models use. The module
also checks all indices before it loads a file. The files contain no dates and no memory addresses, so equal estimators
give equal files.

Examples
--------
>>> "sklearn.neighbors._classification.KNeighborsClassifier" in TYPES
True
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
"""Largest size of a file, in bytes."""

MAX_UNPACKED = 2 * 2**30
"""Largest unpacked size, in bytes."""

MAX_SCHEMA = 64 * 2**20
"""Largest size of the tree of types, in bytes. The Python objects in memory are many times larger."""

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
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn._loss._loss.CyHalfMultinomialLoss",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.HalfBinomialLoss",
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
"""All types that models of the family ``classical`` use."""

_NODES = frozenset(
    f"{name}Node"
    for name in (
        *("Dict", "Json", "List", "Loss", "NdArray", "Object"),
        *("RandomGenerator", "RandomState", "Tree", "Tuple", "Type"),
    )
)
"""Names of the skops loaders that these types need."""

_SCHEMA = "schema.json"


def save_estimator(path: Path, estimator: Any) -> None:
    """Write a fitted estimator to a compressed file. Equal estimators give equal files.

    Parameters
    ----------
    path : Path
        The file. It is replaced atomically; its folder is created.
    estimator : sklearn.base.BaseEstimator
        Fitted, of the types in `TYPES`.

    Raises
    ------
    LineupError
        If the estimator uses a type that is not in `TYPES`.
    """
    parts = _parts(estimator)
    _check_types(path, json.loads(parts[_SCHEMA]))
    with replacing_file(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            # Without a date, an entry has the earliest date of the ZIP format.
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=zipfile.ZIP_DEFLATED)


def arrays_sha256(estimator: Any) -> str:
    """Return a hash of all arrays of a fitted estimator.

    The hash includes the states of random generators, but not the settings of the estimator.
    """
    parts = _parts(estimator)
    digest = hashlib.sha256()
    for node in _nodes(json.loads(parts[_SCHEMA])):
        if "file" in node:
            digest.update(parts[node["file"]])
    return digest.hexdigest()


def file_arrays_sha256(path: Path) -> str:
    """Compute the hash `arrays_sha256` of an estimator from its file. The estimator is not loaded.

    Raises
    ------
    LineupError
        See `load_estimator`; the numbers are not checked.
    """
    with _opened(path) as (_, archive):
        digest = hashlib.sha256()
        for node in _nodes(_checked_schema(path, archive)):
            if "file" in node:
                digest.update(archive.read(node["file"]))
        return digest.hexdigest()


def load_estimator(path: Path, features: int) -> Any:
    """Read a file that `save_estimator` wrote.

    Parameters
    ----------
    path : Path
        The file.
    features : int
        Number of values of an image: height * width * channels.

    Returns
    -------
    sklearn.base.BaseEstimator

    Raises
    ------
    LineupError
        If the file is missing, damaged or too large, or if it contains a type that is not in `TYPES`, an index out of
        range, or a different number of features.
    """
    import skops.io

    with _opened(path) as (stream, archive):
        _check_numbers(path, archive, _checked_schema(path, archive), features)
        return skops.io.load(stream, trusted=sorted(TYPES))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, zipfile.ZipFile]]:
    """Open a skops file and convert all errors to a `LineupError`."""
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
    except Exception as error:  # damaged files cause many types of errors in zipfile, json, numpy and skops
        reason = shortened(error) or type(error).__name__
        raise LineupError(
            f"{path}: expected a skops file of lineup, found a damaged or different one: {reason}"
        ) from error


def _parts(estimator: Any) -> dict[str, bytes]:
    """Return the files of a skops archive by name.

    The arrays are numbered in the order in which ``schema.json`` lists them.
    """
    import skops.io

    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator))) as archive:
        schema = json.loads(archive.read(_SCHEMA))
        names: dict[str, str] = {}
        arrays: dict[str, bytes] = {}
        for node in _nodes(schema):
            del node["__id__"]  # a memory address that another node could use to refer to this object
            if "file" in node:
                name = names.setdefault(node["file"], f"{len(names)}.npy")
                if name not in arrays:
                    arrays[name] = _without_padding(archive.read(node["file"]))
                node["file"] = name
    return {_SCHEMA: json.dumps(schema, separators=(",", ":")).encode(), **arrays}


def _without_padding(content: bytes) -> bytes:
    """Replace the padding between the fields of a structured array with zeros.

    Without this step, the padding contains arbitrary bytes, so the files of equal arrays can differ.
    """
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
    """Yield all objects of a skops schema in the order of the schema."""
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
    """Read the file ``schema.json``, and check its size and its types."""
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    if sizes[_SCHEMA] > MAX_SCHEMA:
        raise LineupError(
            f"{path}: too large: {_SCHEMA}: expected at most {MAX_SCHEMA:,}, found {sizes[_SCHEMA]:,} bytes"
        )
    schema = json.loads(archive.read(_SCHEMA))
    _check_types(path, schema)
    # An array that the tree names several times is read several times.
    total = sum(sizes[node["file"]] for node in _nodes(schema) if "file" in node)
    if total > MAX_UNPACKED:
        raise LineupError(f"{path}: too large: expected at most {MAX_UNPACKED:,} bytes unpacked, found {total:,}")
    return schema


def _check_types(path: Path, schema: Any) -> None:
    for node in _nodes(schema):
        name, loader = f"{node['__module__']}.{node['__class__']}", node["__loader__"]
        if name not in TYPES or loader not in _NODES:
            found = f"{shortened(name, 100)} ({shortened(loader, 60)})"
            raise LineupError(f"{path}: {found}: not a type of a lineup model; not loaded")
    if any("__id__" in node for node in _nodes(schema)):
        raise LineupError(f"{path}: identifiers of objects are not allowed; not loaded")


def _check_numbers(path: Path, archive: zipfile.ZipFile, schema: Any, features: int) -> None:
    """Check all indices in the arrays, because scikit-learn does not check them."""
    checks = {"Tree": _tree_is_sound, "TreePredictor": _boosted_tree_is_sound, "_BinMapper": _bins_are_sound}
    checks["KNeighborsClassifier"] = _neighbours_are_sound
    for node in _nodes(schema):
        check = checks.get(node["__class__"])
        if check and not check(archive, node, features):
            raise LineupError(
                f"{path}: {node['__class__']}: a number is out of range, or the number of features is not {features:,};"
                " not loaded"
            )


def _tree_is_sound(archive: zipfile.ZipFile, node: dict[str, Any], features: int) -> bool:
    found, classes, outputs = node["__reduce__"]["args"]["content"]
    nodes = _array(archive, node, "nodes")
    return (
        (_json(found), _json(outputs)) == (features, 1)
        and _read(archive, classes).shape == (1,)
        and _json(node["content"]["content"]["node_count"]) == len(nodes)
        and _leads_to_leaves(nodes, nodes["left_child"] == -1, ("left_child", "right_child", "feature"), features)
    )


def _boosted_tree_is_sound(archive: zipfile.ZipFile, node: dict[str, Any], features: int) -> bool:
    nodes = _array(archive, node, "nodes")
    leads = _leads_to_leaves(nodes, nodes["is_leaf"] != 0, ("left", "right", "feature_idx"), features)
    return leads and not nodes["is_categorical"].any()


def _leads_to_leaves(nodes: Any, leaf: Any, fields: tuple[str, str, str], features: int) -> bool:
    """Return whether a decision tree has no cycles and uses only existing features.

    If each child node has a larger index than its parent, the tree has no cycles.
    """
    left, right, feature = fields
    number, inner = np.arange(len(nodes)), ~leaf
    children = np.stack([nodes[left][inner], nodes[right][inner]]).astype(np.int64)
    tested = nodes[feature][inner].astype(np.int64)
    return (
        nodes.ndim == 1
        and len(nodes) > 0
        and bool(np.all((children > number[inner]) & (children < len(nodes))))
        and bool(np.all((tested >= 0) & (tested < features)))
    )


def _bins_are_sound(archive: zipfile.ZipFile, node: dict[str, Any], features: int) -> bool:
    return not _array(archive, node, "is_categorical_").any()


def _neighbours_are_sound(archive: zipfile.ZipFile, node: dict[str, Any], features: int) -> bool:
    images, labels = _array(archive, node, "_fit_X"), _array(archive, node, "_y")
    classes = len(_array(archive, node, "classes_"))
    neighbours = _json(node["content"]["content"]["n_neighbors"])
    return (
        labels.shape == images.shape[:1]
        and images.shape[1:] == (features,)
        and 0 < neighbours <= len(images)
        and bool(np.all((labels >= 0) & (labels < classes)))
    )


def _array(archive: zipfile.ZipFile, node: dict[str, Any], attribute: str) -> Any:
    return _read(archive, node["content"]["content"][attribute])


def _read(archive: zipfile.ZipFile, node: dict[str, Any]) -> Any:
    return np.load(io.BytesIO(archive.read(node["file"])), allow_pickle=False)


def _json(node: dict[str, Any]) -> Any:
    return json.loads(node["content"])
