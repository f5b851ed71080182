"""Public holidays of countries, their parts, and exchanges, from the package `holidays`, which needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from types import ModuleType
from typing import TYPE_CHECKING

from tsforge.data.occasions.occasion import Occasion
from tsforge.errors import ConfigError, DataError, listing

if TYPE_CHECKING:
    from collections.abc import Iterable

YEARS_AHEAD = 25  # that are kept with a model, behind the last of its table
_OLD, _LATE = 1900, 2100  # years in which a rule may still say something


def of_places(places: Sequence[str], years: tuple[int, int], window: int) -> list[Occasion]:
    """The holidays of each place: all of its days under one name.

    places: as DE, DE-BY or NYSE. years: the first and the last of a table. window: days before and after.
    Raises ConfigError for a place that is not known, or where the package is not installed.
    """
    found, (first, last) = [], _span(years)
    for place in dict.fromkeys(places):
        days = _days(place, range(first, last + 1))
        found.append(_occasion(f"holiday {place}", {"": days}, (first, last), window))
    return found


def by_column(column: str, codes: Iterable[str], years: tuple[int, int], window: int) -> Occasion:
    """The holidays of the places that a column of ids names, for the series of each.

    Raises ConfigError as `of_places`.
    """
    first, last = _span(years)
    days = {code: _days(code, range(first, last + 1)) for code in codes}
    return _occasion("holiday", days, (first, last), window).model_copy(update={"by": (column,)})


def _span(years: tuple[int, int]) -> tuple[int, int]:
    return max(years[0] - 1, _OLD), min(years[1] + YEARS_AHEAD, _LATE)


def _occasion(name: str, days: dict[str, tuple[date, ...]], years: tuple[int, int], window: int) -> Occasion:
    since, until = date(years[0], 1, 1), date(years[1], 12, 31)
    return Occasion(name=name, days=days, before=window, after=window, since=since, until=until)


def _days(place: str, years: range) -> tuple[date, ...]:
    """The holidays of a place in some years, as they were kept: those moved from a weekend on their new day too.

    Raises DataError where the package knows none of them.
    """
    package = _package()
    code, _, part = place.partition("-")
    countries, markets = package.list_supported_countries(), package.list_supported_financial()
    try:
        if code in countries:
            calendar = package.country_holidays(code, subdiv=part or None, years=years)
        elif place in markets:
            calendar = package.financial_holidays(place, years=years)
        else:
            upper = place.upper()
            known = upper.partition("-")[0] in countries or upper in markets
            hint = f"did you mean '{upper}'?" if known else "codes of ISO 3166, as DE or US-CA, or exchanges, as NYSE"
            raise ConfigError(f"data.holidays: '{place}' is no country or exchange that is known", hint)
    except NotImplementedError:
        parts = countries[code]
        hint = f"parts of {code}: {listing(parts, 40)}" if parts else f"{code} has no parts: name {code} alone"
        raise ConfigError(f"data.holidays: '{place}': {code} has no part '{part}'", hint) from None
    if not calendar:
        raise DataError(f"no holiday of {place} is known from {years[0]} to {years[-1]}", "leave out data.holidays")
    return tuple(sorted(calendar))


def _package() -> ModuleType:
    try:
        import holidays
    except ImportError:
        hint = "pip install 'tsforge-toolkit[holidays]'; or name the days yourself, in a file of data.events"
        raise ConfigError("data.holidays needs the package holidays", hint) from None
    package: ModuleType = holidays
    return package
