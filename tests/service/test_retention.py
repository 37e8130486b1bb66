"""`shipper retention` on the real server: what goes, what stays, and a death in the middle."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from shipper.clock import SystemClock
from shipper.config import ElasticsearchSettings
from shipper.datasets import DATASETS
from shipper.elastic.client import connect
from shipper.errors import ConfigurationError
from shipper.index.retention import trusted_now_us
from tests.service.kafka_stage import KafkaStage
from tests.service.running_stack import RunningStack

_TEST_LASTS_S = 90.0
BARE = {"settings": {"number_of_replicas": 0, "refresh_interval": "-1"}}


class Kept:
    """Indices of one namespace."""

    def __init__(self, stage: KafkaStage) -> None:
        self.today = _today()
        self.stage = stage
        self.client = stage.client

    def make(self, dataset: str, day: str, *, event: str = "", end: str = "") -> str:
        """Make an index with one document and return its name."""
        name = f"logs-{dataset}-{self.stage.namespace}-{day}{end}"
        self.client.create_index(name, BARE)
        self.client.create(name, "1", {"@timestamp": event or "2001-01-01T00:00:00.000000Z"}, refresh=True)
        return name

    def day(self, dataset: str, more: int) -> str:
        """Return the day whose index went at the beginning of today (0), or so many days ago."""
        return f"{self.today - timedelta(days=DATASETS[dataset].retention_days + 1 + more):%Y.%m.%d}"

    def names(self) -> set[str]:
        """Return the indices that are there, without the audit trail."""
        found = self.client.indices(f"logs-*-{self.stage.namespace}-*")
        return {name for name in found if "ml.audit" not in name}

    def apply(self, *options: str) -> dict[str, object]:
        """Run `shipper retention apply --json` and return its answer."""
        done = self.stage.command("retention", "apply", "--json", *options)
        assert done.returncode == 0, done.stderr
        answer: dict[str, object] = json.loads(done.stdout)
        return answer


@pytest.fixture
def kept(stack: RunningStack) -> Iterator[Kept]:
    """A namespace of one's own."""
    with connect(ElasticsearchSettings(url=stack.elasticsearch_url)) as client:
        kept = Kept(KafkaStage(stack, client))
        try:
            yield kept
        finally:
            for name in client.indices(f"logs-*-{kept.stage.namespace}*"):
                client.delete_index(name)


def _today() -> datetime:
    """Return the day's beginning; shortly before midnight wait for the next day, for what goes changes with it."""
    while True:
        now = datetime.now(UTC)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        left_s = (midnight + timedelta(days=1) - now).total_seconds()
        if left_s > _TEST_LASTS_S:
            return midnight
        time.sleep(left_s)


def test_what_goes_and_what_stays(kept: Kept) -> None:
    """Exactly the indices whose last moment is older than their dataset is kept go; everything uncertain stays."""
    gone = {
        kept.make("ml.app", kept.day("ml.app", 0)),
        kept.make("ml.app", kept.day("ml.app", 400)),
        kept.make("ml.app", kept.day("ml.app", 1), end="-000002"),
        kept.make("ml.training", "2001.02.01"),
    }
    stays = {
        kept.make("ml.app", kept.day("ml.app", -1)),
        kept.make("ml.app", f"{kept.today:%Y.%m.%d}"),
        kept.make("ml.feedback", kept.day("ml.app", 0)),  # is kept for longer
        kept.make("ml.training", f"{kept.today - timedelta(days=700):%Y.%m}.01"),
        kept.make("ml.training", "2001.02.02"),  # no month begins so
        kept.make("ml.app", "2001.2.3"),
        kept.make("ml.app", "2001.02.30"),
        kept.make("ml.unknown", "2001.02.03"),
        kept.make("ml.app", kept.day("ml.app", 2), event=f"{kept.today:%Y-%m-%d}T00:00:00Z"),
    }
    shown = kept.apply("--dry-run")
    assert kept.names() == gone | stays
    assert {row["index"] for row in shown["due"]} == gone  # type: ignore[attr-defined]
    done = kept.apply("--yes")
    assert kept.names() == stays
    assert (done["deleted"], done["documents"]) == (4, 4)
    assert {row["index"] for row in done["left_alone"]} >= stays - {  # type: ignore[attr-defined]
        name for name in stays if "feedback" in name or name.endswith(".01") or kept.day("ml.app", -1) in name
        or f"{kept.today:%Y.%m.%d}" in name
    }  # fmt: skip
    again = kept.apply("--yes")
    assert (again["deleted"], again["due"]) == (0, [])


def test_a_month_is_kept_until_its_last_day_is_old_enough(kept: Kept) -> None:
    """A monthly index goes with its last day, never with its first: setting by setting, around the day."""
    first = (kept.today.replace(day=1) - timedelta(days=1)).replace(day=1)
    days_since_its_end = (kept.today - kept.today.replace(day=1)).days
    name = kept.make("ml.data", f"{first:%Y.%m}.01")
    for days in (days_since_its_end + 1, days_since_its_end):
        variable = {"SHIPPER_RETENTION_DAYS": json.dumps({"ml.data": max(1, days)})}
        done = kept.stage.command("retention", "apply", "--yes", environment=variable)
        assert done.returncode == 0, done.stderr
        is_over = max(1, days) <= days_since_its_end
        assert (name in kept.names()) is not is_over


def test_asked_first(kept: Kept) -> None:
    """Without --yes and without an answer nothing is deleted, and the exit code says that it was not done."""
    name = kept.make("ml.app", "2001.01.01")
    done = kept.stage.command("retention", "apply")
    assert done.returncode == 130
    assert name in done.stdout
    assert kept.names() == {name}


def test_other_namespaces_are_left_alone(kept: Kept) -> None:
    """Only the namespace of the settings is cleared, unless all are asked for."""
    mine = kept.make("ml.app", "2001.01.01")
    other = kept.stage.command(
        "retention", "apply", "--yes", environment={"SHIPPER_NAMESPACE": f"u{uuid.uuid4().hex[:8]}"}
    )
    assert "Nothing is due" in other.stdout
    assert kept.names() == {mine}


def test_the_report(kept: Kept) -> None:
    """What is kept, how long, how big, from when, and when the next index goes; in words and for scripts."""
    kept.make("ml.app", f"{kept.today:%Y.%m.%d}")
    kept.make("ml.app", f"{kept.today - timedelta(days=1):%Y.%m.%d}")
    kept.make("ml.inference", "2001.01.01")
    odd = kept.make("ml.app", "someday")
    done = kept.stage.command("retention", "report", "--json", "--indices")
    report = json.loads(done.stdout)
    app, inference = report["datasets"]
    assert (app["dataset"], app["kept_days"], app["indices"], app["documents"], app["due"]) == (
        "ml.app", 30, 2, 2, 0,
    )  # fmt: skip
    assert app["bytes"] > 0
    assert app["next_expiry"] == f"{kept.today + timedelta(days=30):%Y-%m-%d}"
    assert (inference["due"], inference["oldest"]) == (1, "2001-01-01")
    assert [row["index"] for row in report["left_alone"]] == [odd]
    assert len(report["indices"]) == 4
    words = kept.stage.command("retention", "report").stdout
    assert "30 days" in words
    assert odd in words


def test_killed_in_the_middle(kept: Kept) -> None:
    """`kill -9` while indices go: none is half gone, and the next run does the rest and nothing else."""
    for number in range(6):
        kept.make("ml.app", f"2001.01.{number + 1:02}")
    stays = kept.make("ml.app", f"{kept.today:%Y.%m.%d}")
    process = subprocess.Popen(
        [sys.executable, "-m", "shipper", "retention", "apply", "--yes"],
        env=kept.stage.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while len(kept.names()) == 7 and process.poll() is None:
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = kept.names()
    assert stays in left
    done = kept.apply("--yes")
    # The server may have been about to carry out the dead process's last request.
    assert done["deleted"] in (len(left) - 1, len(left) - 2)
    assert kept.names() == {stays}


def test_a_wrong_clock_deletes_nothing(kept: Kept) -> None:
    """A machine whose clock is a year ahead of the server's is refused in one sentence."""
    now_us = SystemClock().now_us()
    assert trusted_now_us(kept.client, now_us) <= now_us
    for wrong_us in (now_us + 365 * 86_400_000_000, now_us - 7200_000_000):
        with pytest.raises(ConfigurationError, match="clock that may be wrong"):
            trusted_now_us(kept.client, wrong_us)


def test_an_unknown_dataset_in_the_settings(kept: Kept) -> None:
    """A typing error in retention.days is one sentence, not days that count for nothing."""
    done = kept.stage.command("retention", "report", environment={"SHIPPER_RETENTION_DAYS": '{"ml.ap": 3}'})
    assert done.returncode == 2
    assert "there is no dataset ml.ap" in done.stderr
