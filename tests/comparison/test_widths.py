"""Widths are those that a search over all of them finds."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from tsforge.comparison import widths
from tsforge.comparison.config import CompareConfig
from tsforge.comparison.probes.cost import Sequences
from tsforge.data.loader import WindowShape
from tsforge.errors import ConfigError
from tsforge.model.network import parameters

SHAPE = WindowShape(context=12, horizon=4, targets=2, past=1, known=3, static=0, season=4)
CONFIG = CompareConfig()


@pytest.mark.parametrize("asked", [6000, 12_000, 40_000])
def test_parameters_are_alike_and_as_asked(asked: int) -> None:
    """Prevents: an architecture that wins by being larger."""
    counts = {name: widths.of_windows(CONFIG.model(name), SHAPE) for name in CONFIG.models}
    chosen = widths.widths(counts, asked)
    built = {name: parameters(CONFIG.model(name, width).build(SHAPE)) for name, (width, _) in chosen.items()}
    assert built == {name: count for name, (_, count) in chosen.items()}
    assert max(built.values()) / min(built.values()) <= 1.05
    assert all(abs(math.log(count / asked)) < math.log(2) for count in built.values())


def test_the_nearest_of_all_that_are_alike() -> None:
    """Against every combination of widths."""
    counts = {"coarse": lambda w: 40 * (w // 4) ** 2 + 3, "fine": lambda w: 7 * w * w + w}
    asked = 500
    chosen = widths.widths(counts, asked)
    possible = {
        name: [(w, count(w)) for w in range(2, 200) if asked / 2 <= count(w) <= asked * 2]
        for name, count in counts.items()
    }
    alike = [
        pair for pair in itertools.product(*possible.values())
        if max(c for _, c in pair) / min(c for _, c in pair) <= 1.05
    ]  # fmt: skip
    best = min(sum(abs(math.log(c / asked)) for _, c in pair) for pair in alike)
    assert sum(abs(math.log(c / asked)) for _, c in chosen.values()) == pytest.approx(best)


def test_widths_that_heads_do_not_divide_are_passed_over() -> None:
    config = CompareConfig(settings={"transformer": {"backbone": {"heads": 3}}}).model("transformer")
    ((width, count),) = widths.widths({"transformer": widths.of_windows(config, SHAPE)}, 9000).values()
    assert width % 3 == 0
    assert abs(math.log(count / 9000)) < math.log(2)


def test_where_no_widths_are_alike_it_says_which_are_nearest() -> None:
    counts = {"a": lambda w: 1000 * (w // 64 + 1) ** 2, "b": lambda w: 1300 * (w // 64 + 1) ** 2}
    with pytest.raises(ConfigError, match=r"within 5 % near 4,000; the nearest are a \d+ \(4,000\), b \d+ \(5,200\)"):
        widths.widths(counts, 4000)
    with pytest.raises(ConfigError, match="no width gives about 7 parameters"):
        widths.widths({"a": lambda w: 1000 * w}, 7)


def test_probed_networks_are_counted_as_they_are_built() -> None:
    config = CONFIG.model("gru")
    with torch.device("meta"):
        network = Sequences(config.model_copy(update={"width": 10}), 5, 2)
    assert widths.of_sequences(config)(10) == sum(p.numel() for p in network.parameters())
