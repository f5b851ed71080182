"""A Ray cluster that does not come up."""

from __future__ import annotations

from typing import Any

import pytest
import ray

from tsforge.errors import ConfigError, TrainingError
from tsforge.runtime import cluster


def test_a_start_that_takes_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a traceback where a busy machine is at fault."""

    def late(*_: Any, **_named: Any) -> None:
        raise Exception("The current node timed out during startup.\nSee the logs.")

    monkeypatch.setattr(ray, "init", late)
    with pytest.raises(ConfigError, match=r"Ray does not start: The current node timed out during startup\."):
        cluster.connected(None, 2, "`address`").__enter__()


@pytest.mark.parametrize(
    ("address", "said"),
    [(None, "Ray does not start on this machine: no room"), ("auto", "no Ray cluster answers at auto: no room")],
)
def test_an_address_that_was_not_given_is_not_named(
    address: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: "no Ray cluster answers at None"."""

    def none(*_: Any, **_named: Any) -> None:
        raise OSError("no room\nelse")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", none)
    with pytest.raises(ConfigError) as caught:
        cluster.connected(address, 2, "`address`").__enter__()
    assert caught.value.message == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The node is gone.\n(see the log)", "The node is gone."),
        (
            "The actor died in ray::Agent.__init__()\n  line 3\nModuleNotFoundError: tsforge",
            "ModuleNotFoundError: tsforge",
        ),
    ],
)
def test_errors_of_the_cluster_are_ours(text: str, said: str) -> None:
    """Prevents: a traceback of Ray's where a machine lacks something."""
    with pytest.raises(TrainingError) as caught, cluster.answering("sending a table"):
        raise ray.exceptions.RayError(text)
    assert caught.value.message == f"the Ray cluster failed while sending a table: {said}"
    assert "every machine" in caught.value.hint


def test_mistakes_of_ours_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: Any, **_named: Any) -> None:
        raise TypeError("no such argument")

    monkeypatch.setattr(ray, "init", wrong)
    with pytest.raises(TypeError, match="no such argument"):
        cluster.connected(None, 2, "`address`").__enter__()
