"""Where arrays as long as a panel lie: in memory, or in files that the system may take out of memory and read again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tsforge.errors import DataError

SMALL = 1 << 20  # bytes of an array that may lie in memory in any case
AT_ONCE = 1 << 20  # rows of an array that are looked at together


@dataclass(frozen=True)
class Room:
    """Memory, or a folder on disk with room for files that are gone with the process.

    folder: of these files, None for memory.
    """

    folder: Path | None = None

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array of zeros to be filled. Raises DataError where the disk has no room for it."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if self.folder is None or size < SMALL:
            return np.zeros(shape, dtype=dtype)
        with _file(self.folder) as file:
            try:
                if hasattr(os, "posix_fallocate"):  # a page that finds no room later ends the process
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.truncate(size)
            except OSError as problem:
                text = f"{self.folder}: no room for {size / 2**30:.1f} GiB: {problem.strerror}"
                raise DataError(text, "make room, or name another folder: data.cache") from None
            return np.asarray(np.memmap(file, dtype=dtype, mode="r+", shape=shape))


MEMORY = Room()


def _file(folder: Path) -> Any:
    """A file without a name in a folder, or where temporary files lie if that may not be written."""
    try:
        return tempfile.TemporaryFile(dir=folder)
    except OSError:
        return tempfile.TemporaryFile()


def pieces(length: int) -> Iterator[slice]:
    """The rows of an array, so many at once that what is computed of them is small."""
    for begin in range(0, length, AT_ONCE):
        yield slice(begin, min(begin + AT_ONCE, length))
