"""Ctrl-C and SIGTERM: who takes them, and what a command ends with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from tsforge.runtime import stopping

REQUESTS = [(signal.SIGINT, "Ctrl-C", 130), (signal.SIGTERM, "SIGTERM", 143)]


def _send(request: signal.Signals) -> None:
    """To this process, and taken before this returns."""
    os.kill(os.getpid(), request)
    signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.parametrize(("request_", "words", "code"), REQUESTS)
def test_the_first_request_is_noted_and_the_second_raised(request_: signal.Signals, words: str, code: int) -> None:
    """Prevents: a training that cannot be ended at once, or one that ends at once at the first request."""
    seen: list[str] = []
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)  # a shell may have them ignored
    with stopping.terminable(), stopping.first(lambda: seen.append("first")):
        _send(request_)
        assert (seen, stopping.cause(), stopping.exit_code()) == (["first"], words, code)
        with pytest.raises(KeyboardInterrupt):
            _send(request_)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_request_outside_of_training_is_raised() -> None:
    """Prevents: SIGTERM that ends a command without its run being closed."""
    with pytest.raises(KeyboardInterrupt), stopping.terminable():
        _send(signal.SIGTERM)
    assert stopping.exit_code() == 143
    with stopping.terminable():  # of the next command
        assert stopping.exit_code() == 130


def test_sigterm_is_left_alone_where_it_has_another_taker() -> None:
    """Prevents: a service that embeds the library and no longer hears its own signal, or a training there that does."""
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        with stopping.terminable(), stopping.first(lambda: heard.append(-1)):
            _send(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]


def test_other_threads_touch_no_handler() -> None:
    """Prevents: ValueError where a training runs in a thread, which may set no handlers."""
    done: list[bool] = []

    def work() -> None:
        with stopping.terminable(), stopping.first(lambda: None):
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def test_a_command_that_is_stopped_before_it_trains() -> None:
    """Prevents: exit code 0 or a traceback where nothing was kept."""
    text = (
        "import os, signal, sys; from tsforge.cli import main; from tsforge.cli.commands import data\n"
        "import tsforge.data.catalog as catalog\n"
        "catalog.cards = lambda: os.kill(os.getpid(), signal.SIGTERM)\n"
        "main.main(['data', 'list'])"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 143
    assert done.stderr == "error: stopped by SIGTERM; nothing was kept\n"


@pytest.mark.parametrize(("request_", "words", "code"), REQUESTS)
@pytest.mark.parametrize("asked", [True, False])
def test_a_library_that_swallows_the_request(request_: signal.Signals, words: str, code: int, asked: bool) -> None:
    """Prevents: a traceback where an import was broken off, whose library took that for a missing package."""
    text = (
        "import os, signal; from tsforge.cli import main; from tsforge.cli.commands import data\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # which a shell has ignored behind its back
        "import tsforge.data.catalog as catalog\n"
        "def cards():\n"
        "    try:\n"
        f"        os.kill(os.getpid(), {int(request_)}) if {asked} else None\n"
        "    except BaseException:\n"
        "        pass\n"
        "    raise ImportError('half imported')\n"
        "catalog.cards = cards\n"
        "main.main(['data', 'list'])"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    if asked:
        assert (done.returncode, done.stderr) == (code, f"error: stopped by {words}; nothing was kept\n")
    else:
        assert done.returncode == 1
        assert "ImportError: half imported" in done.stderr
