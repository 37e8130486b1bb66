"""`shipper agent`: one process ships the spools of all processes of a host."""

from __future__ import annotations

import json
import logging
import random
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from shipper.errors import ShipperError

if TYPE_CHECKING:
    from shipper.clock import Clock
    from shipper.config import Settings
    from shipper.ship.agent import Agent, AgentStatus
    from shipper.ship.kafka_sink import KafkaSink
    from shipper.ship.line_sink import LineSink
    from shipper.ship.shipment import Shipping
    from shipper.spool.directory import SpoolMeta


_BATCHES_AT_ONCE = 8
_AHEAD = 2


class RecordsLeft(ShipperError):
    """`--once` could not send everything in time."""

    def __init__(self, root: str, timeout_s: float, trouble: str) -> None:
        super().__init__(root, timeout_s, trouble)
        self.root = root
        self.timeout_s = timeout_s
        self.trouble = trouble

    def __str__(self) -> str:
        why = self.trouble or "the destination is slow"
        return f"Not everything in {self.root} could be sent within {self.timeout_s:g} s: {why}"


def agent(
    once: Annotated[bool, typer.Option("--once", help="Send what is there, then end.")] = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=86_400, metavar="SECONDS", help="Longest run with --once.")
    ] = 300.0,
    drain: Annotated[
        float,
        typer.Option(
            min=0,
            max=86_400,
            metavar="SECONDS",
            help="When told to end, first send what is there; longest time for it.",
        ),
    ] = 0.0,
    status_every: Annotated[
        float, typer.Option(min=0.1, max=86_400, metavar="SECONDS", help="Print a status line this often.")
    ] = 30.0,
    any_destination: Annotated[
        bool, typer.Option("--any-destination", help="Also send spools that were meant for another Kafka.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Status as JSON, one object per line.")] = False,
    metrics: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Serve metrics for Prometheus there, at /metrics.")
    ] = "",
) -> None:
    """Ship all spools under spool.directory: of processes with ship.mode = agent, and of dead ones.

    It runs until SIGTERM or Ctrl-C; what is not sent then stays in the spools. With --drain a second signal ends it at
    once. Several agents may run on one folder.
    """
    from shipper.cli.interpreter import settle_interpreter
    from shipper.config import load_settings

    settings = load_settings()
    # The client's own words are said by us, once and in ours.
    logging.getLogger("kafka").addHandler(logging.NullHandler())
    # Standard output belongs to the records where they go there.
    out = sys.stderr if settings.ship.to == "stdout" else sys.stdout
    settle_interpreter()
    say = partial(_print, out, as_json=as_json)
    runner = _make(settings, status_every, any_destination=any_destination, say=say)
    _run(runner, settings, say, once_s=timeout if once else None, drain_s=drain, metrics=metrics)


def _run(
    runner: Agent,
    settings: Settings,
    say: Callable[[AgentStatus], None],
    *,
    once_s: float | None,
    drain_s: float,
    metrics: str,
) -> None:
    """Ship until told to end; with `once_s` until all is sent. Raises RecordsLeft."""
    stop = threading.Event()
    before = _stop_by_signals(stop)
    from shipper.cli.heartbeats import agent_heartbeats
    from shipper.cli.metrics import agent_metrics_served

    try:
        if once_s is None:
            with agent_metrics_served(metrics, runner, settings):
                with agent_heartbeats(runner, settings):
                    runner.run(stop)
                if drain_s:
                    again = threading.Event()
                    _stop_by_signals(again)
                    runner.run_once(again, drain_s)
            say(runner.status())
            return
        is_done = runner.run_once(stop, once_s)
        status = runner.status()
        say(status)
        if not is_done and not stop.is_set():
            raise RecordsLeft(str(settings.spool.directory), once_s, status.health.trouble)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_by_signals(stop: threading.Event) -> dict[signal.Signals, Any]:
    """Let SIGTERM and Ctrl-C set `stop`; return what they did before."""
    return {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }


def _make(
    settings: Settings, status_every_s: float, *, any_destination: bool, say: Callable[[AgentStatus], None]
) -> Agent:
    from dataclasses import replace

    from shipper.clock import SystemClock
    from shipper.ship.agent import MAX_FOLDERS, Agent
    from shipper.ship.destination import destination_name, open_sink
    from shipper.ship.fleet import Adoption

    clock = SystemClock()
    sink = open_sink(settings.ship, settings.kafka, settings.namespace, clock)
    shipping = _shipping(settings, sink, clock)
    here = destination_name(settings.ship, settings.kafka)

    def accepts(meta: SpoolMeta) -> bool:
        return any_destination or meta.destination in ("", here)

    def shipping_for(meta: SpoolMeta) -> Shipping:
        own = sink.for_namespace(meta.namespace)
        return replace(shipping, sink=own, dead_letters=own)

    return Agent(
        shipping,
        Adoption(settings.spool.directory, accepts, is_agent=True, max_folders=MAX_FOLDERS, interval_s=1.0),
        shipping_for=shipping_for,
        on_status=say,
        status_interval_s=status_every_s,
    )


def _shipping(settings: Settings, sink: KafkaSink | LineSink, clock: Clock) -> Shipping:
    from shipper.observe.health import Health
    from shipper.observe.report import Reporter
    from shipper.ship.batch import BatchLimits
    from shipper.ship.retry import Backoff
    from shipper.ship.shipment import Shipping

    ship = settings.ship
    return Shipping(
        sink,
        sink,
        # One process ships for all: several batches are under way at a time, so that the broker need not wait for us.
        BatchLimits(
            ship.batch_max_records * _BATCHES_AT_ONCE, ship.batch_max_bytes * _BATCHES_AT_ONCE, ship.linger_s
        ),
        Backoff(ship.retry_initial_s, ship.retry_max_s),
        clock,
        random.random,
        Health(clock),
        Reporter(clock),
        ahead=_AHEAD,
    )


def _print(out: TextIO, status: AgentStatus, *, as_json: bool) -> None:
    if as_json:
        line = json.dumps(status.as_dict())
    else:
        counts = status.counts
        dead, dropped = sum(counts.dead_lettered.values()), sum(counts.dropped.values())
        line = (
            f"{counts.delivered} delivered, {dead} dead letters, {dropped} dropped, {counts.waiting} in hand; "
            f"{status.folders} folders, {status.finished_folders} finished"
        )
        if status.foreign_folders:
            line += f", {status.foreign_folders} meant for another Kafka (--any-destination sends them)"
        if status.health.trouble:
            line += f". {status.health.trouble}"
    out.write(line + "\n")
    out.flush()
