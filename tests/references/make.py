"""How the references beside this file were made, by tsforge 0.1: they are the promise that later versions read them.

Not to be run again over what is there: a reference that today's code has written proves nothing. It is kept to say how
they came about, and to add those of a later version in a folder of their own: OMP_NUM_THREADS=1 python make.py PART.
All is made in /tmp/tsforge-reference, so that what is stored of paths names nobody's home, and copied from there.

fits.json           by name the table and the dotted settings of each fit
tables/             what they were fitted on, by formula
models/, forecasts/ the model directories, and what `tsforge predict` said with them
explained.csv       what `tsforge explain` said with models/transformer-encoder
backtested.json     what `tsforge backtest` scored with three of them
study/              a sweep killed with -9 in its third trial; "host" stands for the name of the machine, and the
                    state of that training is left out, as it is bound to where the table lay
store.tar.gz        an MLflow store as store.sql, with mlartifacts/ but for pictures and pages
runs.txt, compared.txt, registered.csv    what `runs`, `runs compare` and `predict` with the registered model said of it
waiting.tar.gz      a run that waits for a server that never answered, a word in place of its pictures
machine.json        where the numbers come from, which may differ in their last digits elsewhere
"""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import math
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PLACE = Path("/tmp/tsforge-reference")
NOWHERE = "http://127.0.0.1:9"
HORIZON = 6
FITS = json.loads((HERE / "fits.json").read_text(encoding="utf-8"))
QUICK = {
    "data.horizon": HORIZON,
    "train.max_steps": 20,
    "train.validations": 4,
    "train.batch_size": 16,
    "train.device": "cpu",
}
SHORT = ("--horizon", "6", "--context", "24", "--max-steps", "10", "--set", "model.width=8", "--quiet")
PLAIN = (*SHORT[:4], "--quiet")
REGISTERED = ("--register", "demand", "--alias", "best")
RECORDED = [
    ["fit", "tables/single.csv", "--model", "lstm", *SHORT, "--out", "first", *REGISTERED],
    ["fit", "tables/single.csv", "--model", "linear", *PLAIN, "--out", "second"],
    ["backtest", "tables/single.csv", "--model", "linear", *PLAIN, "--windows", "3"],
    ["compare", "tables/single.csv", "--models", "rnn,gru", *SHORT, "--seeds", "1", "--no-probes"],
    [
        "sweep", "tables/single.csv", "--model", "gru", *SHORT[:6], "--quiet", "--trials", "2", "--refit", "1",
        "--seeds", "1", "--space", "train.lr=log(1e-3,1e-2)", "--space", "model.width=8",
    ],
]  # fmt: skip
STUDY = [
    "sweep", "tables/single.csv", "--models", "lstm,gru", *SHORT[:4], "--max-steps", "300", "--trials", "4", "--refit",
    "0", "--pruner", "none", "--space", "model.width=choice(8,12)", "--space", "model.backbone.layers=1", "--space",
    "train.batch_size=16", "--out", "study", "--no-track", "--quiet",
]  # fmt: skip


def settings(name: str) -> dict[str, Any]:
    """Of a fit; networks are narrow."""
    given = FITS[name]["settings"]
    narrow = {} if name in ("blend", "linear", "naive2") else {"model.width": 8}
    return QUICK | narrow | given


def predicting(name: str) -> list[str]:
    """A forecast, rolled out where nothing must be known in advance."""
    longer = [] if "data.future" in FITS[name]["settings"] else ["--horizon", "15"]
    return ["predict", f"models/{name}", f"tables/{FITS[name]['table']}", *longer, "--quiet", "--output"]


def noise(seed: int) -> Iterator[float]:
    """The same numbers between -1 and 1 everywhere."""
    while True:
        seed = (1103515245 * seed + 12345) % 2**31
        yield seed / 2**30 - 1


def wave(i: int, season: int) -> float:
    return math.sin(2 * math.pi * i / season)


def tables(folder: Path) -> None:
    """single: one series with gaps; pair: two targets; shops: covariates of all kinds; sizes: many short series."""
    folder.mkdir()
    hours = [datetime.datetime(2024, 3, 1) + datetime.timedelta(hours=i) for i in range(200)]
    values, gaps = noise(1), (40, 41, 100)
    single = [
        f"{t},{'' if i in gaps else f'{50 + 10 * wave(i, 24) + 2 * next(values):.2f}'}" for i, t in enumerate(hours)
    ]
    (folder / "single.csv").write_text("\n".join(["time,load", *single, ""]))
    values = noise(2)
    pair = [
        f"{t},{wave(i, 24) + next(values) / 5:.3f},{100 - 30 * wave(i + 3, 24) + next(values):.2f},{next(values):.2f}"
        for i, t in enumerate(hours[:180])
    ]
    (folder / "pair.csv").write_text("\n".join(["time,up,down,wind", *pair, ""]))
    values, shops = noise(3), ["day,shop,region,price,offer,rain,sales"]
    for k, (shop, region) in enumerate([("north", "coast"), ("south", "hills"), ("west", "coast")]):
        for i in range(90 - 10 * k):
            day, price = datetime.date(2024, 1, 1) + datetime.timedelta(days=i), 2 + next(values)
            sales = 30 * (k + 1) + 9 * wave(i, 7) - 4 * price + next(values)
            end = "," if i >= 90 - 10 * k - HORIZON else f"{abs(next(values)):.2f},{sales:.2f}"
            shops.append(f"{day},{shop},{region},{price:.2f},{'yes' if i % 5 == 0 else 'no'},{end}")
    (folder / "shops.csv").write_text("\n".join([*shops, ""]))
    values, sizes = noise(4), ["item,month,sold"]
    for item in range(1, 7):
        for i in range(70 - item):
            sold = 10**item / 100 * (1 + 0.01 * i) * (1 + 0.3 * wave(i, 12)) * (1 + next(values) / 10)
            sizes.append(f"{item},{2018 + i // 12}-{i % 12 + 1:02d}-01,{sold:.4g}")
    (folder / "sizes.csv").write_text("\n".join([*sizes, ""]))


def say(*argv: str) -> str:
    """What a command prints."""
    from tsforge.cli.main import run

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run(list(argv))
    assert code == 0, argv
    return out.getvalue()


def models() -> None:
    """The directories without pictures, and a forecast of each, rolled out where nothing must be known in advance."""
    import tsforge

    for folder in ("models", "forecasts"):
        Path(folder).mkdir()
    for name, fit in FITS.items():
        tsforge.fit(tsforge.build(settings(name)), f"tables/{fit['table']}", out=f"models/{name}")
        for picture in Path("models", name).glob("*.png"):
            picture.unlink()
        say(*predicting(name), f"forecasts/{name}.csv")
    say("explain", "models/transformer-encoder", "tables/pair.csv", "--output", "explained.csv", "--quiet")
    backtested()


def backtested() -> None:
    """Beside the baselines that lie in the directory."""
    found = {}
    for name in ("lstm", "transformer", "growth-gru"):
        said = say("backtest", f"models/{name}", f"tables/{FITS[name]['table']}", "--no-track", "--quiet", "--json")
        found[name] = json.loads(said)["scores"]
    Path("backtested.json").write_text(json.dumps(found, indent=1) + "\n")


def study() -> None:
    """Killed while the third trial trains, after it has left a checkpoint."""
    process = subprocess.Popen([sys.executable, "-m", "tsforge", *STUDY])
    journal = Path("study/study.journal")
    states = Path("study/checkpoints")
    while not (journal.exists() and journal.read_text().count('"owner"') == 3 and any(states.glob("*.safetensors"))):
        assert process.poll() is None
        time.sleep(0.02)
    begun = [line for line in journal.read_text().splitlines() if '"owner"' in line]
    worker = json.loads(begun[-1])["user_attr"]["owner"]
    process.kill()
    os.kill(worker["pid"], signal.SIGKILL)
    process.wait()
    journal.write_text(journal.read_text().replace(json.dumps(socket.gethostname()), '"host"'))
    shutil.rmtree(states)
    for left in Path("study").rglob("*.lock"):
        left.unlink()


def store() -> None:
    """Two fits, a backtest, a comparison and a sweep, and what is said of them."""
    Path("mlartifacts").mkdir()  # where artifacts are kept that an earlier version began there
    for words in RECORDED:
        say(*words)
    with contextlib.closing(sqlite3.connect("mlflow.db")) as connection:
        Path("store.sql").write_text("\n".join([*connection.iterdump(), ""]), encoding="utf-8")
        names = connection.execute("select name from runs where name like 'lstm%' or name like 'linear%'").fetchall()
    Path("runs.txt").write_text(say("runs"))
    Path("compared.txt").write_text(say("runs", "compare", *sorted(name for (name,) in names)))
    say("predict", "models:/demand@best", "tables/single.csv", "--output", "registered.csv", "--quiet")
    with tarfile.open("store.tar.gz", "w:gz") as archive:
        archive.add("store.sql")
        archive.add("mlartifacts", filter=lambda file: None if file.name.endswith((".png", ".html")) else file)


def waiting() -> None:
    """A fit whose server never answered."""
    say(*RECORDED[1], "--tracking-uri", NOWHERE)
    for picture in Path(".tsforge").rglob("*.png"):
        picture.write_bytes(b"a picture")
    with tarfile.open("waiting.tar.gz", "w:gz") as archive:
        archive.add(".tsforge")


def machine() -> dict[str, str]:
    """What the last digits of a number depend on."""
    import platform

    import numpy as np
    import torch

    about = Path("/proc/cpuinfo")
    cpu = (about.read_text() if about.exists() else "").partition("vendor_id\t: ")[2].partition("\n")[0]
    capability = torch.backends.cpu.get_cpu_capability()
    return {
        "machine": platform.machine(), "vendor": cpu, "capability": capability, "torch": torch.__version__,
        "numpy": np.__version__,
    }  # fmt: skip


if __name__ == "__main__":
    os.environ |= {"OMP_NUM_THREADS": "1", "LOGNAME": "reference", "COLUMNS": "160", "TZ": "UTC"}
    PLACE.mkdir(exist_ok=True)
    os.chdir(PLACE)
    if sys.argv[1] == "models":
        tables(PLACE / "tables")
        models()
        Path("machine.json").write_text(json.dumps(machine(), indent=2) + "\n")
    else:
        {"study": study, "store": store, "waiting": waiting}[sys.argv[1]]()
    for part in sys.argv[2:]:
        (shutil.copytree if Path(part).is_dir() else shutil.copy)(part, HERE / part)
