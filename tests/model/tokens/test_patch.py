"""Patches, what each of them sees, and how they are read out, against slow loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.draw import SHAPE, context
from tsforge.batch import WindowShape
from tsforge.errors import ConfigError
from tsforge.model.backbones.transformer import Transformer
from tsforge.model.tokens.patch import PatchTokens, patches
from tsforge.model.tokens.point import TokenShape
from tsforge.settings import build

LONG = SHAPE._replace(context=13, horizon=7)
TOKENS = (PatchTokens(length=4), PatchTokens(length=5, stride=2), PatchTokens(length=3, stride=3, activation="relu"))


@given(T=st.integers(1, 20), length=st.integers(1, 8), stride=st.integers(1, 8))
def test_patches_against_a_loop(T: int, length: int, stride: int) -> None:
    """Newest steps cut off in place of the oldest filled up; a step that no patch has; values out of order."""
    length = min(length, T)
    stride = min(stride, length)
    x = torch.randn(2, T, 3, generator=torch.Generator().manual_seed(T))
    actual = patches(x, length, stride)
    ends = range(T, length - stride, -stride) if length < T else [T]
    ends = sorted(e for e in ends if e > 0)
    assert actual.shape == (2, len(ends), 3 * length)
    for n, end in enumerate(ends):
        own = actual[:, n].view(2, 3, length)  # values of a step lie apart
        for i, step in enumerate(range(end - length, end)):
            assert torch.equal(own[..., i], x[:, step] if step >= 0 else torch.zeros(2, 3))
    assert ends[0] - length <= 0 < ends[0]  # all steps are in some patch


@given(T=st.integers(1, 30), length=st.integers(1, 9))
def test_patches_side_by_side_are_the_series_again(T: int, length: int) -> None:
    """Steps lost, doubled or moved where patches do not overlap."""
    x = torch.randn(2, T, 1, generator=torch.Generator().manual_seed(T))
    assert torch.equal(patches(x, length, length).flatten(1)[:, -T:], x[..., 0])


def stretches(tokens: PatchTokens, shape: WindowShape) -> list[set[int]]:
    """The steps of each token, past and future in one count; the slow truth."""
    L, H = shape[:2]
    length, stride, ahead = min(tokens.length, L), tokens.stride or tokens.length, min(tokens.length, H)
    past, end = [], L
    while True:
        past.append({step for step in range(end - length, end) if step >= 0})
        if end - length <= 0:
            break
        end -= stride
    future = [set(range(L + a, L + min(a + ahead, H))) for a in range(0, H, ahead)]
    return past[::-1] + future


@pytest.mark.parametrize("readout", ["future", "flatten"])
@pytest.mark.parametrize("tokens", TOKENS)
def test_a_token_sees_its_own_steps_alone(tokens: PatchTokens, readout: str) -> None:
    """Values that reach a token of other steps: a leak, or covariates that are shifted."""
    tokens = tokens.model_copy(update={"readout": readout})
    torch.manual_seed(0)
    embedding = tokens.build(LONG, 64)  # so wide that relu hides nothing
    steps, given_ = stretches(tokens, LONG), context(LONG, missing=0.0)
    before = torch.cat(embedding.embed(given_), dim=1)
    assert before.shape[:2] == (4 * LONG.targets, len(steps))
    for field in ("target", "observed", "past", "known"):
        for step in range(LONG.context + (LONG.horizon if field == "known" else 0)):
            value = getattr(given_, field).clone()
            value[:, step] = ~value[:, step] if field == "observed" else value[:, step] + 1
            after = torch.cat(embedding.embed(given_._replace(**{field: value})), dim=1)
            moved = torch.nonzero((after != before).any(-1).any(0)).flatten().tolist()
            assert moved == [t for t, own in enumerate(steps) if step in own], (field, step)
    after = torch.cat(embedding.embed(given_._replace(static=given_.static + 1)), dim=1)
    assert (after != before).any(-1).all()


def test_channels_are_sequences_of_their_own() -> None:
    """A channel's values in another channel's tokens, or a channel's vector given to another."""
    given_ = context(LONG, missing=0.0)
    same = given_._replace(target=given_.target[..., :1].expand(-1, -1, LONG.targets))
    for embedding in (False, True):
        net = PatchTokens(length=4, channel_embedding=embedding).build(LONG, 8)
        first, second = torch.cat(net.embed(same), dim=1).view(4, LONG.targets, -1, 8).unbind(1)
        vectors = net.channel.squeeze(1) if net.channel is not None else torch.zeros(2, 8)
        torch.testing.assert_close(second - first, (vectors[1] - vectors[0]).expand_as(first))
        assert torch.equal(first, second) != embedding


def test_future_tokens_are_read_out_to_their_own_steps() -> None:
    """Steps of one segment in another, or channels of one window in another window."""
    tokens = PatchTokens(length=4, features=3)
    embedding = tokens.build(LONG, 6)
    B, C, M = 2, LONG.targets, 2
    h = torch.randn(B * C, M, 6)
    actual = embedding.readout(h)
    assert actual.shape == (B, LONG.horizon, C, 3)
    for b in range(B):
        for c in range(C):
            for step in range(LONG.horizon):
                own = embedding.own(h[b * C + c, step // 4]).view(4, 3)[step % 4]
                torch.testing.assert_close(actual[b, step, c], own)


@pytest.mark.parametrize("known", [0, 3])
def test_flattened_tokens_are_read_out_together(known: int) -> None:
    """Tokens of other channels in the same row, or future tokens that nobody reads."""
    shape = LONG._replace(known=known)
    embedding = PatchTokens(length=4, readout="flatten", features=3).build(shape, 6)
    B, C, N, M = 2, shape.targets, 4, 2 if known else 0
    assert embedding.shape == TokenShape(0, N + M, 6)
    h = torch.randn(B * C, N + M, 6)
    actual = embedding.readout(h)
    for b in range(B):
        for c in range(C):
            channel = h[b * C + c]
            together = embedding.all(torch.cat([channel[n] for n in range(N)])).view(shape.horizon, 3)
            for step in range(shape.horizon):
                own = embedding.own(channel[N + step // 4]).view(4, 3)[step % 4] if known else 0
                torch.testing.assert_close(actual[b, step, c], together[step] + own)


@pytest.mark.parametrize("readout", ["future", "flatten"])
@pytest.mark.parametrize(("L", "H"), [(1, 1), (3, 2), (3, 30), (30, 3), (24, 24), (25, 25)])
def test_patches_fit_into_any_window(L: int, H: int, readout: str) -> None:
    """A segment of 24 steps asked of a window that has fewer, or of one more."""
    shape = SHAPE._replace(context=L, horizon=H)
    embedding = PatchTokens(readout=readout).build(shape, 8)
    past, future = embedding.embed(context(shape))
    assert (past.shape[1], future.shape[1], 8) == embedding.shape[:3]
    assert embedding.readout(future).shape == (4, H, SHAPE.targets, embedding.features)


def test_dropout_acts_on_the_readout_in_training_only() -> None:
    """A dropout that is declared and forgotten, or that stays on when forecasting."""
    embedding = PatchTokens(length=4, dropout=0.5).build(LONG, 8)
    h = torch.randn(4, 2, 8)
    assert not torch.equal(embedding.readout(h), embedding.readout(h))
    embedding.eval()
    assert torch.equal(embedding.readout(h), embedding.readout(h))


def test_a_stride_that_leaves_steps_out_is_refused() -> None:
    """Steps between the patches that no token sees, and nobody knows."""
    with pytest.raises(ConfigError, match="a stride of 5 leaves out steps between patches of 4") as problem:
        build({"model.kind": "patch-gru", "model.tokens.length": 4, "model.tokens.stride": 5})
    assert "model.tokens" in problem.value.message


def test_an_encoder_decoder_without_a_past_is_refused() -> None:
    """A softmax over nothing: NaN in every forecast."""
    shape = PatchTokens(length=4, readout="flatten").build(LONG, 8).shape
    with pytest.raises(ConfigError, match="encoder-decoder") as problem:
        Transformer().build(shape)
    assert "'encoder'" in problem.value.hint


@pytest.mark.parametrize(("season", "expected"), [(1, 2), (4, 4), (12, 6)])
def test_a_season_is_a_length(season: int, expected: int) -> None:
    """Tokens of single years, or of a season that the context does not hold."""
    shape = WindowShape(6, 5, 1, 0, 0, 0, season=season)
    assert PatchTokens(length="season").build(shape, 8).length == expected
