"""The pretrained model as a user meets it: without a fit, as one model among others, trained on, and made again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import tsforge
from tests.helpers.commands import Capsys, document, fails
from tests.helpers.tables import daily, hourly
from tsforge.cli.main import run
from tsforge.training.pretraining import loop

SMALL = ["--set", "model.width=32", "--set", "train.series=4", "--set", "train.length=40", "--quiet"]


@pytest.fixture
def folder(home: Path) -> Path:
    """A fresh folder with two tables, and the user in it."""
    hourly(8).to_csv("data.csv", index=False)
    daily(n=50).assign(other=1.0).to_csv("shops.csv", index=False)
    return home


@pytest.mark.usefixtures("folder")
def test_a_table_is_forecast_without_a_fit(capsys: Capsys) -> None:
    """Prevents: a forecast that needs a fit, another file than the one named, or no picture."""
    assert (
        run(["predict", "zero", "data.csv", "--horizon", "24", "--plot", "f.png", "--output", "f.csv", "--quiet"]) == 0
    )
    assert "24 rows in f.csv: 1 series x 24 steps" in capsys.readouterr().out
    assert Path("f.png").stat().st_size > 5000
    frame = pd.read_csv("f.csv")
    assert frame["time"].iloc[0] == "2024-03-09 00:00:00"
    expected = tsforge.predict("zero", "data.csv", horizon=24).frame
    assert frame["forecast"].tolist() == pytest.approx(expected["forecast"].tolist(), rel=1e-5)
    assert not Path("models").exists()


@pytest.mark.usefixtures("folder")
def test_nothing_is_imported_that_no_forecast_needs() -> None:
    """Prevents: half a second for torch's compiler, which some operations import where no memory is given to them."""
    code = (
        "import sys, tsforge; tsforge.predict('zero', 'data.csv', horizon=3); "
        "sys.exit(str([m for m in ('torch._dynamo', 'scipy.stats', 'pytorch_lightning', 'matplotlib') "
        "if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "[]"


@pytest.mark.usefixtures("folder")
def test_columns_are_named_as_for_a_fit(capsys: Capsys) -> None:
    """Prevents: options of `fit` that `predict zero` does not know, or reads otherwise."""
    words = ["--id", "item", "--time", "date", "--target", "sold", "--dayfirst", "--season", "7"]
    printed = document(capsys, "predict", "zero", "shops.csv", "--horizon", "5", *words, "--quiet")
    assert (printed["series"], printed["horizon"]) == (2, 5)
    fitted = document(capsys, "fit", "shops.csv", "--model", "zero", "--horizon", "5", *words, "--no-track", "--quiet")
    assert fitted["season"] == 7
    Path("e.toml").write_text('[data]\nid = "item"\ntarget = "sold"\ndayfirst = true\nhorizon = 9\n')
    words = ["predict", "zero", "shops.csv", "--config", "e.toml", "--horizon", "5", "--quiet"]
    assert document(capsys, *words)["forecast"] == printed["forecast"]
    problem = fails(capsys, "predict", "zero", "shops.csv", "--horizon", "5", "--id", "itme")
    assert "itme" in problem
    assert "item" in problem


@pytest.mark.usefixtures("folder")
def test_it_is_a_model_like_the_others(capsys: Capsys) -> None:
    """Prevents: a name that one command knows and another does not."""
    quiet = ["--no-track", "--quiet"]
    fitted = document(capsys, "fit", "data.csv", "--model", "zero", "--horizon", "6", "--out", "m", *quiet)
    assert (fitted["kind"], fitted["steps"], fitted["stop"]) == ("zero", 0, "learned")
    rolled = document(capsys, "backtest", "data.csv", "--model", "zero", "--horizon", "6", "--windows", "3", *quiet)
    assert "zero" in json.dumps(rolled)
    assert document(capsys, "backtest", "m", *quiet)
    assert document(capsys, "predict", "m", "data.csv", "--quiet")["horizon"] == 6
    assert run(["fit", "data.csv", "--model", "zero", "--horizon", "6", "--out", "m", *quiet]) == 0
    assert "fitted in" in capsys.readouterr().out


@pytest.mark.usefixtures("home")
def test_a_forecast_follows_a_price_list(capsys: Capsys) -> None:
    """Prevents: `--future` that only `fit` reads, or rows ahead in a file that are read otherwise than in the table."""
    table, days = hourly(10).set_axis(["time", "sold"], axis=1), np.arange(240) // 24
    table["price"] = np.where(days % 4 == 3, 2.0, 3.0)
    table["sold"] += 40 * (3 - table["price"])
    table = table.assign(price=table["price"].where(days != 9, 2.0))
    table.assign(sold=table["sold"].where(days != 9)).to_csv("whole.csv", index=False)
    table[days != 9].to_csv("sales.csv", index=False)
    table[days == 9].drop(columns="sold").to_csv("ahead.csv", index=False)
    words = ["--horizon", "24", "--target", "sold", "--season", "24", "--future", "price"]
    one = document(capsys, "predict", "zero", "whole.csv", *words, "--quiet")["forecast"]
    two = document(capsys, "predict", "zero", "sales.csv", *words, "--future-data", "ahead.csv", "--quiet")["forecast"]
    assert one == two
    plain = document(capsys, "predict", "zero", "sales.csv", *words[:-2], "--quiet")["forecast"]
    truth = table["sold"][days == 9].to_numpy() + 40
    errors = [np.abs([row["forecast"] for row in rows] - truth).mean() for rows in (one, plain)]
    assert errors[0] < 8
    assert errors[1] > 20
    assert run(["predict", "zero", "whole.csv", *words, "--output", "f.csv"]) == 0
    assert "the forecast has linear effects of 'price'" in capsys.readouterr().err
    problem = fails(capsys, "predict", "zero", "sales.csv", *words, "--quiet")
    assert "'price' is known in advance but has no value" in problem
    problem = fails(capsys, "predict", "zero", "sales.csv", *words[:-2], "--future-data", "ahead.csv")
    assert "--future" in problem
    rolled = ["backtest", "whole.csv", "--model", "zero", *words, "--windows", "2", "--no-track", "--quiet"]
    assert document(capsys, *rolled)["scores"]["zero"]["mae"] < 10  # a day of the lower price is 40 off


@pytest.mark.usefixtures("folder")
def test_it_is_trained_on_where_steps_are_asked_for(capsys: Capsys) -> None:
    """Prevents: steps that are not taken, or a start that is not judged."""
    words = ["--horizon", "6", "--no-track", "--quiet"]
    tuned = document(capsys, "fit", "data.csv", "--model", "zero", "--max-steps", "2", "--out", "m", *words)
    assert tuned["steps"] == 2
    lines = Path("m/history.csv").read_text().splitlines()
    assert lines[1].startswith("0,,")  # no training loss before the first step
    again = document(capsys, "fit", "data.csv", "--from", "m", "--max-steps", "1", "--out", "n", *words)
    assert (again["kind"], again["steps"]) == ("zero", 1)
    best = min(float(line.split(",")[2]) for line in lines[1:])
    assert float(Path("n/history.csv").read_text().splitlines()[1].split(",")[2]) == pytest.approx(best, rel=1e-4)


@pytest.mark.usefixtures("folder")
def test_weights_that_do_not_fit_are_refused_in_the_words_of_the_command(capsys: Capsys) -> None:
    """Prevents: a hint that names what the command line has no word for."""
    assert run(["fit", "data.csv", "--model", "gru", "--max-steps", "1", "--horizon", "4", "--out", "m", "--no-track",
                "--set", "model.width=8", "--quiet"]) == 0  # fmt: skip
    capsys.readouterr()
    problem = fails(capsys, "fit", "data.csv", "--from", "m", "--horizon", "5", "--no-track", "--quiet")
    assert "horizon 4, not 5" in problem
    assert "--horizon 4" in problem
    problem = fails(capsys, "fit", "data.csv", "--from", "m", "--model", "lstm", "--no-track", "--quiet")
    assert "--model gru" in problem
    assert "no model directory" in fails(capsys, "fit", "data.csv", "--from", "nowhere", "--no-track", "--quiet")
    assert "--max-steps 200" in fails(capsys, "sweep", "data.csv", "--model", "zero", "--horizon", "4", "--no-track")
    problem = fails(capsys, "backtest", "zero", "data.csv")
    assert "backtest data.csv --model zero" in problem
    assert "train.lr cannot be set" in fails(capsys, "predict", "zero", "data.csv", "--set", "train.lr=0.1")


@pytest.mark.usefixtures("home")
def test_the_same_command_makes_the_same_weights(capsys: Capsys) -> None:
    """Prevents: weights that cannot be made again, and a directory that nothing reads."""
    for out in ("a", "b"):
        assert run(["pretrain", "--steps", "2", "--seed", "3", "--out", out, *SMALL]) == 0
        assert f"model   {out}" in capsys.readouterr().out
    assert Path("a/weights.safetensors").read_bytes() == Path("b/weights.safetensors").read_bytes()
    card = json.loads(Path("a/card.json").read_text())
    assert (card["seed"], card["steps"]) == (3, 2)
    assert card["command"].startswith("tsforge pretrain --steps 2")
    assert not list(Path().glob("*.checkpoint*"))
    hourly(8).to_csv("data.csv", index=False)
    assert document(capsys, "predict", "a", "data.csv", "--horizon", "3", "--quiet")["horizon"] == 3
    words = ["fit", "data.csv", "--from", "a", "--horizon", "3", "--out", "c", "--no-track", "--quiet"]
    assert document(capsys, *words)["experiment"]["model"]["width"] == 32
    first, second = (tsforge.load(name).network for name in ("a", "c"))
    assert all(torch.equal(p, q) for p, q in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.usefixtures("home")
def test_a_training_that_is_stopped_goes_on(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: hours that are lost with Ctrl-C, or a half-trained model that counts as whole."""
    words = ["pretrain", "--steps", "3", *SMALL, "--out", "a"]
    assert run([*words[:-1], "whole"]) == 0
    step = loop.Pretrainer.step

    def interrupted(self: loop.Pretrainer) -> float:
        loss = step(self)
        self.interrupt()
        return loss

    with monkeypatch.context() as patch:
        patch.setattr(loop.Pretrainer, "step", interrupted)
        assert run(words) == 130
    assert "goes on from a.checkpoint.safetensors" in capsys.readouterr().err
    assert not Path("a").exists()
    assert run(words) == 0
    assert Path("a/weights.safetensors").read_bytes() == Path("whole/weights.safetensors").read_bytes()


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("words", "named"), [
    (["--out", "m"], "--hours"), (["--hours", "1", "--steps", "2"], "--steps"),
    (["nothing.toml", "--steps", "1"], "no such file"),
    (["--steps", "1", "--set", "train.lrr=1"], "train.lr"), (["--steps", "1", "--out", "taken"], "taken"),
])  # fmt: skip
def test_what_cannot_be_pretrained_is_said(words: list[str], named: str, capsys: Capsys) -> None:
    """Prevents: hours that begin with a mistake."""
    Path("taken").mkdir()
    (Path("taken") / "letter.txt").write_text("mine")
    assert named in fails(capsys, "pretrain", *words)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("words", [["report"], ["explain"], ["future"], ["export", "--output", "m.onnx"]])
def test_commands_of_fitted_models_say_what_they_need(words: list[str], capsys: Capsys) -> None:
    """Prevents: "no such model directory" for a model that predict takes."""
    assert "tsforge fit DATA --model zero" in fails(capsys, words[0], "zero", "data.csv", *words[1:])
