"""What is drawn is what was measured: looked up in the axes, not in pixels."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers import synthetic
from tests.helpers.synthetic import LENGTHS, MODELS, with_probe
from tsforge.comparison import plots
from tsforge.comparison.probes.cost import Curve
from tsforge.comparison.results import Measured
from tsforge.comparison.rules import Aspect
from tsforge.plotting.style import COLOURS

FILES = ("overview", "step-time", "dependent-operations", "lags", "gradients", "saved-memory", "losses", "accuracy")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """drawn(measured) -> every picture's visible axes, by file name; nothing is written."""

    def draw(measured: Measured) -> dict[str, list[Any]]:
        axes: dict[str, list[Any]] = {}

        def keep(figure: Any, path: Path) -> None:
            figure.canvas.draw()  # what cannot be drawn must fail here
            axes[path.stem] = [axis for axis in figure.axes if axis.get_visible()]

        monkeypatch.setattr(plots, "save", keep)
        plots.draw(measured, tmp_path)
        return axes

    return draw


def labelled(axis: Any) -> dict[str, Any]:
    """Lines by the name in front of their label."""
    return {line.get_label().strip().split("  ")[0]: line for line in axis.get_lines()}


def test_pictures_are_written_and_belong_to_an_aspect(tmp_path: Path) -> None:
    """Prevents: an empty file, or a picture that the page cannot place."""
    made = plots.draw(synthetic.measured(data=("demand", "sales")), tmp_path / "new")
    assert {picture.path.name for picture in made} == {f"{name}.png" for name in FILES}
    assert set((tmp_path / "new").iterdir()) == {picture.path for picture in made}
    for picture in made:
        content = picture.path.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 10_000
        assert picture.title.startswith(("Overview", *Aspect))


def test_pictures_have_pixels_for_a_sharp_screen(tmp_path: Path) -> None:
    """Prevents: a resolution that is set on a figure after its canvas was made, and then does not count."""
    plots.draw(synthetic.measured(), tmp_path)
    width, height = (int.from_bytes((tmp_path / "overview.png").read_bytes()[at : at + 4], "big") for at in (16, 20))
    assert (width, height) == (2 * 6.2 * 150, 2 * 4.3 * 150)


def test_the_overview_shows_one_panel_of_each_aspect(drawn: Any) -> None:
    """Prevents: an overview that says one thing twice and another not at all."""
    titles = [axis.get_title(loc="left") for axis in drawn(synthetic.measured())["overview"]]
    assert titles == [
        "Time of a training step", "Saved for the backward pass", "How far back gradients reach", "Accuracy, demand",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "of", "unit"),
    [("step-time", "seconds", 1000), ("dependent-operations", "chain", 1), ("saved-memory", "saved", 1e-6)],
)  # fmt: skip
def test_what_grows_with_length(drawn: Any, name: str, of: str, unit: float) -> None:
    """Prevents: curves under each other's names, or in another unit than the axis says."""
    measured = synthetic.measured()
    (axis,) = drawn(measured)[name]
    lines = labelled(axis)
    assert axis.get_xscale() == axis.get_yscale() == "log"
    assert axis.get_xlabel().startswith("L, ")
    for model in MODELS:
        curve = getattr(measured.probed[model], of)
        assert lines[model].get_color() == COLOURS[model]
        assert lines[model].get_xdata().tolist() == list(LENGTHS)
        assert lines[model].get_ydata() == pytest.approx([unit * value for value in curve.values])
        assert f"{curve.exponent:z.2f}" in lines[model].get_label()
    guide = lines["in proportion"]
    assert np.diff(np.log(guide.get_ydata())) == pytest.approx(np.diff(np.log(LENGTHS)))
    assert guide.get_linestyle() == "--"
    assert len({lines[model].get_marker() for model in MODELS}) == len(MODELS)


def test_lags_are_shares_of_the_seeds_that_were_tried(drawn: Any) -> None:
    """Prevents: a lag that was not tried drawn as one that nobody solved."""
    adding, recall = drawn(synthetic.measured())["lags"]
    assert [axis.get_title(loc="left") for axis in (adding, recall)] == ["Task: adding", "Task: recall"]
    share = labelled(adding)
    assert share["rnn"].get_ydata() == pytest.approx([1, 1 / 3, math.nan, math.nan, math.nan], nan_ok=True)
    assert share["lstm"].get_ydata() == pytest.approx([1, 1, 1, 1 / 3, math.nan], nan_ok=True)
    heights = [patch.get_height() for patch in adding.patches]
    assert heights[:5] == pytest.approx([1, 1 / 3, 0, 0, 0])
    assert [text.get_text() for text in adding.get_xticklabels()] == ["10", "30", "100", "300", "1,000"]


@pytest.mark.parametrize("more", [(), ("transformer-encoder", "scan"), ("a-name-that-fills-half-a-panel",)])
def test_a_legend_stays_within_its_panel(drawn: Any, more: tuple[str, ...]) -> None:
    """Prevents: names that run across the next panel where there are more models or longer ones."""
    for axis in drawn(synthetic.measured((*MODELS, *more)))["lags"]:
        legend, panel = axis.get_legend().get_window_extent(), axis.get_window_extent()
        assert panel.x0 <= legend.x0 < legend.x1 <= panel.x1
        at_100 = axis.transData.transform((0, 1))[1]
        assert at_100 < legend.y0 < legend.y1 <= panel.y1


def test_gradients_dashed_as_built_and_solid_when_trained(drawn: Any) -> None:
    """Prevents: what a network learned shown as what it was built with."""
    measured = synthetic.measured()
    (axis,) = drawn(measured)["gradients"]
    assert axis.get_yscale() == "log"
    lines = [line for line in axis.get_lines() if len(line.get_xdata())]
    pairs = zip(lines[::2], lines[1::2], strict=True)
    for model, (built, trained) in zip(MODELS, pairs, strict=True):
        assert (built.get_linestyle(), trained.get_linestyle()) == ("--", "-")
        assert built.get_color() == trained.get_color() == COLOURS[model]
        assert built.get_ydata() == pytest.approx(measured.probed[model].reach["initial"])
        assert trained.get_ydata() == pytest.approx(measured.probed[model].reach["trained"])
        assert built.get_xdata()[0] == 1
        assert trained.get_label() == model


def test_gradients_that_vanish_do_not_take_the_others_with_them(drawn: Any) -> None:
    """Prevents: a linear axis, on which nothing is seen, since one norm is 0 in float32."""
    norms = (*synthetic.reach(3.0, 50), *[0.0] * 50)
    measured = with_probe(synthetic.measured(), "rnn", reach={"initial": norms, "trained": norms})
    (axis,) = drawn(measured)["gradients"]
    assert axis.get_yscale() == "log"


def test_losses_are_a_thin_line_per_training_and_a_thick_one_for_their_mean(drawn: Any) -> None:
    """Prevents: a curve under another model's name, or a mean of validations that do not belong together."""
    measured = synthetic.measured(data=("demand", "sales"))
    axes = drawn(measured)["losses"]
    for axis, data in zip(axes, measured.data, strict=True):
        assert data.name in axis.get_title(loc="left")
        means = labelled(axis)
        thin = [line for line in axis.get_lines() if line.get_label().startswith("_")]
        fits = [fit for model in MODELS for fit in data.of(model)]
        for line, fit in zip(thin, fits, strict=True):
            assert list(zip(line.get_xdata(), line.get_ydata(), strict=True)) == list(fit.curve)
            assert line.get_color() == COLOURS[fit.model]
        for model in MODELS:
            expected = np.mean([[y for _, y in fit.curve] for fit in data.of(model)], axis=0)
            assert means[model].get_ydata() == pytest.approx(expected)
            assert means[model].get_linewidth() > thin[0].get_linewidth()
        assert [text.get_text() for text in axis.get_legend().get_texts()] == list(MODELS)


def test_a_mean_of_losses_ends_with_the_training_that_ends_first(drawn: Any) -> None:
    """Prevents: a mean that jumps where a poor seed has stopped."""
    measured = synthetic.measured(("lstm",))
    data = measured.data[0]
    first, *others = data.fits
    cut = replace(data, fits=(replace(first, curve=first.curve[:5]), *others))
    (axis,) = drawn(replace(measured, data=(cut,)))["losses"]
    assert len(labelled(axis)["lstm"].get_xdata()) == 5
    (axis,) = drawn(synthetic.measured(("lstm",), seeds=1))["losses"]
    assert len(axis.get_lines()) == 1
    assert axis.get_ylabel() == "validation loss"


def test_accuracy_is_the_mean_of_the_seeds_beside_baselines(drawn: Any) -> None:
    """Prevents: a standard error drawn as a deviation, or a score beside another's name."""
    measured = synthetic.measured()
    (axis,) = drawn(measured)["accuracy"]
    names = [text.get_text() for text in axis.get_yticklabels()]
    assert names == ["gru", "lstm", "transformer", "rnn", "linear", "naive", "drift"]  # the best on top
    bars = axis.containers
    data = measured.data[0]
    for y, (name, bar) in enumerate(zip(names, bars, strict=True)):
        point, _, sticks = bar.lines
        assert point.get_xdata() == pytest.approx([data.mean(name, "mase")])
        assert point.get_ydata() == pytest.approx([y])
        if name in MODELS:
            (low, high) = sticks[0].get_segments()[0][:, 0]
            assert high - low == pytest.approx(2 * np.std(data.values(name, "mase"), ddof=1))
    dots = [line for line in axis.get_lines() if line.get_marker() == "."]
    scores = sorted(fit.scores["mase"] for fit in data.fits)
    assert sorted(x for line in dots for x in line.get_xdata()) == pytest.approx(scores)
    assert labelled(axis)["seasonal naive"].get_xdata() == pytest.approx([1.0, 1.0])


def test_a_poor_baseline_does_not_press_the_others_together(drawn: Any) -> None:
    """Prevents: models that cannot be told apart since one baseline is ten times worse."""
    measured = synthetic.measured()
    data = measured.data[0]
    far = replace(measured, data=(replace(data, baselines={**data.baselines, "drift": {"mase": 9.0}}),))
    assert drawn(measured)["accuracy"][0].get_xscale() == "linear"
    assert drawn(far)["accuracy"][0].get_xscale() == "log"


def test_the_overview_shows_several_data_sets_on_one_axis(drawn: Any) -> None:
    """Prevents: scores in different units beside each other, or a legend that hides some of them."""
    measured = synthetic.measured(data=("demand", "sales"))
    *_, axis = drawn(measured)["overview"]
    lines = labelled(axis)
    for name in (*MODELS, "linear"):
        ratios = [d.mean(name, "mase") / d.mean("seasonal-naive", "mase") for d in measured.data]
        assert lines[name].get_xdata() == pytest.approx(ratios)
    assert axis.get_legend().get_window_extent().x0 >= axis.get_window_extent().x1


def test_an_architecture_without_a_colour_gets_one_that_nobody_has(drawn: Any) -> None:
    """Prevents: two architectures that look the same."""
    axes = drawn(synthetic.measured((*MODELS, "scan", "mixer")))["step-time"]
    lines = labelled(axes[0])
    looks = {(lines[m].get_color(), lines[m].get_marker()) for m in (*MODELS, "scan", "mixer")}
    assert len(looks) == 6
    assert lines["scan"].get_color() not in COLOURS.values()


@pytest.mark.parametrize(
    ("case", "missing"),
    [
        ("no probes", {"step-time", "dependent-operations", "lags", "gradients", "saved-memory"}),
        ("no data", {"losses", "accuracy"}), ("one seed", set()), ("nothing", set(FILES)), ("not a number", set()),
        ("one length", set()), ("no attempts", {"lags"}), ("no baselines", set()), ("odd names", set()),
        ("no error of seasonal naive", set()),
    ],
)  # fmt: skip
def test_what_is_missing_is_left_out(drawn: Any, case: str, missing: set[str]) -> None:
    """Prevents: an hour of measuring that ends in a picture that cannot be drawn."""
    full = synthetic.measured(data=("demand", "sales"))
    nothing = Curve(LENGTHS, (math.nan,) * len(LENGTHS))
    data = full.data[0]
    broken = tuple(replace(f, curve=(), scores=dict.fromkeys(f.scores, math.nan)) for f in data.fits)
    one = {m: replace(p, chain=Curve((16,), (5.0,)), seconds=Curve((16,), (1.0,)), saved=Curve((16,), (9.0,)))
           for m, p in full.probed.items()}  # fmt: skip
    never = {m: replace(p, attempts={"adding": (), "recall": ()}) for m, p in full.probed.items()}
    measured = {
        "no probes": replace(full, probed={}),
        "no data": replace(full, data=()),
        "one seed": synthetic.measured(seeds=1),
        "nothing": replace(full, probed={}, data=()),
        "not a number": replace(
            with_probe(full, "gru", chain=nothing, seconds=nothing, saved=nothing,
                       reach={"initial": (math.nan,) * 9, "trained": ()}), data=(replace(data, fits=broken),),
        ),
        "one length": replace(full, probed=one),
        "no attempts": replace(full, probed=never),
        "no baselines": replace(full, data=tuple(replace(d, baselines={}) for d in full.data)),
        "no error of seasonal naive": replace(full, data=(
            replace(data, baselines=data.baselines | {"seasonal-naive": dict.fromkeys(data.baselines["naive"], 0.0)}),
            full.data[1],
        )),
        "odd names": synthetic.measured(data=("$x^{", "_hidden", "a\\b %s " * 30)),
    }[case]  # fmt: skip
    assert set(drawn(measured)) == set(FILES) - missing
