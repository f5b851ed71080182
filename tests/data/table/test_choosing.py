"""Readings of a time column: of several that are possible, the one whose grid the rows fill."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tests.helpers.tables import load, text
from tsforge.data.table.table import Table, load_like
from tsforge.data.table.times import format_times
from tsforge.errors import DataError


def written(table: Table, ahead: int = 0) -> list[object]:
    """The times of a table's first series as it writes them, and some steps more."""
    own = table.ordinal[table.series == 0]
    ordinals = np.r_[own, own[-1] + 1 + np.arange(ahead)]
    return format_times(table.schema.frequency.stamps(ordinals), table.schema).tolist()


def csv(write: Callable[..., object], times: list[object], *, name: str = "time", delimiter: str = ",") -> object:
    return write(text(f"{name}{delimiter}y", [f"{t}{delimiter}{i % 7 + 10}" for i, t in enumerate(times)]))


def span(start: str, n: int, freq: str, form: str) -> list[str]:
    return list(pd.date_range(start, periods=n, freq=freq).strftime(form))


BOTH_WAYS = {
    "hours of ten days": (span("2023-05-01", 242, "h", "%d/%m/%Y %H:%M"), "h"),
    "quarters of an hour": (span("2022-07-01", 900, "15min", "%d-%m-%Y %H:%M:%S"), "15min"),
    "months": (span("2015-01-01", 75, "MS", "%d.%m.%Y"), "MS"),
    "quarters": (span("2001-01-01", 50, "QS", "%d/%m/%Y"), "QS"),
    "days, month first": (span("2023-03-01", 12, "D", "%m-%d-%Y"), "D"),
    "days, short years": (span("2021-09-01", 40, "D", "%d/%m/%y"), "D"),
}


@pytest.mark.parametrize("kind", BOTH_WAYS)
def test_dates_that_read_both_ways(write_csv, kind: str, caplog) -> None:
    """Prevents: hours of ten days read as the first of ten months, and a forecast in another season."""
    times, name = BOTH_WAYS[kind]
    table = load(csv(write_csv, times[:-2]))
    assert table.schema.frequency.name == name
    assert np.diff(table.ordinal).tolist() == [1] * (len(times) - 3)
    assert written(table, ahead=2) == times
    assert "could also be" not in caplog.text


def test_the_first_of_months_or_the_first_days_of_january(write_csv, caplog) -> None:
    """Prevents: a silent choice where both readings are whole; each can be named."""
    times = [f"{month:02d}/01/2022" for month in range(1, 13)]
    path = csv(write_csv, times)
    assert load(path).schema.frequency.name == "MS"
    assert "is read as %m/%d/%Y; it could also be %d/%m/%Y: data.time_format=%d/%m/%Y" in caplog.text
    caplog.clear()
    for config, name in (
        ({"dayfirst": True}, "D"), ({"dayfirst": False}, "MS"), ({"time_format": "%d/%m/%Y"}, "D"),
        ({"time_format": "%m/%d/%Y"}, "MS"), ({"freq": "D"}, "D"), ({"freq": "MS"}, "MS"),
    ):  # fmt: skip
        assert load(path, **config).schema.frequency.name == name, config
    assert "could also be" not in caplog.text
    with pytest.raises(DataError, match=r"row 1 .*'01/01/2022' does not read"):
        load(path, time_format="%Y-%m-%d")


TWO_DIGITS = {
    "into the seventies": (span("1955-01-01", 240, "MS", "%b-%y"), 1955),
    "into the next century": (span("1990-01-01", 250, "MS", "%b-%y"), 1990),
    "this century": (span("2003-01-01", 200, "MS", "%b %y"), 2003),
    "before the split of strptime": (span("1950-01-01", 150, "MS", "%m/%y"), 1950),
    "year first": (span("2023-11-20", 90, "D", "%y-%m-%d"), 2023),
    "year first, within a month": (span("2019-03-02", 27, "D", "%y/%m/%d"), 2019),
    "year first, months": (span("2011-04-01", 60, "MS", "%y-%m"), 2011),
    "day first": (span("1998-12-25", 40, "D", "%d.%m.%y"), 1998),
}


@pytest.mark.parametrize("kind", TWO_DIGITS)
def test_years_of_two_digits_are_one_stretch(write_csv, kind: str) -> None:
    """Prevents: Jan-55 to Dec-99 in two centuries, and 24-01-30 read as the 24th of a month in 2030."""
    times, year = TWO_DIGITS[kind]
    path = csv(write_csv, times[:-2])
    table = load(path)
    assert np.diff(table.ordinal).tolist() == [1] * (len(times) - 3)
    assert written(table, ahead=2) == times
    assert (
        table.schema.frequency.stamps(table.ordinal[:1]).astype("M8[us]").astype("M8[Y]").astype(int)[0] + 1970 == year
    )
    later = load_like(csv(write_csv, times[-20:]), table.schema)
    assert later.ordinal[-1] == table.ordinal[-1] + 2


def quarters(form: str) -> list[str]:
    return [form.format(y=y, q=q, s=y % 100) for y in range(2011, 2023) for q in range(1, 5)]


def halves(form: str) -> list[str]:
    return [form.format(y=y, h=h) for y in range(1990, 2015) for h in (1, 2)]


FORMS = {
    **{f: span("2014-01-01", 60, "MS", f) for f in (
        "%YM%m", "%Ym%m", "%Y-M%m", "%Y:%m", "%Y %b", "%Y %B", "%b-%y", "%b/%Y", "%B-%Y", "%m.%Y", "%Y/%m",
    )},
    "capitals": [t.upper() for t in span("2014-01-01", 60, "MS", "%Y %b")],
    "small letters": [t.lower() for t in span("2014-01-01", 60, "MS", "%b-%y")],
    "months without zeros": [f"{d.year}M{d.month}" for d in pd.date_range("2014-01-01", periods=60, freq="MS")],
    **{f: quarters(f) for f in (
        "{y}Q{q}", "{y}q{q}", "{y}-Q{q}", "{y} Q{q}", "Q{q} {y}", "Q{q}/{y}", "{q}Q{y}", "{q}Q{s:02d}", "{y}:{q}",
        "{y}:Q{q}",
    )},
    **{f: halves(f) for f in ("{y}S{h}", "{y}H{h}", "{y}-H{h}", "H{h} {y}", "{y}h{h}")},
    **{f: span("2019-12-02", 120, "W-MON", f) for f in (
        "%G-W%V", "%GW%V", "%G W%V", "W%V/%G", "%G-W%V-%u", "%G-KW%V", "%V/%G",
    )},
    "weeks without zeros": [re.sub("w0", "w", t) for t in span("2020-12-07", 70, "7D", "%Gw%V")],
    **{f: span("2023-11-20", 90, "D", f) for f in (
        "%d%b%Y", "%Y-%j", "%d %B %Y", "%a, %d %b %Y", "%A, %d %B %Y", "%b %d, %Y", "%Y %m %d", "%d/%b/%Y",
    )},
    **{f: [f.format(y=y, z=y + 1, s=(y + 1) % 100) for y in range(1983, 2012)] for f in (
        "{y}-{s:02d}", "{y}/{s:02d}", "{y}/{z}", "{y}-{z}", "{y}–{s:02d}", "FY{y}-{s:02d}",
    )},
    **{f: [f.format(y=y, t=t) for y in range(1990, 2006) for t in (1, 2, 3)] for f in (
        "{y}-T{t}", "T{t} {y}", "{y}-{t}",
    )},
    "halves behind a dash": halves("{y}-{h}"),
    "quarters as in Paris": quarters("T{q} {y}"),
    "SAS": [t.upper() for t in span("2024-01-05", 90, "D", "%d%b%Y")],
    "SAS with a time": [t.upper() for t in span("2024-01-05", 90, "h", "%d%b%Y:%H:%M:%S")],
    **{f: span("2024-01-05", 100, "h", f) for f in (
        "%Y%m%dT%H%M%SZ", "%Y%m%dT%H%M", "%Y-%m-%d-%H.%M.%S.%f", "%d %b %Y %H:%M:%S GMT", "%Y-%m-%d %H:%M:%S UTC",
        "%b %d %Y %I:%M%p", "%Y-%m-%dT%H", "%d.%m.%Y - %H:%M", "%Y-%m-%d %H:%M:%S+00", "%Y-%m-%dT%H:%M:%S.%f0",
    )},
    "half past": span("2024-01-05 00:30", 100, "h", "%Y-%m-%d %H:%M"),
    "am in small letters": [t.lower() for t in span("2024-01-05", 100, "h", "%m/%d/%Y %I:%M %p")],
}  # fmt: skip


@pytest.mark.parametrize("kind", FORMS)
def test_forms_of_offices_and_databases(write_csv, kind: str) -> None:
    """Prevents: a form that is usual elsewhere and is refused, or comes back in another spelling."""
    times = FORMS[kind]
    table = load(csv(write_csv, times[:-3], delimiter=";"))
    assert np.diff(table.ordinal).tolist() == [1] * (len(times) - 4)
    assert written(table, ahead=3) == times


def unpadded(day: datetime.datetime, form: str) -> str:
    return form.format(
        d=day.day, m=day.month, y=day.year, H=day.hour, I=(day.hour - 1) % 12 + 1, M=day.minute, p=f"{day:%p}"
    )


@pytest.mark.parametrize("form", [
    "{d}/{m:02d}/{y} {I}:{M:02d} {p}", "{d:02d}/{m}/{y} {H:02d}:{M:02d}", "{m}/{d}/{y} {H}:{M:02d}",
    "{d}.{m}.{y} {H:02d}:00",
    "{y}-{m}-{d} {H:02d}:{M:02d}",
])  # fmt: skip
@pytest.mark.parametrize("start", ["2024-02-20", "2024-09-28", "2023-12-30"])
def test_zeros_of_each_part(write_csv, form: str, start: str) -> None:
    """Prevents: 28/02/2024 followed by 01/03/2024 in a file that writes 1/03/2024."""
    times = [unpadded(day, form) for day in pd.date_range(start, periods=24 * 14, freq="h")]
    table = load(csv(write_csv, times[:-30]))
    assert written(table, ahead=30)[-30:] == times[-30:]


@pytest.mark.parametrize(("good", "bad"), [
    (span("2019-11-04", 12, "W-MON", "%G-W%V"), "2019-W53"), (quarters("{y}-Q{q}"), "2012-Q5"),
    (span("2024-02-20", 30, "D", "%d/%m/%Y"), "31/02/2024"), (span("2023-01-01", 30, "MS", "%Y-%m"), "2024-13"),
    (span("2023-01-01", 400, "D", "%Y-%j"), "2023-366"),
    (span("2024-01-01", 40, "h", "%Y-%m-%d %H:%M"), "2024-01-01 25:00"),
])  # fmt: skip
def test_the_bad_row_is_named(write_csv, good: list[str], bad: str) -> None:
    """Prevents: an error about the first row, which is right."""
    for at in (0, 5, len(good) - 1):
        times = [*good[:at], bad, *good[at + 1 :]]
        with pytest.raises(DataError, match=rf"row {at + 1} \(line {at + 2}\): '{bad}' does not read as a time"):
            load(csv(write_csv, times))


def test_midnight_at_the_end_of_a_day(write_csv) -> None:
    """Prevents: 24:00 refused as no hour, or written as 00:00 of the next day."""
    for form in ("{:%Y-%m-%d} {}:00", "{:%d.%m.%Y} {}:00:00", "{:%Y-%m-%dT}{}:00"):
        stamps = pd.date_range("2022-03-01 01:00", periods=24 * 9, freq="h")
        times = [form.format(t - pd.Timedelta(days=1) if t.hour == 0 else t, f"{t.hour or 24:02d}") for t in stamps]
        table = load(csv(write_csv, times[:-26]))
        assert (table.schema.frequency.stamps(table.ordinal) + table.schema.ending).astype("M8[us]").tolist() == stamps[
            :-26
        ].to_pydatetime().tolist()
        assert written(table, ahead=26) == times


# --- a grid that is mostly empty ------------------------------------------------------------------------------


@pytest.mark.parametrize(("times", "names"), [
    ([*span("2024-01-01", 60, "D", "%Y-%m-%d")[:-1], "2042-03-01"], ("D", "2042-03-01", "2024-02-28")),
    ([*span("2023-01-01", 50, "h", "%d.%m.%Y %H:%M"), "02.01.2032 03:00"], ("h", r"02\.01\.2032 03:00")),
    (["2002-05", *span("2020-06-01", 40, "MS", "%Y-%m")], ("MS", "2020-06", "2002-05")),
    ([*range(50), 5000], ("usual step is 1", "5000")),
])  # fmt: skip
def test_a_mistyped_time_is_asked_about(write_csv, times: list[object], names: tuple[str, ...]) -> None:
    """Prevents: one wrong year that moves the forecast eighteen years on."""
    path = csv(write_csv, times)
    for word in names:
        with pytest.raises(DataError, match=word) as caught:
            load(path)
    assert "data.freq" in caught.value.hint
    freq = load(path, freq=names[0][-1] if names[0][-1] in "Dh1" else "MS").schema.frequency.name
    assert names[0].endswith(freq)


def test_a_later_table_is_asked_about_too(write_csv) -> None:
    """Prevents: a mistyped year at predict; gaps of a table that had them at fit are fine."""
    times = span("2024-01-01", 60, "D", "%Y-%m-%d")
    schema = load(csv(write_csv, times)).schema
    assert schema.dense
    load_like(csv(write_csv, [*times[:2], *times[9:11], *times[40:]]), schema)
    with pytest.raises(DataError, match="2042-03-01"):
        load_like(csv(write_csv, [*times, "2042-03-01"]), schema)
    sparse = load(csv(write_csv, [*times[::7], "2024-02-28"]), freq="D").schema
    assert not sparse.dense


# --- nothing ends in a traceback ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "offsets", [("+00", "+01"), ("+05:30", "+05"), ("+01:00", "+0200"), ("Z", "+01:00"), ("-03", "+00")]
)
def test_offsets_as_databases_write_them(write_csv, offsets: tuple[str, str]) -> None:
    """Prevents: a traceback on +00, and hours that move by an offset without minutes."""
    stamps = pd.date_range("2024-01-05", periods=50, freq="h")
    seconds = [
        pd.Timestamp(f"2024-01-05T00:00:00{o if len(o) != 3 else o + ':00'}").utcoffset().total_seconds()
        for o in offsets
    ]
    times = [
        f"{t + pd.Timedelta(seconds=seconds[i % 2]):%Y-%m-%d %H:%M:%S}{offsets[i % 2]}" for i, t in enumerate(stamps)
    ]
    table = load(csv(write_csv, times))
    assert table.schema.frequency.stamps(table.ordinal).astype("M8[us]").tolist() == stamps.to_pydatetime().tolist()


def test_columns_of_other_types() -> None:
    """Prevents: tracebacks on Arrow's dates, on dates in several zones, and on dates that nanoseconds cannot hold."""
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(days=i) for i in range(20)]
    zones = ("Europe/Berlin", "America/New_York")
    aware = [
        t.tz_convert(zones[i % 2]) for i, t in enumerate(pd.date_range("2024-01-01", periods=20, freq="h", tz="UTC"))
    ]
    columns: dict[str, tuple[pd.Series, str]] = {
        "date32": (pd.Series(days, dtype="date32[pyarrow]"), "D"),
        "date64": (pd.Series(days, dtype="date64[pyarrow]"), "D"),
        "arrow timestamps": (pd.Series(pd.to_datetime(days)).astype("timestamp[us][pyarrow]"), "D"),
        "arrow integers": (pd.Series(range(5, 25), dtype="int64[pyarrow]"), "1"),
        "several zones": (pd.Series(aware, dtype=object), "h"),
        "far": (pd.Series([datetime.datetime(9980 + i, 1, 1) for i in range(20)], dtype=object), "YS"),
        "long ago": (pd.Series([datetime.date(1400 + i, 1, 1) for i in range(20)], dtype=object), "YS"),
        "periods": (pd.Series(pd.period_range("2020-01", periods=20, freq="M")).dt.to_timestamp(), "MS"),
    }
    for kind, (times, name) in columns.items():
        for zone in (None, "Europe/Berlin"):
            if zone is None or kind == "several zones":
                assert (
                    load(
                        pd.DataFrame({"t": times, "y": np.arange(20.0)}), time="t", timezone=zone
                    ).schema.frequency.name
                    == name
                ), kind


@pytest.mark.parametrize("times", [
    [2**63 + i for i in range(9)], [-(2**63) + i for i in range(9)], [10**25 + i for i in range(9)],
    ["2024-01-01 00:00:00+:3", "2024-01-01 01:00:00+:3"], ["0000-00-00", "0000-00-01"], ["٢٠٢٤-٠١-٠١", "٢٠٢٤-٠١-٠٢"],
])  # fmt: skip
def test_what_is_no_time_is_an_error(write_csv, times: list[object]) -> None:
    """Prevents: tracebacks, and whole numbers beyond 2^63 that wrap into another time."""
    with pytest.raises(DataError):
        load(csv(write_csv, times), time="time", target="y")


def test_times_of_the_year_9999(write_csv) -> None:
    """Prevents: a traceback on the end of time that databases write for 'not yet'."""
    times = span("2024-01-01", 40, "D", "%Y-%m-%d")
    with pytest.raises(DataError, match="9999-12-31"):
        load(csv(write_csv, [*times, "9999-12-31"]))


@pytest.mark.parametrize(("count", "wrong"), [(5, "2051-01-21"), (20, "1924-03-01"), (3, "2029-12-31")])
def test_a_mistyped_time_of_one_series_of_many(write_csv, count: int, wrong: str) -> None:
    """Prevents: one series forecast for 2051, because the grids of all together are full enough."""
    rows = [f"s{k},{t},{i % 7}" for k in range(count) for i, t in enumerate(span("2023-01-01", 300, "D", "%Y-%m-%d"))]
    rows[150] = rows[150].replace(rows[150].split(",")[1], wrong)
    path = write_csv(text("item,date,y", rows))
    with pytest.raises(DataError, match=wrong) as caught:
        load(path)
    assert "data.freq" in caught.value.hint
    assert load(path, freq="D").schema.frequency.name == "D"
