"""The space of a sweep: from the configurations alone, with a branch for each architecture, changed by path."""

from __future__ import annotations

import random
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from tsforge.config import Choice, Config, Range
from tsforge.errors import ConfigError
from tsforge.experiment import Experiment
from tsforge.model.zoo import ZOO
from tsforge.settings import build
from tsforge.sweeping.space import Space, space


class Asked:
    """Stands in for a trial: draws at random and keeps what it was asked for."""

    def __init__(self, seed: int = 0, **answers: Any) -> None:
        self.random, self.answers = random.Random(seed), answers
        self.names: dict[str, tuple[Any, ...]] = {}

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        self.names[name] = (low, high, log)
        return self.random.uniform(low, high)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        self.names[name] = (low, high, step, log)
        return self.random.randrange(low, high + 1, step)

    def suggest_categorical(self, name: str, choices: list[Any]) -> Any:
        self.names[name] = tuple(choices)
        return self.answers.get(name.replace(".", "_"), self.random.choice(choices))


def bases(*models: str) -> dict[str, Experiment]:
    return {model: build({"model.kind": model}) for model in models}


def test_each_architecture_is_a_branch_of_its_own() -> None:
    """Prevents: settings of one architecture sampled for another, or heads for an LSTM."""
    whole = space(bases("lstm", "transformer"), {})
    for kind, other in (("lstm", "transformer"), ("transformer", "lstm")):
        asked = Asked(model_kind=kind)
        experiment = whole.suggest(asked)
        assert experiment.model.kind == kind
        assert not [n for n in asked.names if n.startswith(f"{other}/")]
        assert {"model.kind", "train.lr", f"{kind}/model.width", f"{kind}/model.backbone.layers"} <= set(asked.names)
        assert (f"{kind}/model.backbone.heads" in asked.names) == (kind == "transformer")


def test_one_architecture_has_plain_names_and_no_choice_of_kind() -> None:
    asked = Asked()
    experiment = space(bases("gru"), {}).suggest(asked)
    assert experiment.model.kind == "gru"
    assert "model.width" in asked.names
    assert "model.kind" not in asked.names


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_drawn_is_an_experiment_that_can_be_built(seed: int) -> None:
    """Prevents: trials that fail for a width that the heads do not divide."""
    from tsforge.batch import WindowShape

    whole = space(bases(*ZOO), {})
    whole.suggest(Asked(seed)).model.build(WindowShape(12, 4, 1, 0, 0, 0, 1, ()))


@pytest.mark.parametrize("model", ZOO)
def test_every_default_lies_in_its_range(model: str) -> None:
    """Prevents: a sweep that cannot begin with the named model as it is."""
    whole = space(bases(model), {})
    assert set(whole.defaults(model)) == {s.name for s in whole.of(model) if not s.fixed}


def test_a_new_configuration_has_a_space_without_more_code() -> None:
    """Prevents: a list of architectures somewhere in the sweep."""

    class Novel(Config):
        type: Literal["novel"] = "novel"
        rank: Annotated[int, Field(ge=1), Range(2, 9)] = 4
        form: Annotated[Literal["a", "b"], Choice(("a", "b"))] = "a"

    base = build({"model.kind": "lstm"})
    model = base.model.model_copy(update={"backbone": Novel()})
    whole = space({"lstm": base}, {})
    from tsforge.sweeping.space import _ranges

    ranges = dict(_ranges(model, "model."))
    assert ranges["model.backbone.rank"] == Range(2, 9)
    assert ranges["model.backbone.form"] == Choice(("a", "b"))
    assert "model.backbone.layers" in {s.path for s in whole.settings}


def named(whole: Space) -> dict[str, Any]:
    return {s.name: s.values for s in whole.settings}


def test_expressions_narrow_widen_and_fix() -> None:
    ranges = {
        "train.lr": "log(1e-3, 5e-3)", "model.width": [16, 32], "gru/model.backbone.layers": "int(1,2)",
        "train.batch_size": 64, "train.average": "float(0.9, 0.999)", "train.schedule": "choice(cosine, constant)",
        "data.context": "choice(24,48)", "gru/model.width": "int(8,24,8)",
    }  # fmt: skip
    values = named(space(bases("lstm", "gru"), ranges))
    assert values["train.lr"] == Range(1e-3, 5e-3, log=True)
    assert values["lstm/model.width"] == Choice((16, 32))
    assert values["gru/model.width"] == Range(8, 24, step=8)
    assert values["gru/model.backbone.layers"] == Range(1, 2)
    assert values["lstm/model.backbone.layers"] == Range(1, 3)
    assert values["train.batch_size"] == Choice((64,))
    assert values["train.average"] == Range(0.9, 0.999)
    assert values["train.schedule"] == Choice(("cosine", "constant"))
    assert values["data.context"] == Choice((24, 48))


def test_a_fixed_setting_is_not_asked_for() -> None:
    asked = Asked()
    experiment = space(bases("lstm"), {"train.lr": 0.005}).suggest(asked)
    assert experiment.train.lr == 0.005
    assert "train.lr" not in asked.names


def test_log_of_whole_numbers_stays_whole_and_of_a_rate_does_not() -> None:
    values = named(space(bases("lstm"), {"model.width": "log(8,64)", "train.lr": "log(1,10)"}))
    assert values["model.width"] == Range(8, 64, log=True)
    assert isinstance(values["model.width"].low, int)
    assert isinstance(values["train.lr"].low, float)


@pytest.mark.parametrize(("name", "value", "says", "hint"), [
    ("train.lrr", "log(1e-4,1e-2)", "'train.lrr' is no setting", "train.lr"),
    ("model.backbone.heads", "choice(1,2)", "no setting", ""),
    ("gruu/model.width", "int(1,2)", "no model 'gruu'", "it has lstm"),
    ("data.horizon", "int(1,2)", "no setting that a sweep can vary", "change what is scored"),
    ("seed", "int(1,2)", "no setting that a sweep can vary", "change what is scored"),
    ("model.kind", "choice(a,b)", "chosen among the models", "sweep.models"),
    ("train.lr", "log(0,1)", "must be above 0", "log(1e-4"),
    ("train.lr", "log(2,1)", "must be below", "log(1e-4"),
    ("train.lr", "normal(0,1)", "not understood", "choice(16,32)"),
    ("train.lr", "float(0,1)", "must be more than 0", "`space` train.lr"),
    ("model.width", "choice(16,1)", "must be 2 or more", "`space` model.width"),
    ("model.width", "int(16.5,32)", "whole", "int(1,4)"),
    ("train.schedule", "choice(cosine,linear)", "must be 'cosine', 'step' or 'constant'", ""),
])  # fmt: skip
def test_errors_teach(name: str, value: str, says: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        space(bases("lstm"), {name: value})
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_defaults_are_those_that_lie_in_the_space() -> None:
    whole = space(bases("lstm", "transformer"), {"lstm/model.width": "int(8,24,8)"})
    assert whole.defaults("transformer")["transformer/model.width"] == 64
    assert whole.defaults("transformer")["model.kind"] == "transformer"
    assert "lstm/model.width" not in whole.defaults("lstm")
    assert whole.defaults("lstm")["train.lr"] == 1e-3
