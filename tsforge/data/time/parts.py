"""The parts of a time: what columns that hold one are called, and which numbers it takes."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple


class Part(NamedTuple):
    """One part of a time.

    word: what it is, for messages.
    least, most: the numbers that it takes.
    width: digits of a number of it, with zeros in front.
    names: of columns that hold it, in small letters and without signs.
    short: names that say so only where the column was named as a part of a time.
    """

    word: str
    least: int
    most: int
    width: int
    names: tuple[str, ...]
    short: tuple[str, ...] = ()


PARTS = {  # by the directive of a format, in the order in which they stand in a time
    "Y": Part("year", 1000, 2999, 4, ("year", "yr", "yyyy", "jahr", "annee", "ano", "anio", "anno", "jaar"), ("y",)),
    "h": Part("half of the year", 1, 2, 1, ("half", "halfyear", "halbjahr", "semester", "semestre")),
    "q": Part("quarter", 1, 4, 1, ("quarter", "qtr", "quartal", "trimestre", "kwartaal"), ("q",)),
    "m": Part("month", 1, 12, 2, ("month", "mnth", "monat", "mois", "mes", "mese", "maand"), ("mon", "mm", "mo")),
    "V": Part("week", 1, 53, 2, ("week", "wk", "isoweek", "weekofyear", "weeknumber", "kw", "woche", "semaine"),
        ("w",)),
    "j": Part("day of the year", 1, 366, 3, ("dayofyear", "doy", "yday", "yearday")),
    "d": Part("day", 1, 31, 2, ("day", "dayofmonth", "dateofmonth", "mday", "dom", "jour", "dia", "giorno"),
        ("dd", "tag", "d")),
    "u": Part("day of the week", 1, 7, 1, ("weekday", "dayofweek", "dow", "isoweekday", "wochentag")),
    "H": Part("hour", 0, 24, 2, ("hour", "hours", "hr", "hourending", "stunde", "heure", "hora", "uur"),
        ("hh", "he", "h")),
    "M": Part("minute", 0, 59, 2, ("minute", "minutes", "mins"), ("min", "mi")),
    "S": Part("second", 0, 59, 2, ("second", "seconds"), ("sec", "ss")),
    "y": Part("year of two digits", 0, 99, 2, ()),
}  # fmt: skip
_OTHERS = ("time", "interval", "period", "slot", "season", "step", "lag")  # of no part in particular
_WORDS = (  # values that come again by the calendar
    "mon", "tue", "wed", "thu", "fri", "sat", "sun", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep",
    "oct", "nov", "dec", "day", "night", "morning", "noon", "afternoon", "evening", "am", "pm", "spring", "summer",
    "autumn", "fall", "winter", "weekday", "weekend", "weekdays", "weekends", "peak", "offpeak", "first", "second",
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january", "february", "march",
    "april", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip


def ascii_letters(name: str) -> str:
    """A name in small letters without accents: Année as annee."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()


def part_of(name: str, *, short: bool = False) -> str | None:
    """The directive of the part of a time that a column of this name holds; None where the name says nothing.

    short: take names such as d, mm or he too, which alone could mean anything.
    """
    plain = re.sub(r"[^a-z]", "", ascii_letters(name))
    return next((k for k, p in PARTS.items() if plain in p.names or (short and plain in p.short)), None)


def of_time(name: str) -> bool:
    """True for the names of parts of a time, and for those that begin with one, as Day_of_month."""
    first = re.split(r"[_ .-]+|(?<=[a-z])(?=[A-Z])", name)[0].lower()
    return part_of(name) is not None or part_of(first) is not None or bool({name.lower(), first} & set(_OTHERS))


def of_calendar(value: str) -> bool:
    """True for the name of a day, a month, a quarter, a season or a time of day."""
    plain = re.sub(r"[^a-z]", "", ascii_letters(value))
    return plain in _WORDS or bool(re.fullmatch(r"[qQhHsS][1-4]", value.strip()))
