"""Prometheus: the numbers of a process that logs, of `shipper agent`, `index` and `detect schedule`.

In an application: `shipper.integrations.prometheus.register()`, and its own `/metrics` shows them too. The commands
serve them themselves (`--metrics 127.0.0.1:9110`). Needs the extra `[metrics]`. Nothing is counted here: each look
at the metrics is a look at the counters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shipper.errors import ConfigurationError
from shipper.observe.counters import Snapshot
from shipper.observe.health import HealthReport

if TYPE_CHECKING:  # an application needs neither of them, nor what they need
    from shipper.detect.pulse import DetectStatus
    from shipper.index.letter_watch import OpenLetters
    from shipper.index.tally import IndexCounts
    from shipper.ship.agent import AgentStatus

Metrics = Iterator[Metric]


class _Collector(Collector):
    """Makes the metrics at each look."""

    def __init__(self, metrics: Callable[[], Iterable[Metric]]) -> None:
        self._metrics = metrics

    def collect(self) -> Metrics:
        yield from self._metrics()

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: a registry would ask for all numbers just to learn their names."""
        return ()


def register(registry: CollectorRegistry = REGISTRY) -> Collector:
    """Show the numbers of this process's pipelines in a registry of the application.

    Several pipelines are added up: each counter is of the process.

    Returns:
        The collector, for `registry.unregister`.
    """
    from shipper.process import pipelines  # noqa: PLC0415 - the application side is loaded where it is used

    def metrics() -> Metrics:
        everything = pipelines()
        yield from records_metrics([one.counts() for one in everything])
        yield from shipping_metrics([one.health() for one in everything])
        yield _gauge(
            "shipper_spool_bytes",
            "Size of the spool folders of this process.",
            sum(one.spool_bytes() or 0 for one in everything),
        )

    collector = _Collector(metrics)
    registry.register(collector)
    return collector


@contextmanager
def served(address: str, metrics: Callable[[], Iterable[Metric]]) -> Iterator[int]:
    """Serve metrics over HTTP in a thread while the block runs; yield the port.

    Args:
        address: `host:port` or a port alone (then on 127.0.0.1); port 0: any free one.

    Raises:
        ConfigurationError: the address is none, or is in use.
    """
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise ConfigurationError(f"{address!r} is no address for metrics; say for example 127.0.0.1:9110.")
    registry = CollectorRegistry()
    registry.register(_Collector(metrics))
    try:
        server, thread = start_http_server(int(port), host.strip("[]") or "127.0.0.1", registry)
    except OSError as error:
        raise ConfigurationError(
            f"Metrics cannot be served at {address}: {error.strerror or error}."
        ) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(1.0)


def records_metrics(counts: Iterable[Snapshot]) -> Metrics:
    """Yield what became of records; emitted = delivered + dead-lettered + dropped + waiting."""
    all_counts = list(counts)
    yield _counter("shipper_records_emitted", "Records made.", sum(one.emitted for one in all_counts))
    yield _counter(
        "shipper_records_delivered",
        "Records acknowledged by Kafka.",
        sum(one.delivered for one in all_counts),
    )
    yield _counter(
        "shipper_send_retries", "Failed attempts that are repeated.", sum(one.retries for one in all_counts)
    )
    yield _gauge(
        "shipper_records_waiting",
        "Records without a fate: in the spool or on their way.",
        sum(one.waiting for one in all_counts),
    )
    yield _by("shipper_records_dropped", "Records given up.", "reason", [one.dropped for one in all_counts])
    yield _by(
        "shipper_records_dead_lettered",
        "Records refused for good while shipping.",
        "reason",
        [one.dead_lettered for one in all_counts],
    )
    yield _by(
        "shipper_redactions",
        "How often something was taken out of a record.",
        "kind",
        [one.redacted for one in all_counts],
    )


def shipping_metrics(reports: Iterable[HealthReport]) -> Metrics:
    """Yield how far behind shipping is; of several the worst."""
    all_reports = list(reports)
    yield _gauge(
        "shipper_oldest_unsent_age_seconds",
        "How long the oldest unsent record in hand has been waiting; 0 where none waits.",
        max((one.oldest_unsent_s or 0.0 for one in all_reports), default=0.0),
    )
    yield _gauge(
        "shipper_shipping_healthy",
        "1 where the last attempt to send succeeded.",
        float(all(one.is_healthy for one in all_reports)),
    )
    ages = [one.last_delivery_age_s for one in all_reports if one.last_delivery_age_s is not None]
    if ages:
        yield _gauge(
            "shipper_last_delivery_age_seconds", "Time since Kafka last acknowledged anything.", min(ages)
        )


def agent_metrics(status: AgentStatus, spool_bytes: int, oldest_age_s: float) -> Metrics:
    """Yield the numbers of an agent.

    Args:
        spool_bytes: of all folders under the root.
        oldest_age_s: age by its event time of the oldest record that is not settled; 0 where there is none.
    """
    yield from records_metrics([status.counts])
    for metric in shipping_metrics([status.health]):
        if metric.name != "shipper_oldest_unsent_age_seconds":
            yield metric
    yield _gauge(
        "shipper_oldest_unsent_age_seconds",
        "Age of the oldest unsent record by its own time; 0 where none waits.",
        max(oldest_age_s, status.health.oldest_unsent_s or 0.0),
    )
    yield _gauge("shipper_spool_bytes", "Size of all spool folders.", spool_bytes)
    yield _gauge("shipper_spool_folders", "Spool folders in hand.", status.folders)
    yield _gauge("shipper_spool_folders_foreign", "Folders meant for elsewhere.", status.foreign_folders)
    yield _counter("shipper_spool_folders_finished", "Folders shipped whole.", status.finished_folders)


def detect_metrics(status: DetectStatus, now_us: int) -> Metrics:
    """Yield the numbers of a detection job; how far behind it is only once it has judged something."""
    runs = {"success": status.succeeded, "failure": status.failed, "standby": status.stood_by}
    yield _by("shipper_detect_runs", "Runs by how they ended.", "outcome", [runs])
    yield _counter("shipper_detect_windows_judged", "Windows judged.", status.windows)
    yield _counter("shipper_detect_alerts_changed", "Alerts opened, changed or ended.", status.changed)
    if status.ended_us is None:
        return
    yield _gauge(
        "shipper_detect_lag_seconds",
        "How far the event time that has been judged is behind the present.",
        max(0.0, (now_us - status.watermark_us) / 1e6),
    )
    yield _gauge(
        "shipper_detect_last_success_timestamp_seconds", "When a run last succeeded.", status.ended_us / 1e6
    )
    yield _gauge("shipper_detect_last_duration_seconds", "How long that run took.", status.duration_s)


def indexer_metrics(
    counts: IndexCounts, lag: int | None, letters: OpenLetters | None, now_us: int
) -> Metrics:
    """Yield the numbers of an indexer.

    Args:
        lag: records on the topic that its group has not committed; None while Kafka does not say.
        letters: open dead letters; None while Elasticsearch does not say.
    """
    yield _counter("shipper_index_records_consumed", "Records taken from Kafka.", counts.consumed)
    yield _counter("shipper_index_records_indexed", "Documents stored.", counts.indexed)
    yield _counter("shipper_index_records_duplicate", "Records stored before.", counts.duplicates)
    yield _counter("shipper_index_records_erased", "Records of erased persons, not stored.", counts.erased)
    yield _counter("shipper_index_retries", "Repeats of single documents.", counts.retries)
    yield _gauge("shipper_index_records_in_hand", "Records being worked on.", counts.in_hand)
    yield _by(
        "shipper_index_records_dead_lettered", "Records refused for good.", "reason", [counts.dead_lettered]
    )
    if lag is not None:
        yield _gauge("shipper_index_lag_records", "Records on the topic, not indexed yet.", lag)
    if letters is None:
        return
    family = GaugeMetricFamily("shipper_dead_letters_open", "Open dead letters.", labels=["hop", "reason"])
    for kind, count in letters.counts.items():
        family.add_metric(kind, count)
    yield family
    age_s = 0.0 if letters.oldest_us is None else max(0.0, (now_us - letters.oldest_us) / 1e6)
    yield _gauge("shipper_dead_letters_oldest_age_seconds", "Age of the oldest open one; 0: none.", age_s)
    yield _gauge("shipper_dead_letters_open_bytes", "Their original size.", letters.size_bytes)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _by(name: str, text: str, label: str, counts: Iterable[Mapping[str, int]]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    totals: dict[str, int] = {}
    for one in counts:
        for key, count in one.items():
            totals[key] = totals.get(key, 0) + count
    for key, count in sorted(totals.items()):
        family.add_metric([key], count)
    return family
