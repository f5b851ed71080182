"""The columns of a table: as asked for (`DataConfig`), and as detected and kept with a model (`Schema`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from tsforge.config import Config
from tsforge.data.time.calendar import Frequency


def names(value: object) -> object:
    """Names as a tuple: from one name, names with commas, or a list of either."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple):
        return tuple(n.strip() for v in value for n in str(v).split(",") if n.strip())
    return value


def _columns(value: object) -> object:
    """Names of columns as a tuple, each whole: a comma may be part of one. `roles.resolve` cuts what is no column."""
    return (value,) if isinstance(value, str) else () if value is None else value


def _plain(names: tuple[str, ...]) -> str | tuple[str, ...]:
    """The name of one column as a text, as settings, runs and models hold it."""
    return names[0] if len(names) == 1 else names


Names = Annotated[tuple[str, ...], BeforeValidator(names)]
Columns = Annotated[tuple[str, ...], BeforeValidator(_columns)]
AtLeastOne = Annotated[int, Field(ge=1, le=1_000_000_000)]
NotNegative = Annotated[int, Field(ge=0, le=1_000_000_000)]
Steps = Annotated[int, Field(ge=1, le=100_000)]  # of a window: what memory holds many of
Season = Annotated[int, Field(ge=1, le=1_000_000)]  # a year of minutes is half of it
Duplicates = Literal["error", "mean", "sum", "first", "last"]
Aggregate = Literal["mean", "sum"]
Reconcile = Literal["bottom-up", "ols", "wls", "mint", "none"]


class DataConfig(Config):
    """The table and how it is cut. Columns left out are detected where that is unambiguous."""

    path: str | None = None  # the table: a file, a folder of files, or the name of a data set
    rows: AtLeastOne | None = None  # only the first steps of each series
    mapped: bool | None = None  # whether the panel lies on disk; None where it takes a quarter of the free memory
    cache: str | None = None  # the folder for such panels; .tsforge/panels where None
    time: Annotated[Columns, PlainSerializer(_plain)] = ()  # several are the parts of one time: year, month, day, hour
    time_format: str | None = None  # how text times are written, as %d/%m/%Y %H:%M
    dayfirst: bool | None = None  # whether 01/02/2024 is the first of February
    id: Columns = ()  # columns that tell the series apart
    hierarchy: Names = ()  # columns of the ids from the top down, "region/store"; several such that cross each other
    reconcile: Reconcile = "ols"  # how forecasts of a hierarchy are made to add up
    target: Columns = ()  # columns to forecast
    past: Columns = ()  # covariates known up to the forecast origin
    future: Columns = ()  # covariates known in advance
    static: Columns = ()  # one value per series
    category: Columns = ()  # covariates whose values are names, though they look like numbers
    decimal: Literal[".", ","] | None = None  # the decimal sign of a text file
    freq: str | None = None  # frequency of the times, as 30min, h, D, B, W, MS, QS, YS, or a number
    snap: bool = False  # round times to the grid
    duplicates: Duplicates = "error"  # rows of one series and time
    resample: str | None = None  # a longer frequency that rows are aggregated to
    aggregate: Aggregate = "mean"  # of the targets that are resampled
    timezone: str | None = None  # of local times written without an offset
    calendar: bool = True  # sin/cos of the time of day, week and year as known covariates
    holidays: Names = ()  # public ones: of countries, parts or exchanges (DE, DE-BY, NYSE), or the id column with these
    holiday_window: Annotated[int, Field(ge=0, le=366)] = 0  # days before and after a holiday that are told apart
    events: str | None = None  # a table of events: date, name, and, if wanted, before, after and id columns
    horizon: Steps | None = None  # H, steps
    context: Steps | None = None  # L, steps
    history: AtLeastOne | Literal["season"] | None = None  # least steps before a training origin: "season" for two
    # seasons, in which it can be told from noise; None for a full context
    season: Season | None = None  # steps of one season, for seasonal naive and MASE
    validation: AtLeastOne | None = None  # steps at the end of the training data, to choose the weights
    test: NotNegative | None = None  # steps at the very end, to score

    @model_validator(mode="before")
    @classmethod
    def _ids_of_hierarchy(cls, values: Any) -> Any:
        """The columns of a hierarchy are the ids, where nobody names these."""
        if isinstance(values, dict) and values.get("hierarchy") and not values.get("id"):
            paths = names(values["hierarchy"])
            parts = [part.strip() for path in paths for part in path.split("/")] if isinstance(paths, tuple) else []
            return values | {"id": tuple(dict.fromkeys(parts))}
        return values

    @property
    def joining(self) -> Literal["error", "mean", "sum", "first", "last"]:
        """How rows of one series and time are joined: as asked; as rows are aggregated, where they are resampled."""
        return self.aggregate if self.resample is not None and self.duplicates == "error" else self.duplicates


class Covariate(Config):
    """A covariate column and how it is read."""

    name: str
    kind: Literal["number", "category"]


class TimePart(Config):
    """A column with a part of the times, as the hour, and how it is written; "" for a column of dates."""

    name: str
    format: str


class Resampling(Config):
    """The shorter steps of a table's rows, and how they become the steps of its grid."""

    aggregate: Aggregate = "mean"
    source: Frequency | None = None  # of the rows; None where they follow no grid
    wall_grid: bool = False  # the rows' own grid counts local days


class Schema(Config):
    """A table's columns, as detected or as stored with a model."""

    time: str
    time_parts: tuple[TimePart, ...] = ()  # the columns that make up the time, where no one column holds it
    time_kind: Literal["datetime", "integer", "float"]
    time_format: str | None = None  # how text times are written; None for columns that are no text
    timezone: str | None = None
    local: bool = False  # times are written without an offset, in the local time of `timezone`
    wall_grid: bool = False  # the grid counts local days, not hours of UTC
    # Microseconds from the begin of a step to its end, where local times are those of the end.
    ending: Annotated[int, Field(ge=0, lt=2**53)] = 0
    snap: bool = False  # times are moved to the grid
    id: tuple[str, ...] = ()
    hierarchy: tuple[str, ...] = ()  # as asked for: the table has the series at the bottom, a panel the sums too
    target: tuple[str, ...]
    past: tuple[Covariate, ...] = ()
    future: tuple[Covariate, ...] = ()
    static: tuple[Covariate, ...] = ()
    decimal: Literal[".", ","] | None = None  # the decimal sign of the text file; None where it showed none
    dense: bool = False  # the table filled at least half of its grid
    phases: bool = False  # series begin at different places in a step
    frequency: Frequency
    duplicates: Duplicates = "error"  # rows of one series and time
    resampling: Resampling | None = None  # where the rows are shorter steps than those of the grid

    @property
    def time_columns(self) -> tuple[str, ...]:
        """The column of the times, or the columns that make them up."""
        return tuple(p.name for p in self.time_parts) or (self.time,)

    def columns(self) -> tuple[str, ...]:
        """Every column that a table must have to be used with this schema, but the targets' order."""
        covariates = (*self.past, *self.future, *self.static)
        return (*self.time_columns, *self.id, *self.target, *(c.name for c in covariates))
