"""reference/settings.md, reference/metrics.md: every setting and every metric, read from where it is defined."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from tsforge.api import reference
from tsforge.evaluation import metrics

PARTS = {  # of an experiment, in the order of a TOML file
    "": "Of the whole experiment",
    "data": "Data",
    "model": "Model",
    "train": "Training",
    "backtest": "Backtests",
}
MOST = 20  # models that have a setting, above which they are not named
COMMON = "gru"  # the model whose settings come first; others follow where they differ


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages."""
    files.append(File.generated(config, "reference/settings.md", content=settings_page()))
    files.append(File.generated(config, "reference/metrics.md", content=metrics_page()))
    return files


def settings_page() -> str:
    """Settings by the part of an experiment that they belong to; where these differ, with the models."""
    lines = [
        "# Settings", "",
        "A setting is one dotted path: in TOML, with `--set path=value`, in Python (`settings={...}`) and in MLflow. "
        "The end of a path is enough where no other ends so. `tsforge settings [PATTERN] [--model gru]` prints what "
        "stands here.",
    ]  # fmt: skip
    by_path: dict[str, dict[tuple[str, str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for model in [COMMON, *(m.name for m in reference.models() if m.name not in (COMMON, "blend"))]:
        for s in reference.settings(None, model):
            default = model if s.path == "model.kind" else s.default
            by_path[s.path][(_shown(default), s.values, s.text)].append(model)
    for part, title in PARTS.items():
        lines += ["", f"## {title}", "", "| setting | default | may be | what it does |", "|---|---|---|---|"]
        for path, kinds in by_path.items():
            if (path.partition(".")[0] if "." in path else "") == part:
                lines += _rows(path, kinds)
    return "\n".join(lines) + "\n"


def _rows(path: str, kinds: dict[tuple[str, str, str], list[str]]) -> list[str]:
    """A row for each thing that a setting is; with the models for which it is that, unless it is the same for most."""
    if path == "model.kind":
        return [
            "| `model.kind` | `auto` | [a model](../models.md#the-models) | the model, as `tsforge models` lists them |"
        ]
    meanings: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(dict)
    for (default, values, text), models in kinds.items():
        meanings[values, text][default] = models
    rows = []
    for (values, text), defaults in meanings.items():
        (first, models), *others = defaults.items()
        of = [*models, *(name for _, names in others for name in names)]
        more = [f"{default or 'none'} by default of {', '.join(names)}" for default, names in others]
        more += [f"only of {', '.join(of)}"] if path.startswith("model.") and len(of) < MOST else []
        rows.append(f"| `{path}` | {first} | {_cell(values)} | {'; '.join([_cell(text), *more])} |")
    return rows


def metrics_page() -> str:
    """Every metric, with its direction."""
    lines = [
        "# Metrics", "",
        "`tsforge metrics` prints them. What is averaged over which points, and what is left out, is "
        "[Evaluation](../evaluation.md#metrics); how to read them [Read the scores](../how-to/read-the-scores.md).", "",
        "| metric | better | needs quantiles | what it is |", "|---|---|---|---|",
    ]  # fmt: skip
    for line in reference.metrics():
        found = metrics.find(line.name)
        better = (
            "lower" if metrics.lower_is_better(line.name) else "near its name" if "coverage" in line.name else "near 0"
        )
        better = "" if line.name.startswith("width") else better
        lines.append(
            f"| `{line.name}` | {better} | {'yes' if found and found.needs_quantiles else ''} | {_cell(line.text)} |"
        )
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    if value is None or value == () or value == "":
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("$", "\\$")
