"""The entry point: root help and version without the CLI library, errors as two lines, exit codes.

0 success; 2 something the user can fix; 1 a bug of ours, with traceback; 130 on Ctrl-C, 143 on SIGTERM. update: 3 the
old model stays, 4 nothing was trained.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from cyclopts import App

DASH = "standard-stream"  # stands for - while cyclopts reads the words: it takes that for an option
STARTED = time.perf_counter() - 0.03  # when the process began: Python takes some 30 ms until it is here
COMMANDS = {  # each is the function NAME in commands/NAME.py
    "inspect": "Show what tsforge sees in a table, and a command to start with.",
    "fit": "Train a model on a table and score it on the held-out end.",
    "predict": "Forecast what comes after the end of a table.",
    "future": "Write the rows ahead of a table, to fill in what is known in advance.",
    "detect": "Find the values of a table that a model did not expect.",
    "explain": "Show which steps of the past a forecast looks at.",
    "export": "Write a model as one file that forecasts without tsforge: ONNX or torch.export.",
    "update": "Bring a model up to date with new rows, if that makes it no worse.",
    "report": "Write a page on a model, a sweep or a comparison: one HTML file that opens offline.",
    "serve": "Answer forecasts over HTTP with MLflow's scoring server.",
    "backtest": "Judge a model on data it never saw, beside baselines.",
    "sweep": "Search settings and architectures, and fit a model with the best.",
    "pretrain": "Train the network of `zero` on series from formulas.",
    "compare": "Put architectures side by side: what they can do, what they cost, how well they forecast.",
    "runs": "List what is recorded in MLflow, compare runs, reproduce one, deliver what waits.",
    "mcp": "Offer commands as tools of a Model Context Protocol server.",
    "ui": "Open the MLflow UI on the recorded runs.",
    "init": "Write a table's experiment as TOML, with what was detected and every other setting as a comment.",
    "settings": "List the settings of an experiment: path, default, what each may be, and what it does.",
    "models": "List the models that --model takes, and what each is.",
    "metrics": "List the metrics that --metrics takes, and what each measures.",
    "pipelines": "List the experiments that tsforge brings along, or print one.",
    "clean": "Show what commands have left that can go, and how much it is; --yes removes it.",
    "doctor": "Say what is installed, what the machine is, and whether a small fit works.",
    "completion": "Print a script by which a shell completes commands, options and files.",
    "data": "List the catalogued data sets, fetch one, say where it lies; make synthetic series.",
}
HELP = Path(__file__).with_name("help")  # written by `make help`, checked by a test
USAGE = """Usage: tsforge COMMAND [OPTIONS]

From a CSV to a trained, tracked, compared and trustworthy forecast.

Commands:
{commands}

  tsforge COMMAND --help shows the options of a command.
  tsforge --version prints the version.

Start here:
  tsforge fit data.csv --horizon 24
"""


def main(argv: list[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    from tsforge.runtime import garbage

    for name in ("stdout", "stderr"):  # closed, as by 2>&-: print would take the other one for it
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123
    garbage.own_process()
    code = run(sys.argv[1:] if argv is None else argv, STARTED)
    garbage.leave()
    sys.exit(code)


def run(argv: list[str], started: float | None = None) -> int:
    """Run one command and return its exit code.

    started: when it began, by `time.perf_counter`, from which the time that it may take counts; now where None.
    """
    started = time.perf_counter() if started is None else started
    if not argv or argv in (["-h"], ["--help"], ["help"]):
        _print_help(_root_help())
        return 0
    if argv in (["--version"], ["-V"]):
        from tsforge.version import __version__

        print(f"tsforge {__version__}")
        return 0
    if argv[0] in COMMANDS and argv[1:] in (["-h"], ["--help"]):
        _print_help((HELP / f"{argv[0]}.txt").read_text(encoding="utf-8"))
        return 0
    from tsforge.cli import pulse

    pulse.start(argv)  # before all that takes long to import
    try:
        return _command(argv, started)
    finally:
        pulse.stop()


def _command(argv: list[str], started: float) -> int:
    """Run a command; its mistakes become two lines and an exit code."""
    from cyclopts import CycloptsError

    from tsforge.cli import output
    from tsforge.cli.hints import translated
    from tsforge.errors import TsforgeError, nearest
    from tsforge.runtime import stopping, timing

    name = argv[0]
    output.start(argv, started)
    if name not in COMMANDS:
        return _fail(f"there is no command '{name}'", nearest(name, COMMANDS) or "see tsforge --help")
    try:
        with stopping.terminable():
            code = _call(application(name), argv[1:])
    except CycloptsError as problem:
        from tsforge.cli.mistakes import explained

        message, hint = explained(problem, name)
        return _fail(message.replace(DASH, "-"), hint.replace(DASH, "-"))
    except TsforgeError as problem:
        return _fail(problem.message, translated(problem.hint, name))
    except (KeyboardInterrupt, ImportError) as problem:
        if isinstance(problem, ImportError) and not stopping.asked():
            raise
        return _fail(f"stopped by {stopping.cause()}; nothing was kept", "", code=stopping.exit_code())
    except BrokenPipeError:  # the reader of our results has gone, as with `| head`; they were complete before
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123  (the interpreter flushes it at exit)
        return 0
    finally:
        timing.stop()
    return code if isinstance(code, int) else 0


def _root_help() -> str:
    """What a person sees first, in 80 columns."""
    import textwrap

    left = max(map(len, COMMANDS)) + 4
    lines = []
    for name, text in COMMANDS.items():
        first, *others = textwrap.wrap(text, 80 - left)
        lines += [f"  {name}".ljust(left) + first, *(" " * left + other for other in others)]
    return USAGE.format(commands="\n".join(lines))


def _print_help(text: str) -> None:
    """Print help, its titles in bold where the terminal has it."""
    from tsforge.runtime import terminal

    for line in text.splitlines():
        print(terminal.styled(line, terminal.BOLD) if line[:1].strip() and line.endswith(":") else line)


def _call(app: App, argv: list[str]) -> object:
    """Run a command with the words that follow its name; what it returns."""
    words = [DASH if word == "-" else word for word in argv]
    command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    for name, value in bound.arguments.items():
        bound.arguments[name] = _with_dashes(value)
    return command(*bound.args, **bound.kwargs)


def _with_dashes(value: Any) -> Any:
    """A value of a parameter with - where it was; of options that stand together, each."""
    if isinstance(value, str):
        return "-" if value == DASH else value
    if isinstance(value, list | tuple):
        return type(value)(map(_with_dashes, value))
    if is_dataclass(value):
        for name, part in vars(value).items():
            setattr(value, name, _with_dashes(part))
    return value


def application(name: str) -> App:
    """The cyclopts application of one command alone: reading the others would cost its help half its time."""
    from cyclopts import App, Parameter

    from tsforge.cli import layout

    module = import_module(f"tsforge.cli.commands.{name}")
    app = App(
        name=f"tsforge {name}", help_format="plaintext", version_flags=[],
        default_parameter=Parameter(show_default=False), result_action="return_value",
        suppress_keyboard_interrupt=False, help_formatter=layout.Layout(getattr(module, name)),
        help_epilogue=layout.examples(name),
    )  # fmt: skip
    app["--help"].show = False
    app.default(getattr(module, name))
    for action in getattr(module, "ACTIONS", ()):
        word = action.__name__.strip("_")
        help_ = layout.examples(f"{name} {word}")
        app.command(action, name=word, help_formatter=layout.Layout(action), help_epilogue=help_)
    return app


def _fail(message: str, hint: str, code: int = 2) -> int:
    """Print an error, and a hint if there is one, as a line each; returns the exit code."""
    from tsforge.cli import pulse
    from tsforge.cli.output import print_error

    pulse.stop()
    print_error(message, hint)
    return code
