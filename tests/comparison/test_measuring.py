"""The probes of a comparison are those of each architecture alone, however many processes share the work."""

from __future__ import annotations

import pytest

from tsforge import probes, tasks
from tsforge.comparison import measuring
from tsforge.comparison.config import CompareConfig

ASKED = {
    "parameters": 3000, "lengths": (8, 16), "tokens": 64, "repeats": 1, "sequences": 2, "lags": (4, 8), "seeds": 2,
    "steps": 60, "reach": 8, "batch": 8,
}  # fmt: skip


def test_probes_are_those_of_each_alone() -> None:
    """Prevents: figures of one architecture in the column of another."""
    config = CompareConfig.model_validate({"models": ["lstm", "transformer-decoder"], "probes": ASKED})
    said: list[str] = []
    found = measuring.probe(config, said.append)
    assert list(found) == ["lstm", "transformer-decoder"]
    assert config.probes
    for name, probed in found.items():
        model = config.model(name, probed.width)
        assert probed.chain == probes.dependent_operations(model, (8, 16))
        assert probed.saved == probes.saved_bytes(model, (8, 16), 2)
        assert probed.attempts["recall"][0] == tasks.attempt(model, "recall", 4, 0, config.probes.budget)[0]
        assert {a.lag for a in probed.attempts["adding"]} <= {4, 8}
        assert len(probed.reach["initial"]) == len(probed.reach["trained"]) == 8
        assert probed.reach["initial"] != probed.reach["trained"]
        assert probed.seconds.lengths == (8, 16)
    counts = [probed.parameters for probed in found.values()]
    assert max(counts) / min(counts) <= 1.05
    assert any("lstm" in text for text in said)


def test_two_processes_find_the_same_as_none() -> None:
    config = CompareConfig.model_validate({"models": ["gru"], "probes": ASKED})
    (alone,), (shared,) = (measuring.probe(config, lambda _: None, workers).values() for workers in (1, 2))
    assert shared.attempts == alone.attempts
    assert shared.reach == alone.reach


@pytest.mark.parametrize("probes", [False])
def test_probes_left_out(probes: bool) -> None:
    assert measuring.probe(CompareConfig(probes=probes), lambda _: None) == {}
