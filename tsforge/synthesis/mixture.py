"""What a batch of synthetic series is made of: the share of each kind, the lengths, and what may happen to a series."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from tsforge.config import Config

Share = Annotated[float, Field(ge=0, le=1)]
Season = Annotated[int, Field(ge=1)]
LEAST, MOST = 6, 600  # steps of a series
Steps = Annotated[int, Field(ge=LEAST, le=MOST)]

HELD = 1.5  # times that a series holds its season at least
# How often a season has each length, where the series holds it: times 1 + m / 48, as long series have long seasons.
PERIODS = {
    1: 0.15, 4: 0.15, 5: 0.04, 7: 0.12, 12: 0.2, 24: 0.12, 48: 0.05, 52: 0.05, 96: 0.03, 168: 0.03, 288: 0.03,
    336: 0.03,
}  # fmt: skip
NAMES = (
    "ets", "arima", "sarima", "trend", "walk", "garch", "gp", "calendar", "regimes", "counts", "intermittent",
    "pulses", "seasons",
)  # fmt: skip


class Mixture(Config):
    """What synthetic series are drawn from; `Mixture.only("ets")` draws one kind, with nothing done to it.

    ets ... seasons: shares of the kinds, which need not sum to one.
    shortest, longest: steps of a series; equal ratios are equally likely.
    periods: lengths of the season; a series has one that it holds one and a half times, and 1 where it has none.
    mixed ... gaps: probabilities that a series is mixed with one or two others, turned upside down, sampled more
    rarely, moved to another level in the middle, hit by outliers, clipped at zero, rounded, and missing in stretches.
    What spoils a series is rarer than what makes another good one of it.
    """

    ets: Share = 0.15
    arima: Share = 0.05
    sarima: Share = 0.1
    trend: Share = 0.1
    walk: Share = 0.03
    garch: Share = 0.02
    gp: Share = 0.2
    calendar: Share = 0.1
    regimes: Share = 0.1
    counts: Share = 0.025
    intermittent: Share = 0.025
    pulses: Share = 0.05
    seasons: Share = 0.05
    shortest: Steps = 6
    longest: Steps = 600
    periods: tuple[Season, ...] = Field(default=tuple(PERIODS), min_length=1)
    mixed: Share = 0.3
    flipped: Share = 0.3
    sampled: Share = 0.3
    shifted: Share = 0.1
    outliers: Share = 0.1
    clipped: Share = 0.1
    rounded: Share = 0.3
    gaps: Share = 0.15

    @model_validator(mode="after")
    def _possible(self) -> Mixture:
        """Some kind has a share, and lengths ascend."""
        if not any(self.shares):
            raise ValueError(f"no kind has a share: give one of {', '.join(NAMES)} more than 0")
        if self.shortest > self.longest:
            raise ValueError(f"shortest ({self.shortest}) is more than longest ({self.longest})")
        return self

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of each kind, in the order of `NAMES`."""
        return tuple(getattr(self, name) for name in NAMES)

    @classmethod
    def only(cls, kind: str) -> Mixture:
        """One kind alone, as its equations have it."""
        shares = {name: float(name == kind) for name in NAMES}
        done = ("mixed", "flipped", "sampled", "shifted", "outliers", "clipped", "rounded", "gaps")
        return cls.model_validate(shares | dict.fromkeys(done, 0.0))
