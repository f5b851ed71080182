"""The loader: one gather against slow slicing, and an order of batches that depends on the seed alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.tables import lay, walk
from tsforge.data import covariates
from tsforge.data.loader import WindowLoader, WindowSource, window_shape
from tsforge.data.panel import Panel
from tsforge.data.windows import Windows, cut, last


def source_of(panel: Panel, context: int, horizon: int) -> tuple[WindowSource, covariates.Features]:
    features = covariates.encode(panel, covariates.fit(panel, panel.ends, use_calendar=True))
    return WindowSource(panel, features, window_shape(panel, features, context, horizon, 1)), features


def table(lengths: list[int], seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = walk(tuple(lengths), seed=seed)
    n = len(frame)
    frame = frame.assign(z=rng.normal(size=n), p=rng.normal(size=n), f=rng.normal(size=n))
    frame["s"] = frame["item"].str[1:].astype(float)
    return frame.assign(y=frame["y"].where(rng.random(n) < 0.8, np.nan).fillna({0: 1.0}))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(2, 30), min_size=1, max_size=5), st.integers(1, 20), st.integers(1, 6), st.integers(0, 10**6)
)
def test_gather_is_slicing(lengths: list[int], context: int, horizon: int, seed: int) -> None:
    """Every field of every window, the padding before short series included, against a slice of the panel."""
    panel = lay(table(lengths, seed), target="y,z", past="p", future="f", static="s", id="item")
    source, features = source_of(panel, context, horizon)
    windows = cut(panel, panel.offsets[:-1], panel.ends, context, horizon)
    batch = source.gather(source.starts(windows), torch.from_numpy(windows.series))
    assert len(batch.context.target) == len(windows)
    for w, (origin, i) in enumerate(zip(windows.origins, windows.series, strict=True)):
        rows = np.arange(origin - context, origin)
        inside = rows >= panel.offsets[i]
        own = rows[inside]

        def padded(values: np.ndarray, inside: np.ndarray = inside, own: np.ndarray = own) -> np.ndarray:
            out = np.zeros((context, values.shape[1]), dtype=values.dtype)
            out[inside] = values[own]
            return out

        np.testing.assert_array_equal(batch.context.target[w], padded(panel.values))
        np.testing.assert_array_equal(batch.context.observed[w], padded(panel.observed))
        np.testing.assert_array_equal(batch.context.past[w], padded(features.past))
        ahead = features.known[origin : origin + horizon]
        np.testing.assert_array_equal(batch.context.known[w], np.concatenate([padded(features.known), ahead]))
        np.testing.assert_array_equal(batch.context.static[w], features.static[i])
        np.testing.assert_array_equal(batch.truth.target[w], panel.values[origin : origin + horizon])
        np.testing.assert_array_equal(batch.truth.observed[w], panel.observed[origin : origin + horizon])


def test_windows_know_their_grid_positions() -> None:
    """A phase that counts from the first row of a table or of its padding, or is that of another series."""
    frame = walk((50, 6, 30))
    later = frame.groupby("item").tail(4)
    for table_, length in ((frame, 12), (later, 12)):
        panel = lay(table_)
        source, _ = source_of(panel, length, 2)
        windows = cut(panel, panel.offsets[:-1], panel.ends, length, 2)
        batch = source.gather(source.starts(windows), torch.from_numpy(windows.series))
        assert batch.context.ordinal.dtype == torch.int64
        days = panel.schema.frequency.stamps(batch.context.ordinal.numpy()).astype("M8[us]")
        for w, (origin, i) in enumerate(zip(*windows, strict=True)):
            dates = table_.loc[table_["item"] == f"s{i}", "ds"].to_numpy()
            assert days[w] == dates[0] + np.timedelta64(int(origin - panel.offsets[i]) - length, "D")


def test_context_never_reaches_into_another_series() -> None:
    """A short second series is padded with nothing, not with the end of the first."""
    frame = walk((50, 6)).assign(y=lambda f: np.where(f["item"] == "s0", 1e6, 1.0))
    panel = lay(frame)
    source, _ = source_of(panel, 20, 2)
    windows = cut(panel, panel.offsets[:-1], panel.ends, 20, 2)
    batch = source.gather(source.starts(windows), torch.from_numpy(windows.series))
    short = torch.from_numpy(windows.series) == 1
    assert short.any()
    assert batch.context.target[short].max() == 1.0
    assert batch.context.observed[short].sum(dim=(1, 2)).max() <= 6


def loader(seed: int | None, batch_size: int = 16) -> WindowLoader:
    panel = lay(walk((80, 60)))
    source, _ = source_of(panel, 8, 3)
    return WindowLoader(source, cut(panel, panel.offsets[:-1], panel.ends, 8, 3), batch_size, seed)


def epoch(loader: WindowLoader) -> torch.Tensor:
    return torch.cat([b.truth.target for b in loader])


def test_order_depends_on_seed_and_epoch_alone() -> None:
    """A run can be repeated, and continued at an epoch, whatever else has drawn random numbers."""
    first = loader(5)
    epochs = [epoch(first) for _ in range(3)]
    torch.manual_seed(999)
    np.random.default_rng(1).random(10)
    again = loader(5)
    assert torch.equal(epoch(again), epochs[0])
    resumed = loader(5)
    resumed.epoch = 2
    assert torch.equal(epoch(resumed), epochs[2])
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epoch(loader(6)), epochs[0])


@pytest.mark.parametrize("seed", [0, 7, 2**40])
def test_order_is_that_of_64_bits(seed: int) -> None:
    """Prevents: another order where the positions of windows are held in fewer bits."""
    batches = loader(seed)
    state = np.random.SeedSequence([seed, 0]).generate_state(1, np.uint64)
    generator = torch.Generator().manual_seed(int(state[0]) & (2**63 - 1))
    order = torch.randperm(len(batches._origins), generator=generator)
    rows = torch.cat([batches.batch(i).truth.target for i in range(len(batches))])
    np.testing.assert_array_equal(torch.cat([batch.truth.target for batch in batches]), rows[order])


def test_global_random_state_is_left_alone() -> None:
    """Shuffling may not change what a network draws for its weights or its dropout."""
    torch.manual_seed(3)
    before = torch.get_rng_state()
    epoch(loader(5))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("ranks", "batch_size"), [(2, 16), (3, 7), (5, 5), (4, 128)])
@pytest.mark.parametrize("skipped", [0, 2])
def test_shares_of_a_batch_are_the_batch(ranks: int, batch_size: int, skipped: int) -> None:
    """Prevents: processes that train on other windows together than one would alone, or on some of them twice; one that
    has fewer batches than the others, who wait for it."""
    whole = loader(5, batch_size)
    parts = [loader(5, batch_size) for _ in range(ranks)]
    for rank, part in enumerate(parts):
        part.share(rank, ranks)
    for one in (whole, *parts):
        one.skip(skipped)
    for _ in range(2):
        shares = list(zip(*parts, strict=True))
        for batch, several in zip(whole, shares, strict=True):
            counts = [len(share.truth.target) for share in several]
            assert max(counts) - min(counts) <= 1
            rows = [several[i % ranks].truth.target[i // ranks] for i in range(sum(counts))]
            assert torch.equal(torch.stack(rows), batch.truth.target)


def test_every_window_once_per_epoch() -> None:
    """Shuffled or not, the same windows; the last batch may be smaller but is not dropped."""
    plain = epoch(loader(None))
    shuffled = loader(5, batch_size=7)
    got = epoch(shuffled)
    assert len(shuffled) == -(-len(plain) // 7) == len(list(shuffled))
    assert sorted(map(tuple, got[..., 0].tolist())) == sorted(map(tuple, plain[..., 0].tolist()))
    assert torch.equal(plain, epoch(loader(None, batch_size=5)))


def test_feed_writes_behind_the_context() -> None:
    """A roll-out reads its own forecasts as observed, and only those of its own series."""
    frame = walk((30, 13))
    frame.loc[[26, 27, 28, 29, 39, 40, 41, 42], "y"] = np.nan
    panel = lay(frame)
    source, _ = source_of(panel, 6, 2)
    here = last(panel)
    forecast = torch.tensor([[[1.5], [2.5]], [[-1.0], [-2.0]]])
    source.feed(source.starts(here), forecast, torch.ones(2, 1, 1, dtype=torch.bool))
    behind = Windows(here.origins + 2, here.series)
    batch = source.gather(source.starts(behind), torch.from_numpy(behind.series))
    assert torch.equal(batch.context.target[:, -2:], forecast)
    assert batch.context.observed[:, -2:].all()
    for w, origin in enumerate(here.origins):
        np.testing.assert_array_equal(batch.context.target[w, :4], panel.values[origin - 4 : origin])


def test_feed_leaves_out_what_was_never_observed() -> None:
    """A number for a target that a series never had would be read as its past, and move its other targets."""
    frame = walk((20, 20)).assign(z=1.0)
    frame.loc[frame["item"] == "s1", "z"] = np.nan
    panel = lay(frame, target="y,z")
    source, _ = source_of(panel, 6, 2)
    early = Windows(panel.ends - 4, np.arange(2))
    seen = torch.from_numpy(~panel.never)[:, None]
    source.feed(source.starts(early), torch.full((2, 2, 2), 7.0), seen)
    context = source.gather(source.starts(Windows(early.origins + 2, early.series)), torch.arange(2)).context
    assert context.target[:, -2:].tolist() == [[[7, 7], [7, 7]], [[7, 0], [7, 0]]]
    assert context.observed[:, -2:].tolist() == [[[True, True]] * 2, [[True, False]] * 2]


def test_shape_counts_the_features() -> None:
    panel = lay(table([40, 40], 1), target="y,z", past="p", future="f", static="s")
    source, features = source_of(panel, 10, 4)
    shape = source.shape
    assert (shape.context, shape.horizon, shape.targets, shape.past, shape.static) == (10, 4, 2, 1, 1)
    assert shape.known == features.known.shape[1] == 1 + 2 * 3  # the covariate, three harmonics of the week
