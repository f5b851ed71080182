"""What trained networks do inside, on half-hourly electricity demand: gates over a week, and how far back they look.

    python -m benchmarks.gates                        # docs/explanation/gates.png and reach.png, a few minutes
    python -m benchmarks.gates --max-steps 20 --output /tmp

Each network has its defaults (context 336, horizon 48) and 300 steps. Gates are computed by the equations of
docs/explanation/networks.md, written out as a loop; the states that they lead to are compared with those of the
network. Gradient × input by lag is the mean over forecasts from eight origins of the last two weeks.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import tsforge
from tsforge.data import covariates
from tsforge.data.loader import WindowSource
from tsforge.data.windows import last
from tsforge.fitted import prediction
from tsforge.model.backbones.recurrent import unroll
from tsforge.plotting.style import BLUE, COLOURS, GREY, INK, SOFT

ROOT = Path(__file__).resolve().parents[1]
DATA, HORIZON, DAY = "electricity-demand", 48, 48
GATED = ("lstm", "gru", "min-gru")
LOOKING = ("rnn", "lstm", "gru", "min-gru", "transformer")
MORE = {"min-gru": "#17becf"}
Floats = NDArray[np.floating]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--max-steps", type=int, default=300)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "explanation", metavar="FOLDER")
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    settings = {"train.max_steps": asked.max_steps, "train.threads": 1, "train.precision": "32"}
    fits = {name: tsforge.fit(DATA, horizon=HORIZON, model=name, settings=settings) for name in LOOKING}
    kept = {name: keeps(*inside(fits[name]))[0] for name in GATED}
    reach = {name: lags(fits[name]) for name in LOOKING}
    for name, keep in kept.items():
        mean = np.sort(keep.mean(axis=0))
        middle, long = np.median(mean), 100 * (mean > 3 ** (-1 / DAY)).mean()
        print(f"{name}: the middle unit keeps {middle:.3f} of its state from step to step, the least {mean[0]:.3f}, "
              f"the most {mean[-1]:.3f}; {long:.0f} % of units keep a third over a day")  # fmt: skip
    for name, along in reach.items():
        share = along / along.sum()
        week, day, near = (100 * part for part in (share[7 * DAY], share[DAY], share[: DAY // 2].sum()))
        print(f"{name}: of gradient × input lies {week:.0f} % one week before, {day:.0f} % one day before, "
              f"{near:.0f} % within half a day")  # fmt: skip
    draw_gates(fits["gru"], kept, asked.output / "gates.png")
    draw_reach(reach, asked.output / "reach.png")


def inside(fitted: Any) -> tuple[Any, Tensor]:
    """The network of a fit, and what its encoder reads of the last window of the table, (L, E)."""
    model = fitted.model
    panel = prediction.read(model, fitted.table, model.shape.horizon)
    features, known = covariates.encode(panel, model.facts.encodings), model.facts.traits(panel)
    windows = WindowSource(panel, features, model.shape, usual=known.usual)
    context = windows.gather(windows.starts(last(panel)), torch.zeros(1, dtype=torch.int64)).context
    with torch.no_grad():
        window, _ = model.network.transform(context)
        return model.network, model.network.tokens.embed(window.context)[0][0]


@torch.no_grad()
def keeps(network: Any, x: Tensor) -> tuple[Floats, Floats]:
    """What every unit keeps of its state or memory at every step, and its states, both (L, D), by a loop.

    Raises AssertionError where the states are not those of the network.
    """
    if not hasattr(network.backbone.encoder, "mode"):
        layer = network.backbone.encoder[0]
        z, v = layer.project(layer.norm(x)).chunk(2, dim=-1)
        z, new = z.sigmoid(), torch.where(v >= 0, v + 0.5, v.sigmoid())
        h, states = torch.zeros(v.shape[-1]), []
        for t in range(len(x)):
            h = (1 - z[t]) * h + z[t] * new[t]
            states.append(h)
        theirs = layer(x[None], torch.zeros(1, 1, v.shape[-1]))[1][0]
        kept = 1 - z
    else:
        cell = network.backbone.encoder
        rule = _lstm if cell.mode == "LSTM" else _gru
        gates, states = rule(x, *(weight for weight in cell.all_weights[0]))
        theirs, kept = unroll(cell, x[None])[0][0], torch.stack(gates)
    torch.testing.assert_close(torch.stack(states), theirs, atol=1e-4, rtol=1e-3)
    return kept.numpy(), torch.stack(states).numpy()


def _lstm(x: Tensor, W: Tensor, U: Tensor, b: Tensor, c: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Forget gates and states."""
    h = memory = torch.zeros(U.shape[1])
    gates, states = [], []
    for x_t in x:
        i, f, g, o = (W @ x_t + b + U @ h + c).chunk(4)
        memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
        h = o.sigmoid() * memory.tanh()
        gates.append(f.sigmoid())
        states.append(h)
    return gates, states


def _gru(x: Tensor, W: Tensor, U: Tensor, b: Tensor, c: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Update gates and states."""
    h = torch.zeros(U.shape[1])
    gates, states = [], []
    for x_t in x:
        (r, z, n), (r_h, z_h, n_h) = (W @ x_t + b).chunk(3), (U @ h + c).chunk(3)
        z = (z + z_h).sigmoid()
        h = z * h + (1 - z) * (n + (r + r_h).sigmoid() * n_h).tanh()
        gates.append(z)
        states.append(h)
    return gates, states


def lags(fitted: Any) -> Floats:
    """Gradient × input by lag, in data units, (L+H,); the mean over eight origins."""
    times = tsforge.datasets.load(DATA)["time"]
    found = [tsforge.explain(fitted, origin=times.iloc[-back]).along("gradient")[1] for back in range(84, 672 + 84, 84)]
    return np.asarray(np.nan_to_num(np.mean(found, axis=0)))


def draw_gates(fitted: Any, kept: dict[str, Floats], path: Path) -> None:
    """The week before the forecast, and below it what each unit keeps, those that keep most on top."""
    import matplotlib.pyplot as plt

    steps = len(next(iter(kept.values())))
    days = np.arange(-steps, 0) / DAY
    figure, axes = plt.subplots(
        1 + len(kept), 1, figsize=(9, 8), sharex=True, layout="constrained", height_ratios=[1, *[1.6] * len(kept)]
    )
    values = fitted.dataset.panel.values[-steps:, 0] / 1000
    axes[0].plot(days, values, color=GREY, linewidth=1)
    axes[0].set_title("Electricity demand, GW: the week before a forecast", loc="left", fontsize=10, color=INK)
    words = {"lstm": "forget gate f", "gru": "update gate z", "min-gru": "1 - z"}
    for axis, (name, keep) in zip(axes[1:], kept.items(), strict=True):
        ordered = keep[:, np.argsort(-keep.mean(axis=0))].T
        image = axis.imshow(
            ordered,
            aspect="auto",
            cmap="cividis",
            vmin=0,
            vmax=1,
            extent=(days[0], 0, len(ordered), 0),
            interpolation="none",
        )
        axis.set_title(f"{name}: {words[name]} of each unit", loc="left", fontsize=10, color=INK)
        axis.set_ylabel("unit", color=SOFT)
    axes[-1].set_xlabel("days before the origin")
    figure.colorbar(image, ax=axes[1:], label="share of the state that is kept", shrink=0.5)
    _save(figure, axes[:1], path)


def draw_reach(reach: dict[str, Floats], path: Path) -> None:
    """How much of a forecast comes from how long before, a panel for each network."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(reach), 1, figsize=(9, 8), sharex=True, sharey=True, layout="constrained")
    for axis, (name, along) in zip(axes, reach.items(), strict=True):
        share = 100 * along / along.sum()
        axis.fill_between(np.arange(len(share)) / DAY, share, color=(COLOURS | MORE).get(name, BLUE), linewidth=0.8)
        axis.set_yscale("log")
        axis.set_ylim(0.01, 100)
        axis.set_title(name, loc="left", fontsize=10, color=INK)
    axes[len(axes) // 2].set_ylabel("share of |gradient × input|, %")
    axes[-1].set_xlabel("days before the step that is forecast")
    _save(figure, axes, path)


def _save(figure: Any, axes: Any, path: Path) -> None:
    import matplotlib.pyplot as plt

    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#e9e9e9", linewidth=0.6)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    print(f"written {path}")


if __name__ == "__main__":
    main()
