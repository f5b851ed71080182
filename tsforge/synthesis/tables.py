"""Synthetic series as a tidy table: an id, a time and a value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tsforge.errors import ConfigError, listing, nearest
from tsforge.synthesis.drawing import draw
from tsforge.synthesis.kinds import KINDS
from tsforge.synthesis.mixture import HELD, LEAST, MOST, Mixture

if TYPE_CHECKING:
    from tsforge.data.tidy import Frame

MIXTURE = "mixture"  # the name of all kinds together
BATCH = 512  # series of one batch
START = "2000-01-01"
# How often a season's steps come: as hours make a day of 24, or days a week of 7.
FREQUENCIES = {
    1: "YS", 4: "QS", 5: "B", 7: "D", 12: "MS", 24: "h", 48: "30min", 52: "W", 96: "15min", 168: "h", 288: "5min",
    336: "30min",
}  # fmt: skip


def make(
    kind: str = MIXTURE, *, series: int = 100, length: int = 200, seed: int = 0, season: int = 12,
    frequency: str | None = None,
) -> Frame:  # fmt: skip
    """Synthetic series as a pandas frame of `id`, `time` and `value`, in which missing values are NaN.

    kind: one of `KINDS` with nothing done to it, or "mixture": all in their shares, with what may happen to them.
    series, length: how many series of how many steps each (6 to 600).
    seed: the same numbers for the same arguments on one machine.
    season: steps of the season of those that have one, which the length holds one and a half times; 1 for none.
    frequency: of the times, as "h", "15min", "MS"; where None, what the season stands for (12: months), else "D".
    Raises ConfigError for what cannot be drawn, DataError for an unknown frequency.
    """
    mixture = _mixture(kind, length, season)
    if series < 1:
        raise ConfigError(f"{series} series cannot be drawn", "give series=1 or more")
    if seed < 0:
        raise ConfigError(f"seed {seed}: must be 0 or more", "give another seed")
    import numpy as np

    from tsforge.data.tidy import Frame
    from tsforge.data.time import frequency as frequencies

    first = np.array([np.datetime64(START, "us").astype(np.int64)])
    grid = frequencies.parse(frequency or FREQUENCIES.get(season, "D"), first, numeric=False)
    begin = int(grid.ordinals(first)[0][0])
    times = grid.stamps(np.arange(begin, begin + length)).astype("M8[us]")
    parts = []
    for index in range(-(-series // BATCH)):
        batch = draw(mixture, BATCH, length, seed, index)
        values = batch.values.double().numpy()
        parts.append(np.where(batch.observed.numpy(), values, np.nan))
    values = np.concatenate(parts)[:series].astype(np.float32)
    digits = len(str(series))
    names = np.array([f"s{i:0{digits}d}" for i in range(1, series + 1)], dtype=object)
    return Frame({"id": np.repeat(names, length), "time": np.tile(times, series), "value": values.reshape(-1)})


def _mixture(kind: str, length: int, season: int) -> Mixture:
    """The mixture of a kind with series of one length and one season. Raises ConfigError for what is impossible."""
    if kind != MIXTURE and kind not in KINDS:
        names = [*KINDS, MIXTURE]
        hint = nearest(kind, names) or f"one of {listing(names, 20)}"
        raise ConfigError(f"there is no kind of series '{kind}'", hint)
    if not LEAST <= length <= MOST:
        raise ConfigError(f"series of {length} steps cannot be drawn", f"give a length of {LEAST} to {MOST}")
    if season < 1 or (season > 1 and HELD * season > length):
        longest, shortest = int(length / HELD), math.ceil(HELD * season)
        hint = f"give a season of 2 to {longest}, or 1 for none; or a length of {shortest} or more"
        raise ConfigError(f"series of {length} steps have no season of {season}", hint if season > 0 else "1 is none")
    chosen = Mixture() if kind == MIXTURE else Mixture.only(kind)
    return chosen.model_copy(update={"shortest": length, "longest": length, "periods": (season,), "sampled": 0.0})
