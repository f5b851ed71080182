"""Measurements made by hand, with the figures that theory expects, so that tests need no training."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tsforge.comparison.probes.cost import Curve
from tsforge.comparison.probes.memory_tasks import Attempt
from tsforge.comparison.results import Fitted, Measured, OnData, Probed
from tsforge.evaluation.significance import Paired

MODELS = ("rnn", "lstm", "gru", "transformer")
LENGTHS = (16, 32, 64, 128, 256, 512, 1024)
TASKS = ("adding", "recall")
# name: (dependent operations per step, seconds per step, bytes at L = 16, their exponent, longest lag, half-life)
NETS = {
    "rnn": (6.0, 4e-5, 2.0e4, 1.0, 10, 3.0),
    "lstm": (19.0, 1e-4, 5.5e4, 1.0, 100, 11.0),
    "gru": (20.0, 9e-5, 5.0e4, 1.0, 100, 16.0),
    "transformer": (0.0, 0.0, 9.0e4, 1.4, 300, math.inf),
}
BASELINES = {"seasonal-naive": 1.0, "naive": 1.31, "drift": 1.42, "linear": 0.86}


def power(exponent: float, at_first: float = 1.0) -> Curve:
    """A curve that grows with this exponent."""
    return Curve(LENGTHS, tuple(at_first * (length / LENGTHS[0]) ** exponent for length in LENGTHS))


def attempts(longest: int, seeds: int = 3, lags: tuple[int, ...] = (10, 30, 100, 300, 1000)) -> tuple[Attempt, ...]:
    """Every lag up to the longest solved by all seeds, the next by one of two."""
    tries = [Attempt(lag, seed, 0.001, 1.0, 400) for lag in lags if lag <= longest for seed in range(seeds)]
    after = next((lag for lag in lags if lag > longest), None)
    if after is not None:
        tries += [Attempt(after, 0, 0.002, 0.99, 900), Attempt(after, 1, 0.08, 0.1, 1500)][-seeds:]
        tries.append(Attempt(after, 2, 0.09, 0.1, 1500))
    return tuple(tries)


def reach(half_life: float, length: int = 100) -> tuple[float, ...]:
    """Gradient norms that halve every `half_life` steps."""
    return tuple(float(0.3 * 0.5 ** (k / half_life)) for k in range(length))


def probed(name: str) -> Probed:
    """As theory expects of an architecture; of an unknown one, as of a scan: parallel, lean, far-reaching."""
    chain, second, size, exponent, lag, half = NETS.get(name, (0.0, 0.0, 2.5e4, 1.0, 300, 40.0))
    steps = tuple(60 + chain * length for length in LENGTHS)
    seconds = tuple(0.02 + second * length + 6e-6 * length * (exponent > 1) for length in LENGTHS)
    trained = half * 2 if math.isfinite(half) else half
    return Probed(
        32, 16_000, Curve(LENGTHS, steps), Curve(LENGTHS, seconds), power(exponent, size), None,
        {task: attempts(lag) for task in TASKS}, {"initial": reach(half), "trained": reach(trained)},
    )  # fmt: skip


def fitted(model: str, seed: int, score: float, pace: float) -> Fitted:
    """A training whose loss falls to its score, at `pace` windows per second."""
    random = np.random.default_rng([seed, int(1000 * score)])
    score *= 1 + 0.01 * (seed % 3 - 1)
    seconds = 6400 / pace * (1 + 0.02 * (seed % 3))
    at = np.linspace(seconds / 20, seconds, 20)
    losses = 0.4 * score + 0.5 * np.exp(-4 * at / seconds) + 0.01 * random.random(20)
    scores = {"mase": score, "mae": 120 * score, "mse": 30_000 * score, "wql": 0.05 * score}
    curve = tuple(zip(at.tolist(), losses.tolist(), strict=True))
    return Fitted(model, seed, 32, 16_123, scores, curve, 6400, seconds, "steps", f"models/{model}-seed{seed}")


def on_data(name: str, models: tuple[str, ...], seeds: int) -> OnData:
    """One data set; the gru is best, the lstm level with it."""
    means = {"rnn": 0.84, "lstm": 0.75, "gru": 0.74, "transformer": 0.79}
    paces = {"rnn": 900.0, "lstm": 420.0, "gru": 480.0, "transformer": 1400.0}
    fits = tuple(fitted(m, s, means.get(m, 0.76), paces.get(m, 1000.0)) for s in range(seeds) for m in models)
    baselines = {b: {"mase": v, "mae": 120 * v, "mse": 30_000 * v, "wql": 0.05 * v} for b, v in BASELINES.items()}
    best = min(models, key=lambda m: means.get(m, 0.76))
    against = {m: Paired(0.01, 0.4 if m == "lstm" else 0.001, 80, "origins") for m in (*models, *baselines)}
    del against[best]
    return OnData(name, 24, 96, 24, 336, fits, baselines, best, against)


def measured(
    models: tuple[str, ...] = MODELS, seeds: int = 3, data: tuple[str, ...] = ("demand",), *, probes: bool = True
) -> Measured:
    """A whole comparison."""
    return Measured(
        "-vs-".join(models), models, seeds, "steps", {m: probed(m) for m in models} if probes else {},
        tuple(on_data(name, models, seeds) for name in data), 100, {"cpu": "a processor", "cores": "2"}, 754.0,
    )  # fmt: skip


def with_probe(measured: Measured, model: str, **changes: object) -> Measured:
    """A comparison with other figures of one architecture."""
    probed = replace(measured.probed[model], **changes)  # type: ignore[arg-type]
    return replace(measured, probed={**measured.probed, model: probed})
