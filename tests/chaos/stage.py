"""Where a run takes place: a folder, topics and a namespace of its own, and what programs are told by their environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Final

from shipper.config import ElasticsearchSettings, IndexSettings, KafkaSettings
from shipper.kafka.admin import Admin
from shipper.kafka.choice import is_confluent_installed
from shipper.kafka.dead_letters import topic_config
from shipper.stack import EmbeddedStack
from shipper.stack.artifacts import ServerName
from tests.chaos.ledger import SHIPPED_BY_AGENT

ROOT: Final = Path(__file__).parents[2]
"""Where programs start: with -m they take the package from here, be it the installed one or not."""
PARTITIONS: Final = 3
AGENT_LARGEST_BYTES: Final = 6000
"""The agent's limit of a record: the oversized ones of `ledger.message_of` become dead letters."""
_SMALL_DISK_BYTES: Final = 3 << 20
_CLIENTS: Final = ("auto", "kafka-python", "confluent-kafka")
_WHEN_FULL: Final = ("drop_newest", "drop_oldest", "block")


class Stage:
    """The place, before and after a run.

    Attributes:
        folder: ledgers, spools and outputs; kept when the run fails.
        is_small_disk_real: whether the small spool lies on a file system of its own, else only its cap is small.
    """

    def __init__(self, folder: Path, kafka: EmbeddedStack, elasticsearch: EmbeddedStack) -> None:
        unique = uuid.uuid4().hex[:10]
        self.folder = folder
        self.stacks: dict[ServerName, EmbeddedStack] = {"kafka": kafka, "elasticsearch": elasticsearch}
        self.namespace = f"chaos{unique}"
        self.kafka = KafkaSettings(
            bootstrap_servers=kafka.kafka_bootstrap,
            topic=f"chaos-{unique}",
            dead_letter_topic=f"chaos-dead-{unique}",
        )
        self.group = f"chaos-{unique}"
        self.elasticsearch = ElasticsearchSettings(url=elasticsearch.elasticsearch_url)
        self.index = IndexSettings(group=self.group, session_timeout_s=6)
        self.ledgers = folder / "ledgers"
        self.outputs = folder / "outputs"
        self.spool = folder / "spool"
        self.small_spool = folder / "small" / "spool"
        self.is_small_disk_real = False

    def prepare(self) -> None:
        """Make folders and topics, mount the small disk, install the templates."""
        for path in (self.ledgers, self.outputs, self.spool, self.small_spool.parent):
            path.mkdir(parents=True, exist_ok=True)
        self.is_small_disk_real = os.geteuid() == 0 and _mount(self.small_spool.parent)
        with Admin(self.kafka) as admin:
            admin.ensure_topic(self.kafka.topic, partitions=PARTITIONS)
            admin.ensure_topic(self.kafka.dead_letter_topic, config=topic_config(self.kafka))
        self.command("setup", timeout_s=120)

    def remove(self, *, keep: bool) -> None:
        """Take topics, indices and the small disk away, and the folder unless it is kept."""
        if self.is_small_disk_real:
            if keep:
                shutil.copytree(self.small_spool.parent, self.folder / "small-as-it-was", dirs_exist_ok=True)
            subprocess.run(["umount", "-l", str(self.small_spool.parent)], check=False)
        if keep:
            return
        from shipper.elastic.client import connect

        with suppress(Exception), Admin(self.kafka) as admin:
            admin.delete_topic(self.kafka.topic)
            admin.delete_topic(self.kafka.dead_letter_topic)
        with suppress(Exception), connect(self.elasticsearch) as client:
            for name in client.indices(f"logs-*-{self.namespace}-*"):
                client.delete_index(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self, **more: object) -> dict[str, str]:
        """Return what every program is told; `more` are keys of the settings, such as `kafka_topic`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SHIPPER_")}
        values: dict[str, object] = {
            "namespace": self.namespace,
            "git_commit": "c" * 40,
            "kafka_bootstrap_servers": self.kafka.bootstrap_servers,
            "kafka_topic": self.kafka.topic,
            "kafka_dead_letter_topic": self.kafka.dead_letter_topic,
            "kafka_request_timeout_s": 3,
            "elasticsearch_url": self.elasticsearch.url,
            "spool_directory": self.spool,
            "ship_retry_max_s": 2,
            "ship_close_timeout_s": 1,
            "index_group": self.group,
            "index_session_timeout_s": 6,
        }
        return {
            **kept,
            **{f"SHIPPER_{name.upper()}": str(value) for name, value in {**values, **more}.items()},
        }

    def environment_of(
        self, kind: str, number: int, ship_port: int, index_port: int, store_port: int
    ) -> dict[str, str]:
        """Return what the `number`-th process of a kind is told: the proxies in place of the servers."""
        # The client libraries take turns, within one kind of process and within one consumer group.
        client = _CLIENTS[number % len(_CLIENTS)] if is_confluent_installed() else "auto"
        ship = {"kafka_bootstrap_servers": f"127.0.0.1:{ship_port}", "kafka_client": client}
        if kind == "indexer":
            hops = {
                "kafka_bootstrap_servers": f"127.0.0.1:{index_port}",
                "kafka_client": client,
                "elasticsearch_url": f"http://127.0.0.1:{store_port}",
                "elasticsearch_request_timeout_s": 5,
            }
            return self.environment(**hops)
        if kind == "agent":
            return self.environment(**ship, kafka_max_record_bytes=AGENT_LARGEST_BYTES)
        if kind == "small":
            return self.environment(
                **ship,
                spool_directory=self.small_spool,
                spool_max_bytes=1 << 20,
                spool_segment_max_bytes=1 << 16,
                spool_free_space_floor_bytes=0,
                spool_when_full=_WHEN_FULL[number // 2 % len(_WHEN_FULL)],
            )
        is_shipped_by_agent = kind in SHIPPED_BY_AGENT or (kind == "short" and number % 2)
        return self.environment(**ship, ship_mode="agent" if is_shipped_by_agent else "thread")

    def command(
        self, *arguments: str, timeout_s: float = 300.0, **settings: object
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of shipper on the servers themselves, to its end."""
        import sys

        call = [sys.executable, "-m", "shipper", *arguments]
        try:
            return subprocess.run(
                call,
                env=self.environment(**settings),
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            said = b"".join(part for part in (error.stdout, error.stderr) if isinstance(part, bytes)).decode()
            return subprocess.CompletedProcess(call, -9, said, f"did not end within {timeout_s:.0f} s")


def _mount(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SMALL_DISK_BYTES}", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:  # there is no such program
        return False
