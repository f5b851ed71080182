"""A series by its id and a forecast origin by its time, as a user writes them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tsforge.data.panel import Panel
from tsforge.data.schema import DataConfig
from tsforge.data.table.reading import Frame
from tsforge.data.table.times import format_times, labels, parse_times, show_time
from tsforge.data.time.calendar import wall_clock
from tsforge.errors import DataError, listing, nearest


def series(panel: Panel, name: object) -> int:
    """The series whose id is `name` (ids of several columns separated by spaces).

    Raises DataError with the nearest name where there is none.
    """
    labels = [panel.label(i) for i in range(len(panel))]
    if not panel.ids:
        raise DataError(f"{panel.name}: the table holds one series, without an id", f"leave out the series '{name}'")
    if str(name) not in labels:
        hint = nearest(str(name), labels) or f"it has {listing(labels)}"
        raise DataError(f"{panel.name}: there is no series '{name}'", hint)
    return labels.index(str(name))


def origin(panel: Panel, i: int, when: object) -> int:
    """The row of series i that is forecast first: the one at time `when`.

    Possible are the second row of the series to the one after its last observed target, from which `predict`
    forecasts.

    when: as the table writes its times, or any way that reads as a time.
    Raises DataError with the nearest possible time.
    """
    schema = panel.schema
    start, end = int(panel.offsets[i]), int(panel.ends[i])
    of = f" of series {panel.label(i)}" if panel.ids else ""
    if end <= start:
        raise DataError(f"{panel.name}: the target{of} has no observed value", "choose another series")
    rows = np.arange(start + 1, end + 1)
    stamps = panel.stamps(i, rows - start + panel.first[i])
    written = format_times(stamps, schema).astype(str)
    same = np.flatnonzero((written == str(when)).to_numpy())
    if len(same):
        return int(rows[same[0]])
    try:
        frame = Frame(pd.DataFrame({schema.time: [when]}), "the forecast origin")
        asked = parse_times(frame, schema.time, DataConfig(timezone=schema.timezone), schema)
    except DataError:
        raise DataError(f"the forecast origin '{when}' does not read as a time", f"as {written.iloc[-1]}") from None
    if asked.kind != schema.time_kind:
        raise DataError(f"the forecast origin '{when}' is no time of {panel.name}", f"as {written.iloc[-1]}")
    # As the table's own times are laid on its grid: by the local clock where the grid is one of local days.
    grid = labels(stamps, schema) if asked.local or schema.timezone is None else stamps
    on_clock = schema.wall_grid and schema.timezone is not None and not asked.local
    stamp = (wall_clock(asked.stamps, schema.timezone) if on_clock else asked.stamps)[0]
    nearby = int(np.abs(grid - stamp).argmin())
    if grid[nearby] != stamp:
        times = f"from {written.iloc[0]} to {written.iloc[-1]}"
        raise DataError(
            f"{panel.name}: no forecast{of} can begin at {when}: it is not one of the times {times}",
            f"the nearest is '{show_time(stamps[nearby], schema)}'",
        )
    return int(rows[nearby])
