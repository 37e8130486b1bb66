"""`shipper stack`: the embedded Kafka and Elasticsearch, without Java, Docker or root of your own."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final

import typer

from shipper.cli.main import Interrupted

if TYPE_CHECKING:
    from shipper.stack import EmbeddedStack
    from shipper.stack.status import ServerStatus

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The real Kafka and Elasticsearch, on this machine: fetched, started, watched, stopped.",
)

_FOLLOW_POLL_S: Final = 0.3


class ServerChoice(StrEnum):
    """The servers by name."""

    kafka = "kafka"
    elasticsearch = "elasticsearch"


@app.command()
def up() -> None:
    """Start Kafka and Elasticsearch, fetching them first if need be, and wait until both answer.

    They go on running after the command; data stay over `down` and `up`. Ports, folders and memory are
    settings: SHIPPER_STACK_KAFKA_PORT, SHIPPER_STACK_ELASTICSEARCH_PORT, SHIPPER_STACK_DIRECTORY and others.
    """
    from shipper.stack.progress import progress_on

    stack = _stack()
    try:
        with _terminated_like_interrupted():
            started = stack.up(progress_on(sys.stderr))
    except KeyboardInterrupt:
        raise Interrupted("Interrupted; what was being started is stopped again.") from None
    if not started:
        typer.echo("The stack runs already.")
    _describe(stack)


@app.command()
def down(
    wipe: Annotated[bool, typer.Option("--wipe", help="Also delete the servers' data and logs.")] = False,
) -> None:
    """Stop both servers; their data stay unless --wipe is given."""
    stack = _stack()
    typer.echo("The stack is stopped." if stack.down() else "The stack was not running.")
    if wipe:
        stack.wipe()
        typer.echo(f"The servers' data in {stack.home} are deleted.")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what runs and where; exit code 0 if both servers answer, 1 otherwise."""
    answer = _stack().status()
    if as_json:
        typer.echo(json.dumps(answer.as_document(), indent=1))
    else:
        for server in answer.servers:
            typer.echo(_line(server))
        typer.echo(f"Folder {answer.home}")
    if not answer.is_running:
        raise typer.Exit(1)


@app.command()
def logs(
    server: Annotated[ServerChoice, typer.Argument(help="Whose log.")],
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")
    ] = False,
) -> None:
    """Print the end of a server's own log."""
    from shipper.stack.server import tail

    log = _stack().log(server.value)
    if not log.exists():
        typer.echo(f"There is no log yet: {log}", err=True)
        raise typer.Exit(1)
    end_bytes = log.stat().st_size
    for line in tail(log, limit_bytes=max(lines, 100) * 1024)[-lines:] if lines else ():
        typer.echo(line)
    if follow:
        with contextlib.suppress(KeyboardInterrupt):
            _follow(log, end_bytes)


@app.command()
def path() -> None:
    """Print the folders that the stack uses, one `name<TAB>path` a line."""
    stack = _stack()
    for name, folder in (
        ("directory", stack.directory),
        ("home", stack.home),
        ("cache", stack.cache),
        ("software", stack.software),
    ):
        typer.echo(f"{name}\t{folder}")


def _stack() -> EmbeddedStack:
    from shipper.config import load_settings
    from shipper.stack import EmbeddedStack

    return EmbeddedStack(load_settings().stack)


def _describe(stack: EmbeddedStack) -> None:
    """Say where everything is, and which variables a shell needs where that is not the default."""
    from shipper.config import ElasticsearchSettings, KafkaSettings

    answer = stack.status()
    for server in answer.servers:
        typer.echo(_line(server))
    typer.echo(f"Data and logs are in {answer.home}; stop the servers with: shipper stack down")
    wanted = {
        "SHIPPER_KAFKA_BOOTSTRAP_SERVERS": (KafkaSettings().bootstrap_servers, stack.kafka_bootstrap),
        "SHIPPER_ELASTICSEARCH_URL": (ElasticsearchSettings().url, stack.elasticsearch_url),
    }
    exports = [
        f"  export {name}={address}"
        for name, (default, address) in wanted.items()
        if default.replace("localhost", "127.0.0.1") != address
    ]
    if exports:
        typer.echo("\n".join(["For shipper to find them, set:", *exports]))


def _line(server: ServerStatus) -> str:
    if server.phase == "stopped":
        return f"{server.title:<20} stopped"
    mib = server.memory_bytes >> 20
    return f"{server.title:<20} {server.phase}  {server.address}  (process {server.pid}, {mib} MiB)"


def _follow(log: Path, end_bytes: int) -> None:
    """Print what is added to the log, also after the server has begun a new file."""
    never = threading.Event()
    while True:
        with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
            size = log.stat().st_size
            file.seek(end_bytes if size >= end_bytes else 0)
            added = file.read()
            end_bytes = file.tell()
            sys.stdout.write(added.decode("utf-8", "replace"))
            sys.stdout.flush()
        never.wait(_FOLLOW_POLL_S)


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """While open, SIGTERM and SIGHUP end the command as Ctrl-C does, so that started servers are stopped."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
