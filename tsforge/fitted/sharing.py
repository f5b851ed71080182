"""One network for many threads: the windows of those that wait while it computes are computed together.

What a row of a matrix product is, to the last bit, depends on how many rows there are: one window alone and the same
window among eight differ in the last digit. So every batch has the same size, filled up with copies, and what a caller
is answered does not depend on who else asks. Axes: B batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

import torch
from torch import Tensor, nn

from tsforge.batch import Context
from tsforge.forecast import Forecast
from tsforge.model.baselines.closed_form import searching

ROWS = 8  # windows of a batch: it takes little longer than one
TRIED = 16  # windows by which it is seen whether places in a batch matter


@dataclass
class _Asked:
    """A context that waits, and what came of it."""

    context: Context
    forecast: Forecast | None = None
    problem: Exception | None = None
    done: bool = field(default=False)

    @property
    def size(self) -> int:
        return self.context.target.shape[0]


class Shared(nn.Module):
    """A network that several threads may call at once.

    Up to `ROWS` windows of a call share batches of that size with those of other calls; more of them are a batch of
    their own, as without. So are those of closed forms that search, as their steps depend on what else is in the batch,
    and of networks whose products are rounded by the place of a row, as very narrow ones (a width of 4): tried with
    windows like the first that comes.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._together: bool | None = False if searching(network) else None  # None until it was tried
        self._waiting: list[_Asked] = []
        self._entering, self._computing = Lock(), Lock()

    def forward(self, context: Context) -> Forecast:
        """Context -> Forecast over (B, H, C). Raises what the network raises for the batch that it was in."""
        if self._together is None:
            with self._entering:
                if self._together is None:
                    self._together = _same_in_all_places(self.network, context)
        if not self._together or context.target.shape[0] > ROWS:
            forecast: Forecast = self.network(context)
            return forecast
        asked = _Asked(context)
        with self._entering:
            self._waiting.append(asked)
        with self._computing:  # whoever has computed meanwhile may have taken this one along
            while not asked.done:
                self._compute(self._next())
        if asked.problem is not None:
            raise asked.problem
        assert asked.forecast is not None
        return asked.forecast

    def _next(self) -> list[_Asked]:
        """Those that have waited longest, of one precision, as many as fit into a batch."""
        with self._entering:
            first, count, chosen = self._waiting[0], 0, []
            for asked in self._waiting:
                alike = asked.context.target.dtype == first.context.target.dtype
                if alike and count + asked.size <= ROWS:
                    chosen.append(asked)
                    count += asked.size
            self._waiting = [asked for asked in self._waiting if not any(asked is one for one in chosen)]
        return chosen

    def _compute(self, chosen: list[_Asked]) -> None:
        """Answer all of these at once."""
        try:
            forecast = self.network(_joined([asked.context for asked in chosen]))
            begin = 0
            for asked in chosen:
                asked.forecast = forecast.part(slice(begin, begin + asked.size))
                begin += asked.size
        except Exception as problem:  # whatever it is, those that wait must hear of it
            for asked in chosen:
                asked.problem = problem
        for asked in chosen:
            asked.done = True


def _same_in_all_places(network: nn.Module, context: Context) -> bool:
    """Whether copies of a window, a batch of them, are forecast alike to the last bit; so with several like it."""
    window = Context(*(part[:1] for part in context[:-1]))._replace(base=context.base)
    for k in range(TRIED):
        forecast: Forecast = network(_joined([window._replace(target=window.target * (1 + k / TRIED))]))
        for part in (forecast.point, forecast.quantiles()):
            if part.isfinite().all() and not torch.equal(part, part[:1].expand_as(part)):
                return False
    return True


def _joined(contexts: list[Context]) -> Context:
    """As one of `ROWS` windows, the last of which is repeated."""
    count = sum(context.target.shape[0] for context in contexts)
    rows = torch.arange(ROWS).clamp(max=count - 1)

    def joined(parts: list[Tensor]) -> Tensor:
        return torch.cat(parts).index_select(0, rows)

    first = contexts[0]
    target, observed, past, known, static, ordinal, usual = (
        joined([context[i] for context in contexts]) for i in range(len(first) - 1)
    )
    return Context(target, observed, past, known, static, ordinal, usual, first.base)
