"""How many threads a training computes with, held against machines that are made up."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch

from tsforge.runtime.threads import ThreadCount, available, measured, powers, sparing, threads

Cost = Callable[[int, int], float]  # (piece, threads) -> seconds


def _quiet_pool(_piece: int, threads: int) -> float:
    return {1: 1.0, 2: 0.65, 4: 0.5}[threads]


def _quiet_small(_piece: int, threads: int) -> float:
    return {1: 1.0, 2: 1.3, 4: 2.0}[threads]


def _busy(_piece: int, threads: int) -> float:
    return {1: 1.0, 2: 12.0, 4: 30.0}[threads]


def _neighbour_comes(piece: int, threads: int) -> float:
    return (_quiet_pool if piece < 600 else _busy)(piece, threads)


def _neighbour_goes(piece: int, threads: int) -> float:
    return (_busy if piece < 600 else _quiet_pool)(piece, threads)


def _run(cost: Cost, counts: list[int], pieces: int, noise: float = 0.0) -> tuple[float, ThreadCount]:
    """The seconds of so many pieces on a made-up machine."""
    use: list[int] = []
    draw = random.Random(3)
    chooser, total = ThreadCount(counts, use.append), 0.0
    for piece in range(pieces):
        seconds = cost(piece, use[-1]) * (1 + noise * draw.expovariate(1.0))
        total += seconds
        chooser.after(seconds)
    return total, chooser


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("counts", [[1, 2], [1, 2, 4]])
@pytest.mark.parametrize(("cost", "best"), [(_quiet_pool, max), (_quiet_small, min), (_busy, min)])
def test_the_fastest_count_is_found_at_little_cost(
    cost: Cost, best: Callable[[list[int]], int], counts: list[int], noise: float
) -> None:
    """Prevents: a training that takes twenty times as long beside a neighbour, or half as long again without one."""
    pieces = 1000
    total, chooser = _run(cost, counts, pieces, noise)
    assert chooser.taken[-1] == best(counts)
    least = sum(cost(piece, best(counts)) * (1 + noise) for piece in range(pieces))
    assert total <= 1.15 * least


@pytest.mark.parametrize(("cost", "last"), [(_neighbour_comes, 1), (_neighbour_goes, 2)])
def test_a_neighbour_that_comes_or_goes_is_noticed(cost: Cost, last: int) -> None:
    """Prevents: a count that was right when the training began, and no longer is."""
    _, chooser = _run(cost, [1, 2], 3000)
    assert len(chooser.taken) == 2
    assert chooser.taken[-1] == last


def test_a_single_count_is_never_left() -> None:
    """Prevents: a count that was asked for, and another one taken."""
    use: list[int] = []
    chooser = ThreadCount([3], use.append)
    for seconds in (1.0, 9.0, 90.0) * 200:
        chooser.after(seconds)
    assert (use, chooser.taken) == ([3], [3])


def test_torch_has_its_threads_back() -> None:
    """Prevents: later work on the threads that were right for the training, also after an error."""
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), measured(before + 1):
        _ = 1 // 0
    with measured(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_the_counts_that_are_tried() -> None:
    """Prevents: a machine of six cores whose six are never tried."""
    assert {most: powers(most) for most in (1, 2, 6, 8)} == {1: [1], 2: [1, 2], 6: [1, 2, 4, 6], 8: [1, 2, 4, 8]}


def test_threads_are_spared_but_for_who_asks() -> None:
    """Prevents: closed forms that wait for threads at every small step, and trainings that no longer have them."""
    with threads(3):
        with sparing(), sparing():
            assert (torch.get_num_threads(), available()) == (1, 3)
            with measured("auto") as count:
                assert count.counts == [1, 2, 3]
            with threads(2):
                assert (torch.get_num_threads(), available()) == (2, 2)
            assert (torch.get_num_threads(), available()) == (1, 3)
        assert (torch.get_num_threads(), available()) == (3, 3)
