"""The choice of a model left to a tournament: what it chooses among."""

from __future__ import annotations

from typing import ClassVar, Literal, NoReturn

from pydantic import field_validator

from tsforge.batch import WindowShape
from tsforge.config import Config
from tsforge.errors import ConfigError, listing, nearest
from tsforge.model.baselines.forecaster import WHOLE, Baseline
from tsforge.model.baselines.naive import BaselineKind
from tsforge.model.heads import LEVELS, Bounds
from tsforge.model.zero.network import Zero
from tsforge.model.zoo import PRETRAINED, ZOO, networks

# In the order in which they are given up where time is short, the last ones first.
NETWORKS = ("patch-gru", "gru", "nlinear", "patch-transformer", "lstm", "transformer-encoder")
POOL = (*(name for name, row in ZOO.items() if row or name in WHOLE), *PRETRAINED)


class Auto(Config):
    """candidates: networks and models without one by name; linear, seasonal naive, naive and drift always take part.

    Where none are named, all models without a network compete, and networks where a time is set (train.max_time). A
    pretrained model competes as it is, where it is named.
    """

    kind: Literal["auto"] = "auto"
    candidates: tuple[str, ...] | None = None
    bounds: Bounds = "auto"  # of the model that is found
    levels: ClassVar[tuple[float, ...]] = LEVELS  # of all candidates
    any_history: ClassVar[bool] = True  # whether windows may be shorter than the context, by default
    long_context: ClassVar[bool] = True  # whether a context of more than a few seasons is better: for some candidates

    @field_validator("candidates", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return tuple(v.strip() for v in value.split(",") if v.strip()) if isinstance(value, str) else value

    @field_validator("candidates")
    @classmethod
    def _known(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in names or ():
            if name not in POOL and name not in networks():
                pool = (*networks(), *WHOLE, *PRETRAINED)
                hint = nearest(name, pool) or f"candidates: {listing(pool, 99)}"
                raise ValueError(f"'{name}' is no model that can be a candidate; {hint}")
        return None if names is None else tuple(dict.fromkeys(names))

    def networks(self, max_time: float | None) -> tuple[str, ...]:
        """The candidates that are trained. max_time: seconds of the tournament, where they are set."""
        if self.candidates is None:
            return NETWORKS if max_time is not None else ()
        return tuple(name for name in self.candidates if name not in (*WHOLE, *PRETRAINED))

    @property
    def closed(self) -> tuple[BaselineKind, ...]:
        """The candidates that read a window and learn nothing."""
        return tuple(kind for kind in WHOLE if self.candidates is None or kind in self.candidates)

    @property
    def pretrained(self) -> tuple[str, ...]:
        """The candidates that are trained already."""
        return tuple(kind for kind in PRETRAINED if kind in (self.candidates or ()))

    def roomy_context(self, season: int) -> int:
        """Steps of context that some candidate reads where nobody says; 0 for no more than any model."""
        steps = [Baseline(kind=kind).roomy_context(season) for kind in self.closed]
        return max([*steps, *(Zero().roomy_context(season) for _ in self.pretrained)], default=0)

    def build(self, _shape: WindowShape) -> NoReturn:
        raise ConfigError("auto is no network, it finds one", "fit it, and take the experiment of the model it gives")

    def least_context(self, season: int, fallback: int = 0) -> int:  # noqa: ARG002
        """Steps of context that it needs: a season, for seasonal naive."""
        return season
