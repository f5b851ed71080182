"""Markdown tables of several programs beside each other; medians over the rounds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from benchmarks.peers.environments import PEERS
from benchmarks.peers.measure import ACCURACY, OWN, READING, TRAINING
from benchmarks.speed import machine
from benchmarks.speed.accuracy import cells
from benchmarks.speed.tables import NOTHING, markdown, noise, number

Rounds = Mapping[str, list[dict[str, Any]]]  # results of a row by program


def report(saved: Mapping[str, Any]) -> list[str]:
    """All tables, what could not be measured, and what it was measured with and on."""
    rows: dict[str, Rounds] = saved["rows"]
    programs = [OWN, *(name for name in PEERS if any(name in row for row in rows.values()))]
    lines = ["### Windows/s as a share of the hand-written loop's, in turns with it", ""]
    lines += _training({name: row for name, row in rows.items() if name in TRAINING}, programs)
    lines += ["", "### Forecasts of series in memory, and reading, in seconds", ""]
    lines += _seconds(rows, programs)
    lines += ["", "### Time to accuracy: from the command to the scores", ""]
    lines += _accuracy({name: row for name, row in rows.items() if name in ACCURACY})
    flat: dict[str, dict[str, Any]] = {}
    for name, row in rows.items():
        for who, results in row.items():
            for model, result in results[-1].get("models", {"": results[-1]}).items():
                flat[f"{name} {title(who)} {model}".rstrip()] = result
    lines += ["", *noise(flat), "", *_notes(rows)]
    lines += [
        f"{PEERS[name].title} could not be installed: {' '.join(why.split())}" for name, why in saved["absent"].items()
    ]
    few = " Measured with --quick: the figures say little." if saved["quick"] else ""
    return [*lines, "", machine.sentence(saved["machine"]) + few]


def title(who: str) -> str:
    return who if who == OWN else PEERS[who].title


def median(results: list[dict[str, Any]], name: str) -> float | None:
    """Of a figure over the rounds that have it."""
    values = [result[name] for result in results if result.get(name) is not None]
    return statistics.median(values) if values else None


def _training(rows: Mapping[str, Rounds], programs: list[str]) -> list[str]:
    shown = [who for who in programs if any(who in row for row in rows.values())]
    body = []
    for name, row in rows.items():
        shares = [median(row.get(who, []), "share") for who in shown]
        body.append([TRAINING[name], *(NOTHING if share is None else f"{share:.2f}" for share in shares)])
    return markdown(["work", *map(title, shown)], body)


def _seconds(rows: Mapping[str, Rounds], programs: list[str]) -> list[str]:
    wanted = [(name, "predict", f"forecasts, {TRAINING[name]}") for name in ("w1-lstm", "w2-lstm")]
    wanted += [(name, "seconds", label) for name, label in READING.items()]
    wanted += [(name, "peak_mib", f"{label}: peak, MiB") for name, label in READING.items()]
    wanted += [("w1-lstm", "imports", "imports")]
    shown = [who for who in programs if any(who in rows.get(name, {}) for name, _, _ in wanted)]
    body = [
        [label, *(number(median(rows[name].get(who, []), figure)) for who in shown)]
        for name, figure, label in wanted if name in rows
    ]  # fmt: skip
    return markdown(["", *map(title, shown)], body)


def _accuracy(rows: Mapping[str, Rounds]) -> list[str]:
    body = []
    for name, row in rows.items():
        for who, results in row.items():
            by_model: dict[str, list[dict[str, Any]]] = {}
            for result in results:
                for model, own in result.get("models", {PEERS[who].title if who in PEERS else who: result}).items():
                    by_model.setdefault(model, []).append(own)
            for model, own in by_model.items():
                scored = [result for result in own if "score" in result]
                if scored:
                    typical = scored[-1] | {"seconds": median(scored, "seconds"), "score": median(scored, "score")}
                    setting = scored[-1].get("settings", f"`{model}`")
                    body.append([ACCURACY[name], title(who), setting, *cells(typical)])
    return markdown(["data", "program", "settings", "seconds", "measure", "score"], body, words=3)


def _notes(rows: Mapping[str, Rounds]) -> list[str]:
    """Versions and settings of every program."""
    lines = {}
    for row in rows.values():
        for who, results in row.items():
            for result in results:
                if "versions" in result:
                    packages = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
                    lines[who] = f"- {title(who)}: {result['settings']} ({packages})."
    return list(lines.values())
