"""Forecasts that need no gradient: naive, seasonal naive, theta, ets, linear and others. They stand beside every score.

Axes: B batch, L context, H horizon, C targets, Q quantile levels.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal, get_args

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn

from tsforge.batch import Batch, Context, WindowShape
from tsforge.config import Config
from tsforge.errors import ConfigError, listing, nearest
from tsforge.forecast import Quantiles, Scaling
from tsforge.model.baselines import mstl, shape_ridge
from tsforge.model.baselines.closed_form import ClosedForm
from tsforge.model.baselines.naive import HISTORY, BaselineKind
from tsforge.model.baselines.ridge import Ridge
from tsforge.model.heads import LEVELS, Bounds, Levels
from tsforge.model.transforms.scaling import WindowScaler, any_observed

SHORTEST, SEASONS = 120, 10  # steps, or seasons, that theta and ets read: more change little
FEW, LONG = 4, 520  # and of seasons so long that ten of them would be more steps than these
ADJUSTED = 4  # seasons that "linear" takes indices from: two are noise, more than six are of another time of the year
DEMANDS = 240  # steps that croston and tsb read: in most of them nothing may happen
# Kinds that read whatever history there is.
WHOLE: tuple[BaselineKind, ...] = ("theta", "ets", "mstl", "shape-ridge", "croston", "tsb")


def kinds(names: object) -> object:
    """The kinds of several names, each once. Raises ConfigError for a name that is no baseline's."""
    known = get_args(BaselineKind)
    for name in names if isinstance(names, tuple) else ():
        if name not in known:
            raise ConfigError(
                f"baselines: there is no baseline '{name}'", nearest(name, known) or f"known: {listing(known, 99)}"
            )
    return tuple(dict.fromkeys(names)) if isinstance(names, tuple) else names


class Baseline(Config):
    """A baseline with intervals: its point forecast, and the quantiles of its errors on the training part."""

    kind: BaselineKind
    levels: Levels = LEVELS
    adjust: Literal["none", "season"] = "none"  # "linear" alone: division by seasonal indices of the whole context
    recent: Annotated[int, Field(ge=1, le=100_000)] | None = None  # and newest steps that it reads
    bounds: Bounds = "auto"  # what forecasts are kept within: 0 or more where no training row is negative
    long_context: ClassVar[bool] = False  # whether a context of more than a few seasons is better, by default

    @field_validator("adjust", "recent")
    @classmethod
    def _of_linear(cls, value: object, info: ValidationInfo) -> object:
        if value not in ("none", None) and info.data.get("kind", "linear") != "linear":
            nothing = '"none"' if info.field_name == "adjust" else "left out"
            raise ValueError(f"is for linear and the networks; for {info.data['kind']} it must be {nothing}")
        return value

    @property
    def any_history(self) -> bool:
        """Whether its windows may be shorter than the context, by default: it reads whatever history there is."""
        return self.kind in WHOLE

    def build(self, shape: WindowShape) -> BaselineForecaster:
        return BaselineForecaster(self, shape)

    def roomy_context(self, season: int) -> int:
        """Steps of context that it reads where nobody says."""
        return self.least_context(season)

    def reading(self, shape: WindowShape, cycles: Iterable[int]) -> WindowShape:
        """The windows it reads beside a model: those of the model, with a context that is long enough for it.

        The model's own context stays as it is. cycles: of the calendar, in steps.
        """
        least = self.least_context(shape.season, shape.fallback)
        return shape.with_context(least, cycles) if least > shape.context else shape

    def least_context(self, season: int, fallback: int = 0) -> int:
        """Steps of context that it needs; fallback: what seasonal naive goes back where there is no season."""
        some = max(SHORTEST, min(SEASONS * season, max(LONG, FEW * season)))
        least = {
            "seasonal-naive": max(season, fallback),
            "naive2": HISTORY * season,
            "theta": some,
            "ets": some,
            "mstl": mstl.least_context(season),
            "shape-ridge": shape_ridge.least_context(season),
            "croston": DEMANDS,
            "tsb": DEMANDS,
            "linear": ADJUSTED * season if self.adjust == "season" and season > 1 else 1,
        }
        return least.get(self.kind, 1)


class BaselineForecaster(nn.Module):
    """The point forecast plus centred error quantiles per horizon step, scaled by each window's deviation."""

    errors: Tensor

    def __init__(self, config: Baseline, shape: WindowShape) -> None:
        super().__init__()
        self.kind, self.levels, self.shape = config.kind, config.levels, shape
        self.scaler = WindowScaler(shape.targets, "standard")
        self.ridge: Ridge | None = None
        self.closed: ClosedForm | None = None
        if config.kind == "linear":
            self.ridge = Ridge(shape, adjust=config.adjust == "season", recent=config.recent)
        else:
            self.closed = ClosedForm(config.kind, shape)
        self.register_buffer("errors", torch.zeros(shape.horizon, shape.targets, len(config.levels)))

    def forward(self, context: Context) -> Quantiles:
        """Context -> Quantiles over (B, H, C)."""
        scaling, point = self._parts(context)
        return Quantiles(self.errors, Scaling(point, scaling.scale), self.levels)

    def fit(self, batches: Iterable[Batch]) -> None:
        """Take the matrix of "linear", and the error quantiles, from training windows.

        batches: iterated once or twice.
        """
        self.fit_matrix(batches)
        self.fit_errors(batches)

    def fit_matrix(self, batches: Iterable[Batch]) -> None:
        """Take the matrix of "linear" from training windows; others have none."""
        if self.ridge is not None:
            self.ridge.fit((context, truth, self._scaling(context)) for context, truth in batches)

    def fit_errors(self, batches: Iterable[Batch]) -> None:
        """Take the error quantiles from training windows, centred, so that the median stays the baseline itself."""
        errors = []
        for context, truth in batches:
            scaling, point = self._parts(context)
            gap = ((truth.target - point) / scaling.scale).to(self.errors.dtype)
            errors.append(torch.where(truth.observed, gap, torch.full_like(gap, torch.nan)))
        level = torch.tensor([*self.levels, 0.5], device=self.errors.device)
        quantiles = _quantiles(torch.cat(errors), level)
        self.errors.copy_(quantiles[..., :-1] - quantiles[..., -1:])

    def _parts(self, context: Context) -> tuple[Scaling, Tensor]:
        """The units of each window, and its point forecast; the training level where nothing was observed."""
        scaling = self._scaling(context)
        if self.ridge is not None:
            point = self.ridge(context, scaling)
        else:
            assert self.closed is not None
            point = self.closed(context)
        return scaling, torch.where(any_observed(context.observed), point, scaling.loc)

    def _scaling(self, context: Context) -> Scaling:
        return self.scaler.scaling(context.target, context.observed, context.usual)


def _quantiles(values: Tensor, level: Tensor) -> Tensor:
    """values (W, H, C) with NaN -> (H, C, Q), linear between neighbours; 0 where all are NaN.

    One sort of everything: torch.nanquantile takes forty times as long and refuses more than 16 million values.
    """
    ordered = _ascending(values.movedim(0, -1))
    count = (~ordered.isnan()).sum(dim=-1, keepdim=True)
    position = (level * (count - 1)).clamp(min=0)
    low = position.floor().long()
    high = torch.minimum(low + 1, (count - 1).clamp(min=0))
    below, above = ordered.gather(-1, low), ordered.gather(-1, high)
    return torch.lerp(below, above, position - low).nan_to_num(0.0)


def _ascending(values: Tensor) -> Tensor:
    """Sorted along the last axis, NaN last. On a CPU by NumPy, which takes a tenth of the time of torch."""
    if values.device.type != "cpu":
        return values.sort(dim=-1).values
    ordered = values.clone(memory_format=torch.contiguous_format)
    ordered.numpy().sort(axis=-1)  # in place: the memory is the same
    return ordered
