"""The Python side: a table and a few words, and results that say what they are."""

from __future__ import annotations

import contextlib
import logging
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import tsforge
from tests.helpers.stores import content, runs
from tsforge.api import searching
from tsforge.errors import ConfigError
from tsforge.runtime import logs


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Two daily series with a weekly season; a name that HTML has to escape."""
    random, days = np.random.default_rng(0), pd.date_range("2024-01-01", periods=90, freq="D")
    season = 100 + 10 * np.sin(np.arange(90) * 2 * np.pi / 7)
    parts = [pd.DataFrame({"shop": n, "day": days, "a<b": season + random.normal(size=90)}) for n in ("x", "y")]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def fitted(table: pd.DataFrame) -> tsforge.Fitted:
    return tsforge.fit(table, horizon=6, model="theta")


def test_words_are_an_experiment(table: pd.DataFrame, fitted: tsforge.Fitted, tmp_path: Path) -> None:
    """Prevents: keywords that are another experiment than the settings they stand for."""
    experiment = tsforge.build({"data.horizon": 6, "model.kind": "theta", "data.id": "shop", "data.target": "a<b"})
    other = tsforge.fit(experiment, table, out=tmp_path / "m")
    assert fitted.metrics == other.metrics
    assert other.folder == tmp_path / "m"
    more = tsforge.fit(experiment, table, horizon=4, settings={"data.validation": 8})
    assert (more.model.shape.horizon, more.dataset.sizes.validation) == (4, 8)
    (tmp_path / "e.toml").write_text('model = "theta"\n[data]\nhorizon = 6\n')
    assert tsforge.fit(tmp_path / "e.toml", table).metrics == fitted.metrics
    with pytest.raises(ConfigError, match="two tables"):
        tsforge.fit(table, table)
    with pytest.raises(ConfigError, match=r"data.horizon: cannot be true or false"):
        tsforge.fit(table, horizon=True)
    with pytest.raises(ConfigError, match="no hierarchy to reconcile"):
        tsforge.fit(table, settings={"reconcile": "mint"})
    with pytest.raises(ConfigError, match="list is no mapping"):
        tsforge.fit(table, settings=["train.lr"])  # type: ignore[arg-type]


def test_a_fit_a_model_and_a_folder_are_one(table: pd.DataFrame, fitted: tsforge.Fitted, tmp_path: Path) -> None:
    """Prevents: a function that takes only one of the three."""
    folder = fitted.save(tmp_path / "m")
    wanted = fitted.predict().frame
    for what in (fitted, fitted.model, folder, str(folder)):
        pd.testing.assert_frame_equal(tsforge.predict(what, table).frame, wanted)
    scores = fitted.backtest().scores
    for what in (fitted, folder):
        pd.testing.assert_frame_equal(tsforge.backtest(what, table).scores, scores)
    assert tsforge.explain(tsforge.fit(table, horizon=6, model="linear"), table).saliency.shape[0] == 6


def test_a_fit_brings_its_table(table: pd.DataFrame, fitted: tsforge.Fitted, tmp_path: Path) -> None:
    """Prevents: "the training data is not at hand" of a fit that holds it; Polars that come back as pandas."""
    pd.testing.assert_frame_equal(tsforge.predict(fitted).frame, fitted.predict().frame)
    pd.testing.assert_frame_equal(tsforge.backtest(fitted).scores, fitted.backtest().scores)
    drawn = (tsforge.sample(fitted, data, 20).values for data in (None, table))
    np.testing.assert_array_equal(*drawn)
    linear = tsforge.fit(pl.from_pandas(table), horizon=6, model="linear")
    assert isinstance(tsforge.predict(linear).frame, pl.DataFrame)
    assert tsforge.explain(linear).saliency.shape[0] == 6
    assert tsforge.export(linear, tmp_path / "m.onnx").path.is_file()


def test_what_is_no_model_is_said(table: pd.DataFrame, fitted: tsforge.Fitted) -> None:
    """Prevents: a TypeError from the depths where table and model are given the wrong way round."""
    for what, name in ((table, "DataFrame"), (None, "NoneType"), (3, "int"), (fitted.model.experiment, "Experiment")):
        for function in (tsforge.predict, tsforge.sample, tsforge.explain):
            with pytest.raises(ConfigError, match=f"{name} is no model"):
                function(what, fitted)


def test_scores_and_history_are_frames(table: pd.DataFrame, fitted: tsforge.Fitted) -> None:
    assert fitted.scores.loc["mase", "theta"] == fitted.metrics["theta"]["mase"]
    assert list(fitted.scores) == list(fitted.metrics)
    assert fitted.history.empty
    rounds: list[Any] = []
    trained = tsforge.fit(table, horizon=6, model="gru", settings={"train.max_steps": 4}, report=rounds.append)
    assert list(trained.history["validation"]) == [r.validation for r in trained.rounds]
    assert trained.rounds[-1] in rounds


def test_frames_are_of_the_kind_that_came(table: pd.DataFrame, fitted: tsforge.Fitted) -> None:
    """Prevents: a user of Polars who is handed pandas, or other values."""
    given = pl.from_pandas(table)
    made = tsforge.fit(given, horizon=6, model="theta").predict()
    assert isinstance(made.frame, pl.DataFrame)
    pd.testing.assert_frame_equal(made.frame.to_pandas(), fitted.predict().frame, check_dtype=False)
    rolled = tsforge.backtest(fitted, given)
    assert isinstance(rolled.frame, pl.DataFrame)
    assert rolled.frame.columns == list(fitted.backtest().frame)
    assert rolled.scores.columns == ["metric", *fitted.backtest().scores]


def test_whatever_comes_back_is_of_the_kind_that_came() -> None:
    """Prevents: results other than forecasts that are of pandas for users of Polars, or have other values."""
    random, days = np.random.default_rng(1), pd.date_range("2024-01-01", periods=176)
    later = pd.DataFrame({"day": days, "price": random.normal(size=176).round(2)})
    later["sold"] = 20 - later["price"] + random.normal(size=176)
    later.loc[170:, "sold"] = np.nan
    table = later[:170]
    words: dict[str, Any] = {"horizon": 6, "model": "linear", "future": "price", "settings": {"test": 20}}
    own = [tsforge.fit(kind(table), **words) for kind in (pd.DataFrame, pl.from_pandas)]

    def made(fitted: tsforge.Fitted, data: Any) -> list[Any]:
        paths = tsforge.sample(fitted, data, 20)
        return [
            paths.frame, paths.total().frame, paths.probability("> 20"), tsforge.explain(fitted, data).frame,
            tsforge.what_if(fitted, data, ["price+1"]).frame, tsforge.future(fitted, data), fitted.history,
            tsforge.detect(fitted, data, everything=True, rate=0.2).every,
            tsforge.covariates(fitted, windows=20).frame,
        ]  # fmt: skip

    for one, other in zip(made(own[0], later), made(own[1], pl.from_pandas(later)), strict=True):
        assert isinstance(one, pd.DataFrame)
        assert isinstance(other, pl.DataFrame)
        pd.testing.assert_frame_equal(other.to_pandas(), one.reset_index(drop=True), check_dtype=False)


def test_what_is_learned_from_is_a_table_a_fit_or_a_folder(table: pd.DataFrame, tmp_path: Path) -> None:
    """Prevents: a sweep, a comparison or an update that wants another of them than all others do."""
    settings = {"train.max_steps": 2, "model.width": 8, "data.context": 14}
    early = table[table["day"] < "2024-03-10"]
    fitted = tsforge.fit(early, horizon=3, model="gru", settings=settings)
    with pytest.raises(ConfigError, match="lies in no folder"):
        tsforge.update(fitted, table)
    done = tsforge.update(fitted, table, out=tmp_path / "u")
    assert (tmp_path / "u" / "manifest.json").is_file()
    assert isinstance(done.fit, tsforge.Fitted)
    folder = fitted.save(tmp_path / "m")
    taken: dict[str, Any] = {}

    def take(name: str) -> Any:
        def put(*given: Any, **_: Any) -> None:
            taken[name] = given

        return put

    with pytest.MonkeyPatch.context() as patch:  # what they do then has tests of its own
        patch.setattr(searching.sweeping, "sweep", take("sweep"))
        patch.setattr(searching.comparing, "compare", take("compare"))
        patch.setattr(searching, "replace", lambda *_, **__: None)
        for what, data in ((fitted, None), (fitted.model, early), (folder, early)):
            with contextlib.suppress(AttributeError):  # as nothing comes back
                tsforge.sweep(what, data, {"trials": 1, "train.lr": 0.5}, out=tmp_path / "s")
            experiment, given, asked, _ = taken["sweep"]
            assert (experiment.model, experiment.train.lr) == (fitted.model.experiment.model, 0.5)
            assert given is early
            assert asked == {"trials": 1}
            tsforge.compare(what, {"lr": 0.5}, data=data, out=tmp_path / "c")
            given, overrides, asked = taken["compare"]
            assert given is early
            assert (overrides["train.lr"], overrides["data.horizon"], asked["models"][0]) == (0.5, 3, "gru")
            assert asked["settings"]["gru"]["width"] == 8
        with contextlib.suppress(AttributeError):
            tsforge.sweep(table, horizon=4, settings={"models": ("lstm",)}, out=tmp_path / "s")
        assert (taken["sweep"][0].model.kind, taken["sweep"][0].data.horizon) == ("lstm", 4)
        assert taken["sweep"][1] is table


def test_what_a_notebook_shows(fitted: tsforge.Fitted) -> None:
    """Prevents: a screen full of numbers; a column's name that is read as HTML."""
    for shown in (fitted, fitted.predict(), fitted.backtest(), fitted.plot()):
        assert len(repr(shown)) < 150
        assert "\n" not in repr(shown)
    for shown in (fitted, fitted.predict(), fitted.backtest()):
        html = shown._repr_html_()
        assert "a<b" not in html
        assert re.search(r'src="data:image/png;base64,iVBOR', html)
    assert "a&lt;b" in fitted._repr_html_()
    assert "verdict" in fitted.summary()


def test_pictures(fitted: tsforge.Fitted, tmp_path: Path) -> None:
    for picture in (fitted.plot(), fitted.predict().plot(), fitted.backtest().plot()):
        assert picture._repr_png_().startswith(b"\x89PNG")
    fitted.predict().plot(tmp_path / "f.svg")
    assert "<svg" in (tmp_path / "f.svg").read_text()


def test_a_fit_goes_to_other_processes(fitted: tsforge.Fitted) -> None:
    """Prevents: a fit that cannot be a result of a worker of joblib or Dask."""
    other = pickle.loads(pickle.dumps(fitted))
    pd.testing.assert_frame_equal(other.predict().frame, fitted.predict().frame)


def test_errors_show_their_hint(table: pd.DataFrame) -> None:
    with pytest.raises(ConfigError) as problem:
        tsforge.fit(table, horizon=6, model="thetta")
    assert problem.value.__notes__ == ["hint: did you mean 'theta'?"]


def test_a_note_is_written_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: the same warning from every fit of a loop; notes twice where a program has its own logging."""
    log, root = logging.getLogger("tsforge"), logging.getLogger()
    monkeypatch.setattr(log, "handlers", [])
    monkeypatch.setattr(root, "handlers", [])
    logs.heard()
    logs.heard()
    for text in ("one", "two", "one"):
        log.warning("said %s", text)
    assert capsys.readouterr().err == "note: said one\nnote: said two\n"
    monkeypatch.setattr(root, "handlers", [logging.NullHandler()])
    log.warning("said three")
    assert capsys.readouterr().err == ""


def test_a_survey() -> None:
    seen = tsforge.inspect(tsforge.datasets.load("air-passengers"))
    assert (seen.facts["frequency"], seen.facts["season"], seen.settings) == ("MS", 12, [])
    assert "passengers  target" in repr(seen)
    assert "air-passengers" in tsforge.datasets.names()


@pytest.mark.usefixtures("forked")
def test_runs(table: pd.DataFrame, store_at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a fit that is not recorded where it was asked for, or not below the run that is active."""
    from types import SimpleNamespace as Namespace

    import mlflow

    once = tsforge.fit(table, horizon=6, model="theta", track=True)
    assert once.run in {run for run, _, _ in runs(store_at_home)}
    assert tsforge.fit(table, horizon=6, model="theta").run is None
    parent = Namespace(info=Namespace(experiment_id="0", run_id="f" * 32))
    monkeypatch.setattr(mlflow, "active_run", lambda: parent)
    monkeypatch.setattr(mlflow, "get_experiment", lambda _: Namespace(name="Default"))
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: f"sqlite:///{store_at_home}")
    below = tsforge.fit(table, horizon=6, model="theta")
    assert below.run is not None
    assert dict(content(store_at_home, below.run)["tags"])["mlflow.parentRunId"] == "f" * 32
    assert tsforge.fit(table, horizon=6, model="theta", track=False).run is None
