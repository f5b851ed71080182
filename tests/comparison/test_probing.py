"""The probes of a comparison are those of each architecture alone, however many processes share the work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.helpers.stores import environment, wait_for
from tsforge.comparison import probing
from tsforge.comparison.config import CompareConfig
from tsforge.comparison.probes import cost, memory_tasks

ASKED = {
    "parameters": 3000, "lengths": (8, 16), "tokens": 64, "repeats": 1, "sequences": 2, "lags": (4, 8), "seeds": 2,
    "steps": 60, "reach": 8, "batch": 8,
}  # fmt: skip


def test_probes_are_those_of_each_alone() -> None:
    """Prevents: figures of one architecture in the column of another."""
    config = CompareConfig.model_validate({"models": ["lstm", "transformer-decoder"], "probes": ASKED})
    messages: list[str] = []
    probes = probing.probe(config, messages.append)
    assert list(probes) == ["lstm", "transformer-decoder"]
    assert config.probes
    for name, probed in probes.items():
        model = config.model(name, probed.width)
        assert probed.chain == cost.dependent_operations(model, (8, 16))
        assert probed.saved == cost.saved_bytes(model, (8, 16), 2)
        assert probed.attempts["recall"][0] == memory_tasks.attempt(model, "recall", 4, 0, config.probes.budget)[0]
        assert {a.lag for a in probed.attempts["adding"]} <= {4, 8}
        assert len(probed.reach["initial"]) == len(probed.reach["trained"]) == 8
        assert probed.reach["initial"] != probed.reach["trained"]
        assert probed.seconds.lengths == (8, 16)
    counts = [probed.parameters for probed in probes.values()]
    assert max(counts) / min(counts) <= 1.05
    assert any("lstm" in text for text in messages)


def test_two_processes_find_the_same_as_none() -> None:
    config = CompareConfig.model_validate({"models": ["gru"], "probes": ASKED})
    (alone,), (shared,) = (probing.probe(config, lambda _: None, workers).values() for workers in (1, 2))
    assert shared.attempts == alone.attempts
    assert shared.reach == alone.reach


ENDLESS = """
import os, sys, time
from tsforge.comparison import probing
if __name__ == "__main__":
    with probing._pool(2) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600).result()
"""


def test_processes_end_with_the_one_they_work_for(tmp_path: Path) -> None:
    """Prevents: processes that go on computing for minutes after their comparison was killed."""
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        process.kill()
        process.wait()

    def gone() -> bool:
        status = Path(f"/proc/{worker}/stat")
        return not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"

    wait_for(gone, "the end of the worker", 60)


def test_probes_left_out() -> None:
    assert probing.probe(CompareConfig(probes=False), lambda _: None) == {}
