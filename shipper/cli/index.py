"""`shipper index`: Kafka to Elasticsearch, until stopped."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from random import Random
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from shipper.config import Settings
    from shipper.index.indexer import Indexer

_PROGRESS_INTERVAL_S = 10.0


def index(
    once: Annotated[bool, typer.Option("--once", help="Store what is there now, then end.")] = False,
    idle_s: Annotated[
        float,
        typer.Option("--idle", min=0.0, max=3600.0, help="With --once: end after so many quiet seconds."),
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts at the end as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress lines.")] = False,
    metrics: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Serve metrics for Prometheus there, at /metrics.")
    ] = "",
) -> None:
    """Store the records of the Kafka topic in Elasticsearch, each once, whatever crashed on the way.

    While Kafka or Elasticsearch is away the indexer waits and says so; nothing is lost. Several of them share the
    partitions of the topic. Ends cleanly on SIGTERM and Ctrl-C.
    """
    from shipper.cli.heartbeats import Troubles, index_heartbeats
    from shipper.cli.interpreter import settle_interpreter
    from shipper.cli.metrics import index_metrics_served
    from shipper.clock import SystemClock
    from shipper.config import load_settings
    from shipper.index.assemble import open_indexer
    from shipper.index.opening import opened_patiently

    settings = load_settings()
    settle_interpreter()
    _check_store(settings, must_answer=once)
    stop, clock, troubles = threading.Event(), SystemClock(), Troubles(_report)

    def open_it() -> AbstractContextManager[Indexer]:
        parts = (settings.kafka, settings.elasticsearch, settings.index, settings.namespace)
        return open_indexer(*parts, clock=clock, report=troubles)

    with ExitStack() as opened:
        opened.enter_context(_stopped_by_signals(stop))
        if once:
            indexer = opened.enter_context(open_it())
        else:
            waiting = opened_patiently(open_it, stop, clock, Random(), _report)  # noqa: S311 - spreads pauses
            if (found := opened.enter_context(waiting)) is None:
                return
            indexer = found
        opened.enter_context(_progress(indexer, is_on=not quiet))
        opened.enter_context(_mirror(settings))
        opened.enter_context(index_metrics_served(metrics, indexer, settings))
        opened.enter_context(index_heartbeats(indexer, settings, troubles))
        if once:
            indexer.run_until_idle(idle_s, stop)
        else:
            indexer.run(stop)
    _print_counts(indexer, as_json=as_json)


def _mirror(settings: Settings) -> AbstractContextManager[None]:
    """Mirror dead letters to their index meanwhile."""
    from shipper.clock import SystemClock
    from shipper.index.mirroring import mirroring
    from shipper.redaction import redactor, shown

    hiding = redactor(settings.redact)
    return mirroring(
        settings.kafka,
        settings.elasticsearch,
        settings.index.group,
        settings.namespace,
        lambda payload: shown(payload, hiding),
        clock=SystemClock(),
        report=_report,
    )


def _check_store(settings: Settings, *, must_answer: bool) -> None:
    """Refuse at once what waiting would not cure: wrong credentials, another server, missing templates."""
    from shipper.assets import asset
    from shipper.elastic.client import connect
    from shipper.errors import StoreUnavailable
    from shipper.index.templates import differences, packaged_templates, require_installed

    templates = packaged_templates(asset("es_templates"))
    with connect(settings.elasticsearch) as client:
        try:
            require_installed(client, templates)
            for difference in differences(client, templates):
                _report(f"{difference}; `shipper setup` brings it up to date")
        except StoreUnavailable as error:
            if must_answer:
                raise
            _report(f"waiting: {error}")


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C ask for an end; the second one does not wait for it."""

    def ask(number: int, frame: Any) -> None:
        del frame
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        _report(f"{signal.Signals(number).name}: ending; what is in hand will be read again")

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(indexer: Indexer, *, is_on: bool) -> Iterator[None]:
    """Write a line to standard error every ten seconds in which something was done."""
    done = threading.Event()

    def tell() -> None:
        before = indexer.counts()
        while not done.wait(_PROGRESS_INTERVAL_S):
            now = indexer.counts()
            if now != before:
                rate = (now.consumed - before.consumed) / _PROGRESS_INTERVAL_S
                _report(f"{_sentence(indexer)}; {rate:.0f} records/s")
            before = now

    thread = threading.Thread(target=tell, name="shipper-index-progress", daemon=True)
    if is_on:
        thread.start()
    try:
        yield
    finally:
        done.set()
        if is_on:
            thread.join()


def _sentence(indexer: Indexer) -> str:
    counts = indexer.counts()
    dead = sum(counts.dead_lettered.values())
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.dead_lettered.items()))
    erased = f"{counts.erased} of erased persons, " if counts.erased else ""
    return (
        f"{counts.consumed} records: {counts.indexed} stored, {counts.duplicates} were there already, {erased}"
        f"{dead} dead letters{f' ({reasons})' if reasons else ''}, {counts.in_hand} in hand"
    )


def _print_counts(indexer: Indexer, *, as_json: bool) -> None:
    counts = indexer.counts()
    if not as_json:
        typer.echo(f"{_sentence(indexer)}.")
        return
    content = {
        "consumed": counts.consumed,
        "indexed": counts.indexed,
        "duplicates": counts.duplicates,
        "dead_lettered": dict(counts.dead_lettered),
        "erased": counts.erased,
        "in_hand": counts.in_hand,
        "retries": counts.retries,
    }
    typer.echo(json.dumps(content))


def _report(sentence: str) -> None:
    print(f"shipper index: {sentence}", file=sys.stderr, flush=True)
