"""Windows to batches: one gather per batch from one tensor that lies on the device. No work per sample."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tsforge.batch import Batch, Context, Truth, WindowShape
from tsforge.data.blocks import blocks
from tsforge.data.encodings import Features
from tsforge.data.panel import Panel
from tsforge.data.windows import Windows
from tsforge.errors import ConfigError

AT_ONCE = 1024  # series of windows whose bases are computed together
MOST_READ = 2**22  # and values that they are gathered into, at most
GATHERED, MOST_BATCHES = 2**21, 8  # values, and batches, that are gathered in one go
MOST_HELD = 2**24  # values of bases that are held: 64 MB in single precision

Base = Callable[[Context], Tensor]  # Context -> (B, H, C)


class WindowSource:
    """Holds a panel with its features as one tensor and gathers any windows from it.

    Every series is preceded by `context` empty rows, so that short ones need no special case: those rows
    read as not observed. Targets come in the precision that the panel has them in, all else in single precision.
    The tensor lies where the panel has room: of one on disk in a file, in which a window is one stretch.

    usual: (n, 2, C), of `statistics.usual`; 0 where None.
    """

    def __init__(
        self, panel: Panel, features: Features, shape: WindowShape, device: str = "cpu",
        usual: NDArray[np.floating] | None = None,
    ) -> None:  # fmt: skip
        self.shape = shape
        context = shape.context
        parts = (panel.values, panel.observed, features.past, features.future)
        lengths = np.diff(panel.offsets)
        wanted = (len(panel.values) + len(panel) * context, sum(p.shape[1] for p in parts))
        laid = panel.room.zeros(wanted, panel.values.dtype)
        for series, here in blocks(panel.offsets):
            before = (np.arange(series.start, series.stop) + 1) * context
            rows = np.arange(here.start, here.stop) + np.repeat(before, lengths[series])
            laid[rows] = np.concatenate([part[here] for part in parts], axis=1, dtype=laid.dtype)
        home = _fitting(device, laid.nbytes)
        self._rows = torch.from_numpy(laid).to(home)
        self._static = torch.from_numpy(features.static).to(home)
        size = (len(panel), 2, shape.targets)
        self.usual = np.zeros(size, dtype=laid.dtype) if usual is None else usual.astype(laid.dtype, copy=False)
        self._usual = torch.from_numpy(self.usual).to(home)
        # From the laid-out row of a window to the grid position of its first step, and to its row of the calendar.
        laid_first = panel.offsets[:-1] + (np.arange(len(panel)) + 1) * context
        self._laid_first = torch.from_numpy(laid_first).to(home)
        self._shift = torch.from_numpy(panel.first - laid_first).to(home)
        days = features.calendar
        around = np.zeros((context, days.rows.shape[1]), np.float32)  # windows may begin before the first step of all
        self._to_calendar = torch.from_numpy(days.begins - laid_first + context).to(home)
        self._calendar = torch.from_numpy(np.concatenate([around, days.rows])).to(home)
        self.device = device

    def on(self, device: str) -> WindowSource:
        """The same windows, gathered on another device."""
        if device == self.device:
            return self
        moved = copy.copy(self)
        moved.device, home = device, _fitting(device, self._rows.nbytes)
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(moved, name, value.to(home))
        return moved

    @property
    def window_values(self) -> int:
        """Values that a window is gathered into."""
        L, H, C, P, K, *_ = self.shape
        return (L + H) * (2 * C + P + K)

    def starts(self, windows: Windows) -> Tensor:
        """The laid-out row at which each window begins, (W,)."""
        origins, series = (part.astype(np.int64) for part in windows)
        return torch.from_numpy(origins + series * self.shape.context)

    def gather(self, starts: Tensor, series: Tensor) -> Batch:
        """The windows that begin at `starts` (B,), of `series` (B,)."""
        L, H, C, P = self.shape[:4]
        home = self._rows.device
        starts, series = starts.to(home), series.to(home)
        block = _windows(self._rows, L + H).index_select(0, starts).to(self.device, non_blocking=True)
        target, observed = block[..., :C], block[..., C : 2 * C] > 0.5
        static = self._static.index_select(0, series).to(self.device)
        ordinal = (starts + self._shift.index_select(0, series)).to(self.device)
        past, known = block[:, :L, 2 * C : 2 * C + P].float(), block[..., 2 * C + P :].float()
        known = self._with_calendar(known, starts, series)
        usual = self._usual.index_select(0, series).to(self.device)
        context = Context(target[:, :L], observed[:, :L], past, known, static, ordinal, usual)
        return Batch(context, Truth(target[:, L:], observed[:, L:]))

    def _with_calendar(self, known: Tensor, starts: Tensor, series: Tensor) -> Tensor:
        """What is known in advance of windows (B, L+H, ·), and the features of the calendar; 0 before a series."""
        if not self._calendar.shape[1]:
            return known
        span = known.shape[1]
        first = starts + self._to_calendar.index_select(0, series)
        days = _windows(self._calendar, span).index_select(0, first)
        early = self._laid_first.index_select(0, series) - starts
        days.masked_fill_((torch.arange(span, device=early.device) < early[:, None])[..., None], 0.0)
        days = days.to(self.device, non_blocking=True)
        return torch.cat([known, days], dim=-1) if known.shape[-1] else days

    def feed(self, starts: Tensor, point: Tensor, seen: Tensor) -> None:
        """Write forecasts (B, H, C) as if observed behind the contexts that begin at `starts`, to roll on.

        seen: which of them count as observed, (B, 1, C) bool.
        """
        L, H, C = self.shape[:3]
        rows = starts[:, None] + L + torch.arange(H)
        self._rows[rows, :C] = torch.where(seen, point, 0.0).to(self._rows.device)
        self._rows[rows, C : 2 * C] = seen.expand(point.shape).to(self._rows)

    def rewrite(self, series: int, begin: int, target: int, values: Tensor, seen: Tensor) -> None:
        """Write values (R,) of a target of one series from row `begin` of the panel on.

        seen: which of them count as observed; the others read as 0.
        """
        first = begin + (series + 1) * self.shape.context
        rows = self._rows[first : first + len(values)]
        rows[:, target] = torch.where(seen, values, 0.0).to(rows)
        rows[:, self.shape.targets + target] = seen.to(rows)


def _windows(rows: Tensor, span: int) -> Tensor:
    """Row r of the view is the window of `span` rows that starts at row r: overlapping, so it costs no memory."""
    count, width = max(0, len(rows) - span + 1), rows.shape[1]
    return rows.as_strided((count, span, width), (width, width, 1))


def window_shape(panel: Panel, features: Features, context: int, horizon: int, season: int) -> WindowShape:
    """The shape of a panel's windows; its lags are the season and the cycles of the calendar that fit."""
    known = features.future.shape[1] + features.calendar.rows.shape[1]
    covariates = (features.past.shape[1], known, features.static.shape[1])
    shape = WindowShape(context, horizon, panel.values.shape[1], *covariates, season=season)
    shape = shape._replace(covariates=features.columns)
    return shape.with_context(context, panel.schema.frequency.seasons())


class Bases:
    """The forecasts by a closed form of windows that are drawn again and again, each from its own context alone.

    A closed form takes its steps of time one by one: for 32 windows nearly as long as for a thousand.

    origins, series: of all windows, as in `Windows`, (W,).
    least: windows that are computed together at least.
    """

    def __init__(self, source: WindowSource, origins: Tensor, series: Tensor, base: Base, least: int = 1) -> None:
        self._source, self._origins, self._series, self._base = source, origins, series, base
        _, H, C, *_ = source.shape
        self.at_once = max(least, min(AT_ONCE // C, MOST_READ // source.window_values))
        self._rows = torch.full((len(origins),), -1, dtype=torch.int32)  # of each window in what is held; -1 for none
        self._most = max(self.at_once, MOST_HELD // (H * C))
        self._held: Tensor | None = None
        self._count = 0

    def of(self, chosen: Tensor, upcoming: Tensor) -> Tensor:
        """The forecasts (B, H, C) of the windows at the positions `chosen` (B,).

        upcoming: the positions that are drawn next, `chosen` among them; they are computed too where any has to be.
        """
        if (self._rows[chosen] < 0).any():
            self._compute(upcoming)
        assert self._held is not None
        return self._held[self._rows[chosen].long().to(self._held.device)]

    @torch.no_grad()
    def _compute(self, positions: Tensor) -> None:
        missing = positions[self._rows[positions] < 0]
        if self._count + len(missing) > self._most:  # begins anew
            self._rows.fill_(-1)
            missing, self._count = positions, 0
        series = self._series[missing].long()
        starts = self._origins[missing].long() + series * self._source.shape.context
        computed = self._base(self._source.gather(starts, series).context)
        if self._held is None:
            size = max(min(self._most, len(self._origins)), len(missing))
            self._held = computed.new_empty(size, *computed.shape[1:])
        rows = torch.arange(self._count, self._count + len(missing))
        self._held[rows.to(self._held.device)] = computed
        self._rows[missing] = rows.int()
        self._count += len(missing)


class WindowLoader:
    """An iterable of batches for training (shuffled) or for one pass in order.

    The order of epoch e depends on (seed, e) alone; the global random state is not touched.

    base: computes from contexts what a network adds to, once for each window; batches that are iterated have it.
    """

    def __init__(
        self, source: WindowSource, windows: Windows, batch_size: int, seed: int | None = None,
        base: Base | None = None,
    ) -> None:  # fmt: skip
        self.source = source
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self._skipped = 0
        self._origins, self._series = torch.from_numpy(windows.origins), torch.from_numpy(windows.series)
        few = GATHERED // (batch_size * source.window_values)  # small batches are gathered several at once
        self._at_once = max(1, min(MOST_BATCHES, few))
        self._rank, self._ranks = 0, 1
        self._bases = None
        if base is not None:
            self._bases = Bases(source, self._origins, self._series, base, batch_size)

    def __len__(self) -> int:
        return -(-len(self._origins) // self.batch_size)

    def skip(self, batches: int) -> None:
        """Begin as if this many batches had been read."""
        self.epoch, self._skipped = divmod(batches, len(self))

    def share(self, rank: int, ranks: int) -> None:
        """From now on iterate over every batch's share of one of several processes: every so many-th window of it.

        All have as many batches, of which the last may be empty for some.
        """
        self._rank, self._ranks = rank, ranks

    def batch(self, i: int) -> Batch:
        """The i-th batch of the windows in order; safe to call from several threads at once."""
        here = slice(i * self.batch_size, (i + 1) * self.batch_size)
        return self._gather(here)

    def _gather(self, chosen: Tensor | slice) -> Batch:
        origins, series = self._origins[chosen].long(), self._series[chosen].long()
        return self.source.gather(origins + series * self.source.shape.context, series)

    def _order(self) -> Tensor:
        """The windows of the next epoch in their order."""
        count = len(self._origins)
        if self.seed is None:
            return torch.arange(count)
        state = np.random.SeedSequence([self.seed, self.epoch]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(state[0]) & (2**63 - 1))
        self.epoch += 1
        # In 32 bits the order is the same, in half the time and memory.
        return torch.randperm(count, generator=generator, dtype=torch.int32 if count < 2**31 else torch.int64)

    def _own(self, order: Tensor) -> tuple[Tensor, int]:
        """What is left of an order of windows for this process, and how many windows it has of a whole batch."""
        size, rank, ranks = self.batch_size, self._rank, self._ranks
        if ranks == 1:
            return order, size
        whole = len(order) // size * size
        batches = order[:whole].view(-1, size)[:, rank::ranks]
        return torch.cat([batches.flatten(), order[whole:][rank::ranks]]), batches.shape[1]

    def __iter__(self) -> Iterator[Batch]:
        order = self._order()[self._skipped * self.batch_size :]
        count, self._skipped = -(-len(order) // self.batch_size), 0
        order, size = self._own(order)
        for i in range(0, len(order), size * self._at_once):
            several = self._gather(order[i : i + size * self._at_once].long())
            for j in range(0, len(several.truth.target), size):
                batch = several.part(slice(j, j + size))
                if self._bases is not None:
                    here = order[i + j : i + j + max(size, self._bases.at_once)].long()
                    base = self._bases.of(here[:size], here[: self._bases.at_once])
                    batch = batch._replace(context=batch.context._replace(base=base))
                yield batch
        if -(-len(order) // size) < count:
            yield self._gather(order[:0].long())


def _fitting(device: str, nbytes: int) -> str:
    """The device if the data leaves most of its memory free, else the host."""
    fits = not device.startswith("cuda") or nbytes < torch.cuda.mem_get_info(device)[0] / 3
    return device if fits else "cpu"


def pick_device(wanted: str) -> str:
    """ "cpu" or "cuda", never a surprise: cuda is refused where there is none."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError("no CUDA device is available", 'set train.device = "auto" or "cpu"')
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted
