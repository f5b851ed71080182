"""The benchmark for a GPU where there is none: its ways, its batches, and the whole command with `--device cpu`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu import ways
from benchmarks.gpu.ways import NotHere
from benchmarks.speed import works
from tsforge.batch import Batch, Context, Truth


def batch(value: float) -> Batch:
    full, seen = torch.full((2, 3, 1), value), torch.ones(2, 3, 1, dtype=torch.bool)
    context = Context(full, seen, full[..., :0], full[..., :0], torch.zeros(2, 0), torch.tensor([1, 2]) * int(value))
    return Batch(context, Truth(full + 1, seen))


def test_a_recorded_step_reads_the_next_batch() -> None:
    """Prevents: a graph that is replayed on the batch that it was recorded with, or that writes into the loader's."""
    first, second = batch(1.0), batch(5.0)
    place = ways.copied(first)
    ways.fill(place, second)
    assert isinstance(place, Batch)
    assert isinstance(place.context, Context)
    assert torch.equal(place.context.target, second.context.target)
    assert torch.equal(place.context.ordinal, second.context.ordinal)
    assert torch.equal(place.truth.target, second.truth.target)
    assert float(first.context.target[0, 0, 0]) == 1.0


@pytest.mark.parametrize("way", ways.WAYS)
def test_ways_of_cuda_are_left_out_elsewhere(way: str) -> None:
    if way in ways.CUDA_ONLY:
        with pytest.raises(NotHere, match="only on CUDA"):
            ways.check(way, "cpu")
    else:
        ways.check(way, "cpu")


@pytest.mark.parametrize("has", [True, False])
def test_brain_floats_where_the_gpu_has_them(monkeypatch: pytest.MonkeyPatch, has: bool) -> None:
    """Prevents: an emulated format timed as if the device had it."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda _emulated: has)
    for way in ways.WAYS:
        if "bf16" in way and not has:
            with pytest.raises(NotHere, match="brain floats"):
                ways.check(way, "cuda")
        else:
            ways.check(way, "cuda")


def test_without_cuda_the_command_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["gpu"])
    with pytest.raises(SystemExit, match="no CUDA device is available\nhint: --device cpu"):
        gpu.main()


def test_the_whole_command_without_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prevents: time on a lent machine that is spent on a mistake in the loop, the report or the file."""
    monkeypatch.setattr(works, "located", lambda _: None)
    output = tmp_path / "out" / "gpu.json"
    command = [
        "gpu",
        "--device",
        "cpu",
        "--quick",
        "--networks",
        "nlinear,rnn",
        "--batches",
        "4",
        "--output",
        str(output),
    ]
    monkeypatch.setattr("sys.argv", command)
    gpu.main()
    printed = capsys.readouterr().out
    saved = json.loads(output.read_text(encoding="utf-8"))
    assert [row["network"] for row in saved["rows"]] == ["nlinear", "rnn"]
    for row in saved["rows"]:
        assert row["ms"]["plain"] > 0
        assert row["left_out"].keys() >= set(ways.CUDA_ONLY)
    assert "hand-written" in saved["rows"][1]["ms"]
    assert "left out, graph: only on CUDA (2 rows" in printed
