"""Positions, seasons and what each token sees, against slow loops."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.draw import SHAPE, context
from tsforge.batch import Context, WindowShape
from tsforge.model.tokens.point import PointTokens, cycle_before, gain, lagged, sinusoids


@pytest.mark.parametrize("width", [2, 3, 7, 8])
def test_sinusoids_are_the_formula(width: int) -> None:
    """Sines and cosines in the wrong columns, a wrong rate, an odd width that does not fit."""
    table = sinusoids(40, width)
    assert table.shape == (40, width)
    for pos, column in product(range(40), range(width)):
        angle = pos / 10_000 ** (2 * (column // 2) / width)
        expected = math.sin(angle) if column % 2 == 0 else math.cos(angle)
        assert float(table[pos, column]) == pytest.approx(expected, abs=1e-6)


@given(L=st.integers(1, 30), H=st.integers(1, 30), cycle=st.integers(1, 40))
def test_cycle_before_is_the_newest_known_step_of_the_same_phase(L: int, H: int, cycle: int) -> None:
    """A seasonal value from the future, from another phase, or from an older cycle than necessary."""
    actual = cycle_before(WindowShape(L, H, 1, 0, 0, 0), cycle).tolist()
    assert len(actual) == L + H
    for step, before in enumerate(actual):
        known = [j for j in range(min(L, step)) if (step - j) % cycle == 0]
        assert before == max(known, default=-1)
        assert before < L


@given(L=st.integers(1, 8), before=st.lists(st.integers(-1, 7), min_size=1, max_size=12))
def test_lagged_picks_steps_and_reads_0_where_there_is_none(L: int, before: list[int]) -> None:
    """Position -1 read from the end of the window, which is the newest value."""
    before = [min(b, L - 1) for b in before]
    x = torch.randn(2, L, 3, generator=torch.Generator().manual_seed(L))
    actual = lagged(x, torch.tensor(before))
    for t, b in enumerate(before):
        expected = x[:, b] if b >= 0 else torch.zeros(2, 3)
        assert torch.equal(actual[:, t], expected)


def seen_by(field: str, step: int, *, seasonal: bool, shape: WindowShape) -> set[int]:
    """The tokens (past and future in one count) that may know `field` at `step`; the slow truth."""
    L, H = shape.context, shape.horizon
    own = {step}
    if field in ("target", "observed") and seasonal:
        for cycle in shape.lags:
            later = {t for t in range(step + 1, L + H) if (t - step) % cycle == 0}
            own |= {t for t in later if max(j for j in range(min(L, t)) if (t - j) % cycle == 0) == step}
    return own


def tokens_moved(tokens: PointTokens, shape: WindowShape, field: str, step: int) -> set[int]:
    """The tokens that change with `field` at `step`."""
    torch.manual_seed(0)
    embedding = tokens.build(shape, 8)
    given_ = context(shape, missing=0.0)
    before = torch.cat(embedding.embed(given_), dim=1)
    value = getattr(given_, field).clone()
    value[:, step] = ~value[:, step] if field == "observed" else value[:, step] + 1
    after = torch.cat(embedding.embed(given_._replace(**{field: value})), dim=1)
    return set(torch.nonzero((after != before).any(-1).any(0)).flatten().tolist())


@pytest.mark.parametrize("lags", [(1,), (4,), (3, 4, 7), (2, 15)])
@pytest.mark.parametrize("seasonal", [True, False])
@pytest.mark.parametrize("channels", ["mixed", "shared"])
def test_a_token_sees_its_step_and_whole_cycles_before(channels: str, seasonal: bool, lags: tuple[int, ...]) -> None:
    """Values that reach a token of another step: a leak, or a covariate that is shifted by one."""
    shape = SHAPE._replace(lags=lags)
    tokens = PointTokens(channels=channels, seasonal=seasonal)
    for field in ("target", "observed", "past", "known"):
        steps = shape.context + (shape.horizon if field == "known" else 0)
        for step in range(steps):
            expected = seen_by(field, step, seasonal=seasonal, shape=shape)
            assert tokens_moved(tokens, shape, field, step) == expected, (field, step)


@pytest.mark.parametrize("channels", ["mixed", "shared"])
def test_every_token_sees_the_static_features(channels: str) -> None:
    """Features of the series that never reach one of the two streams."""
    embedding = PointTokens(channels=channels).build(SHAPE, 8)
    given_ = context(SHAPE)
    before = embedding.embed(given_)
    after = embedding.embed(given_._replace(static=given_.static + 1))
    for a, b in zip(after, before, strict=True):
        assert (a != b).any(-1).all()


def test_shared_channels_do_not_see_each_other() -> None:
    """Sequences of shared weights that mix channels, or are cut out of the wrong axis."""
    embedding = PointTokens(channels="shared").build(SHAPE, 8)
    given_ = context(SHAPE)
    other = given_.target.clone()
    other[:, :, 1] += 1
    before, after = (embedding.embed(c)[0] for c in (given_, given_._replace(target=other)))
    moved = (before != after).flatten(1).any(1)
    assert moved.unflatten(0, (-1, SHAPE.targets)).tolist() == [[False, True]] * 4


def test_each_step_has_its_own_position() -> None:
    """A past and a future that both count from 0, so that order is lost at the origin."""
    shape = SHAPE._replace(known=0, static=0, past=0)
    embedding = PointTokens(seasonal=False).build(shape, 8)
    nothing = context(shape)._replace(target=torch.zeros(4, 12, 2), observed=torch.zeros(4, 12, 2, dtype=torch.bool))
    past, future = embedding.embed(Context(*nothing))
    constant = torch.cat([embedding.past.bias.expand(12, -1), embedding.start.expand(5, -1)])
    actual = torch.cat([past, future], dim=1)[0] - constant
    torch.testing.assert_close(actual.detach(), sinusoids(17, 8), rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels", ["mixed", "shared"])
def test_a_step_is_what_its_embedding_would_embed(channels: str) -> None:
    """Features left out, moved by a step, or of another channel where nothing embeds them; other future tokens."""
    torch.manual_seed(0)
    embedded = PointTokens(channels=channels).build(SHAPE, 8)
    plain = PointTokens(channels=channels, type="step").build(SHAPE, 8)
    plain.load_state_dict({k: v for k, v in embedded.state_dict().items() if k in plain.state_dict()}, strict=False)
    given_ = context(SHAPE)
    (past, future), (steps, ahead) = embedded.embed(given_), plain.embed(given_)
    assert steps.shape[-1] == plain.shape.inputs == embedded.past.in_features
    torch.testing.assert_close(embedded.past(steps / plain.gain) + embedded.positions[: SHAPE.context], past)
    torch.testing.assert_close(ahead, future)


@pytest.mark.parametrize(("channels", "features"), [("shared", 8), ("mixed", 16)])
def test_the_head_is_at_width_where_a_step_answers_one_channel(channels: str, features: int) -> None:
    """Answers squeezed through fewer numbers than the state has, or of one channel read as another's."""
    tokens = PointTokens(channels=channels, type="step").build(SHAPE, 8)
    sequences = 4 * (SHAPE.targets if channels == "shared" else 1)
    h = torch.randn(sequences, SHAPE.horizon, 8)
    out = tokens.readout(h)
    assert tokens.features == features
    assert out.shape == (4, SHAPE.horizon, SHAPE.targets, features)
    if channels == "shared":
        assert torch.equal(out[3, :, 1], h[7])


@pytest.mark.parametrize(
    ("features", "width", "times"), [(16, 64, 4), (32, 64, 2), (100, 64, 1), (2, 64, 4), (1, 2, 2)]
)
def test_few_features_count_as_many_times_as_they_are_fewer(features: int, width: int, times: float) -> None:
    """Prevents: tables of many columns that are learned too fast, whose forecasts were 3 to 7 % worse."""
    assert gain(features, width) == times
