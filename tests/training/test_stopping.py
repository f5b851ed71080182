"""Fits of every sort that SIGTERM ends: what they had learned is kept, in a model that loads."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers.commands import Capsys
from tests.helpers.tables import hourly
from tsforge.cli.main import run
from tsforge.runtime import stopping
from tsforge.training import fitting
from tsforge.training.events import Event, Round, Standing

COMMON = {"data.horizon": 6, "data.context": 24, "train.max_steps": 100_000, "train.patience": 100_000}
SORTS: dict[str, dict[str, Any]] = {
    "lstm": {"model.kind": "lstm", "model.width": 8},
    "patch-gru": {"model.kind": "patch-gru", "model.width": 8},
    "on theta": {"model.kind": "gru", "model.width": 8, "model.base": "theta"},
    "refit": {"model.kind": "nlinear", "train.refit": "all"},
    "several": {"model.kind": "min-gru", "model.width": 8, "ensemble": 3},
    "blend": {"model": {"kind": "blend", "members": [{"model": {"kind": "gru", "width": 8}}, {"model": "linear"}]}},
}


@pytest.fixture
def ours() -> Iterator[None]:
    """SIGTERM as a shell leaves it, and as a command takes it."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with stopping.terminable():
        yield
    signal.signal(signal.SIGTERM, before)


def fit(settings: dict[str, Any], data: pd.DataFrame, folder: Path, report: Callable[[Event], None]) -> fitting.Fit:
    """A fit that somebody asks to stop, which may not end the tests where it is not answered."""
    try:
        return tsforge.fit(tsforge.build(settings), data, out=folder, report=report)
    except KeyboardInterrupt:
        pytest.fail("nothing was kept")


@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize("sort", SORTS)
def test_sigterm_keeps_the_best_that_there_is(sort: str, tmp_path: Path) -> None:
    """Prevents: one sort of fit that a batch queue ends with nothing, where Ctrl-C would have kept a model."""
    sent: list[Round] = []

    def report(event: Event) -> None:
        if isinstance(event, Round) and not sent:
            sent.append(event)
            os.kill(os.getpid(), signal.SIGTERM)

    data = hourly()
    fitted = fit(COMMON | SORTS[sort], data, tmp_path / "m", report)
    assert (len(sent), stopping.exit_code()) == (1, 143)
    assert fitted.stop == "interrupt"
    again = tsforge.predict(tmp_path / "m", data)
    np.testing.assert_array_equal(again.point, tsforge.predict(fitted.model, data).point)
    assert np.isfinite(again.point).all()


@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize("rivals", [("nlinear", "gru"), ("gru", "nlinear"), ("patch-gru", "rnn", "nlinear")])
def test_sigterm_between_two_trainings_keeps_what_has_competed(rivals: tuple[str, ...], tmp_path: Path) -> None:
    """Prevents: a tournament that ends with nothing, as the request came while forecasts were compared."""
    trained: list[str] = []

    def report(event: Event) -> None:
        if isinstance(event, Standing) and event.rung:
            trained.append(event.name)
            if len(trained) == 2:
                os.kill(os.getpid(), signal.SIGTERM)

    model = {"kind": "auto", "candidates": rivals}
    settings = {"model": model, "data.horizon": 6, "train.max_steps": 60, "train.max_time": 600.0}
    fitted = fit(settings, hourly(), tmp_path / "m", report)
    assert fitted.stop == "interrupt"
    assert [s.name for s in fitted.standings if s.rung] == [rivals[0]]
    assert np.isfinite(tsforge.predict(tmp_path / "m", hourly()).point).all()


@pytest.mark.parametrize("step", ["forecaster", "baselines", "beside"])
@pytest.mark.parametrize("kind", ["gru", "nlinear", "theta", "naive"])
def test_sigterm_after_the_training_keeps_the_model(
    step: str, kind: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    """Prevents: a model that is trained and thrown away, as the request came while it was calibrated or scored."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    hourly().to_csv("data.csv", index=False)
    monkeypatch.setattr(fitting.forecasting, step, lambda *_: signal.raise_signal(signal.SIGTERM))
    argv = ["fit", "data.csv", "--horizon", "6", "--model", kind, "--no-track", "--out", "m"]
    code = run([*argv, "--max-steps", "3"] if kind in ("gru", "nlinear") else argv)
    signal.signal(signal.SIGTERM, before)
    assert code == 143
    assert "stopped by SIGTERM" in capsys.readouterr().out
    monkeypatch.undo()
    assert np.isfinite(tsforge.predict(home / "m", home / "data.csv").point).all()
