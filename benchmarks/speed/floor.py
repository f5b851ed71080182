"""The floor: what a user of plain torch would write for the same work, with no framework around it.

The table is one tensor, a batch is one gather of rows from an overlapping view, a step is forward, backward and Adam.
Networks: one recurrent layer over the values and a linear map of its last state; or two layers of a Transformer's
encoder (dropout 0.1, torch's own default) over one token for each step, and a linear map of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.speed.works import ID, TARGET, WORKS, Table, Work

HEADS, LAYERS, EXPANSION, DROPOUT = 4, 2, 4, 0.1
RECURRENT = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
MODELS = (*RECURRENT, "transformer")


class Recurrent(nn.Module):
    """Values (B, L) to forecasts (B, H)."""

    def __init__(self, kind: str, work: Work) -> None:
        super().__init__()
        self.cells = RECURRENT[kind](1, work.width, batch_first=True)
        self.head = nn.Linear(work.width, work.horizon)

    def forward(self, values: Tensor) -> Tensor:
        forecast: Tensor = self.head(self.cells(values.unsqueeze(-1))[0][:, -1])
        return forecast


class Encoder(nn.Module):
    """Values (B, L) to forecasts (B, H)."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        width = work.width
        self.tokens = nn.Linear(1, width)
        self.positions = nn.Parameter(torch.randn(1, work.context, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, HEADS, EXPANSION * width, DROPOUT, batch_first=True, norm_first=True
        )  # fmt: skip
        self.encoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.head = nn.Linear(work.context * width, work.horizon)

    def forward(self, values: Tensor) -> Tensor:
        states = self.encoder(self.tokens(values.unsqueeze(-1)) + self.positions)
        forecast: Tensor = self.head(states.flatten(1))
        return forecast


def network(model: str, work: Work) -> nn.Module:
    return Recurrent(model, work) if model in RECURRENT else Encoder(work)


class Windows:
    """All windows of a table: rows of an overlapping view, which costs no memory."""

    def __init__(self, table: Table, work: Work, device: str = "cpu") -> None:
        self.context, span = work.context, work.context + work.horizon
        begins, ends = table.offsets[:-1], table.offsets[1:]
        starts = [np.arange(begin, end - span + 1) for begin, end in zip(begins, ends, strict=True)]
        self.starts = torch.from_numpy(np.concatenate(starts)).to(device)
        self._view = torch.from_numpy(table.values).to(device).unfold(0, span, 1)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Contexts and truths, shuffled, without end."""
        generator = torch.Generator().manual_seed(0)
        while True:
            order = torch.randperm(len(self.starts), generator=generator).to(self.starts.device)
            for i in range(0, len(order) - size + 1, size):
                rows = self._view.index_select(0, self.starts[order[i : i + size]])
                yield rows[:, : self.context], rows[:, self.context :]


class Floor:
    """The hand-written training, a few steps at a time."""

    def __init__(self, model: str, work: Work, table: Table, device: str = "cpu") -> None:
        self.network = network(model, work).to(device).train()
        self._batches = Windows(table, work, device).batches(work.batch)
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=work.lr)

    def steps(self, count: int) -> None:
        with torch.enable_grad():
            for _ in range(count):
                context, truth = next(self._batches)
                self._optimizer.zero_grad(set_to_none=True)
                nn.functional.mse_loss(self.network(context), truth).backward()
                self._optimizer.step()


def first_batch(path: Path) -> None:
    """Read a table of series that lie one behind the other, and gather a batch: pyarrow, one tensor, an index."""
    import pyarrow.compute as pc
    from pyarrow import csv, parquet

    work = WORKS["w1"]
    if path.suffix == ".parquet":
        table = parquet.read_table(path, read_dictionary=[ID])
    else:
        encoded = csv.ConvertOptions(auto_dict_encode=True, auto_dict_max_cardinality=1_000_000)
        table = csv.read_csv(path, convert_options=encoded)
    codes = pc.dictionary_encode(table[ID].combine_chunks()).indices.to_numpy()
    offsets = np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]])
    values = table[TARGET].to_numpy().astype(np.float32)
    next(Windows(Table(values, offsets, ""), work).batches(work.batch))
