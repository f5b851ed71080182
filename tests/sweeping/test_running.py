"""tsforge.sweep: in Python what the command does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tsforge
from tests.helpers.tables import hourly
from tsforge.cli.main import run
from tsforge.errors import ConfigError

SETTINGS = {"data.horizon": 6, "data.context": 24, "train.max_steps": 6, "train.batch_size": 16, "model.kind": "gru"}
SPACE = {"model.width": "choice(8,16)", "model.backbone.layers": 1, "train.batch_size": 16}
SEARCH = {"trials": 3, "refit": 1, "seeds": 2, "pruner": "none", "sampler": "random"}

pytestmark = pytest.mark.usefixtures("forked")


@pytest.mark.usefixtures("home")
def test_a_frame_a_path_and_the_command_agree(capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a second way of sweeping that means something else."""
    hourly().to_csv("data.csv", index=False)
    experiment = tsforge.build(SETTINGS)
    by_frame = tsforge.sweep(experiment, hourly(), SEARCH, SPACE, out="frame")
    by_path = tsforge.sweep(experiment, "data.csv", SEARCH, SPACE, out="path")
    line = (
        "sweep data.csv --model gru --horizon 6 --context 24 --max-steps 6 --trials 3 --refit 1 --seeds 2 "
        "--pruner none --sampler random --space model.width=choice(8,16) --space model.backbone.layers=1 "
        "--space train.batch_size=16 --out command --json --quiet --no-track"
    )
    assert run(line.split()) == 0
    document = json.loads(capsys.readouterr().out)
    values = [[row.values[0] for row in done.rows] for done in (by_frame, by_path)]
    assert values[0] == values[1] == [row["values"][0] for row in document["leaderboard"]]
    assert by_frame.winner is not None
    assert by_frame.winner.name == document["winner"]
    forecast = tsforge.predict("frame/model", hourly())
    assert len(forecast.frame) == 6


def test_the_same_call_goes_on(tmp_path: Path) -> None:
    experiment = tsforge.build(SETTINGS)
    few = {"trials": 2, "refit": 0, "pruner": "none"}
    first = tsforge.sweep(experiment, hourly(), few, SPACE, out=tmp_path / "s")
    more = tsforge.sweep(experiment, hourly(), few | {"trials": 3}, SPACE, out=tmp_path / "s")
    assert {r.number: r.values for r in first.rows}.items() <= {r.number: r.values for r in more.rows}.items()
    assert len(more.rows) == 3


def test_a_file_and_what_is_none(tmp_path: Path) -> None:
    """Prevents: errors that say nothing of what to write instead."""
    hourly().to_csv(tmp_path / "data.csv", index=False)
    text = f'[data]\npath = "{tmp_path / "data.csv"}"\nhorizon = 6\ncontext = 24\n[model]\nkind = "gru"\n'
    text += '[train]\nmax_steps = 6\n[sweep]\ntrials = 2\nrefit = 0\n[space]\n"model.width" = [8, 16]\n'
    (tmp_path / "a.toml").write_text(text)
    assert len(tsforge.sweep(tmp_path / "a.toml", out=tmp_path / "s").rows) == 2
    with pytest.raises(ConfigError, match="two tables are given"):
        tsforge.sweep(tmp_path / "data.csv", hourly(), out=tmp_path / "t")
    with pytest.raises(ConfigError, match="no sweep"):
        tsforge.sweep(tmp_path / "a.toml", out=tmp_path)
    fixed = {
        "model.width": 8, "model.backbone.layers": 1, "model.backbone.dropout": 0.0, "train.lr": 0.1,
        "train.batch_size": 16, "train.weight_decay": 0.0,
    }  # fmt: skip
    with pytest.raises(ConfigError, match="nothing to vary"):
        tsforge.sweep(tsforge.build(SETTINGS), hourly(), {}, fixed, out=tmp_path / "u")
