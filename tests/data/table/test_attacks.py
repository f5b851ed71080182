"""Tables that are damaged or made to harm end in an error of ours that names the file, never in another's traceback."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.conftest import Write
from tests.helpers.tables import days, lay, text
from tsforge.data import survey
from tsforge.data.panel import build
from tsforge.data.schema import DataConfig
from tsforge.data.table.table import load
from tsforge.errors import ConfigError, DataError, TsforgeError

PLAIN = text("t,y", [f"{day},{i}" for i, day in enumerate(days(200))]).encode()


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", content)
    return file.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda content: gzip.compress(content, mtime=0), "bz2": bz2.compress, "xz": lzma.compress, "zip": zipped,
}  # fmt: skip


def refusal(source: Any, **config: Any) -> str | None:
    """What reading a table says against it; None where it is read. Any error but ours escapes."""
    try:
        lay(source, **config)
    except TsforgeError as problem:
        return problem.message
    return None


@pytest.mark.parametrize("ending", PACKERS)
def test_damaged_packed_files_are_named(tmp_path: Path, ending: str) -> None:
    """zlib.error, EOFError, BadZipFile or LZMAError of a file that was cut off or has a byte that flipped."""
    whole, random, refused = PACKERS[ending](PLAIN), Random(3), 0
    path = tmp_path / f"table.csv.{ending}"
    for _ in range(60):
        i = random.randrange(len(whole))
        damaged = whole[:i] if random.random() < 0.5 else whole[:i] + random.randbytes(1) + whole[i + 1 :]
        path.write_bytes(damaged)
        message = refusal(path, target="y")
        assert message is None or str(path) in message
        refused += message is not None
    assert refused > (30 if ending == "gz" else 50)  # a byte of gzip's own head may say nothing


@pytest.mark.parametrize(("ending", "said"), [("bz2", "bzip2"), ("xz", "xz"), ("zip", "archive")])
def test_what_is_packed_otherwise_is_told(tmp_path: Path, ending: str, said: str) -> None:
    """Binary data, without a word on what to do."""
    path = tmp_path / f"table.csv.{ending}"
    path.write_bytes(PACKERS[ending](PLAIN))
    with pytest.raises(DataError, match=said):
        lay(path)


@pytest.mark.parametrize("zone", [None, "Europe/Berlin", "UTC", "America/Sao_Paulo"])
@pytest.mark.parametrize("offsets", [("+01:00", "+02:00"), ("Z", "+05:30"), ("", "+01:00"), ("+9", "+01:00")])
def test_mixed_offsets(write_csv: Write, zone: str | None, offsets: tuple[str, str]) -> None:
    """pandas' ValueError for zones that differ, where data.timezone is set."""
    rows = [f"{day}T00:00{offsets[i % 2]},{i}" for i, day in enumerate(days(40))]
    path = write_csv(text("t,y", rows))
    facts = survey.survey(path, DataConfig(timezone=zone))
    message = refusal(path, timezone=zone)
    assert message is None or (path.name in message and facts["problem"])


@pytest.mark.parametrize("time", [
    "-9223372036854775808", "9223372036854775807", "99999999999999999999", "0000-00-00", "9999-12-31T23:59", "+:3",
    "2024-01-01T00:00+:3", "2024-01-01T00:00+99:99", "10000-01-01", "-0044-03-15",
])  # fmt: skip
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_times_that_no_calendar_has(write_csv: Write, time: str, zone: str | None) -> None:
    """OverflowError for a time at the end of what 64 bits hold, or a grid of 9 quintillion steps."""
    for others in (days(30), [str(1704067200 + 3600 * i) for i in range(30)], [str(i) for i in range(30)]):
        path = write_csv(text("t,y", [f"{t},{i}" for i, t in enumerate([*others, time])]))
        with pytest.raises(DataError, match=r"t\.csv"):
            lay(path, timezone=zone)
        assert survey.survey(path, DataConfig(timezone=zone))["problem"]


@pytest.mark.parametrize("dtype", ["M8[us]", "M8[s]", "M8[ms]"])
@pytest.mark.parametrize("value", [-(2**63) + 1, 2**62, -(2**61)])
def test_typed_times_that_no_calendar_has(dtype: str, value: int) -> None:
    """pandas' OutOfBoundsDatetime, or OverflowError of Python's dates."""
    times = np.array([*range(30), value], dtype=np.int64).view(dtype)
    for zone in (None, "Europe/Berlin"):
        with pytest.raises(DataError, match="column 't'"):
            lay(pd.DataFrame({"t": times, "y": np.arange(31.0)}), timezone=zone)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Lima"])
@pytest.mark.parametrize("value", [-(2**62), 10**18, 2**62])
def test_typed_times_of_a_zone_far_from_any_date(zone: str, value: int) -> None:
    """NotImplementedError of pandas, which can hold such a time but not write it."""
    stamps = pd.Series(np.array([*range(30), value], dtype=np.int64).view("M8[us]")).dt.tz_localize("UTC")
    data = pd.DataFrame({"t": stamps.dt.tz_convert(zone), "y": np.arange(31.0)})
    with pytest.raises(DataError, match="is beyond what lies between"):
        lay(data)
    assert survey.survey(data, DataConfig())["problem"]


@pytest.mark.parametrize("offset", ["+99:99", "-24:00", "+16:00", "+05:75", "-9930"])
def test_offsets_that_no_clock_has(write_csv: Write, offset: str) -> None:
    """A zone of UTC+100:39, which ends in a ValueError where a time is shown."""
    path = write_csv(text("t,y", [f"{day}T00:00:00{offset},{i}" for i, day in enumerate([*days(30), days(1)[0]])]))
    with pytest.raises(DataError, match="does not read as a time"):
        lay(path)
    assert survey.survey(path, DataConfig())["problem"]


@pytest.mark.parametrize("rows", [1, 3, 10])
def test_a_cut_that_leaves_no_target(write_csv: Write, rows: int) -> None:
    """IndexError where all targets are missing in the rows that data.rows leaves."""
    path = write_csv(text("t,y", [f"{day},{i if i >= 10 else ''}" for i, day in enumerate(days(40))]))
    config = DataConfig(rows=rows)
    with pytest.raises(DataError, match="no target is observed"):
        build(load(path, config))
    assert "no target is observed" in survey.survey(path, config)["problem"]


@pytest.mark.parametrize("content", ['"', '\n"\n', ' "\n\n', ';;\n";'])
def test_nothing_but_a_quote(write_csv: Write, content: str) -> None:
    """ValueError: not enough values to unpack."""
    with pytest.raises(DataError, match=r"t\.csv"):
        lay(write_csv(content))


@pytest.mark.parametrize("cell", [{}, [1], np.zeros(2), {"a": [1]}])
def test_cells_that_are_none(cell: Any) -> None:
    """TypeError: unhashable type."""
    for name in ("t", "y", "x"):
        data = pd.DataFrame({"t": days(30), "y": np.arange(30.0), "x": np.arange(30.0)}, dtype=object)
        data[name] = [cell] * 30
        with pytest.raises(DataError):
            lay(data, target="y", past="x")


@pytest.mark.parametrize(
    "content", ["\n1\n2\n3\n4\n", '""\n1\n2\n3\n', " \n2024-01-01\n2024-01-02\n", ",\n1,\n2,\n3,\n"]
)
def test_a_column_without_a_name_and_no_other(write_csv: Write, content: str) -> None:
    """A table without a column is no table, and no IndexError."""
    with pytest.raises(DataError, match=r"t\.csv"):
        lay(write_csv(content))


@pytest.mark.parametrize("header", ["Unnamed: 2,y,", "t,y,Unnamed: 2,Unnamed: 2", "t,Unnamed: 2,Unnamed: 2,"])
def test_names_that_stand_twice_among_the_nameless(write_csv: Write, header: str) -> None:
    """ValueError: the truth value of a Series is ambiguous."""
    width = header.count(",") + 1
    rows = [",".join([day, str(i), "", ""][:width]) for i, day in enumerate(days(30))]
    for some in ("", "7"):
        rows[3] = ",".join([days(30)[3], "3", some, ""][:width])
        assert refusal(write_csv(text(header, rows))) != ""


@pytest.mark.parametrize("header", [",x,Unnamed: 0", "t,,Unnamed: 1,y", "Unnamed: 1,"])
@pytest.mark.parametrize("cell", ["1", "x", "1,1,1,1"])
def test_names_like_those_given_to_the_nameless(write_csv: Write, header: str, cell: str) -> None:
    """AttributeError of a column that stands twice, where a broken line is looked past."""
    width = header.count(",") + 1
    rows = [",".join([day, *"1234"][:width]) for day in days(30)] + [f"2024-01-31,{cell}"]
    path = write_csv(text(header, rows))
    with pytest.raises(DataError, match="more than once"):
        lay(path)
    with pytest.raises(DataError, match="more than once"):
        survey.survey(path, DataConfig())


@pytest.mark.parametrize("form", ["%", "%Q", "day", "%Y %Y", "%d/%m/%", "(", "%Y-%m-%d[", "%!"])
def test_formats_that_are_none(write_csv: Write, form: str) -> None:
    """ValueError of a regular expression or of strptime for a setting."""
    path = write_csv(PLAIN)
    with pytest.raises((ConfigError, DataError)):
        lay(path, time_format=form)


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H:%M%:z", "%Y-%m-%dT%H:%M %z"])
def test_a_format_may_end_in_the_offset(write_csv: Write, form: str) -> None:
    """A format as strptime has it, refused for the offset that is read anyway."""
    rows = [f"{day}T12:00{' ' if ' ' in form else ''}+01:00,{i}" for i, day in enumerate(days(30))]
    assert lay(write_csv(text("t,y", rows)), time_format=form).schema.frequency.name == "D"


@pytest.mark.parametrize("freq", ["9" * 30, "9" * 30 + "D", "1" * 20 + "MS", "500YS", "400000D", "1e5"])
def test_frequencies_longer_than_any_table(write_csv: Write, freq: str) -> None:
    """A grid whose steps overflow."""
    numbers = text("t,y", [f"{i},{i}" for i in range(30)])
    for content in (PLAIN, numbers):
        for settings in ({"freq": freq}, {"resample": freq}):
            with pytest.raises(DataError):
                lay(write_csv(content), **settings)


@pytest.mark.parametrize("cell", ["\x1b[2J\x1b[31mred", "\x07\x08\x08", "\u202egnp.exe", "a\x85b\u2028c"])
def test_what_cannot_be_printed_is_written_out(write_csv: Write, cell: str) -> None:
    """A cell that moves the cursor or clears the screen of whoever reads the message."""
    path = write_csv(text("t,y", [*(f"{day},1" for day in days(30)), f"2024-01-31,{cell}"]))
    with pytest.raises(DataError) as problem:
        lay(path, target="y")
    assert problem.value.message.isprintable()
    assert problem.value.hint.isprintable()


@pytest.mark.parametrize("scale", [1e18, 1e25, 1e30, 1e38, 1e300, 1e-30, 1e-300])
@pytest.mark.parametrize("kind", ["rnn", "nlinear", "growth-gru", "linear", "drift"])
def test_numbers_of_any_size_end_finite_or_refused(scale: float, kind: str) -> None:
    """Forecasts that are infinite or no numbers, with exit code 0."""
    shapes = {
        "wave": np.sin(np.arange(60.0)) * scale,
        "growth": np.exp(np.arange(60.0) / 2) * min(scale, 1e290),
        "outlier": np.where(np.arange(60) == 40, scale, np.sin(np.arange(60.0))),
        "level": scale + np.sin(np.arange(60.0)),
    }
    settings: dict[str, Any] = {"data.horizon": 3, "data.target": "y", "model.kind": kind, "train.max_steps": 3}
    if kind == "rnn":
        settings["model.width"] = 4
    for name, values in shapes.items():
        data = pd.DataFrame({"t": days(60), "y": values})
        try:
            fitted = tsforge.fit(tsforge.build(settings), data)
            answer = tsforge.predict(fitted.model, data).frame.select_dtypes("number").to_numpy()
        except TsforgeError:
            continue
        assert np.isfinite(answer).all(), name
