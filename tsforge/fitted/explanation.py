"""explain: which steps of the past the forecast of one window looks at, by attention and by gradient × input.

Axes: L context, H horizon, C targets, S sequences (1, or C where each target is its own); N past and M future tokens,
A attention heads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from tsforge.batch import WindowShape
from tsforge.data import covariates, frames, lookup, tidy
from tsforge.data.loader import WindowSource
from tsforge.data.panel import Panel
from tsforge.data.season import autocorrelation
from tsforge.data.traits import limits
from tsforge.data.windows import last
from tsforge.errors import ConfigError, DataError, ModelError, listing, nearest
from tsforge.fitted import directory, prediction
from tsforge.fitted.model import Model
from tsforge.model import attribution

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

Floats = NDArray[np.floating]
Method = Literal["attention", "gradient"]


@dataclass(frozen=True, repr=False)
class Explanation:
    """What the forecast of one window looks at.

    panel: the series alone; its end is the forecast origin. point (H, C): the forecast, in data units.
    values (L, C): the context, NaN where nothing was observed. autocorrelation (L+H, C): by lag, of the series up to
    the origin. model: its kind.

    attention: empty for a network without; else, by what attends to what, the weights of every layer and head, of
    which those of a query sum to 1:
        "past" (layers, S, A, N, N)      an encoder over the past
        "future" (layers, S, A, M, M)    a decoder over the future; causal
        "cross" (layers, S, A, M, N)     the future to the past
        "joint" (layers, S, A, M, N+M)   the future to past and future, in one stack
        "other" (layers, S, A, T, T)     over tokens that are none of these
    Weights are over the tokens of a layer, which have taken up their neighbours in the layers below; and a token
    holds the values one cycle before its step too.

    saliency (H, C, L, C): gradient × input, in data units: of each forecast step and target, what each past step and
    target adds to it, to first order, counted from the level of the window.
    """

    panel: Panel
    shape: WindowShape
    point: Floats
    values: Floats
    attention: dict[str, Floats]
    saliency: Floats
    autocorrelation: Floats
    model: str = ""
    polars: bool = False

    @property
    def methods(self) -> tuple[Method, ...]:
        """What there is for a map of forecast step by past step."""
        return ("gradient",) if self._heads is None else ("attention", "gradient")

    @cached_property
    def times(self) -> tuple[pd.Series, pd.Series]:
        """Times of the past (L,) and of the forecast (H,), as the table writes them."""
        L, H, *_ = self.shape
        rows = np.arange(-L, H) + self.panel.ends[0]
        return tidy.times(self.panel, rows[:L]), tidy.times(self.panel, rows[L:])

    @cached_property
    def _heads(self) -> Floats | None:
        """(layers, S, A, H, L) from the forecast's tokens to those of the past; None where tokens are not steps."""
        L, H, *_ = self.shape
        for kind, width in (("cross", L), ("joint", L + H)):
            if kind in self.attention and self.attention[kind].shape[-2:] == (H, width):
                return self.attention[kind][..., :L]
        return None

    def target(self, name: str | None) -> int:
        """The position of a target by its name; the first that the series has where None.

        Raises ConfigError with the nearest name, and for a target of which the series has no value.
        """
        names, never = self.panel.schema.target, self.panel.never[0]
        if name is None:
            return int(never.argmin())
        if name not in names:
            raise ConfigError(f"there is no target '{name}'", nearest(name, names) or f"the model has {listing(names)}")
        if never[names.index(name)]:
            empty = f"'{name}' of series {self.panel.label(0)} has no observed value"
            raise ConfigError(empty, f"it has {listing(np.array(names)[~never])}")
        return names.index(name)

    def heads(self, target: int = 0) -> Floats:
        """Attention of the forecast to the past, (layers, A, H, L). Raises ModelError where there is none."""
        if self._heads is None:
            raise ModelError("this model has no attention from forecast steps to past steps", "ask for method gradient")
        return self._heads[:, min(target, self._heads.shape[1] - 1)]

    def map(self, method: Method | None = None, target: int = 0) -> Floats:
        """How much each forecast step (row) looks at each past step, (H, L), not negative.

        method: "attention", the mean over layers and heads; "gradient", |gradient × input| summed over the targets of
        the past step. Attention where there is some, if None.
        """
        if (method or self.methods[0]) == "attention":
            mean: Floats = self.heads(target).mean(axis=(0, 1))
            return mean
        size: Floats = np.abs(self.saliency[:, target]).sum(axis=-1)
        return size

    def along(self, method: Method | None = None, target: int = 0, step: int | None = None) -> tuple[Floats, Floats]:
        """The map along the past (L,) and by lag (L+H,): means over the forecast steps, or one of them, from 1.

        Raises ConfigError for a step that is not forecast.
        """
        H = self.shape.horizon
        if step is not None and not 1 <= step <= H:
            raise ConfigError(f"there is no forecast step {step}", f"choose one from 1 to {H}")
        steps = slice(None) if step is None else slice(step - 1, step)
        weights = self.map(method, target)
        return weights[steps].mean(axis=0), by_lag(weights, steps)

    @property
    def frame(self) -> Any:
        """The tidy table: a row for each forecast step, target and past step.

        Columns: ids, time (of the forecast), `target` where there are several, `step` from 1, `past_` time, `lag`
        between the two in steps, `value` of the past, `attention` (mean over layers and heads) where there is some,
        `saliency` (summed over the targets of the past step), `autocorrelation` at the lag.
        """
        L, H, *_ = self.shape
        C = self.point.shape[1]
        lag = lags(H, L)
        columns: dict[str, Floats] = {
            "value": np.broadcast_to(self.values.T, (H, C, L)),
            **({} if self._heads is None else {"attention": np.stack([self.map("attention", c) for c in range(C)], 1)}),
            "saliency": self.saliency.sum(axis=-1),
            "autocorrelation": self.autocorrelation[lag].swapaxes(1, 2),
        }
        return frames.like(tidy.pairs(self.panel, *self.times, lag, columns), polars=self.polars)

    def __repr__(self) -> str:
        what, (L, H, *_) = f" of series {self.panel.label(0)}" if self.panel.ids else "", self.shape
        return f"<what {H} steps{what} look at in the {L} before: {listing(self.methods)}: .frame, .map()>"

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything by name, as `numpy.savez` takes it: no objects among it; times are text."""
        past, ahead = (np.asarray(times).astype(str) for times in self.times)
        arrays = {"past_time": past, "time": ahead, "target": np.array(self.panel.schema.target)}
        arrays |= {"point": self.point, "values": self.values, "saliency": self.saliency}
        arrays |= {"autocorrelation": self.autocorrelation, "season": np.array(self.shape.season)}
        return arrays | {f"attention_{kind}": weights for kind, weights in self.attention.items()}


def explain(
    model: Model | str | Path, data: Any = None, *, series: object = None, origin: object = None
) -> Explanation:
    """Which past steps the forecast of one window looks at: `tsforge.explain` with a model or its directory."""
    model = model if isinstance(model, Model) else directory.load(model)
    L, H, *_ = model.shape
    whole = prediction.read(model, data, H)
    panel = _alone(whole, 0 if series is None else lookup.series(whole, series), origin)
    prediction.check_future(panel, H, H)
    features = covariates.encode(panel, model.facts.encodings)
    known = model.facts.traits(panel)
    windows = WindowSource(panel, features, model.shape, usual=known.usual)
    context = windows.gather(windows.starts(last(panel)), torch.zeros(1, dtype=torch.int64)).context
    if not context.observed.any():
        raise DataError(f"{panel.name}: nothing is observed in the {L} steps before the forecast", "choose a later one")
    with torch.no_grad():
        point = limits(model.experiment.model.bounds, panel, known).keep(model.network(context).point.numpy())[0]
    before = slice(0, int(panel.ends[0]))
    values = np.where(context.observed[0], context.target[0], np.nan)
    repeats = autocorrelation(panel.values[before], panel.observed[before], L + H)
    weights = {kind: mean.numpy() for kind, mean in attribution.attention(model.network, context).items()}
    slopes = attribution.saliency(model.network, context).numpy()
    point[:, panel.never[0]], slopes[:, panel.never[0]] = np.nan, np.nan
    return Explanation(
        panel, model.shape, point, values, weights, slopes, repeats, model.experiment.model.kind
    )  # fmt: skip


def _alone(panel: Panel, i: int, origin: object) -> Panel:
    """Series i of a panel, ending at the forecast origin."""
    begin, stop = int(panel.offsets[i]), int(panel.offsets[i + 1])
    end = int(panel.ends[i]) if origin is None else lookup.origin(panel, i, origin)
    rows = slice(begin, stop)
    return replace(
        panel, values=panel.values[rows], observed=panel.observed[rows], past=panel.past[rows],
        future=panel.future[rows], static=panel.static[i : i + 1], offsets=np.array([0, stop - begin]),
        first=panel.first[i : i + 1], ends=np.array([end - begin]), ids=tuple(ids[i : i + 1] for ids in panel.ids),
    )  # fmt: skip


def lags(horizon: int, context: int) -> NDArray[np.int64]:
    """Steps from each past step to each forecast step, (H, L)."""
    steps: NDArray[np.int64] = np.arange(horizon)[:, None] + np.arange(context, 0, -1)
    return steps


def by_lag(values: Floats, steps: slice = slice(None)) -> Floats:
    """Mean of a map (H, L) over the pairs of chosen forecast steps and past steps that lie a lag apart, (L+H,).

    NaN at lags that no pair has.
    """
    lag, chosen = lags(*values.shape)[steps].reshape(-1), values[steps].reshape(-1)
    count = np.bincount(lag, minlength=sum(values.shape))
    with np.errstate(invalid="ignore"):
        mean: Floats = np.bincount(lag, weights=chosen, minlength=sum(values.shape)) / count
    return mean
