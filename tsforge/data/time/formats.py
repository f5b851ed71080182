"""Formats of written times and offsets. A format is strptime's, with a few words of its own:

%q quarter, %-m %-d %-H %-I without a leading zero, %1f to %6f one to six digits of a second,
%:z an offset with a colon.
"""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

# What stands in a field -> the formats it can mean, the likelier one first: a point or a dash puts the day
# first, a slash the month.
_DATES = (
    (r"\d{4}-\d\d?-\d\d?", ("%Y-%m-%d",)),
    (r"\d{4}/\d\d?/\d\d?", ("%Y/%m/%d",)),
    (r"\d{4}\.\d\d?\.\d\d?", ("%Y.%m.%d",)),
    (r"\d{8}", ("%Y%m%d",)),
    (r"\d\d?/\d\d?/\d{4}", ("%m/%d/%Y", "%d/%m/%Y")),
    (r"\d\d?/\d\d?/\d\d", ("%m/%d/%y", "%d/%m/%y")),
    (r"\d\d?\.\d\d?\.\d{4}", ("%d.%m.%Y", "%m.%d.%Y")),
    (r"\d\d?\.\d\d?\.\d\d", ("%d.%m.%y", "%m.%d.%y")),
    (r"\d\d?-\d\d?-\d{4}", ("%d-%m-%Y", "%m-%d-%Y")),
    (r"\d\d?-\d\d?-\d\d", ("%d-%m-%y", "%m-%d-%y")),
    (r"\d\d?-[A-Za-z]{3,9}-\d{4}", ("%d-%b-%Y", "%d-%B-%Y")),
    (r"\d\d?-[A-Za-z]{3,9}-\d\d", ("%d-%b-%y", "%d-%B-%y")),
    (r"\d\d? [A-Za-z]{3,9} \d{4}", ("%d %b %Y", "%d %B %Y")),
    (r"[A-Za-z]{3,9} \d\d?, ?\d{4}", ("%b %d, %Y", "%B %d, %Y")),
    (r"[A-Za-z]{3,9} \d\d? \d{4}", ("%b %d %Y", "%B %d %Y")),
    (r"\d{4}-\d\d?", ("%Y-%m",)),
    (r"\d{4}/\d\d?", ("%Y/%m",)),
    (r"\d{6}", ("%Y%m",)),
    (r"\d\d?/\d{4}", ("%m/%Y",)),
    (r"\d\d?-\d{4}", ("%m-%Y",)),
    (r"\d\d?\.\d{4}", ("%m.%Y",)),
    (r"[A-Za-z]{3,9}-\d{4}", ("%b-%Y", "%B-%Y")),
    (r"[A-Za-z]{3,9} \d{4}", ("%b %Y", "%B %Y")),
    (r"[A-Za-z]{3}-\d\d", ("%b-%y",)),
    (r"\d{4}-[A-Za-z]{3,9}", ("%Y-%b", "%Y-%B")),
    (r"\d{4} [A-Za-z]{3,9}", ("%Y %b", "%Y %B")),
    (r"\d{4}", ("%Y",)),
    (r"\d{4}Q[1-4]", ("%YQ%q",)),
    (r"\d{4}-Q[1-4]", ("%Y-Q%q",)),
    (r"\d{4} Q[1-4]", ("%Y Q%q",)),
    (r"Q[1-4] \d{4}", ("Q%q %Y",)),
    (r"Q[1-4]-\d{4}", ("Q%q-%Y",)),
    (r"\d{4}-W\d\d", ("%G-W%V",)),
)
_CLOCK = re.compile(r"([T ])(\d\d?)(:\d\d)?(:\d\d)?(\.\d{1,9})?( ?)([AaPp][Mm])?")
CLOCK_ALONE = re.compile(r"\d\d?:\d\d(:\d\d)?(\.\d+)?( ?[AaPp][Mm])?")
OFFSET = r"\s?(?:Z|UTC|[+-]\d\d:?\d\d)$"  # after a time of day


def candidates(text: str) -> list[str]:
    """The formats in which one time, written without its offset, can be read; the likelier first."""
    fitting = _dates(text)
    clock = _CLOCK.search(text)
    while clock is not None and clock.end() != len(text):
        clock = _CLOCK.search(text, clock.start() + 1)
    if clock is not None:
        fitting += [date + _clock(clock) for date in _dates(text[: clock.start()])]
    return fitting


def _dates(text: str) -> list[str]:
    return [f for pattern, formats in _DATES if re.fullmatch(pattern, text) for f in formats]


def _clock(match: re.Match[str]) -> str:
    joint, _, minute, second, fraction, space, noon = match.groups()
    hour, half = ("%I", f"{space}%p") if noon else ("%H", "")
    digits = f".%{min(len(fraction) - 1, 6)}f" if fraction else ""
    return joint + hour + (":%M" if minute else "") + (":%S" if second else "") + digits + half


def unpadded(written: str) -> list[str]:
    """A format with and without the leading zeros of its date and its hour, as of 1/2/2020 9:05."""
    date = written.replace("%m", "%-m").replace("%d", "%-d")
    hour = re.sub("%([HI])", r"%-\1", written)
    return list(dict.fromkeys([written, date, hour, re.sub("%([HI])", r"%-\1", date)]))


def plain(written: str) -> str:
    """A format as strptime takes it."""
    return re.sub(r"%\df", "%f", written).replace("%-", "%")


def offset_format(text: str) -> str:
    """The format of the UTC offset at the end of a time; "" where it has none."""
    match = re.search(OFFSET, text)
    if match is None or ":" not in text[: match.start()]:
        return ""
    offset = match.group()
    if offset.strip() in ("Z", "UTC"):
        return offset
    return offset[: len(offset) - len(offset.lstrip())] + ("%:z" if ":" in offset else "%z")


def offset_seconds(text: str) -> int:
    """A written offset (Z, UTC, +01:00, +0100) in seconds."""
    text = text.strip()
    if text in ("Z", "UTC"):
        return 0
    digits = text[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if text[0] == "-" else seconds


def offset_name(seconds: int) -> str:
    """The name of a zone with a fixed offset: "UTC" or "UTC+05:30"."""
    hours, rest = divmod(abs(seconds), 3600)
    return f"UTC{'-' if seconds < 0 else '+'}{hours:02d}:{rest // 60:02d}" if seconds else "UTC"


def zone_of(name: str) -> tzinfo:
    """A zone by name, as Europe/Berlin, UTC or UTC+05:30. Raises KeyError, ValueError or OSError."""
    if name == "UTC":
        return UTC
    if re.fullmatch(r"UTC[+-]\d\d:\d\d", name):
        return timezone(timedelta(seconds=offset_seconds(name[3:])))
    return ZoneInfo(name)


def is_zone(name: str) -> bool:
    """True for the name of a zone that exists."""
    try:
        zone_of(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
