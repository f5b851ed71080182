"""What is registered by hand, as other processes find it, and what they cannot be given."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import tsforge
from tsforge.api.extending import Metric
from tsforge.errors import ConfigError
from tsforge.runtime import plugins


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is registered here is forgotten."""
    for name in ("_added", "_checked", "_hidden", "_seen"):
        monkeypatch.setattr(plugins, name, type(getattr(plugins, name))(getattr(plugins, name)))
    monkeypatch.setattr(plugins, "_added", {kind: {} for kind in plugins.GROUPS})
    monkeypatch.setenv("TSFORGE_REGISTERED", "{}")


def _as_a_child(monkeypatch: pytest.MonkeyPatch, modules: tuple[str, ...]) -> None:
    """Forget what this process knows but for its environment, and where it looks for modules."""
    for name in modules:
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    monkeypatch.setattr(plugins, "_added", {kind: {} for kind in plugins.GROUPS})
    monkeypatch.setattr(plugins, "_checked", {})
    monkeypatch.setattr(plugins, "_seen", set())


@pytest.mark.parametrize("name", ["mypack", "mypack.parts", "mymodule"])
def test_what_lies_beside_a_script_is_found_by_other_processes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: a package of the script's folder, or what a module imports from there, that only the script can see."""
    (tmp_path / "mypack").mkdir()
    for path in ("mypack/__init__.py", "mypack/parts.py", "mymodule.py"):
        (tmp_path / path).write_text("from mybeside import power\ndef fifth(gap): return gap.abs() ** power\n")
    (tmp_path / "mybeside.py").write_text("power = 5\n")
    modules = ("mypack", "mypack.parts", "mymodule", "mybeside")
    try:
        with monkeypatch.context() as script:
            script.syspath_prepend(tmp_path)
            tsforge.register("loss", "fifth", importlib.import_module(name).fifth)
        _as_a_child(monkeypatch, modules)
        monkeypatch.setattr(sys, "path", [*sys.path])
        plugins.ready()
        found = plugins.find("loss", "fifth", lambda _name, thing: thing)
        assert (found.__module__, float(found(torch.tensor(-2.0)))) == (name, 32.0)
        assert name in sys.modules
    finally:
        for module in modules:
            sys.modules.pop(module, None)


def test_what_is_gone_ends_no_process_that_does_not_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Prevents: all ranks of a training that end for the sake of a loss which it does not need."""
    path = tmp_path / "mygone.py"
    path.write_text("def sixth(gap): return gap.abs() ** 6\n")
    with monkeypatch.context() as script:
        script.syspath_prepend(tmp_path)
        tsforge.register("loss", "sixth", importlib.import_module("mygone").sixth)
    path.unlink()
    _as_a_child(monkeypatch, ("mygone",))
    monkeypatch.setattr(sys, "path", [*sys.path])
    plugins.ready()
    with pytest.raises(ConfigError, match=r"mygone.py cannot be imported: no such file"):
        plugins.find("loss", "sixth", lambda _name, thing: thing)


def test_what_has_no_name_in_its_module_is_refused_where_others_would_need_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Prevents: workers that look for it in functools, or in the module of a function that it is made of."""
    lines = [
        "import functools, tsforge",
        "from tsforge.api.extending import Metric, Ratio",
        "def power(gap, n): return gap.abs() ** n",
        "def above(o): return Ratio(o.seen((o.point > o.truth).astype(float)), o.weight)",
        "tsforge.register('loss', 'eighth', functools.partial(power, n=8))",
        "tsforge.register('metric', 'above', Metric(above, lower_is_better=False))",
    ]
    (tmp_path / "mynameless.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("mynameless")
    try:
        with pytest.raises(ConfigError, match="the loss 'eighth' has no name in its module"):
            plugins.check_shared([("loss", "eighth")])
        plugins.check_shared([("metric", "above")])  # the module registers it itself, wherever it is imported
        tsforge.register("metric", "over", Metric(module.above))
        with pytest.raises(ConfigError, match="the metric 'over' has no name in its module"):
            plugins.check_shared([("metric", "over")])
        importlib.reload(module)
        plugins.check_shared([("metric", "above")])
        assert set(json.loads(os.environ["TSFORGE_REGISTERED"])) == {"metric:above"}
    finally:
        del sys.modules["mynameless"]


def test_a_broken_thing_of_a_package_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: every list of metrics ended by one that fails when it is tried."""

    def check(_name: str, thing: Any) -> Any:
        return thing["of no such key"]

    plugins._seen.add("")
    plugins._added["metric"]["odd"] = plugins.Added(dict, "odd:metric of the package odd")
    with pytest.raises(ConfigError, match="'odd' cannot be loaded from odd:metric of the package odd: KeyError"):
        plugins.find("metric", "odd", check)
    assert plugins.every("metric", check) == {}
    assert "left out: the metric 'odd'" in caplog.text
