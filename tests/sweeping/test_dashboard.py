"""The study in optuna-dashboard, asked over HTTP as a browser does."""

from __future__ import annotations

import json
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import optuna
import pytest

from tests.helpers.server import alone
from tsforge.errors import ConfigError
from tsforge.sweeping import dashboard
from tsforge.sweeping.place import Place
from tsforge.sweeping.study import open_study


def ask(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


def test_it_answers_while_it_is_open_and_knows_new_trials(tmp_path: Path) -> None:
    """Prevents: an address that shows nothing, or an old state, stays open after the sweep, or is open to others."""
    place = Place(tmp_path, "demand")
    study = open_study(place, ["val/mase"], optuna.samplers.RandomSampler(seed=0), optuna.pruners.NopPruner())
    with dashboard.serving(place) as url:
        assert "<title>" in ask(url)
        assert alone(urlsplit(url).port or 0)
        (summary,) = json.loads(ask(url.replace("/dashboard/", "/api/studies")))["study_summaries"]
        assert summary["study_name"] == "demand"
        study.optimize(lambda trial: trial.suggest_float("train.lr", 0, 1), n_trials=3)
        detail = json.loads(ask(url.replace("/dashboard/", f"/api/studies/{summary['study_id']}?after=0")))
        assert [t["values"] for t in detail["trials"]] == [t.values for t in study.trials]
    with pytest.raises(urllib.error.URLError):
        ask(url)


def test_a_taken_port_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind((dashboard.HOST, 0))
        other.listen()
        monkeypatch.setattr(dashboard, "PORT", other.getsockname()[1])
        with dashboard.serving(Place(tmp_path, "s")) as url:
            assert f":{dashboard.PORT}/" not in url
            assert "<title>" in ask(url)


def test_without_the_package_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    with pytest.raises(ConfigError) as caught, dashboard.serving(Place(tmp_path, "s")):
        pass
    assert "'.[dashboard]'" in caught.value.hint
