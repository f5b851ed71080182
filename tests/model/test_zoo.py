"""The named models: rows of settings that become what their names say."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.helpers.draw import BASELINES, FORMS, MATRIX, PATCH, RELATIVE, SHAPE
from tsforge.errors import ConfigError
from tsforge.model.backbones.linear import Mixing
from tsforge.model.backbones.minimal import GATES, MinimalStacks
from tsforge.model.backbones.recurrent import Direct
from tsforge.model.backbones.transformer import OneStack, Stacks
from tsforge.model.tokens.patch import PatchEmbedding
from tsforge.model.tokens.point import PointEmbedding
from tsforge.model.tokens.variate import VariateEmbedding
from tsforge.model.zoo import DEFAULT, ZOO, complete, merge
from tsforge.settings import build

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


@pytest.mark.parametrize("kind", [k for k in ZOO if k not in BASELINES])
def test_a_name_builds_what_it_says(kind: str) -> None:
    """A row that names one architecture and builds another."""
    net = build({"model.kind": kind}).model.build(SHAPE._replace(context=60))
    patches = kind in (*PATCH, *RELATIVE)
    backbone, cell = net.backbone, CELLS.get(kind.removeprefix("patch-").removeprefix("growth-"))
    if kind in (*FORMS, *RELATIVE):
        assert isinstance(net.tokens, PatchEmbedding if patches else VariateEmbedding)
    else:
        assert isinstance(net.tokens, PointEmbedding)
    if cell is not None:
        assert type(backbone.encoder) is cell
        assert type(backbone.decoder) is (cell if patches else Direct)
        assert backbone.parallel == patches
    elif kind in ("min-gru", "min-lstm"):
        assert isinstance(backbone, MinimalStacks)
        assert {layer.gates for layer in (*backbone.encoder, *backbone.decoder)} == {GATES[kind.removeprefix("min-")]}
        assert not backbone.parallel
    elif kind in MATRIX:
        assert isinstance(backbone, Mixing)
    elif kind == "transformer":
        assert isinstance(backbone, Stacks)
    else:
        assert isinstance(backbone, OneStack)
        assert backbone.causal == (kind == "transformer-decoder")


@pytest.mark.parametrize("kind", BASELINES)
def test_a_baseline_is_its_kind(kind: str) -> None:
    """A baseline under another's name: every skill would be measured against the wrong forecast."""
    assert build({"model.kind": kind}).model.build(SHAPE).kind == kind


@pytest.mark.parametrize("kind", ZOO)
def test_a_name_alone_is_a_model(kind: str) -> None:
    """`model = "gru"` in a TOML file meaning less than its table."""
    assert build({"model": kind}) == build({"model.kind": kind})


def test_the_default_is_the_named_one() -> None:
    """A default that the help text contradicts."""
    assert build({}) == build({"model.kind": DEFAULT})


def test_settings_beside_a_name_win() -> None:
    """A row that overwrites what the user asked for, or a nested setting that drops its siblings."""
    given = {"kind": "gru", "backbone": {"cell": "rnn"}, "width": 5}
    expected = {"type": "recurrent", "cell": "rnn", "decode": "direct"}
    assert complete(given) == {"kind": "gru", "tokens": {"type": "step"}, "backbone": expected, "width": 5}
    assert ZOO["gru"]["backbone"] == expected | {"cell": "gru"}


def test_merge_leaves_its_arguments_alone() -> None:
    """One experiment's settings leaking into the next through a shared row."""
    base, over = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9}, "d": {"e": 4}}
    assert merge(base, over) == {"a": {"b": 9, "c": 2}, "d": {"e": 4}}
    assert base == {"a": {"b": 1, "c": 2}, "d": 3}
    assert over == {"a": {"b": 9}, "d": {"e": 4}}


@pytest.mark.parametrize(("wrong", "near"), [("lstn", "lstm"), ("Transformer", "transformer"), ("naiv", "naive")])
def test_an_unknown_name_suggests_the_nearest(wrong: str, near: str) -> None:
    """A typing mistake answered with pydantic's list of union tags."""
    with pytest.raises(ConfigError, match=wrong) as problem:
        complete({"kind": wrong})
    assert f"'{near}'" in problem.value.hint


def test_a_name_near_nothing_lists_all() -> None:
    """A dead end."""
    with pytest.raises(ConfigError) as problem:
        complete("qqqqqq")
    assert all(name in problem.value.hint for name in ZOO)


def test_weights_depend_on_the_seed_alone() -> None:
    """Weights drawn from another source than torch's generator: the same experiment, other numbers."""

    def first() -> torch.Tensor:
        torch.manual_seed(3)
        net = build({"model.width": 4}).model.build(SHAPE)
        return torch.cat([p.flatten() for p in net.parameters()])

    assert torch.equal(first(), first())
