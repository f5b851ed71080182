"""Folders given as tables, and targets without any value: the words that a reader looks for are in the message."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.commands import Capsys, fails
from tests.helpers.tables import daily, days
from tsforge.cli.main import run


@pytest.fixture
def folder(home: Path) -> Path:
    """A table, a model of it, and folders of several kinds beside them."""
    daily(n=60).to_csv("sales.csv", index=False)
    assert run(["fit", "sales.csv", "--horizon", "4", "--model", "naive", "--no-track", "--out", "m"]) == 0
    for name in ("nothing", "tables", "looks-like.csv", "of.parquet"):
        (home / name).mkdir()
    daily(n=60).to_csv("tables/sales.csv", index=False)
    (home / "link").symlink_to("tables")
    return home


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["nothing", "tables", "tables/", "looks-like.csv", "of.parquet", "link", ".", "m"])
@pytest.mark.parametrize("command", [["fit"], ["inspect"], ["predict", "m"], ["backtest", "m"]])
def test_a_folder_given_as_data_is_called_one(command: list[str], name: str, capsys: Capsys) -> None:
    """Prevents: "[Errno 21]", or a search for a time column where there is no file."""
    capsys.readouterr()
    assert "directory" in fails(capsys, *command, name)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("cell", ["", "NA", "nan", "-", "null", "?", "parquet"])
@pytest.mark.parametrize("others", [[], ["z"]])
def test_a_target_without_any_value_is_called_empty(cell: str, others: list[str], capsys: Capsys) -> None:
    """Prevents: an error about windows or types for a column in which nothing stands."""
    name, data = "t.csv", pd.DataFrame({"t": days(40), "y": [cell] * 40, "z": np.arange(40.0)})
    if cell == "parquet":
        name = "t.parquet"
        data.assign(y=np.nan).to_parquet(name)
    else:
        data.to_csv(name, index=False)
    for command in ("fit", "backtest"):
        said = fails(
            capsys, command, name, "--target", *others, "y", "--horizon", "3", "--model", "drift", "--no-track"
        )
        for word in (name, "'y'", "empty", "missing"):
            assert word in said
