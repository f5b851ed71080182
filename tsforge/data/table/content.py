"""The bytes of a text file, unpacked and in UTF-8."""

from __future__ import annotations

import gzip
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from tsforge.data.table.dialect import Dialect
from tsforge.errors import DataError

_PIECE = 1 << 20  # bytes that are looked at together


@dataclass(frozen=True)
class Content:
    """What a text file holds.

    source: the bytes, or the path of a file that is read as it is: a piece at a time, whenever its bytes are needed. To
        map such a file into memory takes longer, and counts as memory.
    """

    source: bytes | Path

    def stream(self) -> Any:
        """An input of Arrow."""
        return pa.BufferReader(self.source) if isinstance(self.source, bytes) else pa.OSFile(str(self.source))

    def head(self, size: int) -> bytes:
        """The first bytes."""
        return next(self._pieces(size), b"")

    def whole(self) -> bytes:
        """All bytes."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()

    def holds(self, text: bytes) -> bool:
        """Whether the bytes of a short text stand somewhere."""
        end = b""
        for piece in self._pieces(_PIECE):
            if text in piece or text in end + piece[: len(text)]:
                return True
            end = piece[-len(text) :]
        return False

    @cached_property
    def quotes(self) -> int:
        """How many quotes there are."""
        return sum(piece.count(b'"') for piece in self._pieces(_PIECE) if b'"' in piece)

    def _pieces(self, size: int) -> Iterator[bytes]:
        with self.stream() as file:
            while piece := file.read(size):
                yield piece


def of_file(path: Path, dialect: Dialect) -> Content:
    """What a file holds, unpacked, and UTF-16 as UTF-8. Raises DataError where the file is damaged."""
    try:
        if dialect.compression:
            content = Content(gzip.decompress(path.read_bytes()))
        else:
            with path.open("rb") as file:
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ).close()  # fails for what is no plain file
            content = Content(path)
        if dialect.encoding == "utf-16":
            content = Content(content.whole().decode("utf-16").encode())
        return content
    except UnicodeDecodeError as problem:
        raise DataError(f"{path}: not valid {dialect.encoding} text: {problem}", "save it as UTF-8") from None
    except Exception as problem:  # zlib's own errors among them
        raise DataError(f"{path}: damaged file: {problem}", "write the file again") from None
