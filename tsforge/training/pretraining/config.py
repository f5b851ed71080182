"""What a pretraining is: a network, a mixture of series, and how the weights are found. One TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, model_validator

from tsforge.config import Config, parse
from tsforge.errors import ConfigError
from tsforge.model.zero.network import Zero
from tsforge.model.zoo import merge
from tsforge.settings import nest, read_toml
from tsforge.synthesis import Mixture

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]

ETS = 0.4  # share of exponential smoothing, beside those that the other kinds have by themselves


class PretrainConfig(Config):
    """How the weights are found.

    series: drawn for each step; cuts: places at which each is cut into what is read and what follows.
    lr: at its highest: after a rise over a share `warmup` of the work, until it falls in the last share `decay`.
    average: decay of the moving average of the weights, which is what is kept.
    chunks: parts, alike in length, that a step's sequences are computed in.
    keep: seconds between checkpoints. threads: of the processor; as many as torch takes by itself where None. Another
    number rounds differently.
    """

    series: Count = 256
    length: Annotated[int, Field(ge=16, le=600)] = 600
    cuts: Count = 2
    chunks: Count = 4
    lr: Annotated[float, Field(gt=0)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip: Annotated[float, Field(gt=0)] = 1.0
    warmup: Share = 0.05
    decay: Share = 0.35
    average: Annotated[float, Field(ge=0, lt=1)] = 0.998
    keep: Annotated[float, Field(gt=0)] = 120.0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None

    @model_validator(mode="after")
    def _one_after_the_other(self) -> PretrainConfig:
        if self.warmup + self.decay > 1:
            raise ValueError(f"the rate cannot rise for {self.warmup:g} and fall for {self.decay:g} of the work")
        return self


class Pretraining(Config):
    """Everything that decides pretrained weights, but for how long."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1
    model: Zero = Zero()
    mixture: Mixture = Mixture(ets=ETS)
    train: PretrainConfig = PretrainConfig()


class Budget(NamedTuple):
    """What a pretraining may take: steps, or seconds, of all its runs together."""

    steps: int | None = None
    seconds: float | None = None

    def spent(self, steps: int, seconds: float) -> float:
        """The share of it that is gone, from 0 to 1. Where steps are counted, no clock is looked at."""
        if self.steps is not None:
            return min(1.0, steps / self.steps)
        return min(1.0, seconds / self.seconds) if self.seconds else 1.0


def build(overrides: dict[str, Any], file: str | Path | None = None) -> Pretraining:
    """A pretraining from defaults, then a TOML file, then dotted overrides such as {"train.lr": 0.01}."""
    values = read_toml(Path(file)) if file is not None else {}
    for path, value in overrides.items():
        values = merge(values, nest(path, value))
    return parse(Pretraining, values, source=str(file) if file is not None else "settings")


def budget(hours: float | None, steps: int | None) -> Budget:
    """The one of both that is given. Raises ConfigError for none, both, or nothing to do."""
    if (hours is None) == (steps is None):
        raise ConfigError("how long to train is not clear", "give one of `hours` and `steps`, as 3 or 1000")
    if steps is not None:
        if steps < 1:
            raise ConfigError(f"{steps} steps are none", "ask for 1 or more")
        return Budget(steps=steps)
    assert hours is not None
    if not hours > 0:
        raise ConfigError(f"{hours:g} hours are none", "ask for more, as 0.5")
    return Budget(seconds=3600 * hours)


def rate(config: PretrainConfig, spent: float) -> float:
    """The factor of the learning rate once a share of the budget is spent: up, along, and down by a root.

    (Hägele et al. 2024, "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations")
    """
    if spent < config.warmup:
        return max(spent / config.warmup, 0.01)
    left = 1 - spent
    return float(1 - (1 - left / config.decay) ** 0.5) if left < config.decay else 1.0
