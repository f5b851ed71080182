"""The dialect of a text table: encoding, delimiter, header and what stands above it, as its first lines show them."""

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

_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
_DATE = re.compile(r"\d{4}[-/]\d\d?([-/]\d\d?.*)?|\d\d?[./]\d\d?[./]\d{2,4}.*")
_SEPARATOR = re.compile(r"\W?sep=(.)\W?", re.IGNORECASE)  # the line that tells a spreadsheet the delimiter
_ABOVE = 40  # lines among which the header is looked for

_PACKED = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"(\xb5/\xfd": "zstd", b"7z\xbc\xaf": "7-Zip", b'\x04"M\x18': "lz4"}


class Dialect(NamedTuple):
    """Everything needed to read a text table.

    skip: lines above the header.
    columns: the names in the header.
    """

    encoding: str
    compression: str | None
    delimiter: str
    skip: int
    columns: tuple[str, ...]


class _Line(NamedTuple):
    number: int  # from 0
    text: str


def sniff(path: Path) -> Dialect:
    """The dialect of a text file. Raises DataError for what is no table of text."""
    head = _head(path, None)
    compression = "gzip" if head[:2] == b"\x1f\x8b" else None
    if compression:
        head = _head(path, compression)
    encoding = _encoding(path, head)
    lines = re.split(r"\r\n|\r|\n", head.decode(encoding, errors="replace"))
    # The sample's last line may be cut short.
    lines = lines[:-1] if len(head) >= SAMPLE and len(lines) > 1 else lines
    sample = [_Line(i, text) for i, text in enumerate(lines) if text.strip()]
    if not sample:
        raise DataError(f"{path}: the file is empty", "a table has a header line and a row per time step")
    if sample[0].text.lstrip()[0] in "<{[":
        raise DataError(f"{path}: looks like HTML or JSON, not a text table", "export the table as CSV")
    separator = _SEPARATOR.fullmatch(sample[0].text.strip())
    if separator:
        sample = sample[1:] or sample
    delimiter = separator[1] if separator else _delimiter([line.text for line in sample[:_ABOVE]])
    header = _header(path, sample, delimiter)
    if separator:
        log.info("%s: the first line names the delimiter", path)
    columns = _columns(path, [line.text for line in sample[header : header + 50]], delimiter)
    return Dialect(encoding, compression, delimiter, sample[header].number, columns)


def records(path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """The first line and the fields of every row that is not empty, the header first."""
    with gzip.open(path) if dialect.compression else path.open("rb") as file:
        text = io.TextIOWrapper(cast("IO[bytes]", file), dialect.encoding, errors="replace", newline="")
        for _ in range(dialect.skip):
            text.readline()
        reader = csv.reader(text, delimiter=dialect.delimiter, skipinitialspace=True)
        line = dialect.skip + 1
        for row in reader:
            begins, line = line, dialect.skip + reader.line_num + 1
            if any(field.strip() not in MISSING for field in row):
                yield begins, row


def _head(path: Path, compression: str | None) -> bytes:
    try:
        with gzip.open(path) if compression else path.open("rb") as file:
            head = file.read(SAMPLE)
    except Exception as problem:  # of a damaged file, zlib's own errors among them
        raise DataError(f"{path}: damaged {compression or ''} file: {problem}", "write the file again") from None
    if not head.strip():
        raise DataError(f"{path}: the file is empty", "a table has a header line and a row per time step")
    return head


def _encoding(path: Path, head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if head[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        raise DataError(f"{path}: a spreadsheet or archive, not a text table", "export it as CSV")
    if packed := next((name for start, name in _PACKED.items() if head.startswith(start)), None):
        raise DataError(f"{path}: packed with {packed}, which is not read", "unpack it, or pack it with gzip")
    if b"\x00" in head:
        raise DataError(f"{path}: binary data, not a text table", "name a CSV (as UTF-8) or a Parquet file")
    try:
        (head[: head.rfind(b"\n") + 1] or head).decode("utf-8-sig")
    except UnicodeDecodeError:
        if sum(b < 9 or 13 < b < 32 for b in head) > len(head) / 100:
            raise DataError(f"{path}: binary data, not a text table", "name a CSV or Parquet file") from None
        return "cp1252"
    return "utf-8-sig"


def _fields(line: str, delimiter: str) -> list[str]:
    return [field.strip() for field in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])]


def _widths(sample: list[str], delimiter: str) -> list[int]:
    return [len(row) for row in csv.reader(sample, delimiter=delimiter, skipinitialspace=True)]


def _delimiter(sample: list[str]) -> str:
    """The delimiter that cuts most lines into equally many fields, and into the most."""

    def score(delimiter: str) -> tuple[float, int]:
        widths = _widths(sample, delimiter)
        usual = max(set(widths), key=lambda w: (widths.count(w) if w > 1 else 0, w))
        return (widths.count(usual) / len(widths) if usual > 1 else 0.0, usual)

    return max(DELIMITERS, key=score)


def _header(path: Path, sample: list[_Line], delimiter: str) -> int:
    """The index of the header among the lines of a sample: below comments, and below titles of fewer fields."""
    widths = [len(_fields(line.text, delimiter)) for line in sample[:_ABOVE]]
    usual = max(set(widths), key=widths.count)
    header = comments = 0
    while header < len(widths) - 1 and _above(sample, header, delimiter, widths, usual):
        header += 1
        comments += header == comments + 1 and sample[comments].text.lstrip().startswith("#")
    if any(_is_value(field) for field in _fields(sample[header].text, delimiter)):  # then that is a row of values
        header = comments
    if header:
        shown = listing([f"'{line.text.strip()[:40]}'" for line in sample[:header]], 3)
        log.warning("%s: left out above the header: %s", path, shown)
    return header


def _above(sample: list[_Line], i: int, delimiter: str, widths: list[int], usual: int) -> bool:
    """True where line i stands above the header: a comment, a line of fewer fields, or a title of as many."""
    fields, below = _fields(sample[i].text, delimiter), _fields(sample[i + 1].text, delimiter)
    if sample[i].text.lstrip().startswith("#"):  # a header may begin so too: right above the values
        return not (widths[i] == usual and any(_is_value(f) for f in below))
    filled = sum(bool(f) for f in fields)
    narrow = usual > 1 and (widths[i] < usual or (filled == 1 and usual > 2)) and widths[i + 1 :].count(usual) > 1
    title = i + 2 < len(widths) and _names_time(below) and not _names_time(fields) and not any(map(_is_value, below))
    return bool(narrow or (title and widths[i + 1] == widths[i + 2]))


def _is_value(field: str) -> bool:
    return bool(_NUMBER.fullmatch(field) or _DATE.fullmatch(field))


def _names_time(fields: list[str]) -> bool:
    return any(f.lower() in ("ds", "date", "time", "datetime", "timestamp", "month", "week", "year") for f in fields)


def _columns(path: Path, sample: list[str], delimiter: str) -> tuple[str, ...]:
    """The names in the header; nameless columns are numbered. Raises DataError where it is no header."""
    names = _fields(sample[0], delimiter)
    if names and names[0].startswith("#"):
        names[0] = names[0].lstrip("# ")
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
