"""Experiments: where their values come from, how they are written and read, and how mistakes are answered."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tsforge.config import parse, paths
from tsforge.errors import ConfigError
from tsforge.experiment import Experiment, TrainConfig, seconds
from tsforge.model.zoo import NETWORK, ZOO
from tsforge.settings import assignment, build


def write(folder: Path, text: str) -> Path:
    path = folder / "experiment.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_then_file_then_overrides(tmp_path: Path) -> None:
    """A flag that a file overrules, or a file that loses what it says beside a flag."""
    file = write(tmp_path, "seed = 5\n[train]\nlr = 0.5\nmax_steps = 7\n[data]\nhorizon = 3\n")
    found = build({"train.lr": 0.25, "data.context": 9}, file)
    assert (found.train.lr, found.data.context) == (0.25, 9)
    assert (found.train.max_steps, found.data.horizon, found.seed) == (7, 3, 5)
    assert found.train.batch_size == TrainConfig().batch_size
    assert build({}) == Experiment()


def test_overrides_reach_deep_and_keep_their_siblings(tmp_path: Path) -> None:
    """An override that replaces a whole table by its one value."""
    file = write(tmp_path, '[model]\nkind = "gru"\nwidth = 12\n[model.backbone]\nlayers = 2\n')
    found = build({"model.backbone.dropout": 0.25}, file).model
    assert (found.kind, found.width) == ("gru", 12)
    assert (found.backbone.cell, found.backbone.layers, found.backbone.dropout) == ("gru", 2, 0.25)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("name", ZOO)
def test_a_model_named_beside_a_file_is_that_model(tmp_path: Path, name: str, order: int) -> None:
    """`--model gru` beside an LSTM's file, training an LSTM under the name of a GRU."""
    for other in ZOO:
        file = write(tmp_path, build({"model.kind": other, "seed": 3}).toml())
        overrides = dict([("model.kind", name), ("train.lr", 0.5)][::order])
        assert build(overrides, file) == build({**overrides, "seed": 3})


def test_the_same_model_named_again_keeps_the_settings_of_the_file(tmp_path: Path) -> None:
    """`--model lstm` beside an LSTM's file, or the usual network beside one that names none, dropping its width."""
    for kind, text in (("lstm", '[model]\nkind = "lstm"\nwidth = 12\n'), (NETWORK, "[model]\nwidth = 12\n")):
        assert build({"model.kind": kind}, write(tmp_path, text)).model.width == 12


def test_a_name_and_settings_beside_it_belong_together(tmp_path: Path) -> None:
    """A model given as a bare name and forgotten as soon as one of its settings is given."""
    expected = build({"model.kind": "gru", "model.width": 12})
    assert build({"model": "gru", "model.width": 12}) == expected
    assert build({"model.width": 12, "model.kind": "gru"}) == expected
    assert build({"model.width": 12}, write(tmp_path, 'model = "gru"\n')) == expected
    with pytest.raises(ConfigError, match=r"model\.width"):
        build({"model": "naive", "model.width": 12})


@pytest.mark.parametrize("kind", ZOO)
def test_toml_round_trip(tmp_path: Path, kind: str) -> None:
    """A model directory whose experiment.toml cannot be fitted again, or fits something else."""
    made = build({
        "model.kind": kind, "name": 'a "name"\nand more', "data.path": "C:\\data.csv",
        "data.target": "load,price", "data.horizon": 24, "train.max_time": "1h30m",
        "train.lr": 3e-05, "seed": 7,
    })  # fmt: skip
    assert build({}, write(tmp_path, made.toml())) == made


SETTINGS: dict[str, dict[str, Any]] = {
    "lstm": {"model.head.type": "point", "model.head.loss": "mae", "model.tokens.channels": "shared"},
    "transformer": {"model.backbone.norm": "pre", "model.head.levels": [0.9, 0.5], "model.base": "none"},
    "naive": {"model.levels": [0.1, 0.9]},
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_toml_round_trip_of_other_settings(tmp_path: Path, kind: str) -> None:
    """A setting that is written in another form than it is read."""
    made = build({"model.kind": kind} | SETTINGS[kind])
    assert made != build({"model.kind": kind})
    assert build({}, write(tmp_path, made.toml())) == made


@pytest.mark.parametrize("kind", ZOO)
def test_plain_is_json_and_comes_back(kind: str) -> None:
    """A model directory that cannot be written, or read back, as JSON."""
    made = build({"model.kind": kind, "data.target": ["a", "b"], "train.max_time": 90})
    text = json.dumps(made.plain(), allow_nan=False)
    assert parse(Experiment, json.loads(text), "experiment.json") == made
    assert "null" not in text


@pytest.mark.parametrize("kind", ZOO)
def test_flat_holds_every_value_under_a_path_that_set_takes(kind: str) -> None:
    """Parameters in a tracked run that cannot be given back as --set."""
    made = build({"model.kind": kind, "data.horizon": 24})
    flat = made.flat()
    assert set(flat) <= set(paths(Experiment))
    assert build(flat) == made
    assert not any(isinstance(value, dict) for value in flat.values())


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("train.lrr", "train.lr"), ("trian", "train"), ("data.horizn", "data.horizon"), ("sed", "seed"),
        ("model.backbone.layer", "model.backbone.layers"), ("model.widht", "model.width"),
        ("model.head.level", "model.head.levels"), ("model.tokens.channel", "model.tokens.channels"),
    ],
)  # fmt: skip
def test_an_unknown_setting_names_the_nearest(path: str, near: str) -> None:
    """A typing mistake that is ignored: the run would use the default and say nothing."""
    with pytest.raises(ConfigError) as problem:
        build({path: 1})
    assert f"'{path}'" in problem.value.message
    assert f"'{near}'" in problem.value.hint


def test_an_unknown_setting_near_nothing_lists_its_neighbours() -> None:
    """A dead end."""
    with pytest.raises(ConfigError) as problem:
        build({"qqqqq": 1})
    assert all(name in problem.value.hint for name in Experiment.model_fields)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("naive", "model.width", 8), ("lstm", "model.levels", [0.5]), ("lstm", "model.backbone.heads", 2),
        ("linear", "model.width", 8), ("transformer", "model.backbone.cell", "gru"),
    ],
)  # fmt: skip
def test_a_setting_of_another_model_is_refused_and_not_suggested(kind: str, path: str, value: object) -> None:
    """A width for a baseline that is ignored, or an answer that recommends what was just refused."""
    with pytest.raises(ConfigError) as problem:
        build({"model.kind": kind, path: value})
    assert f"'{path}'" in problem.value.message
    assert path not in problem.value.hint.replace(",", " ").replace("'", " ").split()


@pytest.mark.parametrize("overrides", [{"model.kind": "lstn"}, {"model": "lstn"}])
def test_an_unknown_model_names_the_nearest(tmp_path: Path, overrides: dict[str, Any]) -> None:
    """A wrong name answered with a list of union tags, from flags or from a file."""
    for given, file in ((overrides, None), ({}, write(tmp_path, '[model]\nkind = "lstn"\n'))):
        with pytest.raises(ConfigError, match="lstn") as problem:
            build(given, file)
        assert "'lstm'" in problem.value.hint


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("train.lr", 0), ("train.lr", -1), ("train.lr", "fast"), ("train.max_steps", 0), ("seed", -1),
        ("train.warmup", 1), ("train.warmup", -0.1), ("train.clip", 0), ("train.max_time", 0),
        ("train.batch_size", 1.5),
        ("train.schedule", "linear"), ("data.horizon", 0), ("data.test", -1), ("model.width", 1),
        ("train", 3),
        ("train.lr", float("nan")), ("model.head.levels", [0.5, 1.0]), ("train.lr.x", 3),
    ],
)  # fmt: skip
def test_an_impossible_value_names_its_setting(path: str, value: object) -> None:
    """A traceback, or a message that does not say which of many settings is wrong."""
    with pytest.raises(ConfigError) as problem:
        build({path: value})
    known = path.removesuffix(".x")
    assert known in problem.value.message
    assert problem.value.hint


def test_an_error_names_its_source(tmp_path: Path) -> None:
    """A mistake in a file that is looked for among the flags."""
    file = write(tmp_path, "[train]\nlr = -1\n")
    with pytest.raises(ConfigError, match=r"experiment\.toml: train\.lr"):
        build({}, file)


def test_a_file_that_is_missing_suggests_one_that_is_there(tmp_path: Path) -> None:
    """A mistyped file name that leaves the user with the defaults."""
    write(tmp_path, "")
    with pytest.raises(ConfigError, match="no such file") as problem:
        build({}, tmp_path / "experimnt.toml")
    assert "'experiment.toml'" in problem.value.hint
    with pytest.raises(ConfigError, match="no such file"):
        build({}, tmp_path / "nowhere" / "experiment.toml")


@pytest.mark.parametrize("content", [b"[train\nlr = 1\n", b"lr = \xff\xfe\n", b"a = 1\na = 2\n"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    """A traceback of the parser's."""
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"broken\.toml: not valid TOML"):
        build({}, path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90", 90), ("90s", 90), ("5m", 300), ("5 m", 300), ("5min", 300), ("1h30m", 5400), ("1h 30m", 5400),
        ("2D", 172800), ("250ms", 0.25), ("1.5h", 5400), (".5h", 1800), (90, 90), (0.5, 0.5),
    ],
)  # fmt: skip
def test_durations(text: object, value: float) -> None:
    """A limit that is 60 times too long or too short."""
    assert build({"train.max_time": text}).train.max_time == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["", "h", "soon", "5x", "-5m", "1h h", "five 5m", "1,5m", "1h30", "1.5.2m", "5m!", "1e3"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A part of the text that is read, and the rest silently dropped."""
    with pytest.raises(ValueError, match="not a duration"):
        seconds(text)
    with pytest.raises(ConfigError, match=r"train\.max_time: not a duration"):
        build({"train.max_time": text})


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("train.lr=0.01", "train.lr", 0.01), ("train.lr=1e-3", "train.lr", 1e-3), ("seed=3", "seed", 3),
        ("data.target=[\"a\", 'b']", "data.target", ["a", "b"]), ("model.head.levels=[0.1,0.9]",
        "model.head.levels", [0.1, 0.9]), ("data.calendar=false", "data.calendar", False),
        ("data.calendar=true", "data.calendar", True), ("name=my run", "name", "my run"),
        ("name='3'", "name", "3"), ("name=", "name", ""), ("data.path=a=b.csv", "data.path", "a=b.csv"),
        ("data.path=C:\\new\\t.csv", "data.path", "C:\\new\\t.csv"), (" train.lr = 0.5 ", "train.lr", 0.5),
        ("train.max_time=1h30m", "train.max_time", "1h30m"), ("data.target=a,b", "data.target", "a,b"),
    ],
)  # fmt: skip
def test_assignments(text: str, path: str, value: object) -> None:
    """A number that arrives as text, a text that needs two kinds of quotes, a value cut in two."""
    found = assignment(text)
    assert found == (path, value)
    assert type(found[1]) is type(value)


@pytest.mark.parametrize("text", ["train.lr", "=3", "", " = 3"])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    """A --set that does nothing."""
    with pytest.raises(ConfigError, match=r"dotted\.path=value"):
        assignment(text)


def test_a_head_needs_no_type_to_be_the_default_one() -> None:
    """`--set model.head.levels=[0.1,0.9]` refused for want of a type that has a default."""
    levels = {"model.head.levels": [0.1, 0.9]}
    assert build(levels) == build(levels | {"model.head.type": "quantile"})
    with pytest.raises(ConfigError, match=r"model\.head\.loss"):
        build({"model.head.loss": "mae", "model.head.type": "quantile"})


def test_experiments_are_values() -> None:
    """An experiment that changes after it was written down."""
    made = build({"model.kind": "gru"})
    assert made == build({"model.kind": "gru"})
    assert made != build({"model.kind": "lstm"})
    with pytest.raises(ValueError, match="frozen"):
        made.seed = 2
    with pytest.raises(ValueError, match="frozen"):
        made.train.lr = 2.0


def test_building_does_not_change_its_arguments() -> None:
    """Overrides of one trial that show up in the next."""
    overrides, row = {"model": {"kind": "gru"}, "model.backbone.layers": 2}, deepcopy(ZOO["gru"])
    build(overrides)
    assert overrides == {"model": {"kind": "gru"}, "model.backbone.layers": 2}
    assert ZOO["gru"] == row


@pytest.mark.parametrize(("settings", "kind"), [
    ({}, "auto"), ({"data.horizon": 3, "seed": 2}, "auto"), ({"train.max_time": "5m"}, "auto"),
    ({"train.device": "cpu"}, "auto"), ({"model.bounds": "none"}, "auto"), ({"model.candidates": "theta,ets"}, "auto"),
    ({"train.max_steps": 100}, "gru"), ({"train.lr": 0.01, "train.max_time": 60}, "gru"), ({"ensemble": 3}, "gru"),
    ({"model.width": 16}, "gru"), ({"model.base": "theta"}, "gru"), ({"model.kind": "theta", "train.lr": 0.1}, "theta"),
])  # fmt: skip
def test_where_no_model_is_named_settings_of_a_network_ask_for_one(settings: dict[str, object], kind: str) -> None:
    """Prevents: a rate, a width or a number of steps that are given, and belong to nothing."""
    assert build(dict(settings)).model.kind == kind
    assert build({}, None, usual="lstm").model.kind == "lstm"
