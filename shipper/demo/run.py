"""The demo from the first server to the verdict."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from shipper.assets import asset
from shipper.config import Settings, load_settings
from shipper.datasets import alert_index, index_pattern
from shipper.demo.hops import Books, balance, stored_documents
from shipper.demo.outcome import Outcome
from shipper.demo.plan import HOUR_US, Plan
from shipper.demo.processes import Children
from shipper.demo.story import Story, Truth
from shipper.demo.topic import dead_letters_in_topic, ids_in_topic
from shipper.demo.verdict import SeenAlert, judge, seen_alert
from shipper.elastic.client import ElasticClient, connect
from shipper.errors import ConfigurationError
from shipper.kibana.answers import run_panels
from shipper.kibana.generate import FILE, read_ndjson
from shipper.kibana.queries import TimeRange
from shipper.spool.directory import scan
from shipper.stack import EmbeddedStack

NAMESPACE: Final = "demo"
_DRAIN_TIMEOUT_S: Final = 120.0

Say = Callable[[str], None]


def run_demo(stack: EmbeddedStack, folder: Path, seed: int, say: Say) -> Outcome:
    """Play the demo on a running stack and hold the result against what was planted.

    Args:
        stack: the servers; records of an earlier demo in them are removed.
        folder: what the demo writes; an earlier demo's files in it are removed.
        seed: decides traffic, split of the data, and the noise of everything.
        say: gets a line for each step.

    Raises:
        ShipperError: a part did not do its work at all. What was merely wrong is in the outcome.
    """
    begin_s = time.monotonic()
    plan = Plan(seed, end_us=int(time.time() // 60) * 60_000_000)
    # The namespace in Elasticsearch is one for all demos on these servers, whatever their folders.
    with _own(stack.directory), _own(folder):
        _clear(folder)
        settings = _settings(stack, folder)
        config_file = _write_config(settings, folder)
        with connect(settings.elasticsearch) as client:
            _remove_earlier(client)
            with Children(config_file, folder / "logs") as children:
                children.answer("setup")
                truth = _play(plan, folder, children, stack, say)
                say("the anomaly job judges the windows")
                _detect(children, plan)
                client.refresh("*")
                searches = tuple(_searches(children))
            alerts = _alerts(client)
            verdict = judge([alert for alert, _ in alerts], plan, truth.commits["fault"])
            books = _balance(truth, client, settings)
            say("every panel of Kibana's boards is asked")
            panels, failing = _panels(client, plan)
        return Outcome(
            plan, truth, books, verdict, alerts, failing, panels, searches, config_file,
            time.monotonic() - begin_s,
        )  # fmt: skip


@contextmanager
def _own(folder: Path) -> Iterator[None]:
    """Hold the demo's lock in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"Another demo works in {folder}; wait for it, or choose another folder with --directory "
                "and other servers with SHIPPER_STACK_DIRECTORY and SHIPPER_STACK_*_PORT."
            ) from None
        yield


def _clear(folder: Path) -> None:
    """Remove what an earlier demo left in its folder."""
    for entry in ("run", "repository", "spool", "logs"):
        shutil.rmtree(folder / entry, ignore_errors=True)


def _settings(stack: EmbeddedStack, folder: Path) -> Settings:
    """Settings of this demo: its own topic, because a topic keeps what earlier demos sent."""
    run = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
    return load_settings(
        namespace=NAMESPACE,
        spool={"directory": folder / "spool"},
        kafka={
            "bootstrap_servers": stack.kafka_bootstrap,
            "topic": f"ml-logs-{run}",
            "dead_letter_topic": f"ml-logs-{run}-dead-letters",
        },
        elasticsearch={"url": stack.elasticsearch_url},
        index={"group": f"shipper-index-{run}"},
        stack=stack.settings,
    )


def _write_config(settings: Settings, folder: Path) -> Path:
    """Write what the demo's processes, and later a curious user, need to find everything."""
    kafka, stack = settings.kafka, settings.stack
    groups: dict[str, dict[str, object]] = {
        "": {"namespace": settings.namespace},
        "spool": {"directory": str(settings.spool.directory)},
        "kafka": {
            "bootstrap_servers": kafka.bootstrap_servers,
            "topic": kafka.topic,
            "dead_letter_topic": kafka.dead_letter_topic,
        },
        "elasticsearch": {"url": settings.elasticsearch.url},
        "index": {"group": settings.index.group},
        "stack": {key: value for key, value in stack.model_dump(mode="json").items() if value is not None},
    }
    lines = ["# Written by `shipper demo`.\n"]
    for group, keys in groups.items():
        lines.append(f"\n[{group}]\n" if group else "")
        # A JSON string, number or boolean reads the same in TOML.
        lines += [f"{key} = {json.dumps(value)}\n" for key, value in keys.items()]
    path = folder / "shipper.toml"
    path.write_text("".join(lines))
    return path


def _remove_earlier(client: ElasticClient) -> None:
    for pattern in (index_pattern(namespace=NAMESPACE), f"*-{NAMESPACE}"):
        for index in client.indices(pattern):
            client.delete_index(index)


def _play(plan: Plan, folder: Path, children: Children, stack: EmbeddedStack, say: Say) -> Truth:
    indexer = children.shipper("indexer", "index")
    agent = children.shipper("agent", "agent")
    truth = Story(plan, folder, children, stack.restart_kafka, say).play()
    say("waiting until every record has arrived")
    # What still waits in a spool or in the topic goes now; both commands end when nothing is left.
    agent.stop()
    children.answer("agent", "--once", timeout_s=_DRAIN_TIMEOUT_S)
    indexer.stop()
    children.answer("index", "--once", timeout_s=_DRAIN_TIMEOUT_S)
    return truth


def _detect(children: Children, plan: Plan) -> None:
    start, end = (datetime.fromtimestamp(us / 1e6, UTC).isoformat() for us in (plan.start_us, plan.end_us))
    children.answer("detect", "run", "--from", start, "--to", end, "--json", timeout_s=300)


def _searches(children: Children) -> Iterator[tuple[str, str, str]]:
    examples = (
        ("What failed last", ["logs", "search", "level:error service:scoring", "--size", "3"]),
        (
            "Answers that the pathologists contradict",
            ["logs", "search", "ml.prediction.correct:false", "--size", "3"],
        ),
        (
            "How the versions were evaluated",
            ["logs", "search", "event.action:evaluate", "--since", "3d", "--size", "3"],
        ),
    )
    for title, arguments in examples:
        words = (f"'{word}'" if " " in word or ":" in word else word for word in arguments)
        yield title, f"shipper {' '.join(words)}", children.answer(*arguments)


def _alerts(client: ElasticClient) -> tuple[tuple[SeenAlert, dict[str, Any]], ...]:
    body = {"size": 1000, "sort": [{"event.start": "asc"}, {"alert.id": "asc"}]}
    hits = client.search(alert_index(NAMESPACE), body)["hits"]["hits"]
    return tuple((seen_alert(hit["_source"]), hit["_source"]) for hit in hits)


def _balance(truth: Truth, client: ElasticClient, settings: Settings) -> Books:
    own = f"{index_pattern(namespace=NAMESPACE)},-{index_pattern('ml.alert', NAMESPACE)}"
    return balance(
        truth,
        waiting=len(scan(settings.spool.directory)),
        topic_ids=ids_in_topic(settings.kafka),
        documents=stored_documents(client, own),
        dead_letters=dead_letters_in_topic(settings.kafka),
    )


def _panels(client: ElasticClient, plan: Plan) -> tuple[int, tuple[str, ...]]:
    # A reader would choose the simulated time and look at it as a whole.
    reach = TimeRange(plan.start_us - HOUR_US, plan.end_us + HOUR_US)
    results = run_panels(client.search, read_ndjson(asset(FILE)), reach, namespace=NAMESPACE)
    return len(results), tuple(str(result) for result in results if result.is_empty)
