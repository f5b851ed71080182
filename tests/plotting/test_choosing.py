"""What a picture shows is what was asked for, and what it leaves out is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.helpers import tables
from tsforge.data.panel import Panel
from tsforge.errors import ConfigError, DataError
from tsforge.plotting.choosing import ALL, Ranking, View, choose


def panel(sizes: dict[str, float], targets: tuple[str, ...] = ("y",)) -> Panel:
    """A series of 30 days for each name, about a size."""
    days = pd.date_range("2024-01-01", periods=30, freq="D")
    columns = {target: 1.0 + k for k, target in enumerate(targets)}
    parts = [
        pd.DataFrame({"t": days, "id": name, **{c: factor * size + np.arange(30) % 2 for c, factor in columns.items()}})
        for name, size in sizes.items()
    ]
    return tables.lay(pd.concat(parts), time="t", id="id", target=list(targets))


def test_many_series_are_spread_over_their_sizes() -> None:
    """Prevents: a picture of the first few of thousands, which says nothing of it."""
    laid = panel({f"s{k:02}": float(k * 37 % 20 + 1) for k in range(20)})  # sizes 1 ... 20, in no order
    chosen = choose(laid, ALL, 5)
    sizes = [laid.values[laid.offsets[i]] for i, _ in chosen.pairs]
    assert [float(s[0]) for s in sizes] == [20, 15, 10, 6, 1]
    assert chosen.note == "5 of 20 series, from the largest to the smallest; the others are not shown"


def test_named_series_in_their_order_and_commas_in_names() -> None:
    laid = panel({"a": 1, "b,c": 2, "d": 3})
    named = choose(laid, View(("d,a", "b,c")), 1)
    assert ([laid.label(i) for i, _ in named.pairs], named.note) == (["d", "a", "b,c"], "")
    with pytest.raises(DataError, match="no series 'e'"):
        choose(laid, View(("e",)), 6)
    some = Ranking(np.array([0]), np.zeros(1), "")
    with pytest.raises(DataError, match="nothing to show of series 'd'"):
        choose(laid, View(("d",)), 6, some)
    with pytest.raises(ConfigError, match="last 0 steps"):
        View(last=0)
    many = panel({f"s{k}": 1.0 for k in range(13)})
    with pytest.raises(ConfigError, match="13 series and targets"):
        choose(many, View(tuple(f"s{k}" for k in range(13))), 6)


def test_targets_of_a_series_stay_together() -> None:
    """Prevents: one target of many series, where a reader looks for another."""
    laid = panel({f"s{k}": float(k) for k in range(9)}, ("x", "y", "z"))
    assert [c for _, c in choose(laid, ALL, 6).pairs] == [0, 1, 2, 0, 1, 2]
    wide = choose(panel({"a": 1.0}, tuple("abcdefgh")), ALL, 6)
    assert (len(wide.pairs), wide.note) == (6, "the first 6 of 8 targets; the others are not shown")


def test_the_first_of_a_ranking_where_all_of_it_is_not_of_interest() -> None:
    laid = panel({f"s{k}": 1.0 for k in range(9)})
    ranking = Ranking(np.arange(9), np.array([0, 5, 0, 9, 0, 0, 7, 0, 0.0]), "those with most", spread=False)
    assert [i for i, _ in choose(laid, ALL, 3, ranking).pairs] == [3, 6, 1]
