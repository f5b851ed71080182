"""Splits: by time alone, nothing after the training part is learned from, and the rows asked for suffice."""

from __future__ import annotations

import operator
import re

import numpy as np
import pandas as pd
import pytest
import torch

from tests.helpers.tables import lay, walk
from tsforge.data import covariates, split, statistics
from tsforge.data.loader import WindowLoader, WindowSource, window_shape
from tsforge.data.season import detect_season
from tsforge.errors import DataError


def cuts_of(panel, horizon, validation=None, test=None):
    return split.split(panel, *split.sizes(panel, horizon, validation, test))


def test_parts_follow_each_other() -> None:
    """No truth of one part reaches into the next, whatever the lengths of the series."""
    panel = lay(walk((90, 40, 61)))
    cuts = split.split(panel, 12, 9)
    parts = split.parts(panel, cuts, context=10, horizon=4)
    for windows, begin, end in (
        (parts.train, panel.offsets[:-1], cuts.train),
        (parts.validation, cuts.train, cuts.validation),
        (parts.test, cuts.validation, cuts.test),
    ):
        assert len(windows)
        assert (windows.origins >= begin[windows.series]).all()
        assert (windows.origins + 4 <= end[windows.series]).all()
        assert (windows.origins - 10 >= panel.offsets[windows.series]).all()
    for i in range(3):
        assert int((parts.validation.series == i).sum()) == 12 - 4 + 1
        assert int((parts.test.series == i).sum()) == 9 - 4 + 1


def test_sizes_are_a_tenth_or_a_horizon() -> None:
    assert split.sizes(lay(walk((1000,))), 24, None, None) == (100, 100)
    assert split.sizes(lay(walk((120,))), 24, None, None) == (24, 24)
    assert split.sizes(lay(walk((1000,))), 24, 50, 0) == (50, 0)
    for wrong in ({"validation": 5, "test": None}, {"validation": None, "test": 5}):
        with pytest.raises(DataError, match="of 5 steps is shorter than the horizon of 24"):
            split.sizes(lay(walk((1000,))), 24, **wrong)


def works(rows: int, horizon: int, context: int, validation: int | None, test: int | None) -> str:
    """Empty where `rows` rows are enough, else the message."""
    panel = lay(walk((rows,)))
    try:
        split.parts(panel, cuts_of(panel, horizon, validation, test), context, horizon)
    except DataError as problem:
        return problem.message
    return ""


@pytest.mark.parametrize("horizon", [1, 2, 3, 7, 24])
@pytest.mark.parametrize("context", [1, 5, 60])
@pytest.mark.parametrize(("validation", "test"), [(None, None), (30, None), (None, 0), (None, 40), (24, 24), (50, 0)])
def test_the_rows_asked_for_suffice(horizon: int, context: int, validation: int | None, test: int | None) -> None:
    """ "N are needed" must be true: with N rows it works, with N - 1 it does not."""
    says = works(max(2, horizon), horizon, context, validation, test)
    match = re.search(r"but (\d+) are needed", says)
    assert match, says
    needed = int(match.group(1))
    assert works(needed, horizon, context, validation, test) == ""
    assert f"has {needed - 1} rows, but {needed} are needed" in works(needed - 1, horizon, context, validation, test)


def test_too_short_says_what_to_do(write_csv) -> None:
    path = write_csv(walk((20,)).to_csv(index=False))
    panel = lay(path)
    with pytest.raises(DataError, match="too short: the longest series has 20 rows") as caught:
        split.parts(panel, cuts_of(panel, 12), 24, 12)
    assert str(path) in caught.value.message
    assert "data.test=0" in caught.value.hint


def test_too_much_missing_is_not_too_short() -> None:
    frame = walk((200,))
    frame.loc[1:198, "y"] = np.nan
    panel = lay(frame)
    cuts = cuts_of(panel, 5)
    with pytest.raises(DataError, match="no window of 10\\+5 steps has an observed target on both sides"):
        split.parts(panel, cuts, 10, 5)


def test_series_too_short_to_train_on(caplog) -> None:
    panel = lay(walk((200, 12)))
    parts = split.parts(panel, split.split(panel, 10, 10), 20, 10)
    assert set(parts.train.series) == {0}
    assert "1 of 2 series have no training window; 1 of them are scored" in caplog.text


# --- nothing is learned from what comes after -------------------------------------------------------------------


def table(seed: int | None) -> pd.DataFrame:
    """Two series with every kind of covariate; from row 80 of 100 on it depends on the seed (None: as before)."""
    rng = np.random.default_rng(0)
    frame = walk((100, 100), freq="h").assign(
        y=lambda f: f["y"] + 5 * np.sin(np.arange(200) * 2 * np.pi / 24),
        load=rng.normal(size=200), price=rng.normal(size=200), kind=rng.choice(["a", "b", "c"], 200),
        plan=rng.choice(["p", "q"], 200), place=np.repeat(["x", "z"], 100),
    )  # fmt: skip
    late = np.arange(200) % 100 >= 80
    if seed is not None:
        other = np.random.default_rng(seed)
        for name in ("y", "load", "price"):
            frame.loc[late, name] = 1e4 * other.normal(size=late.sum())
        frame.loc[late, "kind"] = other.choice(["a", "0-new", "zz-new"], late.sum())
        frame.loc[late, "plan"] = "p-new"
    return frame


def learned(seed: int | None) -> dict[str, object]:
    panel = lay(table(seed), target="y", past="load,kind", future="price,plan", static="place")
    cuts = split.split(panel, 10, 10)
    encodings = covariates.fit(panel, cuts.train, use_calendar=True)
    features = covariates.encode(panel, encodings)
    source = WindowSource(panel, features, window_shape(panel, features, 12, 4, 1))
    parts = split.parts(panel, cuts, 12, 4)
    batches = list(WindowLoader(source, parts.train, 16, seed=3))
    values = {name: torch.cat([getattr(b.context, name) for b in batches]) for name in ("target", "past", "known")}
    return values | {
        "encodings": encodings,
        "level": [v.tolist() for v in statistics.level(panel, cuts.train)],
        "season": detect_season(panel, cuts.train),
        "seasonal_error": [v.tolist() for v in statistics.seasonal_error(panel, cuts.train, 24)],
        "truth": torch.cat([b.truth.target for b in batches]),
    }


def test_nothing_after_the_training_part_is_learned() -> None:
    """Other values, other categories, another season after the cut: not one learned number may move."""
    before = learned(None)
    assert before["season"] == 24
    for seed in (1, 2):
        after = learned(seed)
        for name, value in before.items():
            same = torch.equal if isinstance(value, torch.Tensor) else operator.eq
            assert same(value, after[name]), name


def test_the_change_would_show() -> None:
    """The other half of the test above: with the cut after the change, everything does move."""
    panels = [lay(table(s), target="y", past="load,kind", future="price,plan", static="place") for s in (None, 1)]
    encodings = [covariates.fit(p, p.ends, use_calendar=True) for p in panels]
    assert encodings[0] != encodings[1]
    assert statistics.level(panels[0], panels[0].ends)[0] != statistics.level(panels[1], panels[1].ends)[0]


def test_what_is_not_scored_is_said(caplog, monkeypatch) -> None:
    """A note may not promise scores that nobody computes: of a series without a window, or of windows left out."""
    monkeypatch.setattr(split, "MOST_VALIDATION", 4)
    panel = lay(walk((200, 12, 3)))
    parts = split.parts(panel, split.split(panel, 14, 14), 20, 10)
    assert "2 of 3 series have no training window; 1 of them are scored" in caplog.text
    assert len(parts.test) == 6
    assert "test windows" not in caplog.text
    parts = split.thin_test(parts, most=3)
    assert (len(parts.validation), len(parts.test)) == (4, 3)
    assert "4 of 5 validation windows are scored, evenly spaced" in caplog.text
    assert "3 of 6 test windows are scored, evenly spaced" in caplog.text


# --- a backtest's cuts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", [0, 1, 9])
@pytest.mark.parametrize("history", [None, 1, 17, 500])
@pytest.mark.parametrize("later", [0, 6])
def test_rolling_cuts_against_a_loop(gap: int, history: int | None, later: int) -> None:
    """A gap that is trained on, a history counted from the wrong end, cuts that leave a short series."""
    panel = lay(walk((90, 40, 12, 3)))
    cuts = split.split(panel, 12, 9, split.Rolling(stride=2, gap=gap, history=history, later=later))
    for i, (start, stop) in enumerate(zip(panel.offsets[:-1], panel.ends, strict=True)):
        rows = list(range(start, stop))
        test = rows[: max(len(rows) - later, 0)]
        before = test[: max(len(test) - 9, 0)]
        test = test[len(before) :]
        seen = before[: max(len(before) - gap, 0)]
        window = seen if history is None else seen[-history:]
        train, validation = seen[: max(len(seen) - 12, 0)], seen[-12:]
        assert list(range(cuts.begin[i], cuts.validation[i])) == window
        assert list(range(cuts.train[i], cuts.validation[i])) == validation
        assert list(range(cuts.begin[i], cuts.train[i])) == [r for r in train if r in window]
        assert list(range(cuts.origin[i], cuts.test[i])) == test
    assert cuts.stride == 2


def test_no_rolling_is_the_whole_of_it() -> None:
    """A plain fit that loses rows to settings of a backtest nobody asked for."""
    panel = lay(walk((90, 40)))
    plain, explicit = split.split(panel, 12, 9), split.split(panel, 12, 9, split.Rolling())
    for left, right in zip(plain, explicit, strict=True):
        np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(plain.origin, plain.validation)
    np.testing.assert_array_equal(plain.begin, panel.offsets[:-1])
    np.testing.assert_array_equal(plain.test, panel.ends)
    assert plain.stride == 1


@pytest.mark.parametrize("stride", [1, 3, 7])
def test_windows_of_a_backtest_against_a_loop(stride: int) -> None:
    """Origins at another distance, a truth of training in the gap, one of the test part beyond its end."""
    panel = lay(walk((90, 61)))
    rolling = split.Rolling(stride=stride, gap=5, history=30, later=4)
    horizon, context = 3, 8
    parts = split.parts(panel, split.split(panel, 10, 15, rolling), context, horizon)
    for i in range(2):
        begin, end = int(panel.offsets[i]), int(panel.ends[i])
        last, first = end - 4, end - 4 - 15
        expected = list(range(last - horizon, first - 1, -stride))[::-1]  # the newest window is always there
        assert parts.test.origins[parts.test.series == i].tolist() == expected
        trained = parts.train.origins[parts.train.series == i]
        assert trained.max() + horizon <= first - 5 - 10
        assert trained.min() >= max(begin, first - 5 - 30)
        held = parts.validation.origins[parts.validation.series == i]
        assert held.min() >= first - 5 - 10
        assert held.max() + horizon <= first - 5


def test_a_gap_needs_its_rows_too() -> None:
    """ "N are needed" that forgets the gap and what is kept for later origins."""
    for extra in (split.Rolling(gap=7), split.Rolling(later=5), split.Rolling(gap=3, later=4)):
        needed = 1 + 4 + 8 + 8 + extra.gap + extra.later
        enough, short = lay(walk((needed,))), lay(walk((needed - 1,)))
        assert len(split.parts(enough, split.split(enough, 8, 8, extra), 5, 4).train)
        with pytest.raises(DataError, match=f"has {needed - 1} rows, but {needed} are needed"):
            split.parts(short, split.split(short, 8, 8, extra), 5, 4)


@pytest.mark.parametrize(("wrong", "name"), [("2025-01-31", None), ("2027-06-01", "a"), ("2031-12-24", "b")])
def test_the_gap_that_leaves_no_window_is_named(wrong: str, name: str | None) -> None:
    """Prevents: `fill gaps` where one time is mistyped, which nobody can see."""
    times = [str(day.date()) for day in pd.date_range("2024-01-01", periods=300)]
    times[30] = wrong
    table = pd.DataFrame({"ds": times, "y": np.arange(300.0)})
    table = table if name is None else table.assign(item=name)
    panel = lay(table, target="y", freq="D", id="item" if name else ())
    validation, test = split.sizes(panel, 14, None, None)
    with pytest.raises(DataError, match=rf"the largest gap.*between 2024-10-26 and {wrong}"):
        split.parts(panel, split.split(panel, validation, test), 28, 14)
