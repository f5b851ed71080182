"""Widths at which different architectures have the same number of parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch

from tsforge.batch import WindowShape
from tsforge.comparison.probes.cost import Sequences
from tsforge.errors import ConfigError
from tsforge.model.network import Neural, parameters

WITHIN = 0.05  # the largest count may exceed the smallest by so much
AROUND = 2.0  # how far from what was asked for is looked
MOST_WIDTH = 4096

Count = Callable[[int], int]


def of_windows(config: Neural, shape: WindowShape) -> Count:
    """Parameters of a forecaster by width; nothing is computed. Raises ConfigError for an impossible width."""

    def count(width: int) -> int:
        with torch.device("meta"):
            return parameters(config.model_copy(update={"width": width}).build(shape))

    return count


def of_sequences(config: Neural) -> Count:
    """Parameters of a probed backbone by width."""

    def count(width: int) -> int:
        with torch.device("meta"):
            return parameters(Sequences(config.model_copy(update={"width": width}), 2, 2))

    return count


def widths(counts: Mapping[str, Count], asked: int) -> dict[str, tuple[int, int]]:
    """(width, parameters) of each model: alike within 5 %, and together as near to `asked` as that allows.

    Raises ConfigError where no widths make them alike.
    """
    possible = {model: _possible(count, asked) for model, count in counts.items()}
    for model, sizes in possible.items():
        if not sizes:
            raise ConfigError(f"{model}: no width gives about {asked:,} parameters", "ask for more compare.parameters")
    choices = [
        {model: min(sizes, key=lambda wc: abs(math.log(wc[1] / target))) for model, sizes in possible.items()}
        for target in sorted({count for sizes in possible.values() for _, count in sizes})
    ]
    alike = [choice for choice in choices if _spread(choice) <= WITHIN]
    if not alike:
        best = min(choices, key=_spread)
        raise ConfigError(
            f"no widths give {', '.join(counts)} the same number of parameters within 5 % near {asked:,}; the nearest "
            f"are {', '.join(f'{m} {w} ({c:,})' for m, (w, c) in best.items())}",
            "ask for other compare.parameters, or for fewer heads, of which a width is a multiple",
        )
    return min(alike, key=lambda choice: sum(abs(math.log(count / asked)) for _, count in choice.values()))


def _spread(choice: Mapping[str, tuple[int, int]]) -> float:
    counts = [count for _, count in choice.values()]
    return max(counts) / min(counts) - 1


def _possible(count: Count, asked: int) -> list[tuple[int, int]]:
    """Widths, and their counts, around what was asked for. Counts grow with the width."""
    sizes = []
    for width in range(_below(count, asked / AROUND), MOST_WIDTH):
        try:
            now = count(width)
        except ConfigError:  # no multiple of the heads
            continue
        if now > asked * AROUND:
            break
        if now >= asked / AROUND:
            sizes.append((width, now))
    return sizes


def _below(count: Count, limit: float) -> int:
    """A power of two whose network is still too small, to begin from."""
    width = 2
    while width < MOST_WIDTH:
        try:
            if count(2 * width) >= limit:
                return width
        except ConfigError:
            pass
        width *= 2
    return 2
