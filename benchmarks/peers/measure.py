"""One row of one program: its steps, its reading, or its accuracy; None where it has nothing to show there."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.environments import PEERS
from benchmarks.speed import accuracy, nets, program, reading
from benchmarks.speed.options import Options
from benchmarks.speed.works import located

OWN = "tsforge"
TRAINING = {name: title for name, title in nets.ROWS.items() if not name.endswith("-32")}
READING = {name: f"file to first batch, {title}" for name, title in reading.ROWS.items()}
ACCURACY = {"electricity": "electricity demand, last 14 days, MASE", "m3": "M3 monthly, last 18 months, sMAPE"}
ROWS = {**TRAINING, **READING, **ACCURACY}
MODELS = {"electricity": ("linear", "patch-gru", "gru", "auto"), "m3": ("auto", "growth-gru")}  # of tsforge
LIMIT = 1_200  # seconds of a program on its way to scores


def measure(name: str, who: str, interpreter: str, options: Options) -> dict[str, Any] | None:
    """A row of a program that has that kind of work."""
    networks = who == OWN or PEERS[who].networks
    if name in TRAINING and networks:
        module = nets.MODULE if who == OWN else f"benchmarks.peers.{who}"
        return nets.measure(name, options, module, interpreter)
    if name in READING and networks:
        series = reading.FEW if options.quick else reading.SERIES
        path = reading.write(options.folder / f"panel.{name.partition('-')[2]}", series)
        module = reading.OURS if who == OWN else f"benchmarks.peers.{who}"
        return reading.read(module, path, options.threads, interpreter)
    if name in ACCURACY:
        return _accuracy(name, who, interpreter, options)
    return None


def _accuracy(name: str, who: str, interpreter: str, options: Options) -> dict[str, Any]:
    """From a command to scores: of tsforge for several models, of another library at its best."""
    if who == OWN:
        models = MODELS[name][:1] if options.quick else MODELS[name]
        return {"models": {model: accuracy.measure(f"{name}-{model}", options) for model in models}}
    path = accuracy.DEMAND if name == "electricity" else located("m3-monthly")
    if path is None:
        return {"missing": "M3 monthly is not on this machine"}
    command = [interpreter, "-m", "benchmarks.peers.accuracy", f"benchmarks.peers.{who}", name, str(path)]
    result = program.run(command + (["--share", "0.01"] if options.quick else []), threads=options.threads, limit=LIMIT)
    return result | {"seconds": result["wall"]}
