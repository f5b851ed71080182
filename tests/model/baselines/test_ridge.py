"""The closed-form linear baseline against scikit-learn's ridge regression on the same windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge as Sklearn

from tests.helpers.draw import context, truth
from tsforge.batch import Batch, Context, Truth, WindowShape
from tsforge.errors import ConfigError
from tsforge.model.baselines.forecaster import Baseline, BaselineForecaster
from tsforge.model.baselines.ridge import FAR, PENALTY, Ridge
from tsforge.model.transforms.scaling import last_observed
from tsforge.model.transforms.season import shrunken
from tsforge.settings import build

SHAPE = WindowShape(context=10, horizon=4, targets=2, past=0, known=0, static=0, season=3)
CENTRE, SPREAD = torch.tensor([40.0, -7.0]), torch.tensor([2.0, 0.5])
LEVELS = (0.1, 0.5, 0.9)


def untrained(shape: WindowShape = SHAPE) -> BaselineForecaster:
    network = Baseline(kind="linear", levels=LEVELS).build(shape)
    network.scaler.fit(CENTRE[: shape.targets], SPREAD[: shape.targets])
    return network


def batches(missing: float, count: int = 6) -> list[Batch]:
    return [Batch(context(SHAPE, 40, missing, 2 * i), truth(SHAPE, 40, missing, 2 * i + 1)) for i in range(count)]


def rows(given: Context, after: Truth | None) -> list[tuple[np.ndarray, np.ndarray, float, float]]:
    """(x, y, last value, deviation) of every window and target, one at a time and in double precision.

    Windows to learn from, with a truth, are those whose newest value was observed. x is NaN behind the last value.
    """
    out = []
    B, L, C = given.target.shape
    for b in range(B):
        for c in range(C):
            seen = given.observed[b, :, c].numpy()
            values = given.target[b, :, c].double().numpy()
            if not seen.any():
                continue
            last = values[seen][-1]
            unit = np.sqrt(values[seen].var() + (0.01 * float(SPREAD[c])) ** 2)
            x = np.array([(values[t] - last) / unit if seen[t] else 0.0 for t in range(L)])
            x[np.flatnonzero(seen)[-1] + 1 :] = np.nan
            y = np.zeros(0)
            if after is not None:
                if not seen[-1]:
                    continue
                there = after.observed[b, :, c].numpy()
                y = np.where(there, (after.target[b, :, c].double().numpy() - last) / unit, 0.0)
            out.append((x, y, float(last), float(unit)))
    return out


def continued(model: Sklearn, x: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The forecast after x, once what is missing at its end was forecast too, a horizon at a time."""
    z, there = list(x[~np.isnan(x)]), list(seen[~np.isnan(x)])
    L = len(x)

    def ahead() -> np.ndarray:
        read, mask = np.r_[np.zeros(L - len(z)), z][-L:], np.r_[np.zeros(L - len(z)), there][-L:]
        return z[-1] + model.predict(((read - z[-1]) * mask)[None])[0]

    while len(z) < L:
        filled = ahead()[: L - len(z)]
        z, there = [*z, *filled], [*there, *[True] * len(filled)]
    return ahead()


def sklearn_fit(actual: list[tuple[np.ndarray, np.ndarray, float, float]]) -> Sklearn:
    """Windows whose truth lies beyond FAR deviations have a weight that brings them back to it."""
    X, Y = np.stack([r[0] for r in actual]), np.stack([r[1] for r in actual])
    weight = np.array([min(1.0, FAR / max(np.abs(y).max(), 1e-9)) ** 2 for y in Y])
    alpha = PENALTY * (weight[:, None] * X**2).sum(axis=0).mean()
    return Sklearn(alpha=alpha, solver="cholesky").fit(X, Y, sample_weight=weight)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_matrix_is_that_of_scikit_learn(missing: float) -> None:
    """A penalty in other units, a penalised constant, targets or batches left out, unobserved values as data."""
    network = untrained()
    network.fit(batches(missing))
    assert network.ridge is not None  # its sums are of float32, those below of float64: three digits agree
    expected = sklearn_fit([row for given, after in batches(missing) for row in rows(given, after)])
    np.testing.assert_allclose(network.ridge.weight[:-1].numpy(), expected.coef_.T, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(network.ridge.weight[-1].numpy(), expected.intercept_, rtol=1e-3, atol=1e-4)
    new = context(SHAPE, 20, missing, seed=99)
    with torch.no_grad():
        point = network(new).point
    for i, (x, _, last, unit) in enumerate(rows(new, None)):
        by_hand = last + unit * continued(expected, x, new.observed[i // 2, :, i % 2].numpy())
        np.testing.assert_allclose(point[i // 2, :, i % 2].numpy(), by_hand, rtol=1e-3, atol=2e-3)


def test_batches_are_one_sum() -> None:
    """A matrix that depends on how the windows were dealt into batches."""
    first, second = untrained(), untrained()
    parts = batches(0.2)
    given = Context(*(torch.cat(columns) for columns in zip(*(p.context for p in parts), strict=True)))
    after = Truth(*(torch.cat(columns) for columns in zip(*(p.truth for p in parts), strict=True)))
    first.fit(parts)
    second.fit([Batch(given, after)])
    torch.testing.assert_close(first.ridge.weight, second.ridge.weight, rtol=1e-4, atol=1e-5)


def waves(n: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    """Two waves about a level: an exact linear recurrence of order five."""
    t = np.arange(n)
    return torch.tensor(shift + scale * (np.sin(0.7 * t) + 0.6 * np.cos(0.31 * t + 1)), dtype=torch.float32)


def windows_of(series: torch.Tensor, L: int, H: int) -> Batch:
    cut = series.unfold(0, L + H, 1)
    nothing = torch.zeros(len(cut), L + H, 0)
    past, future = cut[:, :L, None], cut[:, L:, None]
    seen = torch.ones_like(past, dtype=torch.bool)
    given = Context(past, seen, nothing[:, :L], nothing, nothing[:, 0], torch.arange(len(cut)))
    return Batch(given, Truth(future, torch.ones_like(future, dtype=torch.bool)))


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e-3, 5.0), (1e4, -3e4)])
def test_a_linear_recurrence_is_continued(scale: float, shift: float) -> None:
    """A matrix turned over or shifted by a step: on noise its score would look like any other."""
    shape = WindowShape(context=40, horizon=12, targets=1, past=0, known=0, static=0)
    series = waves(600, scale, shift)
    network = Baseline(kind="linear").build(shape)
    network.scaler.fit(series.mean()[None], series.std()[None])
    network.fit([windows_of(series[:400], 40, 12)])
    given, after = windows_of(series[400:], 40, 12)
    with torch.no_grad():
        error = (network(given).point - after.target).abs().max()
    assert error < 0.02 * scale  # the penalty and float32 keep it from 0
    assert (given.target[:, -1:] - after.target).abs().max() > scale


@pytest.mark.parametrize("missing", [1, 5, 17])
def test_what_is_missing_at_the_end_is_forecast_first(missing: int) -> None:
    """Missing newest values taken for the last one that was seen: a wave that stands still for a while."""
    shape = WindowShape(context=40, horizon=12, targets=1, past=0, known=0, static=0)
    series = waves(600)
    network = Baseline(kind="linear").build(shape)
    network.scaler.fit(series.mean()[None], series.std()[None])
    network.fit([windows_of(series[:400], 40, 12)])
    given, after = windows_of(series[400:], 40, 12)
    seen = given.observed.clone()
    seen[:, 40 - missing :] = False
    still = torch.where(seen, given.target, last_observed(given.target, seen))
    with torch.no_grad():
        error, other = (
            (network(given._replace(target=target, observed=mask)).point - after.target).abs().mean()
            for target, mask in ((given.target * seen, seen), (still, torch.ones_like(seen)))
        )
    given = given._replace(target=given.target * seen, observed=seen)
    assert error < other / 2
    assert network.ridge is not None
    weight = network.ridge.weight.clone()
    network.fit([windows_of(series[:400], 40, 12), Batch(given, after)])
    torch.testing.assert_close(network.ridge.weight, weight)


def test_a_series_that_never_changes_stays() -> None:
    """A matrix of NaN from inputs that are all zero."""
    shape = WindowShape(context=8, horizon=3, targets=1, past=0, known=0, static=0)
    network = Baseline(kind="linear").build(shape)
    network.scaler.fit(torch.tensor([4.0]), torch.tensor([0.0]))
    batch = windows_of(torch.full((60,), 4.0), 8, 3)
    network.fit([batch])
    with torch.no_grad():
        torch.testing.assert_close(network(batch.context).point, batch.truth.target)
        assert network(batch.context).quantiles().isfinite().all()


def test_one_wild_window_does_not_bend_the_matrix() -> None:
    """A level shift in one series of many that decides the forecasts of all."""
    calm, wild = untrained(), untrained()
    parts = batches(0.0)
    calm.fit(parts)
    after = parts[0].truth
    target = after.target.clone()
    target[0] += 1e4
    wild.fit([Batch(parts[0].context, after._replace(target=target)), *parts[1:]])
    assert calm.ridge is not None
    assert wild.ridge is not None
    assert (wild.ridge.weight - calm.ridge.weight).abs().max() < 0.3
    assert not torch.equal(wild.ridge.weight, calm.ridge.weight)


def test_fewer_windows_than_inputs_have_an_answer() -> None:
    """A singular matrix where the training part is short."""
    network = untrained()
    few = Batch(*(type(p)(*(x[:2] for x in p)) for p in batches(0.0)[0]))
    network.fit([few])
    assert network.ridge is not None
    assert network.ridge.weight.isfinite().all()


def test_what_it_has_not_learned_is_the_last_value() -> None:
    """Random weights in a baseline that was never trained."""
    given = context(SHAPE, missing=0.0)
    ridge = Ridge(SHAPE)
    expected = given.target[:, -1:].expand(-1, SHAPE.horizon, -1)
    torch.testing.assert_close(ridge(given, untrained().scaler.scaling(*given[:2])), expected)


SEASONAL = WindowShape(context=40, horizon=14, targets=1, past=0, known=0, static=0, season=10, lags=(5, 10))


def seasonal(n: int, depth: float = 0.4) -> torch.Tensor:
    """A slow wave above 0 times a season of ten steps that no linear map of a few values knows."""
    factor = 1 + depth * np.random.default_rng(3).uniform(-1, 1, 10)
    return torch.tensor((30 + 5 * np.sin(0.05 * np.arange(n))) * factor[np.arange(n) % 10], dtype=torch.float32)


def fitted(series: torch.Tensor, **settings: object) -> BaselineForecaster:
    network = Baseline(kind="linear", levels=LEVELS, **settings).build(SEASONAL)
    network.scaler.fit(series.mean()[None], series.std()[None])
    network.fit([windows_of(series, SEASONAL.context, SEASONAL.horizon)])
    return network


@pytest.mark.parametrize(("recent", "steps"), [(None, 5), (7, 7), (40, 40), (99, 40)])
def test_without_the_season_by_hand(recent: int | None, steps: int) -> None:
    """Prevents: indices of the wrong phase, of the steps read alone, or a forecast that is not multiplied by them."""
    series = seasonal(300) + torch.randn(300, generator=torch.Generator().manual_seed(1))
    network = fitted(series, adjust="season", recent=recent)
    given, after = windows_of(series, 40, 14)
    index = shrunken(given.target, given.observed, 10)[..., 0].double().numpy()
    past, future = given.target[..., 0].double().numpy(), after.target[..., 0].double().numpy()
    x, y = past / index[:, np.arange(-40, 0) % 10], future / index[:, np.arange(14) % 10]
    last, unit = x[:, -1:], np.sqrt(past.var(axis=1, keepdims=True) + (0.01 * float(series.std())) ** 2)
    table = [(a, b, 0.0, 0.0) for a, b in zip((x[:, -steps:] - last) / unit, (y - last) / unit, strict=True)]
    model = sklearn_fit(table)
    expected = (last + unit * model.predict(np.stack([row[0] for row in table]))) * index[:, np.arange(14) % 10]
    np.testing.assert_allclose(network(given).point[..., 0].numpy(), expected, rtol=2e-3)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_season_taken_out_leaves_less_to_read(seed: int) -> None:
    """Prevents: a setting without effect. Five steps of a season of ten do not tell what follows."""
    noise = 0.3 * torch.randn(400, generator=torch.Generator().manual_seed(seed))
    series = seasonal(400) + noise
    given, after = windows_of(series[200:], 40, 14)
    error = {
        adjust: (fitted(series[:200], adjust=adjust, recent=5)(given).point - after.target).abs().mean()
        for adjust in ("none", "season")
    }
    assert error["season"] < 0.6 * error["none"]


def test_values_at_or_below_zero_keep_their_season() -> None:
    """Prevents: a division by indices of values that have no level."""
    series = seasonal(200) - 30
    given, _ = windows_of(series, 40, 14)
    plain, other = fitted(series, recent=5), fitted(series, adjust="season")
    torch.testing.assert_close(plain(given).point, other(given).point)


@pytest.mark.parametrize("setting", [{"adjust": "season"}, {"recent": 7}])
@pytest.mark.parametrize("kind", ["theta", "naive", "croston"])
def test_settings_of_linear_are_refused_elsewhere(kind: str, setting: dict[str, object]) -> None:
    """Prevents: a setting that is taken and does nothing."""
    values = {f"model.{name}": value for name, value in setting.items()}
    with pytest.raises(ConfigError, match=f"model.{next(iter(setting))}: is for linear and the networks; for {kind}"):
        build({"model.kind": kind} | values)


def test_it_asks_for_four_seasons_where_it_takes_indices_from_them() -> None:
    """Prevents: indices of two seasons, which are mostly noise."""
    assert [Baseline(kind="linear", adjust="season").least_context(m) for m in (1, 12, 336)] == [1, 48, 1344]
    assert Baseline(kind="linear", recent=5).least_context(12) == 1
