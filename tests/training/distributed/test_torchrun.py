"""Fits of processes that torchrun has started: one that dies goes on, in all of them."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import tsforge
from tests.helpers.pair import together
from tests.helpers.stores import wait_for
from tests.helpers.tables import hourly
from tsforge.errors import ModelError
from tsforge.fitted import manifest
from tsforge.training import checkpointer
from tsforge.training.distributed import torchrun
from tsforge.training.events import Event, Round

SETTINGS: dict[str, Any] = {
    "data.horizon": 6, "data.context": 24, "model.kind": "transformer", "model.width": 8, "train.max_steps": 6,
    "model.backbone.dropout": 0.3, "train.precision": "32", "train.devices": 2, "train.threads": 2, "ensemble": 2,
    "train.validations": 3, "train.patience": 99,
}  # fmt: skip
MEMBER, HALT = 2, 4


def dies(event: Event) -> None:
    """A fit that ends in the middle of its second member, after a state of that was kept."""
    if isinstance(event, Round) and (event.member, event.step) == (MEMBER, HALT) and not event.again:
        raise InterruptedError


def scenes(folder: Path) -> dict[str, Any]:
    """What each of two processes does: a fit, one that dies, that gone on with, and one that is over."""
    checkpointer.EVERY, checkpointer.SHARE = 0.0, float("inf")
    experiment, seen = tsforge.build(SETTINGS), list[Event]()
    whole = tsforge.fit(experiment, hourly(gap=True), out=folder / "whole")
    with pytest.raises(InterruptedError):
        tsforge.fit(experiment, hourly(gap=True), out=folder / "m", report=dies)
    resumed = tsforge.resume(folder / "m", hourly(gap=True), report=seen.append)
    again = [(e.member, e.step) for e in seen if isinstance(e, Round) and e.again]
    with pytest.raises((ModelError, torchrun.Follows)) as over:
        tsforge.resume(folder / "m")
    (folder / f"{os.environ['RANK']}.done").touch()
    wait_for((folder / "1.done").exists, "the second, which asks the first")
    return {"whole": whole.rounds, "resumed": resumed.rounds, "again": again, "over": repr(over.value)}


def test_a_fit_that_dies_goes_on_to_the_weights_that_it_would_have_had(tmp_path: Path) -> None:
    """Prevents: processes that train what the first has finished, or begin anew where it goes on; other random
    numbers than those of a fit that was never stopped."""
    first, second = together(partial(scenes, tmp_path), join=False)
    for seen in (first, second):
        assert [r[:3] for r in seen["whole"]] == [r[:3] for r in seen["resumed"]]
        assert seen["again"][:3] == [(1, step) for step in (2, 4, 6)]
    whole, resumed = ((tmp_path / name / manifest.WEIGHTS).read_bytes() for name in ("whole", "m"))
    assert whole == resumed
    assert "nothing to resume" in first["over"]
    assert second["over"] == "Follows(2)"
    assert not list(tmp_path.glob("*.checkpoint"))
