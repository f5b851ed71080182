"""Which covariates matter: what drives the target comes first, noise is nothing, and moves are what they say."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import tsforge
from tests.helpers import commands
from tsforge.backtesting import ablation, importance, rolling, shifting
from tsforge.backtesting.importance import Verdict
from tsforge.batch import Context
from tsforge.cli.main import run
from tsforge.errors import ConfigError, ModelError
from tsforge.experiment import BacktestConfig
from tsforge.fitted import directory
from tsforge.fitted.model import Model
from tsforge.model import attribution

SETTINGS: dict[str, Any] = {
    "data.id": "shop", "data.target": "sold", "data.future": ["promo", "moon"], "data.past": ["web", "kind"],
    "data.static": ["size"], "data.horizon": 3, "data.context": 7, "data.season": 7, "data.test": 60,
    "data.validation": 20,
}  # fmt: skip


def sales(n: int = 260) -> pd.DataFrame:
    """Two shops: 20 more under promotion, 10 more for each visit of the web the day before; moon and kind are noise."""
    random, parts = np.random.default_rng(3), []
    for shop, level in (("north", 100.0), ("south", 60.0)):
        promo, web = random.random(n) < 0.3, random.normal(size=n + 1)
        sold = level + 20 * promo + 10 * web[:n] + random.normal(size=n)
        days = pd.date_range("2023-01-01", periods=n)
        parts.append(pd.DataFrame({
            "shop": shop, "day": days, "sold": sold, "promo": promo.astype(int), "web": web[1:], "size": level,
            "moon": random.normal(size=n), "kind": random.choice(["a", "b", "c"], n),
        }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def model() -> Model:
    learned = {"model.kind": "gru", "model.width": 8, "train.max_steps": 150, "train.lr": 1e-2}
    return tsforge.fit(tsforge.build({**SETTINGS, **learned}), sales()).model


@pytest.fixture(scope="module")
def found(model: Model) -> importance.Importances:
    return tsforge.covariates(model, sales(), windows=60)


def test_what_drives_the_target_is_first_and_noise_is_nothing(found: importance.Importances) -> None:
    """Prevents: columns that are mixed up, a role that is not moved, noise that is taken for a cause."""
    rows = {row.name: row for row in found.covariates}
    assert found.covariates[0].name == "promo"
    assert rows["promo"].verdict == rows["web"].verdict == Verdict.MATTERS
    for name in ("moon", "kind"):
        assert rows[name].verdict == Verdict.NOTHING
        assert rows[name].moved.low <= 0 <= rows[name].moved.high
        assert rows[name].gradient < rows["promo"].gradient
    assert rows["size"].verdict == Verdict.TOO_FEW  # two shops change places in one way
    assert rows["size"].moved.count == 1
    assert sum(row.gradient for row in found.covariates) == pytest.approx(100)
    assert max(found.covariates, key=lambda row: row.gradient).name == "promo"
    for row in found.covariates:
        assert row.moved.low <= row.moved.change <= row.moved.high
        assert row.error == pytest.approx(found.error + row.moved.change)


def test_the_error_is_that_of_a_backtest(model: Model, found: importance.Importances) -> None:
    """Prevents: windows that the model has seen, or errors of other windows."""
    board = rolling.backtest(model, sales())
    windows = board.forecasts.windows.thin(60)
    assert found.windows == 60
    origins = found.dataset.parts.test.origins
    np.testing.assert_array_equal(windows.origins, origins)
    point = board.forecasts.raw["gru"].point
    keep = np.linspace(0, len(point) - 1, 60).round().astype(int)
    whole = board.forecasts.raw["gru"]
    mae = np.abs(whole.point[keep] - whole.truth[keep]).mean()
    assert tsforge.covariates(model, sales(), windows=60, metric="mae").error == pytest.approx(mae, rel=1e-5)


def test_a_column_is_moved_within_its_series_and_nothing_else_is(model: Model) -> None:
    """Prevents: values of another series, rows in another order, other columns that go along, a category torn apart."""
    dataset = rolling.held_out(model, sales(), BacktestConfig())
    columns = {column.name: column for column in shifting.columns(model.facts.encodings)}
    for name, role in (("moon", "future"), ("kind", "past")):
        column, rng = columns[name], np.random.default_rng(1)
        before = getattr(dataset.features, role)
        own = before[:, column.features]
        for shift in shifting._shifts(dataset, own, 10, rng):
            assert 3 <= shift <= 260 - 3
            rows = shifting._rotated(dataset.panel, int(shift))
            for i in range(2):
                for t in range(260):
                    assert rows[260 * i + t] == 260 * i + (t + shift) % 260
        for source in shifting.moved(dataset, column, 2, rng):
            window = torch.tensor([50]), torch.tensor([0])
            old, new = dataset.source.gather(*window).context, source.gather(*window).context
            field = {"future": "known"}.get(role, role)
            changed = (getattr(old, field) != getattr(new, field)).any(dim=1)[0]
            inside = torch.zeros_like(changed)
            inside[column.features] = True
            assert changed[inside].any()
            assert not changed[~inside].any()
            torch.testing.assert_close(old.target, new.target)
    assert shifting._orders(2, 9, np.random.default_rng(0))[0].tolist() == [1, 0]
    orders = shifting._orders(4, 99, np.random.default_rng(0))
    assert len(orders) == 23 == len({tuple(order) for order in orders})  # all but the one that is


def test_gradients_of_a_linear_map_are_what_it_adds() -> None:
    """Prevents: features of another column, steps that are left out, signs that are lost within a window."""
    rng = torch.Generator().manual_seed(0)
    weight, static = torch.randn(5, 4, generator=rng), torch.randn(2, generator=rng)

    class Linear(torch.nn.Module):
        def forward(self, context: Context) -> Any:
            step = (context.known * weight).sum(dim=(1, 2)) + (context.static * static).sum(dim=1)
            return SimpleNamespace(point=step[:, None, None].expand(-1, 2, 1))

    nothing = torch.zeros(6, 3, 1)
    known, own = torch.randn(6, 5, 4, generator=rng), torch.randn(6, 2, generator=rng)
    context = Context(nothing, nothing > 1, torch.zeros(6, 3, 1), known, own, torch.zeros(6, dtype=torch.int64))
    places = [("known", slice(0, 1)), ("known", slice(1, 4)), ("static", slice(0, 2)), ("past", slice(0, 1))]
    actual = attribution.by_column(Linear(), context, places)
    assert actual is not None
    added = (known * weight).sum(dim=1)
    expected = [added[:, 0].abs().mean(), added[:, 1:].sum(dim=1).abs().mean(), (own * static).sum(dim=1).abs().mean()]
    torch.testing.assert_close(actual[:, 0], torch.tensor([*map(float, expected), 0.0], dtype=torch.float64))


def test_refits_with_the_same_seed_are_the_model(model: Model) -> None:
    """Prevents: fits on other rows, judged on other windows, or with the column still in it."""
    short = model.experiment.model_copy(update={"train": model.experiment.train.model_copy(update={"max_steps": 20})})
    own = tsforge.fit(short, sales()).model
    result = importance.covariates(own, sales(), windows=60, moves=1)
    refit = ablation.ablate(result, own, sales(), seeds=1)
    assert refit.refit == pytest.approx(result.error, rel=1e-4)
    assert {row.name for row in refit.covariates if row.ablated} == {"promo", "moon", "web", "kind", "size"}
    changed = ablation.without(model, "kind", 5)
    assert (changed.data.past, changed.data.future, changed.seed) == (("web",), ("promo", "moon"), 5)


def test_the_interval_of_refits_is_students() -> None:
    """Prevents: a deviation of another group, or other degrees of freedom."""
    from scipy import stats

    rng = np.random.default_rng(0)
    a, b = rng.normal(1.0, 0.1, 6).tolist(), rng.normal(1.3, 0.1, 6).tolist()
    effect = ablation._effect(a, b, ablation._deviation([a, b]))
    theirs = stats.ttest_ind(b, a).confidence_interval(0.95)
    np.testing.assert_allclose([effect.low, effect.high], theirs, rtol=1e-6)


@pytest.mark.usefixtures("store_at_home", "forked")
def test_of_the_command_line(
    model: Model, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Prevents: results that are not written, drawn, recorded or in the document."""
    monkeypatch.setattr(importance, "MOVES", 3)
    sales().to_csv("sales.csv", index=False)
    directory.save(model, Path("m"), lambda _: None)
    asked = ["explain", "m", "sales.csv", "--covariates", "--windows", "5", "--quiet"]
    written = commands.document(capsys, *asked, "--output", "c.csv", "--plot", "c.png", "--track")
    assert next(row["covariate"] for row in written["covariates"]) == "promo"
    assert written["run"]
    assert pd.read_csv("c.csv")["covariate"].tolist() == [row["covariate"] for row in written["covariates"]]
    assert Path("c.png").stat().st_size > 10_000
    for wrong in (["--covariates", "--series", "north"], ["--ablate"], ["--covariates", "--metric", "coverage_80"]):
        assert run(["explain", "m", "sales.csv", *wrong]) == 2


def test_models_that_look_at_none() -> None:
    """Prevents: a cause that is made up, or an error without words."""
    data = sales(120)
    shorter = {**SETTINGS, "data.test": 20}
    looked = tsforge.covariates(tsforge.fit(tsforge.build({**shorter, "model.kind": "linear"}), data).model, data)
    assert {row.verdict for row in looked.covariates} <= {Verdict.UNREAD, Verdict.TOO_FEW}
    assert all(row.moved.change == 0 and np.isnan(row.gradient) for row in looked.covariates)
    alone = {name: value for name, value in shorter.items() if name not in ("data.past", "data.future", "data.static")}
    blind = tsforge.fit(tsforge.build({**alone, "model.kind": "naive"}), data).model
    with pytest.raises(ModelError, match="no covariates"):
        tsforge.covariates(blind, data)
    with pytest.raises(ModelError, match="knows no table"):
        tsforge.covariates("zero", data)
    with pytest.raises(ConfigError, match="windows 0"):
        tsforge.covariates(tsforge.fit(tsforge.build({**shorter, "model.kind": "naive"}), data).model, data, windows=0)


def test_counts_are_explained_by_their_mean() -> None:
    """Prevents: a head whose median is a whole number, and has no gradient."""
    data = sales(90).assign(sold=lambda t: t["sold"].round().clip(lower=0))
    head = {"model.kind": "gru", "model.head": "negative-binomial", "train.max_steps": 2, "data.test": 20}
    made = tsforge.fit(tsforge.build({**SETTINGS, **head}), data).model
    assert all(row.gradient > 0 for row in importance.covariates(made, data, windows=3, moves=1).covariates)
    assert np.abs(tsforge.explain(made, data, origin="2023-03-01").saliency).sum() > 0
