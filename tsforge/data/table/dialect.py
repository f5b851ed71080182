"""The dialect of a text table: encoding, delimiter, decimal sign and header, as its first lines show them."""

from __future__ import annotations

import csv
import gzip
import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from tsforge.errors import DataError, listing

log = logging.getLogger("tsforge")

DELIMITERS = ",;\t|"
SAMPLE = 65_536  # bytes looked at
MISSING = frozenset((
    "", "NA", "N/A", "n/a", "na", "#N/A", "#N/A N/A", "#NA", "<NA>", "NaN", "nan", "NAN", "-nan", "-NaN",
    "NULL", "null", "Null", "None", "none", "NaT", "missing", "Missing", "1.#IND", "-1.#IND", "1.#QNAN",
    "-1.#QNAN", "-", "--", "---", "–", "—", "?", ".", "..", "*",
))  # fmt: skip

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_DATE = re.compile(r"\d{4}[-/]\d\d?([-/]\d\d?.*)?|\d\d?[./]\d\d?[./]\d{2,4}.*")


class Dialect(NamedTuple):
    """Everything needed to read a text table. columns: the names in its header."""

    encoding: str
    compression: str | None
    delimiter: str
    decimal: str
    columns: tuple[str, ...]


def sniff(path: Path) -> Dialect:
    """The dialect of a text file. Raises DataError for what is no table of text."""
    head = _head(path, None)
    compression = "gzip" if head[:2] == b"\x1f\x8b" else None
    if compression:
        head = _head(path, compression)
    encoding = _encoding(path, head)
    sample = head.decode(encoding, errors="replace").splitlines()
    # The sample's last line may be cut short.
    sample = sample[:-1] if len(head) >= SAMPLE and len(sample) > 1 else sample
    sample = [line for line in sample if line.strip()]
    if not sample:
        raise DataError(f"{path}: the file is empty", "a table has a header line and a row per time step")
    if sample[0].lstrip()[0] in "<{[":
        raise DataError(f"{path}: looks like HTML or JSON, not a text table", "export the table as CSV")
    delimiter = _delimiter(sample[:50])
    columns = _columns(path, sample[:50], delimiter)
    decimal = "," if _decimal_comma(path, sample[1:], delimiter) else "."
    return Dialect(encoding, compression, delimiter, decimal, columns)


def records(path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """The first line and the fields of every row that is not empty, the header first."""
    with gzip.open(path) if dialect.compression else path.open("rb") as file:
        text = io.TextIOWrapper(cast("IO[bytes]", file), dialect.encoding, errors="replace", newline="")
        reader = csv.reader(text, delimiter=dialect.delimiter, skipinitialspace=True)
        line = 1
        for row in reader:
            begins, line = line, reader.line_num + 1
            if any(field.strip() not in MISSING for field in row):
                yield begins, row


def is_missing(field: str) -> bool:
    """True for an empty field and for the words people write into one."""
    return field.strip() in MISSING


def _head(path: Path, compression: str | None) -> bytes:
    try:
        with gzip.open(path) if compression else path.open("rb") as file:
            head = file.read(SAMPLE)
    except (OSError, EOFError) as problem:
        raise DataError(f"{path}: damaged {compression or ''} file: {problem}", "write the file again") from None
    if not head.strip():
        raise DataError(f"{path}: the file is empty", "a table has a header line and a row per time step")
    return head


def _encoding(path: Path, head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if head[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        raise DataError(f"{path}: a spreadsheet or archive, not a text table", "export it as CSV")
    if b"\x00" in head:
        raise DataError(f"{path}: binary data, not a text table", "name a CSV (as UTF-8) or a Parquet file")
    try:
        (head[: head.rfind(b"\n") + 1] or head).decode("utf-8-sig")
    except UnicodeDecodeError:
        if sum(b < 9 or 13 < b < 32 for b in head) > len(head) / 100:
            raise DataError(f"{path}: binary data, not a text table", "name a CSV or Parquet file") from None
        return "cp1252"
    return "utf-8-sig"


def _widths(sample: list[str], delimiter: str) -> list[int]:
    return [len(row) for row in csv.reader(sample, delimiter=delimiter)]


def _delimiter(sample: list[str]) -> str:
    """The delimiter that cuts most lines into as many fields as the header, and into the most."""

    def score(delimiter: str) -> tuple[float, int]:
        widths = _widths(sample, delimiter)
        agree = sum(w == widths[0] for w in widths) / len(widths)
        return (agree if widths[0] > 1 else 0.0, widths[0])

    return max(DELIMITERS, key=score)


def _columns(path: Path, sample: list[str], delimiter: str) -> tuple[str, ...]:
    """The names in the header; nameless columns are numbered. Raises DataError where it is no header."""
    names = [name.strip() for name in next(csv.reader(sample[:1], delimiter=delimiter))]
    repeated = sorted({n for n in names if n and names.count(n) > 1})
    if repeated:
        raise DataError(f"{path}: column '{repeated[0]}' appears more than once", "rename one of them")
    if len(names) == 1 and len(sample) > 2:
        below = max(min(_widths(sample[1:], d)) for d in DELIMITERS)
        if below > 1:
            header = f"line 1 ('{names[0][:40]}') is no header"
            hint = "delete what stands above the header"
            raise DataError(f"{path}: {header}: the lines below it have {below} columns", hint)
    dates = [bool(_DATE.fullmatch(n)) for n in names]
    numbers = [bool(_NUMBER.fullmatch(n)) for n in names]
    every = all(d or n for d, n in zip(dates, numbers, strict=True))
    if len(names) > 1 and (every or (any(dates) and any(numbers))):
        hint = "add a header line, such as time,value"
        raise DataError(f"{path}: the first line holds values, not column names: {listing(names, 4)}", hint)
    return tuple(name or f"Unnamed: {i}" for i, name in enumerate(names))


def _decimal_comma(path: Path, rows: list[str], delimiter: str) -> bool:
    """True where numbers are written as 1,5: there is such a field and none with a point."""
    if delimiter == ",":
        return False
    fields = [f.strip() for row in csv.reader(rows, delimiter=delimiter) for f in row]
    commas = [f for f in fields if re.fullmatch(r"[-+]?\d+,\d+", f)]
    if not commas or any(re.fullmatch(r"[-+]?\d+\.\d+", f) for f in fields):
        return False
    if all(re.fullmatch(r"[-+]?[1-9]\d{0,2},\d{3}", f) for f in commas):
        log.warning("%s: numbers such as '%s' are read with a decimal comma, not as thousands", path, commas[0])
    return True
