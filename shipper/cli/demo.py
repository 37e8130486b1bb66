"""`shipper demo`: the main job on real input, on the real servers."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer


def demo(
    seed: Annotated[int, typer.Option(min=0, help="Decides traffic, split of the data and all noise.")] = 1,
    is_check: Annotated[
        bool,
        typer.Option(
            "--check", help="Exit 1 if a count does not balance, a fault is missed or an alert is false."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    directory: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where the demo writes; default: ~/.local/state/shipper/demo."),
    ] = None,
) -> None:
    """Train, serve, break and watch a real model; everything over the real Kafka and Elasticsearch.

    Starts the embedded stack if it does not run, and leaves it up.
    """
    from rich.console import Console

    from shipper.config import load_settings, state_directory
    from shipper.demo.report import print_outcome, verdict_json
    from shipper.demo.run import run_demo
    from shipper.stack import EmbeddedStack
    from shipper.stack.progress import progress_on

    console = Console(stderr=as_json, highlight=False)
    begin_s = time.monotonic()

    def say(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - begin_s:6.1f} s[/]  {line}")

    stack = EmbeddedStack(load_settings().stack)
    say("starting Kafka and Elasticsearch")
    stack.up(progress_on(sys.stderr))
    outcome = run_demo(stack, (directory or state_directory() / "demo").expanduser().absolute(), seed, say)
    if as_json:
        typer.echo(json.dumps(verdict_json(outcome), indent=2))
    else:
        print_outcome(console, outcome, stack)
    if is_check and not outcome.passed:
        raise typer.Exit(1)
