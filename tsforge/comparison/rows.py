"""The rows of the table: one figure of every model, as it was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tsforge.comparison import rules
from tsforge.comparison.probes.cost import half_life
from tsforge.comparison.probes.memory_tasks import TASKS, solved_lag
from tsforge.comparison.results import Measured, OnData, Probed
from tsforge.comparison.rules import UNKNOWN, Aspect, Word
from tsforge.comparison.table import Cell, Measure
from tsforge.evaluation.scores import skill
from tsforge.runtime.numbers import four_digits, size, spread


def parallel(probed: Mapping[str, Probed]) -> list[Measure]:
    """What allows the steps of a sequence to be computed at once, and what this machine makes of it."""
    lengths = next(iter(probed.values())).seconds.lengths
    span = f"L = {lengths[0]} … {lengths[-1]}"
    step = (
        "seconds on this machine for one training step (forward, backward, update) at a constant number of tokens per "
        f"batch, {span}; the median of rounds in which all models and lengths take turns"
    )
    chain = (
        "the longest chain of operations in a training step of which each needs the one before it, counted in the "
        f"graph of the step without fused kernels; exact and the same on every machine; {span}"
    )

    aspect = Aspect.PARALLEL
    return [
        _row(aspect, "parallel/chain_exponent", "dependent operations, exponent in L", chain, probed,
             lambda p: _cell(p.chain.exponent, "{:z.2f}", rules.parallel(p.chain.exponent)), rules.PARALLEL),
        _row(aspect, "parallel/chain", f"dependent operations at L = {lengths[-1]}", chain, probed,
             lambda p: _cell(p.chain.values[-1], "{:,.0f}")),
        _row(aspect, "parallel/time_exponent", "time of a training step, exponent in L", step, probed,
             lambda p: _cell(p.seconds.exponent, "{:z.2f}", rules.parallel(p.seconds.exponent)), rules.PARALLEL),
        _row(aspect, "parallel/time_ratio", f"time at L = {lengths[-1]} over that at {lengths[0]}", step, probed,
             lambda p: _cell(p.seconds.ratio, "{:.1f}")),
    ]  # fmt: skip


def reach(probed: Mapping[str, Probed], lag: int) -> list[Measure]:
    """How far back a model can learn from. lag: at which the trained one was measured."""
    aspect, rows = Aspect.REACH, []
    budget = (
        "The longest lag that most seeds solve within the budget: test mean squared error below 0.01 and at least 95 % "
        "of errors below 0.04. A note as 10: 2/3 says that 2 of the 3 seeds tried solved a lag of 10"
    )
    for name, task in TASKS.items():
        cells = {model: _solved(p, name) for model, p in probed.items()}
        text = f"the task is {task.what}. {budget}"
        rows.append(Measure(aspect, f"reach/{name}_lag", f"longest lag solved, {name}", text, cells, rules.REACH))
    gradient = (
        "how many steps back the norm of the answer's gradient with respect to the input takes to halve, of the "
        f"exponential that fits best; of the network as it is built and of the same one trained on recall at lag {lag}"
    )
    for when, text in (("initial", "as built"), ("trained", "trained")):
        cells = {model: _half(p.reach[when]) for model, p in probed.items()}
        title = f"half-life of the gradient, {text}"
        rows.append(Measure(aspect, f"reach/half_life_{when}", title, gradient, cells))
    return rows


def speed(measured: Measured, data: OnData) -> list[Measure]:
    """How fast the trainings on a data set went."""
    loss = data.reachable
    trained = {model: fits for model in measured.models if (fits := data.of(model))}
    pace = {model: [fit.pace for fit in fits] for model, fits in trained.items()}
    words = rules.fast({model: float(np.mean(values)) for model, values in pace.items()})
    windows = {m: _spread(values, "{:,.0f}", words[m]) for m, values in pace.items()}
    common = loss if math.isfinite(loss) else -math.inf  # a training without any loss: there is nothing to reach
    until = {m: _spread([fit.seconds_to(common) for fit in fits], "{:.1f}") for m, fits in trained.items()}
    whole = {m: _spread([fit.seconds for fit in fits], "{:.1f}") for m, fits in trained.items()}
    first = {m: fits[0] for m, fits in trained.items()}
    counts = {m: Cell(fit.parameters, f"{fit.parameters:,}", note=f"width {fit.width}") for m, fit in first.items()}
    aspect, name, of = Aspect.SPEED, data.name, _of(measured, data)
    reached = f"validation loss {loss:.3f}" if math.isfinite(loss) else "the same validation loss"
    return [
        Measure(aspect, f"{name}/parameters", f"parameters{of}", "numbers that training changes; widths are solved for "
            "so that all models have the same number within 5 %", counts),
        Measure(aspect, f"{name}/windows_per_s", f"windows per second{of}",
            "training windows per second of training, validations included; all models with as many threads",
            windows, rules.FAST),
        Measure(aspect, f"{name}/seconds_to_loss", f"seconds to {reached}{of}",
            "until validation first reached the lowest loss that every training reached", until),
        Measure(aspect, f"{name}/fit_s", f"seconds of training{of}", "until the budget was spent or patience ended",
            whole),
    ]  # fmt: skip


def memory(probed: Mapping[str, Probed]) -> list[Measure]:
    """What a training step has to keep."""
    first = next(iter(probed.values()))
    length, aspect = first.saved.lengths[-1], Aspect.MEMORY
    words = rules.lean({model: p.saved.values[-1] for model, p in probed.items()})
    cells = {m: Cell(p.saved.values[-1], size(p.saved.values[-1]), words[m]) for m, p in probed.items()}
    saved = (
        "bytes that a training step keeps for its backward pass, counted where autograd saves them, without the "
        "weights; exact and the same on every machine"
    )
    rows = [
        Measure(aspect, "memory/saved_bytes", f"saved activations at L = {length}", saved, cells, rules.LEAN),
        _row(aspect, "memory/saved_exponent", "saved activations, exponent in L", saved, probed,
             lambda p: _cell(p.saved.exponent, "{:z.2f}")),
    ]  # fmt: skip
    if peaks := {model: p.peak for model, p in probed.items() if p.peak is not None}:
        text = "the most GPU memory that was allocated during a training step"
        most = {m: Cell(peak.values[-1], size(peak.values[-1])) for m, peak in peaks.items()}
        growth = {m: _cell(peak.exponent, "{:z.2f}") for m, peak in peaks.items()}
        rows += [
            Measure(aspect, "memory/peak_bytes", f"peak on the GPU at L = {length}", text, most),
            Measure(aspect, "memory/peak_exponent", "peak on the GPU, exponent in L", text, growth),
        ]
    return rows


def accuracy(measured: Measured, data: OnData) -> list[Measure]:
    """Scores on a data set, baselines beside."""
    names = (*measured.models, *data.baselines)
    rows, aspect, of = [], Aspect.ACCURACY, _of(measured, data)
    for metric in (data.primary, *(m for m in ("mse", "wql") if m != data.primary)):
        cells = {}
        for model in names:
            paired = data.against.get(model)
            word = rules.accurate(model, data.best, paired.verdict if paired else None)
            cells[model] = _spread(data.values(model, metric), "", word if metric == data.primary else None)
        definition = (
            f"{metric.upper()} over {data.windows:,} held-out windows of {data.name}, horizon {data.horizon}; mean ± "
            "standard deviation over seeds"
        )
        rule = rules.ACCURATE if metric == data.primary else ""
        rows.append(Measure(aspect, f"{data.name}/{metric}", f"{metric.upper()}{of}", definition, cells, rule))
    if data.best_simple:
        cells = {m: _cell(skill(data.mean(m, data.primary), data.floor), "{:+.1f}") for m in names}
        text = (
            f"per cent by which the mean {data.primary.upper()} is below that of {data.best_simple.replace('-', ' ')}"
        )
        rows.append(Measure(aspect, f"{data.name}/skill", f"skill in %{of}", text, cells))
    return rows


def tuning(measured: Measured, data: OnData) -> list[Measure]:
    """How each model's settings were searched on a data set; none where they were not."""
    if not data.tuned:
        return []
    tuned, aspect, of = data.tuned, Aspect.ACCURACY, _of(measured, data)
    fixed = ", ".join(dict.fromkeys(path for search in tuned.values() for path in search.fixed))
    text = (
        "before it was compared, each model searched settings of its own on the validation windows alone, from those "
        "it had: with the same number of trials, sampler, pruner, seed and budget of training. Not varied, since "
        f"they were given or keep the models equal: {fixed}"
    )
    metric = next(iter(tuned.values())).objective.removeprefix("val/").upper()
    trials = {m: Cell(float(search.trials), str(search.trials)) for m, search in tuned.items()}
    chosen = {m: _spread([search.score], "") for m, search in tuned.items()}
    before = {m: _spread([search.before], "") for m, search in tuned.items()}
    return [
        Measure(aspect, f"{data.name}/tuning_trials", f"trials of tuning{of}", text, trials),
        Measure(aspect, f"{data.name}/tuning_score", f"{metric} on validation, tuned{of}", text, chosen),
        Measure(aspect, f"{data.name}/tuning_before", f"{metric} on validation, not tuned{of}", text, before),
    ]


def settings(measured: Measured) -> dict[str, str]:
    """What tuning chose, in words, by model and data set."""
    return {
        f"{model}{_of(measured, data)}": ", ".join(f"{path} {_value(value)}" for path, value in search.settings.items())
        for data in measured.data
        for model, search in data.tuned.items()
    }


def _value(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _of(measured: Measured, data: OnData) -> str:
    """What a title says of the data: which of several it is."""
    return f", {data.name}" if len(measured.data) > 1 else ""


def _row(
    aspect: Aspect, key: str, title: str, definition: str, probed: Mapping[str, Probed], cell: Callable[[Probed], Cell],
    rule: str = "",
) -> Measure:  # fmt: skip
    return Measure(aspect, key, title, definition, {model: cell(p) for model, p in probed.items()}, rule)


def _solved(probed: Probed, task: str) -> Cell:
    attempts = probed.attempts.get(task, ())
    if not attempts:
        return Cell(math.nan, UNKNOWN, UNKNOWN)
    lag = solved_lag(attempts)
    tried = sorted({a.lag for a in attempts if a.lag >= lag})
    solved = {now: [a.solved for a in attempts if a.lag == now] for now in tried}
    note = ", ".join(f"{now}: {sum(seeds)}/{len(seeds)}" for now, seeds in solved.items())
    return Cell(float(lag), str(lag), rules.reach(lag), note)


def _half(norms: Sequence[float]) -> Cell:
    if not len(norms) or not np.isfinite(norms).all():
        return Cell(math.nan, UNKNOWN)
    steps = half_life(norms)
    if math.isnan(steps):
        return Cell(steps, "no gradient")
    return Cell(steps, f"{steps:,.1f}" if math.isfinite(steps) else "does not fall")


def _cell(value: float, form: str, word: Word | None = None) -> Cell:
    return Cell(value, form.format(value) if math.isfinite(value) else UNKNOWN, word)


def _spread(values: Sequence[float], form: str, word: Word | None = None) -> Cell:
    """Mean ± standard deviation over seeds, both to the same place: of `form`, or the fourth digit of the mean."""
    if not len(values) or not np.isfinite(values).all():
        return Cell(math.nan, UNKNOWN, UNKNOWN if word else None)
    mean = float(np.mean(values))
    form = form or four_digits(mean)
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Cell(mean, spread(mean, deviation, form, form), word)
