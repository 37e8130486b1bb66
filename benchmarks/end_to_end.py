"""From the logging call to searchable: how long a record takes. `python benchmarks/end_to_end.py --help` says how."""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

if __package__ in (None, ""):  # run as a file
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.command import positive, show
from benchmarks.promises import Promise, judge
from benchmarks.record import MESSAGE, make_records
from benchmarks.result import Figures, Result
from benchmarks.table import machine_lines, verdict_rows_of
from shipper.assets import asset
from shipper.config import ElasticsearchSettings, KafkaSettings, load_settings
from shipper.elastic.client import ElasticClient, connect
from shipper.errors import StoreError
from shipper.index.templates import install, packaged_templates
from shipper.kafka.admin import Admin
from shipper.kafka.dead_letters import topic_config

_KEPT, _BROKEN = 0, 1
_TICK_S: Final = 0.01
_POLL_S: Final = 0.05
_PAGE_SIZE: Final = 10_000
_GIVE_UP_S: Final = 60.0
_WARM_S: Final = 5.0
PROMISES: Final = (
    Promise("from the logging call to searchable: p95", "end to end", "p95", 2.0, unit="s"),
    Promise("records found", "end to end", "found", 1.0, at_least=True, unit="of all"),
)
_HELP: Final = f"""
An application logs at a steady rate and ships from a thread of its own; `shipper index` stores; both are processes of
their own with default settings, on real servers, with a refresh interval of 1 s. Meanwhile somebody searches, every
{_POLL_S * 1000:.0f} ms, for records that he has not seen yet. A record's time runs from its @timestamp, which the
logging call takes, until the answer that holds it has arrived; so the interval of the searches is part of it. The
records of the first {_WARM_S:.0f} s are not counted.

  python benchmarks/end_to_end.py --kafka localhost:9092 --elasticsearch http://localhost:9200
  python benchmarks/end_to_end.py --rate 2000 --seconds 30 --check
"""
_PAGE: Final = """# How long a record takes

Written by `benchmarks/end_to_end.py --markdown`; `make bench-latency` measures anew and fails beyond a promise.

{head}

## Promises

{promises}

## Seconds from the logging call to searchable

{found}
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        rate: records per second.
        seconds: how long, after the first seconds that are not counted.
        kafka, url: the servers.
    """

    rate: int
    seconds: int
    kafka: str
    url: str
    seed: int = 1


@dataclass(slots=True)
class Seen:
    """What the searches have found.

    Attributes:
        last: highest sequence below which nothing is missing.
        early: sequences that are ahead of a gap.
        waits_s: seconds from the logging call until found, of each record that counts.
    """

    last: int = 0
    early: set[int] = field(default_factory=set)
    waits_s: list[float] = field(default_factory=list)

    def note(self, sequence: int, logged_s: float, found_s: float, *, counts: bool) -> None:
        """Take in one record; one that was seen before changes nothing."""
        if sequence <= self.last or sequence in self.early:
            return
        self.early.add(sequence)
        if counts:
            self.waits_s.append(found_s - logged_s)
        while self.last + 1 in self.early:
            self.last += 1
            self.early.remove(self.last)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, or 1 (a promise is broken)."""
    options = _parser().parse_args(arguments)
    plan = Plan(options.rate, options.seconds, options.kafka, options.elasticsearch, options.seed)
    if options.application:
        _application(plan)
        return _KEPT
    result = Result()
    for repeat in range(options.repeats):
        print(f"repeat {repeat + 1} of {options.repeats}", file=sys.stderr, flush=True)
        result.note(["end to end"], [measure(plan)])
    _say(result, plan, options.repeats, is_page=options.markdown)
    broken = [v for v in (judge(promise, result) for promise in PROMISES) if v is not None and not v.is_kept]
    return _BROKEN if options.check and broken else _KEPT


def measure(plan: Plan) -> Figures:
    """Run application and indexer once; return the percentiles in seconds, and what share was found."""
    name = f"bench{os.getpid()}x{time.time_ns()}"
    with (
        TemporaryDirectory() as spool,
        connect(ElasticsearchSettings(url=plan.url)) as client,
        _surroundings(plan, name, client),
    ):
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("SHIPPER_")},
            "SHIPPER_NAMESPACE": name,
            "SHIPPER_SPOOL_DIRECTORY": spool,
            "SHIPPER_KAFKA_BOOTSTRAP_SERVERS": plan.kafka,
            "SHIPPER_KAFKA_TOPIC": name,
            "SHIPPER_KAFKA_DEAD_LETTER_TOPIC": f"{name}-dead",
            "SHIPPER_ELASTICSEARCH_URL": plan.url,
            "SHIPPER_INDEX_GROUP": name,
        }
        indexer = subprocess.Popen(
            [sys.executable, "-m", "shipper", "index", "--quiet"], env=environment, stdout=subprocess.DEVNULL
        )
        try:
            own = [str(Path(__file__).resolve()), "--application", "--rate", str(plan.rate)]
            application = subprocess.Popen(
                [sys.executable, *own, "--seconds", str(plan.seconds), "--seed", str(plan.seed)],
                env=environment,
            )
            seen = _search(client, f"logs-ml.inference-{name}-*", plan, application)
        finally:
            indexer.send_signal(signal.SIGTERM)
            indexer.wait(60)
    expected = round(plan.rate * (plan.seconds + _WARM_S))
    centiles = statistics.quantiles(seen.waits_s, n=100)
    return {
        "p50": centiles[49],
        "p95": centiles[94],
        "p99": centiles[98],
        "max": max(seen.waits_s),
        "found": seen.last / expected,
    }


@contextmanager
def _surroundings(plan: Plan, name: str, client: ElasticClient) -> Iterator[None]:
    """Topics and templates; nothing of it is left afterwards."""
    kafka = KafkaSettings(bootstrap_servers=plan.kafka, topic=name, dead_letter_topic=f"{name}-dead")
    install(client, packaged_templates(asset("es_templates")))
    with Admin(kafka) as admin:
        admin.ensure_topic(kafka.topic)
        admin.ensure_topic(kafka.dead_letter_topic, config=topic_config(kafka))
        index = f"logs-ml.inference-{name}-{datetime.now(UTC):%Y.%m.%d}"
        client.create_index(index, {"settings": {"index.refresh_interval": "1s"}})
        try:
            yield
        finally:
            for made in client.indices(f"logs-*-{name}-*"):
                client.delete_index(made)
            admin.delete_topic(kafka.topic)
            admin.delete_topic(kafka.dead_letter_topic)


def _search(client: ElasticClient, pattern: str, plan: Plan, application: subprocess.Popen[bytes]) -> Seen:
    """Look for new records until all are seen, or nothing new comes for a long time."""
    seen = Seen()
    uncounted = round(plan.rate * _WARM_S)
    expected = uncounted + plan.rate * plan.seconds
    news_s = time.monotonic()
    while seen.last < expected and time.monotonic() - news_s < _GIVE_UP_S:
        before = len(seen.waits_s), seen.last
        with suppress(StoreError):  # an index that is just being made
            answer = client.search(pattern, _new_ones(seen.last))
            found_s = time.time()
            for hit in answer["hits"]["hits"]:
                sequence, logged = (hit["fields"][name][0] for name in ("event.sequence", "@timestamp"))
                logged_s = datetime.fromisoformat(logged).timestamp()
                seen.note(int(sequence), logged_s, found_s, counts=int(sequence) > uncounted)
        if (len(seen.waits_s), seen.last) != before:
            news_s = time.monotonic()
        time.sleep(_POLL_S)
    application.wait(60)
    return seen


def _new_ones(last: int) -> dict[str, Any]:
    return {
        "size": _PAGE_SIZE,
        "query": {"range": {"event.sequence": {"gt": last}}},
        "sort": [{"event.sequence": "asc"}],
        "_source": False,
        "track_total_hits": False,
        "docvalue_fields": [
            "event.sequence",
            {"field": "@timestamp", "format": "strict_date_optional_time_nanos"},
        ],
    }


def _application(plan: Plan) -> None:
    """Log at a steady rate; what a tick cannot hold is made up for in the next."""
    import shipper  # noqa: PLC0415 - only the application's process has it configured

    shipper.configure(
        service={"name": "end-to-end", "version": "1"}, model={"name": "biopsy", "version": "7"}
    )
    log = shipper.get_logger()
    records = make_records(round(plan.rate * (plan.seconds + _WARM_S)), plan.seed)
    began_s = time.perf_counter()
    done = 0
    while done < len(records):
        due = min(len(records), round((time.perf_counter() - began_s + _TICK_S) * plan.rate))
        for fields in records[done:due]:
            log.info(MESSAGE, **fields)
        done = max(done, due)
        time.sleep(_TICK_S)
    shipper.close()


def _say(result: Result, plan: Plan, repeats: int, *, is_page: bool) -> None:
    head = machine_lines(f"{repeats} repeats of {plan.seconds} s, {plan.rate} records per second")
    runs = result.runs["end to end"]
    times: list[Sequence[str]] = [("repeat", "p50", "p95", "p99", "longest")]
    for number, run in enumerate(runs, 1):
        times.append((str(number), *(f"{run[name]:.2f}" for name in ("p50", "p95", "p99", "max"))))
    show(verdict_rows_of(PROMISES, result), times, head, _PAGE if is_page else "")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks/end_to_end.py",
        description="From the logging call to searchable: how long a record takes.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    settings = load_settings()
    servers, url = settings.kafka.bootstrap_servers, settings.elasticsearch.url
    add("--rate", type=positive, default=2000, help="records per second (default 2000)")
    add("--seconds", type=positive, default=30, help="how long it is measured (default 30)")
    add("--repeats", type=positive, default=3, help="how often (default 3)")
    add("--kafka", default=servers, metavar="HOST:PORT", help=f"the brokers (default {servers})")
    add("--elasticsearch", default=url, metavar="URL", help=f"the cluster (default {url})")
    add("--check", action="store_true", help="exit with 1 if a promise is broken")
    add("--markdown", action="store_true", help="print the page docs/reference/latency.md")
    add("--seed", type=int, default=1, help="of the records (default 1)")
    add("--application", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
