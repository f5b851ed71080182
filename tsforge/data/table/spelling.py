"""Texts of a format to times, and times to texts of a format."""

from __future__ import annotations

import re
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from numpy.typing import NDArray

from tsforge.data.table.signs import as_arrow
from tsforge.data.time import formats
from tsforge.data.time.calendar import DAY, SECOND

Ints = NDArray[np.int64]

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_NOTHING = np.iinfo(np.int64).min


def read_as(text: pd.Series, written: str) -> tuple[pd.Series, str]:
    """Texts without an offset by one format -> their times, NaT where it does not fit, and the format.

    Years of two digits are one stretch of at most a century: the format that comes back says where it begins.
    """
    formats.check(written)
    plain = formats.plain(written)
    if plain is not None:
        return pd.to_datetime(text, format=plain, errors="coerce").dt.as_unit("us"), written
    form = formats.pattern(written)
    fields = text.str.extract(f"^{form.pattern}$")
    fits = fields.notna().all(axis=1).to_numpy()
    part = {str(letter): fields[letter][fits] for letter in fields}
    short = next((letter for letter in "yg" if letter in part), None)
    if short is not None and fits.any():
        years = part[short].to_numpy(dtype=np.int64)
        start, written = _century(years, written)
        part["Y"] = pd.Series(start + (years - start) % 100)
    stamps = np.full(len(text), _NOTHING)
    stamps[fits] = _compose(part, midnight="%24H" in written) if fits.any() else 0
    return pd.Series(stamps.view("M8[us]"), index=text.index), written


def _century(years: Ints, written: str) -> tuple[int, str]:
    """The first year of a stretch of years of two digits, as the format says or as the largest gap between them shows.

    The stretch begins in the latest century in which its first year is not in the future.
    """
    flags = [t.flag for t in formats.tokens(written) if t.letter in ("y", "g")]
    if flags[0]:
        return int(flags[0]), written
    distinct = np.unique(years)
    gaps = np.diff(np.r_[distinct, distinct[0] + 100])
    first = int(distinct[(int(gaps.argmax()) + 1) % len(distinct)])
    now = datetime.now().astimezone().year
    start = now - (now - first) % 100
    return start, re.sub("%([yg])", rf"%{start}\1", written)


def _compose(part: dict[str, pd.Series], *, midnight: bool) -> Ints:
    """Microseconds since 1970 of the fields of times; those of no day or hour that exists are NaT."""
    number = {k: v.to_numpy(dtype=np.int64) for k, v in part.items() if k not in "abABpf"}
    zeros = np.zeros(len(next(iter(part.values()))), dtype=np.int64)
    year = number["G"] if "G" in number else number["Y"]
    first = (year - 1970).astype("M8[Y]")
    if "V" in number:
        days, good = _week(first, number["V"], number.get("u", zeros + 1))
    elif "j" in number:
        start, end = (y.astype("M8[D]").astype(np.int64) for y in (first, first + 1))
        days, good = start + number["j"] - 1, (number["j"] >= 1) & (number["j"] <= end - start)
    else:
        days, good = _day(first, _month(part, number, zeros), number.get("d", zeros + 1))
    for letter, digits in (("n", 100), ("N", 10_000)):
        if letter in number:  # a financial year: the next year stands beside it
            good &= number[letter] == (year + 1) % digits
    hour = number.get("H", number.get("I", zeros))
    good &= hour <= (24 if midnight else 23)
    if "p" in part:
        good &= (hour >= 1) & (hour <= 12)
        hour = hour % 12 + 12 * part["p"].str.lower().str.startswith("p").to_numpy()
    seconds = 3600 * hour + 60 * number.get("M", zeros) + number.get("S", zeros)
    good &= (number.get("M", zeros) < 60) & (number.get("S", zeros) < 60) & (seconds <= 86_400)
    rest = zeros
    if "f" in part:
        rest = part["f"].str.ljust(6, "0").str[:6].to_numpy(dtype=np.int64)
    stamps: Ints = days * DAY + seconds * SECOND + rest
    stamps[~good] = _NOTHING
    return stamps


def _month(part: dict[str, pd.Series], number: dict[str, Ints], zeros: Ints) -> Ints:
    """The month of each time, 1 to 12; 0 where there is no such month."""
    if "q" in number:
        return np.where(number["q"] <= 4, 3 * number["q"] - 2, 0)
    if "t" in number:
        return np.where(number["t"] <= 3, 4 * number["t"] - 3, 0)
    if "h" in number:
        return np.where(number["h"] <= 2, 6 * number["h"] - 5, 0)
    for letter in ("b", "B"):
        if letter in part:
            names = {name[:3] if letter == "b" else name: i + 1 for i, name in enumerate(_MONTHS)}
            words = part[letter].str.lower()
            words = words.where(words != "sept", "sep") if letter == "b" else words
            return np.array(words.map(names).fillna(0), dtype=np.int64)
    return number.get("m", zeros + 1)


def _day(first: NDArray[np.datetime64], month: Ints, day: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Days since 1970, and whether they exist."""
    good = (month >= 1) & (month <= 12)
    start = first.astype("M8[M]") + np.where(good, month - 1, 0)
    begin, end = (m.astype("M8[D]").astype(np.int64) for m in (start, start + 1))
    return begin + day - 1, good & (day >= 1) & (day <= end - begin)


def _week(first: NDArray[np.datetime64], week: Ints, day: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Days since 1970 of days in ISO weeks, and whether the year has that week."""
    mondays = []
    for year in (first, first + 1):
        fourth = year.astype("M8[D]").astype(np.int64) + 3  # 4 January lies in week 1
        mondays.append(fourth - (fourth + 3) % 7)
    days = mondays[0] + 7 * (week - 1)
    return days + day - 1, (week >= 1) & (days < mondays[1])


def spelling(text: pd.Series, dates: pd.Series, written: str) -> str:
    """A format with the zeros and the capitals of the texts that it read, where these come back exactly."""
    spaced = text.str.contains("  ", regex=False).any()  # before single digits, as databases write them
    single = text.str.replace(r" +", " ", regex=True) if spaced else text
    fields = _distinct_fields(single, written)
    if fields is None:
        return written
    exact = formats.spelled(written, fields)
    sample = slice(None) if len(text) < 50_000 else slice(None, None, len(text) // 10_000)
    tries = [exact]
    if spaced:
        tries.append(re.sub("%-?d", "%_d", exact))
        tries += [re.sub("%-?([HI])", r"%_\1", form) for form in (tries[1], exact)]
        runs = re.findall(" +", text.iloc[0])
        if len(runs) == exact.count(" "):  # the same in all texts
            pieces = exact.split(" ")
            tries.append("".join(piece + run for piece, run in zip(pieces, [*runs, ""], strict=True)))
    return next((form for form in tries if write(dates[sample], form).equals(text[sample])), written)


def _distinct_fields(text: pd.Series, written: str) -> dict[str, list[str]] | None:
    """The different texts of each directive of a format; None where it does not fit all."""
    form = f"^{formats.pattern(written).pattern}$"
    array = as_arrow(text).combine_chunks()
    if pc.all(pc.string_is_ascii(array)).as_py():  # then Arrow, which looks at many at once, knows the same digits
        parts = pc.extract_regex(array, form)
        if parts.null_count:
            return None
        return {field.name: pc.unique(pc.struct_field(parts, field.name)).to_pylist() for field in parts.type}
    fields = text.str.extract(form)
    if fields.isna().any(axis=None):
        return None
    return {str(letter): list(fields[letter].unique()) for letter in fields}


# --- to text ------------------------------------------------------------------------------------------------


def write(column: pd.Series, form: str) -> pd.Series:
    """Dates as texts of a format, or as the numbers that it writes."""
    if form.endswith(":int"):
        return pd.Series(write(column, form.removesuffix(":int")).astype(np.int64))
    if form.endswith(":float"):
        return pd.Series(write(column, form.removesuffix(":float")).astype(np.float64))
    if form.endswith(("Z", "UTC", "GMT")) and column.dt.tz is not None:
        column = column.dt.tz_convert("UTC")
    day = column
    parts = formats.tokens(form)
    if any(t.flag == "24" for t in parts):  # midnight belongs to the day that it ends
        day = column.where(column.dt.normalize() != column, column - pd.Timedelta(days=1))
    pieces: list[pd.Series] = []
    usual = ""
    for token in (*parts, formats.Token("end")):
        own = token.flag or token.letter in ("end", *"qthnN")
        if own and usual:
            pieces.append(day.dt.strftime(usual))
            usual = ""
        if token.letter == "end":
            break
        if own:
            pieces.append(_piece(column, day, token))
        else:
            usual += f"%{token.letter}" if token.letter else token.text.replace("%", "%%")
    text = pieces[0] if len(pieces) == 1 else pieces[0].str.cat(pd.concat(pieces[1:], axis=1))
    return pd.Series(text)


def _piece(column: pd.Series, day: pd.Series, token: formats.Token) -> pd.Series:
    letter, flag = token.letter, token.flag
    if letter == "q":
        piece = day.dt.quarter.astype(str)
    elif letter == "h":
        piece = ((day.dt.month + 5) // 6).astype(str)
    elif letter == "t":
        piece = ((day.dt.month + 3) // 4).astype(str)
    elif letter in "nN":
        digits = 2 if letter == "n" else 4
        piece = ((day.dt.year + 1) % 10**digits).astype(str).str.zfill(digits)
    elif flag == "24":
        hour = column.dt.strftime("%H")
        piece = hour.where(column.dt.normalize() != column, "24")
    elif letter == "z":
        piece = column.dt.strftime("%z").str.replace(r"(\d\d)$", r":\1", regex=True)
        piece = piece.str.replace(r":00$", "", regex=True) if flag == "#" else piece
    elif letter == "f":
        piece = column.dt.strftime("%f").str.ljust(9, "0").str[: int(flag)]
    else:
        piece = day.dt.strftime("%" + letter)
        if flag == "-":
            piece = piece.str.replace(r"^0+(?=\d)", "", regex=True)
        elif flag == "_":
            piece = piece.str.replace(r"^0", " ", regex=True)
        elif flag == "4":
            piece = piece.str.replace("Sep", "Sept", regex=False)
        elif flag in ("^", "~"):
            piece = piece.str.upper() if flag == "^" else piece.str.lower()
    return pd.Series(piece)
