"""A pretrained model in a tournament."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

import tsforge
from tests.helpers.tables import daily, hourly
from tsforge.fitted.starting import WEIGHTS

TABLES = {"hourly": (hourly(10), {}), "daily": (daily(n=80), {"data.id": "item"})}


def asked(name: str, *candidates: str) -> tsforge.Experiment:
    more = {"model.kind": "auto", "model.candidates": candidates, "data.horizon": 5}
    return tsforge.build(TABLES[name][1] | more)


@pytest.mark.parametrize("name", TABLES)
def test_it_competes_as_it_is(name: str) -> None:
    """Prevents: a candidate that is named and left out, or trained for the steps of a network."""
    fitted = tsforge.fit(asked(name, "zero", "theta"), TABLES[name][0])
    standing = next(s for s in fitted.standings if s.name == "zero")
    assert (standing.steps, standing.rung, standing.note) == (0, 0, "")
    alone = tsforge.fit(tsforge.build(TABLES[name][1] | {"model.kind": "zero", "data.horizon": 5}), TABLES[name][0])
    assert alone.metrics["zero"]["mase"] < 2
    naive = next(s for s in fitted.standings if s.name == "naive")
    assert standing.score < naive.score


def test_it_competes_only_where_it_is_named() -> None:
    """Prevents: the forecasts of every default fit changed."""
    fitted = tsforge.fit(tsforge.build({"data.horizon": 5}), hourly(10))
    assert "zero" not in {s.name for s in fitted.standings}


def test_what_was_chosen_is_saved_with_its_weights(tmp_path: object) -> None:
    """Prevents: a blend whose pretrained member comes back with other weights."""
    table = hourly(10)
    fitted = tsforge.fit(asked("hourly", "zero"), table, out=f"{tmp_path}/m")
    members = getattr(fitted.model.experiment.model, "members", ())
    kinds = [member.model.kind for member in members] or [fitted.model.experiment.model.kind]
    if "zero" in kinds:
        network = fitted.model.network.members[kinds.index("zero")] if members else fitted.model.network
        shipped = tsforge.load(WEIGHTS / "zero").network
        assert all(torch.equal(p, q) for p, q in zip(network.parameters(), shipped.parameters(), strict=True))
    frames = [tsforge.predict(model, table).frame for model in (fitted.model, f"{tmp_path}/m")]
    pd.testing.assert_frame_equal(*frames)
