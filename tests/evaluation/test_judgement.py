"""Which of several forecasters is best, and whether it can be believed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tsforge.api.verdict import sentence
from tsforge.evaluation import judgement
from tsforge.evaluation.judgement import Judgement
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Distribution
from tsforge.evaluation.scores import scores
from tsforge.evaluation.significance import Paired, Verdict


def outcome(errors: np.ndarray, *, series: int = 1) -> Outcome:
    """Forecasts that miss by `errors` (W, H) truths of 0, of one series at origins that are a horizon apart."""
    W, H = errors.shape
    point, ones = errors[..., None].astype(np.float32), np.ones((W, 1))
    number = np.arange(W)
    return Outcome(
        truth=np.zeros_like(point), observed=np.ones(point.shape, dtype=bool), point=point,
        distribution=Distribution.of_point((), point, ones), scale=ones, square=ones,
        series=number % series, time=number // series * H,
    )  # fmt: skip


def judged(errors: dict[str, np.ndarray], *, series: int = 1) -> Judgement:
    outcomes = {name: outcome(values, series=series) for name, values in errors.items()}
    result = judgement.of_outcomes("mae", outcomes, {name: scores(o, ["mae"]) for name, o in outcomes.items()})
    assert result is not None
    return result


def noise(windows: int, size: float, seed: int = 0) -> np.ndarray:
    return size * (1 + 0.1 * np.random.default_rng(seed).uniform(-1, 1, (windows, 3)))


@pytest.mark.parametrize(
    ("sizes", "best", "verdict", "loses"),
    [
        ({"gru": 2.107, "naive": 1.5, "seasonal-naive": 1.0}, "seasonal-naive", Verdict.WORSE, True),
        ({"lstm": 1.0, "naive": 1.5, "drift": 1.2}, "lstm", Verdict.BETTER, False),
        ({"gru": 1.2, "linear": 1.0, "naive": 3.0}, "linear", Verdict.WORSE, True),
        ({"linear": 0.7, "naive": 0.9}, "linear", Verdict.BETTER, False),
    ],
)
def test_the_best_of_all_shown(sizes: dict[str, float], best: str, verdict: Verdict, loses: bool) -> None:
    """A model praised for what it is better than, while another column of its table beats it."""
    result = judged({name: noise(20, size, seed) for seed, (name, size) in enumerate(sizes.items())})
    assert (result.best, result.verdict, result.loses) == (best, verdict, loses)
    model, rival = (np.abs(noise(20, s, i)).mean() for i, s in enumerate(sizes.values()) if i in (0, list(sizes).index(result.rival)))  # fmt: skip  # noqa: E501
    assert result.gain == pytest.approx(100 * (1 - model / rival), rel=1e-5)


@pytest.mark.parametrize(("own", "loses"), [(2.107, True), (1.08, True), (1.03, False), (0.5, False)])
def test_one_window_tells_nothing(own: float, loses: bool) -> None:
    """A claim from a single window, or a forecast recommended that is twice as bad there."""
    result = judged({"gru": np.full((1, 6), own), "seasonal-naive": np.ones((1, 6)), "naive": np.full((1, 6), 3.0)})
    assert result.verdict == Verdict.TOO_FEW
    assert result.loses == loses
    assert "nothing can be told from one window" in sentence(result)
    assert sentence(result).startswith("gru loses to seasonal-naive") == loses


def test_one_origin_of_many_series_can_be_told() -> None:
    """Series taken for one window because all have the same origin."""
    result = judged({"gru": noise(30, 1.0), "naive": noise(30, 1.3, 1)}, series=30)
    assert (result.verdict, result.paired.of, result.paired.count) == (Verdict.BETTER, "series", 30)


def test_windows_that_contradict_the_score_claim_nothing() -> None:
    """ "loses, and that is no chance" where a few large windows make the score and many small ones the test."""
    result = Judgement("mase", {"gru": 1.1, "naive": 1.0}, "naive", Paired(-0.2, 0.001, 40, "origins"))
    assert result.verdict == Verdict.LEVEL
    result = Judgement("mase", {"gru": 0.9, "naive": 1.0}, "naive", Paired(0.2, 0.001, 40, "origins"))
    assert result.verdict == Verdict.LEVEL


def test_a_rival_without_error() -> None:
    """Per cent of 0, or a model that is recommended though another one makes no error at all."""
    result = judged({"gru": np.full((6, 2), 0.5), "naive": np.zeros((6, 2))})
    assert math.isnan(result.gain)
    assert result.loses
    assert sentence(result).startswith("gru loses to naive, the best here: its mae is 0.5, against 0; ")
    level = judged({"drift": np.zeros((6, 2)), "naive": np.zeros((6, 2))})
    assert not level.loses
    assert sentence(level) == "drift and naive are level in mae"


@pytest.mark.parametrize("errors", [{"gru": math.nan, "naive": 1.0}, {"gru": 1.0}, {}, {"gru": 1.0, "naive": math.nan}])
def test_nothing_to_judge(errors: dict[str, float]) -> None:
    """A crash, or a verdict on another than the model, where it has no score or stands alone."""
    assert judgement.judge("mase", errors, lambda _: Paired(math.nan, math.nan, 0, "origins")) is None


@pytest.mark.parametrize(
    ("own", "p", "count", "words"),
    [
        (0.93, 0.0004, 24, "gru is best: its mase is 7.0 % below that of linear, the next; that is hardly chance (p < 0.001 over 24 origins)"),  # noqa: E501
        (1.02, 0.31, 12, "linear is best; the mase of gru is 2.0 % above; that may be chance (p = 0.31 over 12 origins)"),  # noqa: E501
        (1.2, math.nan, 3, "gru loses to linear, the best here: its mase is 20.0 % above; 3 origins are too few to tell whether by chance"),  # noqa: E501
        (30.0, math.nan, 1, "gru loses to linear, the best here: its mase is 2,900 % above; nothing can be told from one window"),  # noqa: E501
    ],
)  # fmt: skip
def test_sentences(own: float, p: float, count: int, words: str) -> None:
    """The loss in the last clause, or a claim that the test does not make."""
    difference = own - 1
    result = Judgement(
        "mase", {"gru": own, "linear": 1.0, "naive": 4.0}, "linear", Paired(difference, p, count, "origins")
    )
    assert sentence(result) == words
