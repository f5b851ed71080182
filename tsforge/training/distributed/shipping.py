"""Values as files between processes of one command: arrays and tensors lie in them as they are in memory.

A dataset is written once and mapped by every process that reads it, so that those of a machine share its memory. The
files are pickles and never leave the folder of the command that wrote them, which nobody else may write to.
"""

from __future__ import annotations

import io
import mmap
import pickle
from pathlib import Path
from typing import Any

import torch

ALIGNED = 64  # bytes: where each array begins
_ENDS = 16  # bytes at the end of a file: where its pickle begins, and how long it is


def write(path: Path, value: Any) -> Path:
    """Write a value, which `read` takes back."""
    buffers: list[pickle.PickleBuffer] = []
    head = io.BytesIO()
    _Pickler(head, protocol=5, buffer_callback=buffers.append).dump(value)
    places: list[tuple[int, int]] = []
    with path.open("wb") as file:
        for buffer in buffers:
            raw = buffer.raw()
            places.append((file.tell(), raw.nbytes))
            file.write(raw)
            file.write(bytes(-file.tell() % ALIGNED))
        begin = file.tell()
        pickle.dump((places, head.getvalue()), file, protocol=5)
        size = file.tell() - begin
        file.write(begin.to_bytes(8, "little") + size.to_bytes(8, "little"))
    return path


def read(path: Path) -> Any:
    """The value of a file. What it holds may be changed, which the file and other readers do not see."""
    with path.open("rb") as file:
        memory = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    begin, size = (int.from_bytes(memory[-at:][:8], "little") for at in (_ENDS, _ENDS // 2))
    places, head = pickle.loads(memory[begin : begin + size])
    return pickle.loads(head, buffers=[memory[start : start + length] for start, length in places])


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if type(value) is not torch.Tensor:
            return NotImplemented
        return torch.from_numpy, (value.detach().cpu().contiguous().numpy(),)  # who reads it may have no GPU
