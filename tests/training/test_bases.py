"""A network over a closed form, from a table to its directory: what it is trained on, and that nothing leaks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import tsforge
from tests.helpers.tables import daily, hourly
from tests.helpers.walks import walk
from tsforge.batch import Context
from tsforge.data import loader
from tsforge.data.dataset import Dataset
from tsforge.errors import ModelError
from tsforge.experiment import Experiment
from tsforge.model.baselines import theta
from tsforge.model.baselines.naive import baseline
from tsforge.model.network import Network
from tsforge.sweeping.config import SweepConfig, of_experiment
from tsforge.sweeping.data import SweepData
from tsforge.training import fitting, single


def monthly(lengths: tuple[int, ...] = (150, 61, 40), holes: bool = True) -> pd.DataFrame:
    """Series of unlike lengths and sizes that grow and have a season; a third of one's values are missing."""
    parts = []
    for i, n in enumerate(lengths):
        times = pd.date_range("2001-01-01", periods=150, freq="MS")[-n:]
        y = walk(n, 12, 0.3, seed=i, noise=0.03) * 100**i * np.exp(np.arange(n) / 100)
        y[5::3] = np.nan if holes and i == 1 else y[5::3]
        parts.append(pd.DataFrame({"item": f"s{i}", "month": times, "y": y}))
    return pd.concat(parts, ignore_index=True)


def promoted() -> pd.DataFrame:
    """Sales of two shops, with what is known ahead and what is not."""
    frame = daily(n=150)
    rng = np.random.default_rng(5)
    return frame.assign(price=rng.random(len(frame)).round(2), visitors=rng.integers(0, 50, len(frame)))


TABLES: dict[str, tuple[Callable[[], pd.DataFrame], dict[str, Any]]] = {
    "ragged months with holes": (monthly, {"data.id": "item", "data.target": "y", "data.season": 12}),
    "hours with a gap": (lambda: hourly(12, gap=True), {"data.season": 24}),
    "days with covariates": (
        promoted, {"data.id": "item", "data.target": "sold", "data.future": "price", "data.past": "visitors"},
    ),
}  # fmt: skip


def asked(name: str, **settings: Any) -> Experiment:
    small = {
        "model.kind": "gru", "model.base": "theta", "model.width": 8, "train.max_steps": 4, "data.horizon": 6,
        "train.validations": 1, "train.device": "cpu",
    }  # fmt: skip
    return tsforge.build(small | TABLES[name][1] | {k.replace("__", "."): v for k, v in settings.items()})


def prepared(experiment: Experiment, frame: pd.DataFrame) -> tuple[Experiment, Dataset]:
    dataset = fitting.prepare(experiment, frame)
    return experiment.on(dataset.config, dataset.sizes.narrow), dataset


def silence(network: nn.Module) -> None:
    assert isinstance(network, Network)
    for parameter in network.head.parameters():
        nn.init.zeros_(parameter)


def by_hand(dataset: Dataset, window: int) -> np.ndarray:
    """theta.forecast of what lies before the origin of a training window, cut out of the panel; each target alone."""
    panel, sizes = dataset.panel, dataset.sizes
    origin, series = (int(part[window]) for part in dataset.parts.train)
    rows = slice(max(origin - sizes.context, int(panel.offsets[series])), origin)
    answer = np.zeros((sizes.horizon, panel.values.shape[1]))
    for c in range(answer.shape[1]):
        y = torch.tensor(np.where(panel.observed[rows, c], panel.values[rows, c], 0.0))[None, :, None]
        seen = torch.tensor(panel.observed[rows, c])[None, :, None]
        answer[:, c] = theta.forecast(y, seen, sizes.horizon, sizes.season)[0, :, 0]
    return answer


@pytest.mark.parametrize("room", [None, 200])
@pytest.mark.parametrize("name", TABLES)
def test_a_training_window_has_the_base_of_its_own_past(
    name: str, room: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: bases of other windows, where they are computed ahead, held, and thrown away for want of room."""
    if room is not None:
        monkeypatch.setattr(loader, "MOST_HELD", room)
        monkeypatch.setattr(loader, "AT_ONCE", 20)
    experiment, dataset = prepared(asked(name), TABLES[name][0]())
    training = single.begin(experiment, dataset).loader
    starts = training.source.starts(dataset.parts.train)
    for _ in range(2):
        state = np.random.SeedSequence([experiment.seed, training.epoch]).generate_state(1, np.uint64)
        order = torch.randperm(
            len(starts), generator=torch.Generator().manual_seed(int(state[0]) & (2**63 - 1))
        ).tolist()
        bases = torch.cat([batch.context.base for batch in training])
        assert len(bases) == len(starts)
        for i in range(0, len(order), max(1, len(order) // 12)):
            expected = by_hand(dataset, order[i])
            np.testing.assert_allclose(bases[i].numpy(), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_each_window_is_computed_once() -> None:
    """Prevents: a closed form that is computed in every epoch, or batch by batch, which takes ten times as long."""
    name = "ragged months with holes"
    experiment, dataset = prepared(asked(name), monthly())
    sizes: list[int] = []

    def base(context: Context) -> Tensor:
        sizes.append(len(context.target))
        return context.target[:, -dataset.sizes.horizon :]

    windows = loader.WindowLoader(dataset.source, dataset.parts.train, 8, experiment.seed, base)
    for _ in range(3):
        for batch in windows:
            assert torch.equal(batch.context.base, batch.context.target[:, -dataset.sizes.horizon :])
    assert sizes == [len(dataset.parts.train.origins)]


@pytest.mark.parametrize("name", TABLES)
def test_a_silent_network_predicts_what_theta_does(name: str, tmp_path: Path) -> None:
    """Prevents: a base of other values in a fit, a backtest or a served forecast than the closed form by itself has.

    Beyond the horizon too, where forecasts are fed back.
    """
    frame = TABLES[name][0]()
    fitted = tsforge.fit(asked(name), frame, out=tmp_path / "m")
    alone = tsforge.fit(tsforge.build({"model.kind": "theta", "data.horizon": 6} | TABLES[name][1]), frame)
    assert fitted.dataset.sizes.context == alone.dataset.sizes.context
    ahead = {} if name == "days with covariates" else {"horizon": 15}
    later = tsforge.future(fitted.model, frame, horizon=6) if not ahead else None
    if later is not None:
        later["price"] = 0.5
    once = tsforge.predict(fitted.model, frame, future_data=later, **ahead)
    loaded = tsforge.predict(tmp_path / "m", frame, future_data=later, **ahead)
    np.testing.assert_array_equal(once.point, loaded.point)
    np.testing.assert_array_equal(once.quantiles, loaded.quantiles)
    silence(fitted.model.network)
    expected = tsforge.predict(alone.model, frame, future_data=later, **ahead)
    actual = tsforge.predict(fitted.model, frame, future_data=later, **ahead)
    np.testing.assert_allclose(actual.point, expected.point, rtol=1e-4)
    assert (np.abs(once.point - expected.point) > 1e-4 * np.abs(expected.point)).any()


@pytest.mark.parametrize("name", TABLES)
def test_what_comes_after_the_origin_changes_nothing(name: str) -> None:
    """Prevents: bases and weights that have seen what they are to forecast."""
    frame = TABLES[name][0]()
    column = TABLES[name][1].get("data.target", "load")
    held = {"data__validation": 12, "data__test": 12}
    end = frame.groupby(TABLES[name][1].get("data.id", lambda _: 0)).cumcount(ascending=False)
    other = frame.copy()
    other.loc[end < 12, column] = 9 * other.loc[end < 12, column] + 1e3
    a, b = (prepared(asked(name, **held), table) for table in (frame, other))
    first, second = (list(single.begin(*part).loader) for part in (a, b))
    for left, right in zip(first, second, strict=True):
        assert torch.equal(left.context.base, right.context.base)
    trained = [fitting.train(*part).network for part in (a, b)]
    for left, right in zip(*(network.state_dict().values() for network in trained), strict=True):
        assert torch.equal(left, right)


def test_the_context_is_that_of_the_base_and_the_network_reads_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: a network that takes ten steps of time for each that it needs, or a base of two seasons."""
    name = "ragged months with holes"
    plain, _ = prepared(asked(name, model__base="seasonal"), monthly())
    settled, dataset = prepared(asked(name), monthly())
    assert (plain.data.context, plain.model.recent) == (16, None)
    assert (settled.data.context, settled.model.recent, dataset.sizes.history) == (120, 16, 24)
    assert "raised" not in caplog.text
    again, _ = prepared(settled, monthly())
    assert again == settled
    wanted, _ = prepared(asked(name, data__context=30), monthly())
    assert (wanted.data.context, wanted.model.recent) == (120, 30)
    assert "context raised from 30 to 120" in caplog.text
    own, _ = prepared(asked(name, model__recent=50), monthly())
    assert (own.data.context, own.model.recent) == (120, 50)


def test_a_directory_of_another_base_is_refused(tmp_path: Path) -> None:
    """Prevents: weights of a network that learned what to add to theta, read as one that adds to something else."""
    import json

    from tsforge.fitted import manifest

    fitted = tsforge.fit(asked("hours with a gap"), hourly(20, gap=True), out=tmp_path / "m")
    assert tsforge.build({}, tmp_path / "m" / "experiment.toml") == fitted.model.experiment
    path = tmp_path / "m" / "experiment.json"
    for base in ("seasonal", "linear", "thetta"):
        stored = json.loads(path.read_text())
        stored["model"]["base"] = base
        path.write_text(json.dumps(stored))
        manifest.write(tmp_path / "m", [p.name for p in (tmp_path / "m").iterdir() if p.name in manifest.ALWAYS])
        with pytest.raises(ModelError):
            tsforge.predict(tmp_path / "m", hourly(20, gap=True))


@pytest.mark.parametrize("form", ["ensemble", "blend"])
def test_several_networks_over_closed_forms_come_back_as_they_were(form: str, tmp_path: Path) -> None:
    """Prevents: members of which each has the base of the first, or a base of the context of another."""
    experiment = asked("ragged months with holes", ensemble=2)
    if form == "blend":
        own = [{"kind": "gru", "base": base, "width": 8, "recent": 24} for base in ("theta", "drift")]
        members = [{"model": own[0]}, {"model": own[1], "context": 30}, {"model": {"kind": "theta"}}]
        settings = {"model": {"kind": "blend", "members": members}, "data.id": "item", "data.target": "y"}
        experiment = tsforge.build(settings | {"data.season": 12, "data.horizon": 6, "train.max_steps": 4})
    fitted = tsforge.fit(experiment, monthly(), out=tmp_path / "m")
    before, after = (tsforge.predict(model, monthly()) for model in (fitted.model, tmp_path / "m"))
    np.testing.assert_array_equal(before.quantiles, after.quantiles)
    network = fitted.model.network
    for member in list(network.members)[:2]:
        silence(member)
    source, windows = fitted.dataset.source, fitted.dataset.parts.test
    given = source.gather(source.starts(windows), torch.from_numpy(windows.series)).context
    season, horizon = 12, 6
    expected = smoothed = theta.forecast(*given[:2], horizon, season)
    if form == "blend":
        drift = baseline("drift", given.newest(30), horizon, season)
        expected = (2 * smoothed + drift) / 3
    torch.testing.assert_close(network(given).point, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_an_explanation_is_of_base_and_network() -> None:
    """Prevents: a forecast that most of comes from steps the explanation leaves out."""
    frame = monthly((150,), holes=False)
    fitted = tsforge.fit(asked("ragged months with holes"), frame)
    found = tsforge.explain(fitted.model, frame)
    assert found.saliency.shape[2] == fitted.model.shape.context > 100
    assert (found.along("gradient")[0][:90] > 0).any()  # of which the network reads none


def test_a_sweep_cuts_the_data_for_each_base(tmp_path: Path) -> None:
    """Prevents: trials of a base that share the windows of another, shorter or longer than they ask for."""
    monthly().to_csv(tmp_path / "d.csv", index=False)
    name = "ragged months with holes"
    experiment = asked(name, model__base="seasonal", data__path=str(tmp_path / "d.csv"))
    plan = of_experiment(experiment, SweepConfig(), {"model.base": ["seasonal", "theta"]})
    table = SweepData.read(plan)
    sizes = {}
    for base in ("seasonal", "theta", "naive"):
        trial = tsforge.settings.override(experiment, {"model.base": base})
        (dataset,) = table.datasets(trial)
        sizes[base] = dataset.sizes.context, dataset.sizes.history
    assert sizes == {"seasonal": (16, None), "theta": (120, 24), "naive": (16, None)}
