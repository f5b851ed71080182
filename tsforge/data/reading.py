"""A file, or a data frame, to a pandas frame with a name for messages. Nothing is interpreted here."""

from __future__ import annotations

import csv
import gzip
import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tsforge.errors import DataError, listing, nearest

DELIMITERS = ",;\t|"
_SAMPLE = 65_536


@dataclass(frozen=True)
class Frame:
    """A pandas frame, where it came from, and whether its rows are lines of a text file."""

    data: pd.DataFrame
    name: str
    text: bool
    options: dict[str, Any] | None = None  # how a text file was read

    def as_text(self, name: str) -> pd.Series:
        """One column of a text file again, as it is written."""
        column: pd.Series = pd.read_csv(self.name, **(self.options or {}), usecols=[name], dtype=str)[name]
        return column.str.strip()

    def row(self, i: int) -> str:
        """Row i (from 0) in words: "row 3", and the line where a text file has it."""
        return f"row {i + 1} (line {i + 2})" if self.text else f"row {i + 1}"


def read(source: Any) -> Frame:
    """Read CSV (comma, semicolon, tab or bar; BOM; gzip), Parquet, or take a pandas or Polars frame.

    Raises DataError for what is missing, empty, binary or ragged.
    """
    if isinstance(source, pd.DataFrame):
        frame = Frame(source.reset_index(drop=True), "the data frame", text=False)
    elif type(source).__module__.split(".")[0] == "polars":
        frame = Frame(source.to_pandas(), "the data frame", text=False)
    else:
        frame = _read_file(Path(source))
    repeated = frame.data.columns[frame.data.columns.duplicated()]
    if len(repeated):
        raise DataError(f"{frame.name}: column '{repeated[0]}' appears more than once", "rename one of them")
    if frame.data.empty:
        raise DataError(f"{frame.name}: a header but no rows", "a table needs at least one row per time step")
    return frame


def _read_file(path: Path) -> Frame:
    if not path.exists():
        folder = path.parent if path.parent.is_dir() else Path()
        near = nearest(path.name, [p.name for p in folder.iterdir() if p.is_file()])
        raise DataError(f"{path}: no such file", near or "check the path")
    if path.is_dir():
        raise DataError(f"{path}: a folder, not a table", "name a CSV or Parquet file")
    with path.open("rb") as file:
        head = file.read(_SAMPLE)
    if not head.strip():
        raise DataError(f"{path}: the file is empty", "a table has a header line and a row per time step")
    if head[:4] == b"PAR1":
        return Frame(_read_parquet(path), str(path), text=False)
    if head[:2] == b"\x1f\x8b":
        try:
            with gzip.open(path) as file:
                head = file.read(_SAMPLE)
        except (OSError, EOFError) as problem:
            raise DataError(f"{path}: damaged gzip file: {problem}", "compress it again") from None
        return _read_text(path, head, "gzip")
    return _read_text(path, head, None)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except Exception as problem:
        raise DataError(f"{path}: not a readable Parquet file: {problem}", "write the file again") from None
    return frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()


def _read_text(path: Path, head: bytes, compression: str | None) -> Frame:
    encoding = _encoding(path, head)
    sample = head.decode(encoding, errors="replace").splitlines()
    # The sample's last line may be cut short.
    sample = sample[:-1] if len(head) >= _SAMPLE else sample
    sample = [line for line in sample if line.strip()][:50]
    if not sample:
        raise DataError(f"{path}: the file is empty", "a table has a header line and a row per time step")
    delimiter = _delimiter(sample)
    header = next(csv.reader(sample[:1], delimiter=delimiter))
    _check_header(path, header)
    options: dict[str, Any] = {
        "sep": delimiter, "encoding": encoding, "index_col": False, "low_memory": False,
        "decimal": "," if _decimal_comma(sample[1:], delimiter) else ".",
        "skipinitialspace": True, "compression": compression, "names": [h.strip() or f"Unnamed: {i}" for i, h in enumerate(header)], "header": 0,
    }  # fmt: skip
    try:
        with warnings.catch_warnings():
            # pandas would cut rows longer than the header and only warn.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(path, **options)
    except (pd.errors.ParserError, pd.errors.ParserWarning, csv.Error) as problem:
        text = str(problem).replace("Error tokenizing data. C error: ", "").strip()
        raise DataError(
            f"{path}: not every row has the {len(header)} columns of the header: {text}",
            "quote values that hold the delimiter, or mend the line",
        ) from None
    except UnicodeDecodeError as problem:
        raise DataError(f"{path}: not valid {encoding} text: {problem}", "save the file as UTF-8") from None
    return Frame(frame, str(path), text=True, options=options)


def _encoding(path: Path, head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if head[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        raise DataError(f"{path}: a spreadsheet or archive, not a text table", "export it as CSV")
    if b"\x00" in head:
        raise DataError(f"{path}: binary data, not a text table", "name a CSV or Parquet file")
    try:
        io.TextIOWrapper(io.BytesIO(head[: head.rfind(b"\n") + 1] or head), encoding="utf-8").read()
    except UnicodeDecodeError:
        if sum(b < 9 or 13 < b < 32 for b in head) > len(head) / 100:
            raise DataError(f"{path}: binary data, not a text table", "name a CSV or Parquet file") from None
        return "cp1252"
    return "utf-8-sig"


def _delimiter(sample: list[str]) -> str:
    """The delimiter that cuts most lines into as many fields as the header, and into the most."""

    def score(delimiter: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(sample, delimiter=delimiter)]
        agree = sum(w == widths[0] for w in widths) / len(widths)
        return (agree if widths[0] > 1 else 0.0, widths[0])

    return max(DELIMITERS, key=score)


def _check_header(path: Path, header: list[str]) -> None:
    names = [h.strip() for h in header]
    repeated = {n for n in names if n and names.count(n) > 1}
    if repeated:
        raise DataError(f"{path}: column '{sorted(repeated)[0]}' appears more than once", "rename one of them")
    number = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$|\d{4}-\d\d-\d\d")
    if len(names) > 1 and all(number.match(n) for n in names):
        raise DataError(
            f"{path}: the first line holds values, not column names: {listing(names, 4)}",
            "add a header line, such as time,value",
        )


def _decimal_comma(rows: list[str], delimiter: str) -> bool:
    """True where numbers are written as 1,5: there is such a field and none with a point."""
    if delimiter == "," or not rows:
        return False
    fields = [f.strip() for row in csv.reader(rows, delimiter=delimiter) for f in row]
    comma = any(re.fullmatch(r"[-+]?\d+,\d+", f) for f in fields)
    point = any(re.fullmatch(r"[-+]?\d+\.\d+", f) for f in fields)
    return comma and not point
