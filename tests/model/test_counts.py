"""Heads for counts: likelihood, quantiles and deviance as others compute them, in units that do not shift."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.metrics import mean_tweedie_deviance

import tsforge
from tsforge.batch import Context, Truth, WindowShape
from tsforge.errors import ConfigError, DataError, ModelError
from tsforge.forecast import Quantiles, Scaling
from tsforge.model.counts import NegativeBinomial, Tweedie
from tsforge.model.ensemble import Ensemble
from tsforge.model.heads import LEVELS, NegativeBinomialHead, TweedieHead
from tsforge.model.transforms.scaling import WindowScaler
from tsforge.model.zoo import ZOO

UNIT = Scaling(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
SMALL = {"data.horizon": 4, "data.context": 12, "data.season": 1, "data.target": "y"}


def spread_out(alpha: float) -> NegativeBinomial:
    """Means from a thousandth to a million, all of one dispersion, (1, H, 1)."""
    mean = torch.logspace(-3, 6, 10).view(1, -1, 1)
    return NegativeBinomial(mean, torch.full_like(mean, alpha), UNIT, LEVELS)


@pytest.mark.parametrize("alpha", [1e-8, 1e-3, 0.5, 30.0])
def test_the_loss_is_the_negative_log_likelihood(alpha: float) -> None:
    """Prevents: a term that is left out, a variance of another form, digits lost where the dispersion is small."""
    forecast = spread_out(alpha)
    mean = forecast.mean.double().numpy()
    r = 1 / forecast.dispersion.double().numpy()
    truth = np.random.default_rng(0).poisson(mean * np.linspace(0.2, 2, 10)[None, :, None]).astype(float)
    observed = torch.ones(1, 10, 1, dtype=torch.bool)
    observed[0, 3] = False
    expected = -stats.nbinom.logpmf(truth, r, r / (r + mean))
    torch_says = -torch.distributions.NegativeBinomial(
        torch.from_numpy(r), logits=torch.from_numpy(np.log(mean / r))
    ).log_prob(torch.from_numpy(truth))
    np.testing.assert_allclose(torch_says.numpy(), expected, rtol=1e-6, atol=1e-6)
    actual = float(forecast.loss(Truth(torch.from_numpy(truth), observed)))
    assert actual == pytest.approx(expected[observed.numpy()].mean(), rel=1e-5)
    if alpha == 1e-8:  # as good as a Poisson distribution, where the counts are not large
        few = expected[0, :7, 0]
        np.testing.assert_allclose(few, -stats.poisson.logpmf(truth, mean)[0, :7, 0], rtol=1e-3)


@pytest.mark.parametrize("alpha", [1e-8, 0.5, 30.0])
def test_a_quantile_is_the_least_count_that_is_likely_enough(alpha: float) -> None:
    """Prevents: quantiles one too small or too large, or that fall where the level grows."""
    levels = tuple(np.linspace(0.01, 0.99, 50))
    mean = torch.tensor([0.01, 0.4, 1.0, 7.3, 40.0]).view(1, -1, 1)
    forecast = NegativeBinomial(mean, torch.full_like(mean, alpha), UNIT, levels)
    quantiles = forecast.quantiles().numpy()
    assert (np.diff(quantiles, axis=-1) >= 0).all()
    assert (quantiles == np.rint(quantiles)).all()
    for h, m in enumerate(forecast.mean[0, :, 0].double().tolist()):
        r, total, k, chances = float(1 / forecast.dispersion[0, 0, 0].double()), 0.0, 0, []
        log_p = r * np.log(r / (r + m))
        while total < 0.9999 and k < 3000:  # P(k + 1) = P(k) (k + r) / (k + 1) · μ / (r + μ)
            total += np.exp(log_p)
            chances.append(total)
            log_p += np.log((k + r) / (k + 1) * m / (r + m))
            k += 1
        expected = [next(k for k, chance in enumerate(chances) if chance >= level - 1e-12) for level in levels]
        np.testing.assert_array_equal(quantiles[0, h, 0], expected)


@pytest.mark.parametrize("power", [1.1, 1.5, 1.9])
def test_the_deviance_is_that_of_scikit_learn(power: float) -> None:
    rng = np.random.default_rng(0)
    truth, mean = rng.poisson(1.5, (3, 4, 2)).astype(float), rng.gamma(2.0, size=(3, 4, 2))
    scale = torch.tensor([0.5, 2.0, 8.0]).view(3, 1, 1)
    observed = torch.from_numpy(rng.random((3, 4, 2)) < 0.8)
    forecast = Tweedie(torch.from_numpy(mean), Scaling(torch.zeros(3, 1, 1), scale), power)
    given, seen = truth / scale.numpy(), observed.numpy()
    expected = mean_tweedie_deviance(given[seen], mean[seen], power=power)
    assert float(forecast.loss(Truth(torch.from_numpy(truth), observed))) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(forecast.point.numpy(), mean * scale.numpy())


@pytest.mark.parametrize("head", [NegativeBinomialHead(), TweedieHead(power=1.3)])
def test_a_mean_is_above_zero_and_in_units_of_the_window(head: NegativeBinomialHead | TweedieHead) -> None:
    """Prevents: a mean below 0, or one that does not grow with the size of the series."""
    net = head.build(5)
    features, base = 20 * torch.randn(3, 4, 2, 5), torch.randn(3, 4, 2)
    large = Scaling(torch.zeros(3, 1, 2), torch.full((3, 1, 2), 64.0))

    def mean(base: torch.Tensor, scaling: Scaling) -> torch.Tensor:
        forecast = net(features, base, scaling)
        return forecast.mean if isinstance(forecast, NegativeBinomial) else forecast.point

    assert (mean(base, UNIT) > 0).all()
    torch.testing.assert_close(mean(base, large), 64 * mean(base, UNIT))
    net.begin_at_base()
    torch.testing.assert_close(mean(torch.ones(3, 4, 2), UNIT), torch.ones(3, 4, 2), rtol=1e-4, atol=0)


def test_units_are_powers_of_two_without_a_shift() -> None:
    """Prevents: a 0 that is none once normalised, and whole numbers that are none once restored."""
    scaler = WindowScaler(1, "level")
    scaler.fit(torch.tensor([3.0]), torch.tensor([2.0]))
    target = torch.randint(0, 100_000, (50, 30, 1)).float() * torch.logspace(-4, 0, 50).view(50, 1, 1).round(decimals=4)
    target[-1] = 0
    observed = torch.rand(50, 30, 1) < 0.9
    observed[-2] = False
    loc, scale = scaler.scaling(target, observed, torch.zeros(50, 2, 1))
    assert (loc == 0).all()
    assert (torch.log2(scale) == torch.log2(scale).round()).all()
    level = (target * observed).sum(1) / observed.sum(1).clamp(min=1)
    ratio = (scale[:-2, 0] / level[:-2]).numpy()
    assert ((ratio > 0.7) & (ratio < 1.42)).all()  # within the root of two
    assert scale[-2:].flatten().tolist() == [4.0, 4.0]  # the training part's 3, by the nearest power
    whole = target.round()
    torch.testing.assert_close(Scaling(loc, scale).restore(Scaling(loc, scale).normalise(whole)), whole, rtol=0, atol=0)


def test_an_ensemble_has_the_mean_of_means_and_of_quantiles() -> None:
    """Prevents: a point forecast that is a quantile where the members' is their mean."""

    class Says(torch.nn.Module):
        def __init__(self, forecast: object) -> None:
            super().__init__()
            self.forecast = forecast

        def forward(self, _context: object) -> object:
            return self.forecast

    scaling = Scaling(torch.zeros(1, 1, 1), torch.full((1, 1, 1), 4.0))
    alpha = torch.full((1, 2, 1), 0.7)
    parts = [NegativeBinomial(torch.full((1, 2, 1), m), alpha, scaling, LEVELS, by_mean=True) for m in (1.0, 9.0)]
    both = Ensemble([Says(part) for part in parts], (0.5, 0.5))(None)  # type: ignore[arg-type]
    torch.testing.assert_close(both.point, torch.full((1, 2, 1), 5.0))
    torch.testing.assert_close(both.quantiles(), (parts[0].quantiles() + parts[1].quantiles()) / 2)
    around = Quantiles(torch.zeros(1, 2, 1, len(LEVELS)), scaling, LEVELS)
    mixed = Ensemble([Says(around), Says(parts[1])], (0.5, 0.5))(None)  # type: ignore[arg-type]
    torch.testing.assert_close(mixed.point, torch.full((1, 2, 1), 4.5))


def test_a_head_by_its_word_and_what_does_not_go_with_it() -> None:
    """Prevents: counts in logarithms, divided by a season, or shifted, and taken for counts."""
    for kind in set(ZOO) - {"growth-gru", "cyclenet"}:
        if "linear" in kind or not ZOO[kind]:
            continue
        made = tsforge.build({"model.kind": kind, "model.head": "tweedie", "model.head.power": 1.2}).model
        assert made.head == TweedieHead(power=1.2)
        assert made.scaling == "level"
    for wrong in (
        {"model.scaling": "standard"},
        {"model.growth": True},
        {"model.cycle": 7},
        {"model.adjust": "season"},
    ):
        with pytest.raises(ConfigError, match=f"{next(iter(wrong))}.*would change them"):
            tsforge.build({"model.head": "negative-binomial", **wrong})
    for power in (1.0, 2.0):
        with pytest.raises(ConfigError, match="power"):
            tsforge.build({"model.head": "tweedie", "model.head.power": power})


@pytest.fixture(scope="module")
def drawn() -> pd.DataFrame:
    """Independent counts of mean 3 and dispersion 0.5: no model can know more than their distribution."""
    counts = np.random.default_rng(0).negative_binomial(2, 2 / 5, (30, 80))
    days = pd.date_range("2024-01-01", periods=80)
    return pd.concat([pd.DataFrame({"id": f"s{i}", "day": days, "y": row}) for i, row in enumerate(counts)])


def test_the_distribution_of_simulated_counts_is_found(drawn: pd.DataFrame) -> None:
    """Prevents: a mean or a dispersion that training does not reach."""
    head = {"model.head": "negative-binomial", "model.head.point": "mean"}
    settings = {"model.kind": "gru", **head, "model.width": 8, "model.base": "none"}
    trained = {"train.max_steps": 60, "train.lr": 1e-2}
    model = tsforge.fit(tsforge.build({**SMALL, **settings, **trained, "data.id": "id"}), drawn).model
    made = tsforge.predict(replace(model, calibration=None), drawn)  # as the network says it
    assert made.point.mean() == pytest.approx(3, rel=0.1)
    truth = np.random.default_rng(1).negative_binomial(2, 2 / 5, (1000, 1, 1))

    def pinball(quantiles: np.ndarray) -> float:
        gap = truth - quantiles.reshape(1, -1, len(LEVELS))
        return float(np.maximum(np.array(LEVELS) * gap, (np.array(LEVELS) - 1) * gap).mean())

    assert pinball(made.quantiles) < 1.04 * pinball(stats.nbinom.ppf(LEVELS, 2, 2 / 5))


@pytest.mark.parametrize(("head", "value", "said"), [
    ("negative-binomial", 2.5, "'y' is 2.5 (series s1, time 2024-01-06"),
    ("negative-binomial", -1, "'y' is -1 (series s1, time 2024-01-06"),
    ("tweedie", -0.5, "'y' is -0.5 (series s1, time 2024-01-06"),
])  # fmt: skip
def test_what_is_no_count_is_named(drawn: pd.DataFrame, head: str, value: float, said: str) -> None:
    """Prevents: a loss that is no number, or a likelihood of what cannot be."""
    data = drawn.astype({"y": float}).reset_index(drop=True)
    data.loc[80 + 5, "y"] = value
    with pytest.raises(DataError) as problem:
        tsforge.fit(tsforge.build({**SMALL, "model.head": head, "data.id": "id", "train.max_steps": 1}), data)
    assert said in problem.value.message


@pytest.mark.parametrize("kind", ["gru", "patch-transformer", "nlinear"])
@pytest.mark.parametrize("head", [NegativeBinomialHead(), TweedieHead()])
def test_every_parameter_learns(kind: str, head: NegativeBinomialHead | TweedieHead) -> None:
    """Prevents: a part of the head or of the network that no loss reaches, and what does not go through a file."""
    torch.manual_seed(0)
    shape = WindowShape(context=40, horizon=3, targets=2, past=0, known=0, static=0)
    config = tsforge.build({"model.kind": kind, "model.width": 32, "model.head": head.type}).model
    network = config.build(shape)
    target = torch.randint(0, 6, (8, 43, 2)).float()
    observed = torch.ones(8, 40, 2, dtype=torch.bool)
    nothing = torch.zeros(8, 40, 0)
    context = Context(
        target[:, :40], observed, nothing, torch.zeros(8, 43, 0), torch.zeros(8, 0), torch.zeros(8, dtype=torch.int64)
    )
    forecast = network(context)
    forecast.loss(Truth(target[:, 40:], observed[:, :3])).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    some = forecast.part(slice(2, 5))
    torch.testing.assert_close(some.point, forecast.point[2:5])
    torch.testing.assert_close(some.quantiles(), forecast.quantiles()[2:5])


def test_counts_have_no_graph(drawn: pd.DataFrame, tmp_path: Path) -> None:
    """Prevents: a file whose quantiles are those of the windows that it was traced with."""
    settings = {**SMALL, "model.head": "negative-binomial", "data.id": "id", "train.max_steps": 1}
    model = tsforge.fit(tsforge.build(settings), drawn).model
    with pytest.raises(ModelError, match="negative-binomial cannot be exported"):
        tsforge.export(model, tmp_path / "m.pt2", data=drawn)
