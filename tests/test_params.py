"""``params.yaml``: the committed file loads; an error is one line with the key, the value and the accepted values."""

from __future__ import annotations

import copy
import dataclasses
import math
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lineup.committee.candidates import candidates
from lineup.committee.rules import RULES
from lineup.committee.settings import MemberFilter
from lineup.errors import LineupError
from lineup.params import Params, load_params
from lineup.records.header import flatten

ROOT = Path(__file__).parents[1]
MISSING = object()

FIT: dict[str, Any] = {"epochs": 2, "batch_size": 32, "learning_rate": 0.01}
RECIPE: dict[str, Any] = {
    "family": "cnn",
    "architecture": "basic_cnn",
    "epochs": 3,
    "batch_size": 32,
    "learning_rate": 0.001,
    "validation": 0.2,
    "seeds": 1,
}
PARAMS: dict[str, Any] = {
    "data": {"name": "synthetic"},
    "split": {"seed": 1},
    "training": {"threads": 1},
    "models": {
        "small": RECIPE,
        "dropped": {**RECIPE, "architecture": "deeper_cnn", "options": {"dropout": 0.25}},
        "coded": {
            **RECIPE,
            "family": "autoencoder",
            "architecture": "frozen_encoder",
            "pretrain": FIT,
        },
    },
    "committees": {"both": {"members": ["small", "coded"], "rule": "average"}},
    "champion": {"metric": "loss", "among": "all"},
}
# Words of pydantic's own messages, which mean nothing to somebody who edits a YAML file.
PYDANTIC = ("Input should", "after validation", "pattern", "Dictionary", "Value error")
MEMBERS = "of names, all, or a section with kind, family, report or best"
RECIPE_KEYS = (
    "xpected one of family, architecture, validation, seeds, options, class_weight, epochs, batch_size, learning_rate"
)

# Key, its value, and texts that the error holds: the key as a reader finds it, the value, what is accepted.
BAD: list[tuple[str, Any, tuple[str, ...]]] = [
    ("nope", 1, ("unknown key 'nope'; expected one of data, split, training, models, committees, champion",)),
    (
        "data.nope",
        1,
        (
            "unknown key 'nope' in data; ",
            "xpected one of name, folder, train_images, test_images, shape, seed",
        ),
    ),
    ("split.nope", 1, ("unknown key 'nope' in split; expected one of seed, test",)),
    ("training.nope", 1, ("unknown key 'nope' in training; expected threads",)),
    ("models.small.nope", 1, ("unknown key 'nope' in models.small; ", RECIPE_KEYS)),
    ("resources", {"small": {"gpu": 0}}, ("resources.small.gpu = 0: expected more than 0",)),
    ("resources", {"small": {"gpu": "one"}}, ("resources.small.gpu = 'one': expected a number",)),
    ("resources", {"small": 1}, ("resources.small = 1: expected a section",)),
    ("resources", {"smal": {"gpu": 1}}, ("resources: unknown model or committee 'smal'; did you mean 'small'?",)),
    ("models.coded.pretrain.nope", 1, ("unknown key 'nope' in models.coded.pretrain; ", "one of epochs, batch_size")),
    ("committees.both.nope", 1, ("unknown key 'nope' in committees.both; ", "one of members, rule, report")),
    ("models.dropped.options", {"depth": 3}, ("models.dropped.options.depth: unknown option; expected dropout",)),
    ("models.small.options", {"depth": 3}, ("models.small.options.depth: unknown option; expected none",)),
    ("models.dropped.options.dropout", [1], ("models.dropped.options.dropout = [1]: expected a number",)),
    ("models.dropped.options", 3, ("models.dropped.options = 3: expected a section",)),
    ("models.small.epochs", "3", ("models.small.epochs = '3': expected a whole number",)),
    ("models.small.epochs", True, ("models.small.epochs = True: expected a whole number",)),
    ("models.small.epochs", 1.5, ("models.small.epochs = 1.5: expected a whole number",)),
    ("models.small.epochs", None, ("models.small.epochs = None: expected a whole number",)),
    ("models.small.epochs", [3], ("models.small.epochs = [3]: expected a whole number",)),
    ("models.small.epochs", -1, ("models.small.epochs = -1: expected at least 1",)),
    ("models.small.epochs", 10**30, (f"models.small.epochs = {10**30}: expected at most 10000",)),
    ("models.small.batch_size", 0, ("models.small.batch_size = 0: expected at least 1",)),
    ("models.small.seeds", [2**31], (f"models.small.seeds.0 = {2**31}: expected less than {2**31}",)),
    ("models.small.seeds", [-1], ("models.small.seeds.0 = -1: expected at least 0",)),
    ("models.small.seeds", [1, 2, 1], ("models.small.seeds: 1 is listed twice; expected each seed once",)),
    ("models.small.seeds", 0, ("models.small.seeds = 0: expected a number of seeds from 1 to 1,000, or a list",)),
    ("models.small.seeds", 1001, ("models.small.seeds = 1001: expected a number of seeds from 1 to 1,000",)),
    ("models.small.seeds", True, ("models.small.seeds = True: expected a number of seeds from 1 to 1,000",)),
    ("models.small.seeds", [], ("models.small.seeds = []: expected a number of seeds from 1 to 1,000",)),
    ("committees.both.seeds", 0, ("committees.both.seeds = 0: expected at least 1",)),
    ("models.small.validation", 0, ("models.small.validation = 0: expected more than 0",)),
    ("models.small.validation", 0.51, ("models.small.validation = 0.51: expected at most 0.5",)),
    ("models.small.validation", math.nan, ("models.small.validation = nan: expected at most 0.5",)),
    ("models.small.learning_rate", 0, ("models.small.learning_rate = 0: expected more than 0",)),
    ("models.small.learning_rate", math.inf, ("models.small.learning_rate = inf: expected at most 10",)),
    ("models.small.learning_rate", math.nan, ("models.small.learning_rate = nan: expected at most 10",)),
    ("models.small.learning_rate", True, ("models.small.learning_rate = True: expected a number",)),
    ("models.small.learning_rate", "1e-3", ("models.small.learning_rate = '1e-3': expected a number", "1.0e-3")),
    ("models.small.learning_rate", 10**400, ("models.small.learning_rate = 1000", "...: expected at most 10")),
    ("models.small.family", "mlp", ("models.small.family = 'mlp': expected one of dense, wide_deep, conv1d",)),
    ("models.small.family", "", ("models.small.family = '': expected one of dense",)),
    ("models.small.architecture", "vgg", ("models.small.architecture = 'vgg': expected one of basic_cnn, deeper_cnn",)),
    ("models.small.scaling", "none", ("models.small.scaling = 'none': expected 'unit' or 'symmetric'",)),
    ("models.small.momentum", 0.5, ("models.small.momentum: only accepted for the optimizer sgd, found 'adam'",)),
    ("models.small.snapshots", 2, ("models.small.snapshots = 2: expected the schedule cosine or linear",)),
    ("models.coded.finetune", {**FIT, "snapshots": 2, "schedule": "cosine"}, ("snapshots: not supported in",)),
    ("models.small.augment", True, ("models.small.augment = True: expected a section",)),
    ("models.small.augment", {"flip": True}, ("unknown key 'flip' in models.small.augment; ", "shift, mirror, cutout")),
    ("models.small.optimizer", "muon", ("models.small.optimizer = 'muon': expected 'adam' or 'sgd'",)),
    ("models.coded.precision", "mixed_bfloat16", ("precision and mirror_predictions: not supported in the family",)),
    ("models.coded.augment", {"shift": 1}, ("augment: not supported in the phase classifier of the family",)),
    ("models.coded.pretrain.label_smoothing", 0.1, ("pretrain: label_smoothing is not accepted, because",)),
    ("models.coded.scaling", "symmetric", ("models.coded.scaling = 'symmetric'", "expected 'unit'")),
    ("models.coded.pretrain", MISSING, ("models.coded.pretrain", "the family autoencoder requires it")),
    ("models.coded.pretrain.epochs", 0, ("models.coded.pretrain.epochs = 0: expected at least 1",)),
    ("models.coded.pretrain.epochs", MISSING, ("models.coded.pretrain.epochs is missing", "epochs, batch_size")),
    (
        "models.small.pretrain",
        PARAMS["models"]["coded"]["pretrain"],
        ("models.small.pretrain", "only accepted in the family autoencoder"),
    ),
    ("models.small", None, ("models.small = None: expected a section with family, architecture",)),
    ("models", {}, ("models = {}: expected at least 1 entry",)),
    ("models", [], ("models = []: expected a section",)),
    ("models.Small-1", RECIPE, ("models.Small-1 = 'Small-1': expected a name of", "lower-case letters")),
    ("models.4", RECIPE, ("models.4 = '4': expected a name of", "the first a letter")),
    ("models.../x", RECIPE, ("models.../x = '../x': expected a name of", "lower-case letters")),
    ("models.x\ny", RECIPE, (r"'x\ny': expected a name of",)),
    ("models." + "x" * 65, RECIPE, ("expected a name of at most 64",)),
    ("models.small_seed2", RECIPE, ("models.small_seed2: a name must not end in _seed and a number; set seeds",)),
    ("committees.both.members", [], ("committees.both.members = []: expected at least 1 entry",)),
    ("committees.both.members", "small", ("committees.both.members = 'small': expected a list", MEMBERS)),
    ("committees.both.members", "", ("committees.both.members = '': expected a list", MEMBERS)),
    ("committees.both.members", 3, ("committees.both.members = 3: expected a list", MEMBERS)),
    ("committees.both.members", None, ("committees.both.members = None: expected a list", MEMBERS)),
    ("committees.both.members", {}, ("committees.both.members = {}: expected a list", MEMBERS)),
    ("committees.both.members", [3], ("committees.both.members.0 = 3: expected a text",)),
    ("committees.both.members", MISSING, ("committees.both.members is missing", "has members, rule, report")),
    (
        "committees.both.members",
        {"nope": 1},
        ("unknown key 'nope' in committees.both.members; expected one of kind, family, report, best",),
    ),
    ("committees.both.members", {"best": 0}, ("committees.both.members.best = 0: expected at least 1",)),
    ("committees.both.members", {"best": "5"}, ("committees.both.members.best = '5': expected a whole number",)),
    (
        "committees.both.members",
        {"best": 4},
        ("committees.both.members.best = 4: only 3 models can be chosen",),
    ),
    ("committees.both.members", {"kind": "cnn"}, ("members.kind = 'cnn': expected 'network' or 'classical'",)),
    ("committees.both.members", {"family": "vgg"}, ("members.family = 'vgg': expected one of dense",)),
    ("committees.both.members", {"report": "Z"}, ("committees.both.members: no model has this kind, family and",)),
    ("committees.both.members", {"family": "dense"}, ("committees.both.members: no model has this kind",)),
    ("committees.both.members", ["small", "small"], ("committees.both.members: 'small' is listed twice",)),
    (
        "committees.both.members",
        ["vgg"],
        ("committees.both.members", "unknown model 'vgg'; expected one of coded, dropped, small"),
    ),
    ("committees.both.rule", "vote", ("committees.both.rule = 'vote': expected one of average",)),
    (
        "committees.both.temperature",
        "yes",
        ("committees.both.temperature = 'yes': expected 'none', 'before', 'after' or 'both'",),
    ),
    (
        "committees.both",
        {"members": "all", "rule": "cascade"},
        ("committees.both.members: the rule cascade requires a list of names, the fastest model first",),
    ),
    ("committees.both.price", 0.1, ("price: only accepted for the rule greedy, found the rule average",)),
    ("committees.both.price", 0, ("committees.both.price = 0: expected more than 0",)),
    ("committees.both.accuracy_loss", 0.1, ("accuracy_loss: only accepted for the rule cascade",)),
    ("committees.both.accuracy_loss", "1 %", ("committees.both.accuracy_loss = '1 %': expected a number",)),
    ("committees.both.seed", -1, ("committees.both.seed = -1: expected at least 0",)),
    (
        "committees.both_seed2",
        {"members": ["small"], "rule": "average"},
        ("committees.both_seed2: a name must not end in _seed and a number; set seeds",),
    ),
    (
        "committees.small",
        PARAMS["committees"]["both"],
        ("'small' names a model and a committee", "expected different names"),
    ),
    ("committees", None, ("committees = None: expected a section",)),
    ("data.name", "cifar", ("data.name = 'cifar': expected one of fashion_mnist, synthetic",)),
    ("data.folder", 3, ("data.folder = 3: expected a text",)),
    ("data.train_images", 10**12, (f"data.train_images = {10**12}: expected at most 1000000",)),
    ("data.name", MISSING, ("data.name is missing", "name, folder, train_images")),
    ("data", "synthetic", ("data = 'synthetic': expected a section with name, folder",)),
    ("split.seed", -1, ("split.seed = -1: expected at least 0",)),
    ("training.threads", 0, ("training.threads = 0: expected at least 1",)),
    ("split", MISSING, ("split is missing", "data, split, training, models, committees, champion")),
    ("committees", MISSING, ("committees is missing", "data, split, training, models, committees, champion")),
]


def changed(key: str, value: Any) -> dict[str, Any]:
    """Return valid parameters with one key changed, added or removed."""
    params = copy.deepcopy(PARAMS)
    section, parts = params, key.split(".", 2 if key.startswith("models..") else -1)
    if key.startswith("models.."):
        parts = ["models", key.removeprefix("models.")]
    for part in parts[:-1]:
        section = section[part]
    if value is MISSING:
        del section[parts[-1]]
    else:
        section[parts[-1]] = value
    return params


def load(folder: Path, content: str | bytes | dict[str, Any]) -> Params:
    """Write ``params.yaml`` and load it."""
    if isinstance(content, dict):
        content = yaml.safe_dump(content)
    path = folder / "params.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_params(path)


@pytest.fixture
def params(tmp_path: Path) -> Params:
    return load(tmp_path, PARAMS)


def test_the_parameters_of_this_repository_load() -> None:
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params = load_params(ROOT / "params.yaml")
    assert set(params.models) == set(values["models"])
    assert params.committee("report_a").members == values["committees"]["report_a"]["members"]
    for model, written in values["models"].items():
        recipe = flatten(dataclasses.asdict(params.models[model]))
        assert params.models[model].seeds == list(range(1, written.pop("seeds", 1) + 1))
        del recipe["seeds"]
        assert flatten(written).items() <= recipe.items()


@pytest.mark.parametrize(("key", "value", "held"), BAD, ids=[f"{key[:30]}={str(value)[:20]}" for key, value, _ in BAD])
def test_the_error_of_a_wrong_value_names_the_accepted_ones(
    tmp_path: Path, key: str, value: Any, held: tuple[str, ...]
) -> None:
    with pytest.raises(LineupError) as caught:
        load(tmp_path, changed(key, value))
    message = str(caught.value)
    assert message.startswith("params.yaml: ")
    assert "\n" not in message
    for text in held:
        assert text in message
    assert not any(word in message for word in PYDANTIC)


def test_models_may_have_the_names_of_sections_and_types(tmp_path: Path) -> None:
    """Errors find a key by its position, so a model may have the name of a section or a type."""
    recipe = load(tmp_path, PARAMS).models["small"]
    for name in ("data", "int", "options", "models", "pretrain", "network", "classical"):
        assert load(tmp_path, changed(f"models.{name}", RECIPE)).models[name] == recipe
        with pytest.raises(LineupError, match=rf"unknown key 'nope' in models.{name}; .*{RECIPE_KEYS}"):
            load(tmp_path, changed(f"models.{name}", {**RECIPE, "nope": 1}))
        with pytest.raises(LineupError, match=rf"models.{name}.epochs = 0: expected at least 1$"):
            load(tmp_path, changed(f"models.{name}", {**RECIPE, "epochs": 0}))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"models: [", "cannot be read as YAML: line 2, column 1: "),
        (b"? 2025-01-01\n: 3", "keys must be str"),
        (b"", "None: expected a section with data, split, training, models, committees, champion"),
        (b"[]", r"\[\]: expected a section with data, split"),
        (b"3", "3: expected a section with data, split"),
    ],
    ids=lambda value: str(value[:20]),
)
def test_a_file_without_sections_raises_a_one_line_error(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(LineupError, match=f"params.yaml: .*{said}") as caught:
        load(tmp_path, content)
    assert "\n" not in str(caught.value)


def test_the_error_of_a_missing_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(LineupError, match=r"absent\.yaml: no such file"):
        load_params(tmp_path / "absent.yaml")
    with pytest.raises(LineupError, match="cannot be read: not a regular file"):
        load_params(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from([key for key, _, _ in BAD if "\n" not in key]), JSON)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_loads_or_raises_a_one_line_error(tmp_path: Path, key: str, value: Any) -> None:
    message = ""
    try:
        load(tmp_path, changed(key, value))
    except LineupError as error:
        message = str(error)
    assert "\n" not in message
    assert len(message) < 600


def test_everything_is_frozen(params: Params) -> None:
    named = (params.models["coded"], params.committees["both"])
    for section in (params, params.data, params.split, params.training, *named):
        name = dataclasses.fields(section)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(section, name, getattr(section, name))


def test_a_recipe_accepts_changes(params: Params) -> None:
    assert params.recipe("small") == params.models["small"]
    before = dataclasses.asdict(params.models["coded"])
    assert dataclasses.asdict(params.recipe("coded", epochs=7, learning_rate=0.5)) == before | {
        "epochs": 7,
        "learning_rate": 0.5,
    }
    assert dataclasses.asdict(params.models["coded"]) == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epochs": 0}, "models.small: epochs = 0: expected at least 1"),
        ({"learning_rate": math.nan}, "models.small: learning_rate = nan: expected at most 10"),
        ({"seeds": [2**40]}, f"models.small: seeds.0 = {2**40}: expected less than {2**31}"),
        ({"nope": 1}, "models.small: unknown key 'nope'; expected one of family"),
        ({"architecture": "vgg"}, "models.small: architecture = 'vgg': expected one of basic_cnn"),
    ],
    ids=str,
)
def test_recipe_checks_changes(params: Params, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(LineupError) as caught:
        params.recipe("small", **changes)
    assert str(caught.value).startswith(said)


def test_the_error_names_an_unknown_key_before_a_missing_one(tmp_path: Path) -> None:
    typos = {
        "models.small.learning_rat": "unknown key 'learning_rat' in models.small; did you mean 'learning_rate'? ",
        "models.small.famly": "unknown key 'famly' in models.small; did you mean 'family'? ",
        "models.coded.pretrain.epoch": "unknown key 'epoch' in models.coded.pretrain; did you mean 'epochs'? ",
        "committees.both.member": "unknown key 'member' in committees.both; did you mean 'members'? ",
        "champion.metrik": "unknown key 'metrik' in champion; did you mean 'metric'? ",
        "champoin": "unknown key 'champoin'; did you mean 'champion'? ",
    }
    for place, said in typos.items():
        section, _, typo = place.rpartition(".")
        params = copy.deepcopy(PARAMS)
        values = params
        for part in filter(None, section.split(".")):
            values = values[part]
        (right,) = get_close_matches(typo, values, n=1)
        values[typo] = values.pop(right)
        with pytest.raises(LineupError, match=rf"params\.yaml: {re.escape(said)}Expected one of "):
            load(tmp_path, params)


@pytest.mark.parametrize(
    ("key", "value", "near"),
    [
        ("data.name", "fashion_minst", "'fashion_mnist'"),
        ("models.small.family", "cn", "'cnn'"),
        ("models.small.architecture", "basik_cnn", "'basic_cnn'"),
        ("models.dropped.options", {"dropuot": 0.1}, "'dropout'"),
        ("committees.both.rule", "avrage", "'average' or 'voting_average'"),
        ("committees.both.members", ["smal"], "'small'"),
        ("committees.both.members", {"family": "densee"}, "'dense'"),
    ],
    ids=str,
)
def test_the_error_of_a_typo_suggests_similar_values(tmp_path: Path, key: str, value: Any, near: str) -> None:
    with pytest.raises(LineupError, match=rf"did you mean {near}\? Expected "):
        load(tmp_path, changed(key, value))


def test_an_error_counts_many_names_and_suggests_three() -> None:
    params = load_params(ROOT / "params.yaml")
    with pytest.raises(LineupError) as caught:
        params.recipe("shalow_nn")
    begin, middle, end = str(caught.value).partition("'shallow_nn'")
    assert (begin, bool(middle)) == ("unknown model 'shalow_nn'; did you mean ", True)
    assert end == f"? Expected one of the {len(params.models)} in the section models of params.yaml"
    with pytest.raises(
        LineupError, match=f"'x'; expected one of the {len(params.committees)} in the section committees"
    ):
        params.committee("x")
    with pytest.raises(LineupError) as caught:
        params.recipe("x" * 100_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("key", ["{}", "models.{}", "models.small.{}", "committees.both.{}"])
def test_long_names_are_shortened(tmp_path: Path, key: str) -> None:
    for value in (1, {}, "y" * 9_000, {"z" * 9_000: 1}, RECIPE):
        with pytest.raises(LineupError) as caught:
            load(tmp_path, changed(key.format("x" * 9_000), value))
        assert len(str(caught.value)) < 700


def test_unknown_names_list_the_known_ones(params: Params) -> None:
    with pytest.raises(LineupError, match=r"unknown model 'vgg'; expected one of coded, dropped, small$"):
        params.recipe("vgg")
    with pytest.raises(LineupError, match=r"unknown committee 'none'; expected both$"):
        params.committee("none")


def with_seeds(**committees: dict[str, Any]) -> dict[str, Any]:
    """Return parameters of two models, with three seeds and with the seeds 1 and 7, and committees of them."""
    models = {"a": {**RECIPE, "seeds": 3}, "b": {**RECIPE, "seeds": [1, 7]}}
    return PARAMS | {"models": models, "committees": committees}


def test_seeds_are_a_number_or_a_list(tmp_path: Path) -> None:
    params = load(tmp_path, with_seeds())
    assert (params.models["a"].seeds, params.models["b"].seeds) == ([1, 2, 3], [1, 7])
    assert params.recipe("b", seeds=[5]).seed == 5
    without = {name: value for name, value in RECIPE.items() if name != "seeds"}
    assert load(tmp_path, PARAMS | {"models": {"a": without}, "committees": {}}).models["a"].seeds == [1]


def test_committee_has_runs_over_the_seeds_of_its_members(tmp_path: Path) -> None:
    pair = {"members": ["a", "b"], "rule": "average"}
    assert load(tmp_path, with_seeds(pair={**pair, "seeds": 2})).committee("pair").seeds == 2
    with pytest.raises(LineupError, match=r"committees.pair.seeds = 3: b has fewer seeds; expected at most 2$"):
        load(tmp_path, with_seeds(pair={**pair, "seeds": 3}))
    with pytest.raises(LineupError, match=r"committees.all.seeds = 3: b has fewer seeds"):
        load(tmp_path, with_seeds(all={"members": "all", "rule": "average", "seeds": 3}))


def test_committee_may_name_single_runs_of_a_model(tmp_path: Path) -> None:
    ensemble = {"members": ["a", "a_seed2", "b_seed7"], "rule": "average"}
    assert load(tmp_path, with_seeds(ensemble=ensemble)).committee("ensemble").members == ["a", "a_seed2", "b_seed7"]
    with pytest.raises(LineupError, match=r"committees.pair.members: b has no seed 2; expected one of \[1, 7\]"):
        load(tmp_path, with_seeds(pair={"members": ["a", "b_seed2"], "rule": "average"}))


def test_committees_of_the_shipped_parameters_have_members() -> None:
    params = load_params(ROOT / "params.yaml")
    found = {name: candidates(committee.members, params.candidates()) for name, committee in params.committees.items()}
    assert found["report_c_average"] == ["conv2d_4", "conv2d_5", "conv2d_6"]
    assert found["all_models"] == list(params.models)
    of_report_a = {committee.rule for name, committee in params.committees.items() if name.startswith("report_a")}
    assert set(RULES) - {"cascade"} <= of_report_a
    assert params.committee("best_five").members == MemberFilter(best=5)
    assert all(found.values())
