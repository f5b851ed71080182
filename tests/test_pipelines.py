"""The experiments in pipelines/ are whole: each runs as it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tsforge.cli.main import run

PIPELINES = sorted((Path(__file__).resolve().parents[1] / "pipelines").glob("*.toml"))


@pytest.mark.parametrize("path", PIPELINES, ids=lambda p: p.stem)
def test_pipeline_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prevents: a file with a setting that no longer exists, or data that is found from one folder only."""
    monkeypatch.chdir(tmp_path)
    argv = ["fit", "--config", str(path), "--max-steps", "2", "--no-track", "--json", "--quiet"]
    assert run(argv) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["steps"] == 2
    assert (tmp_path / document["model"] / "manifest.json").is_file()


def test_there_are_pipelines_and_each_is_listed() -> None:
    readme = (PIPELINES[0].parent / "README.md").read_text(encoding="utf-8")
    assert PIPELINES
    for path in PIPELINES:
        assert path.name in readme
