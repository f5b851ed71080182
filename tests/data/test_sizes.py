"""Sizes that no table has and no memory holds are refused by name, before anything is laid out for them."""

from __future__ import annotations

from typing import Any

import pytest

import tsforge
from tests.helpers.tables import walk
from tsforge.errors import ConfigError


@pytest.mark.parametrize(("setting", "value"), [
    ("seed", 2**64), ("seed", 2**32), ("seed", -1), ("seed", 10**400), ("data.horizon", 10**6),
    ("data.context", 10**7), ("data.season", 10**9), ("data.validation", 10**18), ("data.test", 10**18),
    ("data.rows", 10**30), ("ensemble", 10**9), ("model.width", 10**9), ("model.backbone.layers", 100_000),
    ("model.recent", 10**9), ("model.cycle", 10**9), ("train.max_steps", 10**18), ("train.batch_size", 10**18),
    ("train.lr", float("inf")), ("train.weight_decay", float("nan")), ("train.clip", float("inf")),
])  # fmt: skip
def test_settings_have_an_upper_end(setting: str, value: Any) -> None:
    """ValueError from torch or numpy, a MemoryError or a machine that swaps."""
    with pytest.raises(ConfigError, match=setting.replace(".", r"\.")):
        tsforge.build({"data.horizon": 4, setting: value})


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32 - 1])
def test_every_seed_that_is_allowed_works(seed: int) -> None:
    """A range in words that is not the range in fact."""
    settings = {"data.horizon": 3, "model.kind": "rnn", "model.width": 4, "train.max_steps": 1, "seed": seed}
    assert tsforge.fit(tsforge.build(settings), walk()).steps == 1


@pytest.mark.parametrize(("lengths", "context"), [((40,), 100_000), ((60, 30), 601), ((90, 90, 90), 5000)])
@pytest.mark.parametrize("kind", ["rnn", "nlinear", "naive"])
def test_a_context_far_beyond_the_data_is_refused(lengths: tuple[int, ...], context: int, kind: str) -> None:
    """Hours of padding."""
    settings = {"data.horizon": 3, "data.context": context, "model.kind": kind}
    with pytest.raises(ConfigError, match=f"a context of {context} steps.* {max(lengths)} at most"):
        tsforge.fit(tsforge.build(settings), walk(lengths))


@pytest.mark.parametrize(("kind", "season"), [("naive2", 50), ("naive2", 30), ("seasonal-naive", 70)])
def test_a_context_that_the_model_needs_is_not(kind: str, season: int) -> None:
    """A baseline refused for the seasons it asks for itself, when its settled settings come again."""
    settings = {"data.horizon": 3, "data.season": season, "data.context": 20, "model.kind": kind}
    fitted = tsforge.fit(tsforge.build(settings), walk((80,)))
    again = tsforge.fit(fitted.model.experiment, walk((80,)))
    assert again.dataset.sizes.context == fitted.dataset.sizes.context
