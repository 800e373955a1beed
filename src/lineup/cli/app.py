"""Define the ``lineup`` command and its subcommands.

Large libraries are imported only when a command needs them, so that ``lineup --help`` is fast.

Examples
--------
>>> [command.__name__ for command in COMMANDS["Results"]]
['leaderboard', 'compare', 'power', 'list_', 'predict', 'tune', 'ui', 'models']
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from lineup import __version__, signals
from lineup.cli import (
    committees,
    compare,
    data,
    exchange,
    models,
    pages,
    plots,
    power,
    predict,
    project,
    tracking,
    tune,
)
from lineup.errors import LineupError, shortened
from lineup.terminal import tolerate_encodings

COMMANDS: dict[str, list[Callable[..., None]]] = {
    "Project": [project.init, project.demo, project.repro, project.doctor, project.check],
    "Results": [
        pages.leaderboard,
        compare.compare,
        power.power,
        exchange.list_,
        predict.predict,
        tune.tune,
        tracking.ui,
        models.models,
    ],
    "Other machines": [exchange.export, exchange.import_],
    "Stages of the pipeline": [
        project.code,
        data.download,
        data.split,
        models.train,
        committees.select,
        committees.committee,
        pages.compact,
        pages.evaluate,
        pages.reproduce,
        committees.champion,
        pages.report,
        pages.explain,
        tracking.publish,
    ],
}
"""Commands, by their heading in ``lineup --help``."""

NEW_OBJECTS = 100_000
"""Number of new objects after which Python looks for reference cycles.

With Python's default of 700, a tenth of the time of large imports goes into the search.
"""

app = typer.Typer(
    name="lineup",
    help="Compare image classifiers, alone and as committees (ensembles), on the same images.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for heading, functions in COMMANDS.items():
    for function in functions:
        # Python has a keyword `import` and a function `list`, so these functions end with an underscore.
        app.command(function.__name__.rstrip("_"), rich_help_panel=heading)(function)
app.add_typer(plots.app, rich_help_panel="Results")


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        print(f"lineup {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command.

    After a `LineupError` or a system error, such as a full disk, the command prints one line and exits with status 1.
    If a signal stops the command, the command prints one line and exits with status 128 plus the signal number.
    """
    tolerate_encodings()
    gc.set_threshold(NEW_OBJECTS)
    # When Python exits, it searches all objects for reference cycles. With TensorFlow, this takes more than a second.
    # Python does not search frozen objects.
    atexit.register(gc.freeze)
    if "DVC_STAGE" in os.environ:
        # Under `mlflow run -e main`, every stage inherits the outer run and would log to it.
        os.environ.pop("MLFLOW_RUN_ID", None)
    signals.handle_signals()
    if "DVC_STAGE" in os.environ and "DVC_ROOT" in os.environ:
        from lineup.execution.stage_watch import end_with_dvc

        end_with_dvc(Path(os.environ["DVC_ROOT"]))
    try:
        app()
    except SystemExit as end:
        # typer turns every KeyboardInterrupt into exit status 130.
        sys.exit(signals.report(signals.received[0]) if signals.received and end.code == 130 else end.code)
    except LineupError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"error: {_system_error(error)}", file=sys.stderr)
        sys.exit(1)


def _system_error(error: OSError) -> str:
    """Format a system error as a message with the file name and the reason."""
    if error.filename is None or error.strerror is None:
        return shortened(error)
    return f"{error.filename}: {error.strerror}"
