"""What somebody sees who types commands into a terminal of 80 columns, and what a pipe gets of it."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from tests.helpers.commands import Capsys
from tests.helpers.screen import STYLE, on_terminal
from tests.helpers.tables import hourly
from tsforge.api.progress import Line
from tsforge.cli import output, pulse
from tsforge.cli.main import main, run
from tsforge.runtime import console, garbage

FIT = ["fit", "data.csv", "--horizon", "6", "--model", "seasonal-naive", "--baselines", "theta", "--no-track"]


@pytest.mark.usefixtures("home")
def test_a_fit_and_its_forecast(capsys: Capsys) -> None:
    """Prevents: lines that the terminal breaks, signs of progress left among results, colours in a pipe."""
    hourly(12).to_csv("data.csv", index=False)
    assert run([*FIT, "--out", "again"]) == 0  # first, so that what it imports is there in the others
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    fitted = on_terminal(FIT)
    assert fitted.code == 0
    assert max(map(len, fitted.screen)) <= 80
    assert not {"⠋", "⠙", "⠹"} & set("".join(fitted.screen))
    assert len(fitted.styled("1")) >= 5  # the best of each metric
    assert fitted.styled("1;3[123]") == ["verdict"]
    words = " ".join(" ".join(fitted.screen).split())
    for line in out.splitlines():
        if line.strip().startswith(("mase", "rmse", "verdict")):  # the same numbers and words, however they are broken
            assert " ".join(line.split()) in words
    forecast = on_terminal(["predict", "again"])
    assert max(map(len, forecast.screen)) <= 80
    assert forecast.screen[0].split() == ["time", "forecast", "q0.1", "q0.9"]
    assert len(forecast.screen[1].split()) == 5  # date and time of day


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_errors_and_long_hints(environment: dict[str, str], coloured: bool, capsys: Capsys) -> None:
    """Prevents: a hint of 310 columns, or one in a pipe that a script can no longer search for."""
    shown = on_terminal(["settings", "--model", "nosuch"], **environment)
    assert shown.code == 2
    assert max(map(len, shown.screen)) <= 80
    assert shown.styled("1;31") == (["error:"] if coloured else [])
    assert shown.styled("36") == (["hint:"] if coloured else [])
    assert run(["settings", "--model", "nosuch"]) == 2
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 2
    assert " ".join(" ".join(shown.screen).split()) == " ".join(err)


@pytest.mark.usefixtures("home")
def test_a_document_has_no_colours(monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> None:
    """Prevents: JSON that no program reads, where somebody forces colours."""
    assert not STYLE.search(on_terminal(["models", "--json"], FORCE_COLOR="1").written)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run(["models"]) == 0
    assert "\x1b[1m" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["metrics"], ["models"], ["settings", "train"], ["data", "list"], []])
def test_what_is_listed_fits(words: list[str]) -> None:
    shown = on_terminal(words)
    assert shown.code == 0
    assert max(map(len, shown.screen)) <= 80


class Stream(io.StringIO):
    """What is written to stderr, until enough of it is there."""

    def __init__(self, *, live: bool, until: str, times: int) -> None:
        super().__init__()
        self._live, self._until, self._times = live, until, times
        self.enough = threading.Event()

    def isatty(self) -> bool:
        return self._live

    def write(self, text: str) -> int:
        count = super().write(text)
        if self.getvalue().count(self._until) >= self._times:
            self.enough.set()
        return count


@pytest.mark.parametrize("live", [True, False])
def test_a_sign_moves_while_nothing_is_printed(live: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: minutes without a word, on a terminal and in a log."""
    monkeypatch.setattr(console.Pulse, "FIRST", 0.0)
    monkeypatch.setattr(console.Pulse, "LATER", 0.1)
    stream = Stream(live=live, until="training  3 s" if live else "training", times=5)
    monkeypatch.setattr(sys, "stderr", stream)

    def say(text: str) -> None:
        stream.write(text + "\n")
        console.clear()

    pulse = console.Pulse(lambda: ("training", 3.0), None if live else say)
    pulse.start()
    assert stream.enough.wait(30)
    pulse.stop()
    if live:
        assert stream.getvalue().endswith("\r\x1b[K")
        assert len({frame.strip()[:1] for frame in stream.getvalue().split("\r\x1b[K") if "training" in frame}) >= 3
    else:
        assert stream.getvalue().splitlines()[:2] == ["... training", "... training, 3 s"]


def test_a_line_that_is_written_over_keeps_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a sign, or the phase within a training, in place of the losses that a line ends with."""
    stream = Stream(live=True, until="validation", times=1)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(console.Pulse, "PATIENCE", 0.0)
    console.show("step 3/9  loss 0.5")
    pulse = console.Pulse(lambda: ("validation", 0.0), None)
    pulse._spin()
    pulse._spin()
    console.keep()
    assert stream.getvalue().endswith("\r\x1b[Kstep 3/9  loss 0.5\n")
    assert "validation" not in stream.getvalue()
    console.show("x" * 200)
    assert "x" * 80 not in stream.getvalue()
    console.keep()


class Gone(io.StringIO):
    """A terminal whose window was closed."""

    def isatty(self) -> bool:
        return True

    def write(self, _text: str) -> int:
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("closed", [False, True])
def test_a_terminal_that_has_gone_ends_nothing(closed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: hours of training lost as somebody closed the window that showed its progress."""
    stream = Gone()
    monkeypatch.setattr(sys, "stderr", stream)
    line, plain = Line(), Line()
    plain.live = False
    if closed:
        stream.close()
    line.write("step 3/9", plain=True)
    line.hint("candidate")
    line.close()
    plain.write("step 3/9", plain=True)
    output.status("note: it goes on")
    console.clear()


def test_a_closed_stderr_does_not_speak_on_stdout(monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> None:
    """Prevents: notes and progress among results, where a job is started with 2>&-."""
    monkeypatch.setattr(garbage, "own_process", lambda: None)
    monkeypatch.setattr(garbage, "leave", lambda: None)
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.raises(SystemExit) as end:
        main(["settings", "--model", "nosuch"])
    sys.stderr.close()
    assert end.value.code == 2
    assert capsys.readouterr().out == ""


def test_one_of_several_processes_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a sign from each process of torchrun, over each other."""
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "1")
    before = threading.active_count()
    pulse.start(["fit", "data.csv"])
    assert threading.active_count() == before
