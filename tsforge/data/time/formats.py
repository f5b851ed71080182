"""Formats of written times and offsets. A format is strptime's, with a few words of its own:

%q quarter, %t third of a year, %h half-year, %n or %N the year after, of two digits or four, as in the financial year
2001-02, %1f to %9f that many digits of a second, %:z an offset with a colon, %#z one that leaves out
minutes that are zero; %-m %-d %-H %-I %-V without a leading zero; %^b %^B %^p in capitals, %~b %~B %~p in small
letters; %_d %_I with a space for that zero; %4b with Sept; %24H and %-24H an hour of 1 to 24,
where midnight ends a day; %1955y a year of two digits from 1955 to 2054, %1955g the same of a week.
"""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tsforge.errors import ConfigError

_WORDS = (  # dates with the name of the month, which may be whole
    "%d-%b-%Y", "%d %b %Y", "%d/%b/%Y", "%d.%b.%Y", "%d%b%Y", "%d-%b-%y", "%d %b %y", "%d/%b/%y", "%d%b%y",
    "%b %d, %Y", "%b %d,%Y", "%b %d %Y", "%b-%d-%Y", "%a, %d %b %Y", "%a %d %b %Y", "%a %b %d %Y", "%a, %b %d, %Y",
    "%A, %d %b %Y", "%A %d %b %Y", "%A, %b %d, %Y", "%Y-%b-%d", "%Y %b %d", "%Y/%b/%d",
    "%b-%Y", "%b %Y", "%b/%Y", "%b.%Y", "%b%Y", "%b, %Y", "%b-%y", "%b %y", "%b/%y", "%b%y", "%b '%y",
    "%b. %Y", "%b. %y", "%b. %d, %Y", "%d %b. %Y", "%d. %b %Y", "%Y-%b", "%Y %b", "%Y/%b", "%Y%b", "%y-%b",
)  # fmt: skip
_DATES = (  # where one text fits several, the likelier first: a point or a dash puts the day first, a slash the month
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y %m %d", "%Y_%m_%d",
    "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m.%d.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d %m %Y", "%d_%m_%Y",
    "%m/%d/%y", "%d/%m/%y", "%y/%m/%d", "%d.%m.%y", "%m.%d.%y", "%y.%m.%d", "%d-%m-%y", "%m-%d-%y", "%y-%m-%d",
    *_WORDS, *(f.replace("%b", "%B") for f in _WORDS),
    "%Y-%m", "%G-%V", "%Y/%m", "%G/%V", "%Y.%m", "%G.%V", "%YM%m", "%Ym%m", "%Y-M%m", "%Y M%m", "%Y:%m", "M%m %Y",
    "%m/%Y", "%V/%G", "%m-%Y", "%V-%G", "%m.%Y", "%V.%G", "%m %Y", "%m/%y", "%y/%m", "%m-%y", "%y-%m",
    "%YQ%q", "%Yq%q", "%Y-Q%q", "%Y-q%q", "%Y Q%q", "%Y:Q%q", "%Y/Q%q", "%Y.Q%q", "%Y_Q%q", "Q%q %Y", "Q%q-%Y",
    "Q%q/%Y", "Q%q%Y", "Q%q.%Y", "%qQ%Y", "%qQ %Y", "%qQ%y", "Q%q %y", "Q%q-%y", "%Y:%q", "%Y-%q", "%Y/%q", "%q/%Y",
    "%Y.%q", "%YT%q", "%Y-T%q", "%Y T%q", "T%q %Y", "T%q-%Y", "T%q/%Y",
    "%G-W%V", "%GW%V", "%Gw%V", "%G-w%V", "%G W%V", "%G/W%V", "%G:W%V", "%G.W%V", "%GWK%V", "%G-W%V-%u", "%GW%V%u",
    "W%V %G", "W%V/%G", "W%V-%G", "%V. %G", "KW%V %G", "KW %V %G", "%G-KW%V", "KW%V/%G", "Week %V %G", "Week %V, %G",
    "%G Week %V", "%YS%h", "%YH%h", "%Yh%h", "%Y-S%h", "%Y-H%h", "%Y H%h", "%Y S%h", "H%h %Y", "H%h-%Y", "H%h/%Y",
    "%hH%Y", "%YB%h", "%Y-%h", "%Y/%h", "%Y:%h", "%h/%Y", "%YT%t", "%Y-T%t", "%Y T%t", "T%t %Y", "T%t-%Y", "%Y-%t",
    "%Y/%t", "%Y-%n", "%Y/%n", "%Y–%n", "%Y-%N", "%Y/%N", "%Y–%N", "FY%Y-%n", "FY%Y/%n", "FY %Y-%n", "FY %Y/%n",
 "%Y-%j", "%Y/%j", "%Y.%j", "FY%Y", "FY %Y",
)  # fmt: skip
PACKED = (
    "%Y%m%d", "%Y%m", "%G%V", "%Y%j", "%Y%q", "%Y%t", "%Y%h", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S",
)  # fmt: skip
UNPADDED = ("%Y%-m", "%G%-V")
SHORT = ("%y%m%d", "%y%j", "%y%m", "%g%V")  # of years of two digits
_WEAK = ("%m/%y", "%y/%m", "%m-%y", "%y-%m", *SHORT)  # 10-12 is a range more often than a month

_FIELDS = {
    "Y": r"[129]\d{3}", "G": r"[129]\d{3}", "y": r"\d\d", "m": r"\d\d?", "d": r"\d\d?", "H": r"\d\d?", "I": r"\d\d?",
    "M": r"\d\d", "S": r"\d\d", "j": r"\d{3}", "q": "[1-9]", "h": "[1-9]", "V": r"\d\d?", "u": "[1-7]",
    "b": "[A-Za-z]{3}", "B": "[A-Za-z]{3,9}", "a": "[A-Za-z]{3}", "A": "[A-Za-z]{6,9}", "p": r"[AaPp][Mm]",
    "f": r"\d{1,9}", "g": r"\d\d", "t": "[1-9]", "n": r"\d\d", "N": r"[12]\d{3}",
}  # fmt: skip
_TWO_DIGITS = ("m", "d", "H", "I", "V")
_TOKEN = re.compile(r"%(\d{4}|24|[1-9]|[-^~:#_])?([A-Za-z])")
_CLOCKS = (
    re.compile(r"(?P<j>T| - |[ _:-])(?P<H>\d\d?):(?P<M>\d\d)(?P<S>:\d\d)?(?P<f>[.,]\d{1,9})?(?P<p> ?[AaPp][Mm])?$"),
    re.compile(r"(?P<j>[T ])(?P<H>\d\d?)(?P<p> ?[AaPp][Mm])?$"),
    re.compile(r"(?P<j>[T ])(?P<H>\d\d)(?P<M>\d\d)(?P<S>\d\d)?(?P<f>[.,]\d{1,9})?$"),
    re.compile(r"(?P<j>-)(?P<H>\d\d)(?P<M>\.\d\d)(?P<S>\.\d\d)(?P<f>[.]\d{1,9})?$"),
)
CLOCK_ALONE = re.compile(r"\d\d?:\d\d(:\d\d)?(\.\d+)?( ?[AaPp][Mm])?")
_OFFSET = r"\s?(?:Z|UTC|GMT|[+-](?:0\d|1[0-5])(?::?[0-5]\d)?)$"  # none is of 16 hours or more
OFFSET = r"((?::\d\d|T\d{4,6})(?:[.,]\d+)?)" + _OFFSET  # the end of a time of day, and its offset


class Token(NamedTuple):
    """A directive of a format with its flag, or (letter "") the text between two."""

    letter: str
    flag: str = ""
    text: str = ""


@cache
def tokens(written: str) -> tuple[Token, ...]:
    """The directives of a format and the texts between them, in order."""
    parts: list[Token] = []
    end = 0
    for match in _TOKEN.finditer(written):
        if match.start() > end:
            parts.append(Token("", text=written[end : match.start()]))
        parts.append(Token(match[2], match[1] or ""))
        end = match.end()
    return (*parts, Token("", text=written[end:])) if end < len(written) else tuple(parts)


@cache
def check(written: str) -> None:
    """Raises ConfigError for a text that is no format: a directive that does not exist, one twice, or none."""
    parts = tokens(written)
    letters = [t.letter for t in parts if t.letter]
    stray = next((t.text for t in parts if "%" in t.text), None)
    unknown = next((f"%{letter}" for letter in letters if letter not in _FIELDS), None)
    twice = next((f"%{letter}" for letter in letters if letters.count(letter) > 1), None)
    if not letters or stray or unknown or twice:
        what = f"there is no '{unknown or stray}'" if unknown or stray else f"'{twice or written}' tells no time"
        raise ConfigError(f"time_format '{written}' is no format of times: {what}", "as data.time_format=%d/%m/%Y")


@cache
def pattern(written: str) -> re.Pattern[str]:
    """A regular expression for texts of a format, with a group for each directive, named as its letter."""
    pieces = []
    parts = tokens(written)
    for before, token, after in zip((None, *parts), parts, (*parts[1:], None), strict=False):
        field = rf"\d{{{token.flag}}}" if token.letter == "f" and token.flag else _FIELDS.get(token.letter)
        if (
            token.letter in _TWO_DIGITS
            and token.flag != "-"
            and any(t is not None and t.letter and t.letter not in "bBp" for t in (before, after))
        ):
            field = r"\d\d"  # with a number beside it
        elif token.letter == "b" and token.flag == "4":
            field = "[A-Za-z]{3,4}"
        elif token.letter in "MSj" and token.flag == "-":
            field = r"\d{1,3}" if token.letter == "j" else r"\d\d?"
        pieces.append(f"(?P<{token.letter}>{field})" if field else re.escape(token.text))
    return re.compile("".join(pieces))


def candidates(text: str, *, weak: bool = True) -> list[str]:
    """The formats in which one time, written without its offset, can be read; the likelier first.

    weak: those too that fit many texts which are no times, as 10-12.
    """
    text = re.sub(" +", " ", text)  # how many there are is part of the spelling
    fitting = _dates(text)
    for form in _CLOCKS:
        clock = form.search(text)
        if clock is not None and not fitting:
            fitting = [
                date + _clock(clock)
                for date in _dates(text[: clock.start()])
                if ("%d" in date or "%j" in date) and "%H" not in date
            ]
    return fitting if weak else [f for f in fitting if f not in _WEAK]


@cache
def _by_signs() -> dict[str, list[str]]:
    """The formats by the signs between their letters and digits: to make patterns of all takes longer."""
    by_signs: dict[str, list[str]] = {}
    for form in (*_DATES, *PACKED, *SHORT, "%Y"):
        by_signs.setdefault(_signs("".join(token.text for token in tokens(form))), []).append(form)
    return by_signs


def _signs(text: str) -> str:
    return "".join(sign for sign in text if not sign.isalnum())


def _dates(text: str) -> list[str]:
    return [f for f in _by_signs().get(_signs(text), ()) if pattern(f).fullmatch(text)]


def _clock(match: re.Match[str]) -> str:
    part = match.groupdict()
    noon, fraction = part.get("p") or "", part.get("f") or ""
    minute, second = part.get("M") or "", part.get("S") or ""
    colon = ":" if match.re is _CLOCKS[0] else ""
    written = part["j"] + ("%I" if noon else "%H")
    written += (colon or minute[:-2]) + "%M" if minute else ""
    written += second[:-2] + "%S" if second else ""
    written += f"{fraction[0]}%{len(fraction) - 1}f" if fraction else ""
    return written + (noon[:-2] + "%p" if noon else "")


def day_first(written: str) -> bool | None:
    """Whether a format with the month as a number puts the day before it; None where it has no such choice."""
    letters = [t.letter for t in tokens(written)]
    if "d" not in letters or "m" not in letters or letters[0] == "Y":
        return None
    return letters.index("d") == 0


def plain(written: str) -> str | None:
    """A format as strptime takes it; None where it has words of its own that strptime lacks."""
    parts = tokens(written)
    if any(
        t.letter in "qthnNGVygj" or t.flag in ("24", "-24", "4") or (t.letter == "f" and (t.flag or "6") > "6")
        for t in parts
        if t.letter
    ):
        return None
    return "".join(f"%{t.letter}" if t.letter else t.text for t in parts)


def spelled(written: str, fields: dict[str, list[str]]) -> str:
    """A format with the zeros and the capitals that its texts have. fields: the texts of each directive.

    A day that is never below 10 shows nothing: it is without zeros where another directive is.
    """
    short = {letter: any(len(text) == 1 for text in fields[letter]) for letter in _TWO_DIGITS if letter in fields}
    long = {letter: any(text[0] == "0" for text in fields[letter]) for letter in short}
    unpadded = {letter for letter in short if short[letter] or (any(short.values()) and not long[letter])}
    parts = []
    for token in tokens(written):
        flag = token.flag
        if token.letter in unpadded and not flag:
            flag = "-"
        elif token.letter in ("b", "B", "p"):
            upper = all(text.isupper() for text in fields[token.letter])
            lower = all(text.islower() for text in fields[token.letter])
            flag = "4" if flag == "4" else ("~" if lower else "") if token.letter == "p" or not upper else "^"
        parts.append(f"%{flag}{token.letter}" if token.letter else token.text)
    return "".join(parts)


# --- offsets ------------------------------------------------------------------------------------------------


def offset_format(text: str) -> str:
    """The format of the UTC offset at the end of a time; "" where it has none."""
    match = re.search(OFFSET, text)
    if match is None:
        return ""
    offset = text[match.end(1) :]
    space = offset[: len(offset) - len(offset.lstrip())]
    if offset.strip() in ("Z", "UTC", "GMT"):
        return offset
    digits = offset.strip()[1:]
    return space + ("%#z" if len(digits) == 2 else "%:z" if ":" in digits else "%z")


def offset_seconds(text: str) -> int:
    """A written offset (Z, UTC, +01, +01:00, +0100) in seconds."""
    text = text.strip()
    if text in ("Z", "UTC", "GMT"):
        return 0
    digits = text[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60
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
