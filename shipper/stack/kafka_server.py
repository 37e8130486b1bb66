"""The embedded Kafka: one node that is broker and controller (KRaft), plain text, for this machine."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Final

from shipper.clock import Clock
from shipper.config import StackSettings
from shipper.errors import ServerFailed, StackError
from shipper.stack.placement import Placement, make_folder
from shipper.stack.probe import kafka_cluster_id
from shipper.stack.process import Command, ProcessIdentity, find_marked, mark, stop
from shipper.stack.server import ServerFolder, authority, contact_host, java_environment
from shipper.stack.software import Software

_FORMAT_TIMEOUT_S: Final = 120
_NODE: Final = 1
_LOG4J: Final = """\
status = error
appenders = file
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = ${sys:shipper.log}
appender.file.filePattern = ${sys:shipper.log}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSX}{UTC} %-5p %c{1}: %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 16MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 2
logger.settings.name = org.apache.kafka.common.config.AbstractConfig
logger.settings.level = warn
rootLogger.level = info
rootLogger.appenderRefs = file
rootLogger.appenderRef.file.ref = file
"""


class KafkaServer:
    """See `Server`."""

    def __init__(
        self, settings: StackSettings, placement: Placement, software: Software, clock: Clock
    ) -> None:
        self._clock = clock
        self.folder = ServerFolder(placement.home / "kafka", "kafka")
        self._settings = settings
        self._placement = placement
        self._software = software

    def prepare(self) -> None:
        """Write the configuration; format the data folder if it is new."""
        self.folder.make(self._placement)
        self.folder.write("log4j2.properties", _LOG4J)
        self.folder.write("server.properties", self._properties(self.folder.data))
        if not _is_formatted(self.folder.data):
            self._format()

    def command(self) -> Command:
        """Java with the class path of all jars."""
        heap = f"{self._settings.kafka_heap_mib}m"
        return Command(
            [
                *self._java(
                    self.folder.root,
                    f"-Xms{heap}",
                    f"-Xmx{heap}",
                    "-XX:+UseG1GC",
                    "-XX:+ExitOnOutOfMemoryError",
                ),
                "kafka.Kafka",
                str(self.folder.configuration / "server.properties"),
            ],
            java_environment(self.folder, {}),
            self.folder.root,
            self.folder.output,
        )

    def ready_process(self) -> ProcessIdentity | None:
        """The process, if a broker with our cluster id answers."""
        answer = kafka_cluster_id(contact_host(self._settings.host), self._settings.kafka_port)
        if answer is None or answer != cluster_id(self.folder.data):
            return None
        processes = find_marked(self.folder.root)
        return processes[0] if processes else None

    def _java(self, marked: Path, *options: str) -> list[str]:
        configuration = self.folder.configuration
        return [
            str(self._software.java_program),
            *options,
            mark(marked),
            f"-Dshipper.log={self.folder.log}",
            f"-Dlog4j2.configurationFile={configuration / 'log4j2.properties'}",
            f"-Djava.io.tmpdir={self.folder.temporary}",
            "-XX:-UsePerfData",
            "-cp",
            f"{self._software.kafka}/*",
        ]

    def _format(self) -> None:
        """Format beside the place of the data and rename: an interrupted format leaves nothing to mistake."""
        data, partial = self.folder.data, self.folder.root / "data.partial"
        formatter = self.folder.root / "format"  # only a name: a formatter is not taken for the server
        # One whose command was killed may still be writing.
        stop(find_marked(formatter), clock=self._clock, patience_s=0)
        shutil.rmtree(partial, ignore_errors=True)
        make_folder(partial, self._placement, owned=True)
        self._run_formatter(formatter, partial)
        if data.exists():
            data.rmdir()  # checked by _is_formatted: it is empty
        partial.rename(data)

    def _run_formatter(self, formatter: Path, target: Path) -> None:
        properties = self.folder.write("format.properties", self._properties(target))
        new_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "_")
        java = self._java(formatter, "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
        tool = ["kafka.tools.StorageTool", "format", "--standalone", "--cluster-id", new_id]
        account = self._placement.account
        try:
            answer = subprocess.run(
                [*java, *tool, "--config", str(properties)],
                env=java_environment(self.folder, {}),
                capture_output=True,
                text=True,
                check=False,
                timeout=_FORMAT_TIMEOUT_S,
                stdin=subprocess.DEVNULL,
                cwd=self.folder.root,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise StackError(
                f"The data folder {self.folder.data} could not be formatted: {error}."
            ) from error
        if answer.returncode != 0:
            said = (answer.stderr or answer.stdout).strip() or "no reason given"
            raise ServerFailed("Formatting Kafka's data folder", said[:300], str(self.folder.log))

    def _properties(self, data: Path) -> str:
        s = self._settings
        host = contact_host(s.host)
        controller = authority(host, s.kafka_controller_port)
        values = {
            "process.roles": "broker,controller",
            "node.id": _NODE,
            "controller.quorum.bootstrap.servers": controller,
            "listeners": f"PLAINTEXT://{authority(s.host, s.kafka_port)},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{authority(host, s.kafka_port)},CONTROLLER://{controller}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": data,
            # As in production: a mistyped topic shall fail, not come into being. `shipper setup` makes ours.
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": 0,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 4,
            "log.retention.hours": 72,
            "log.segment.bytes": 64 << 20,
            # The default of 128 MiB does not fit the smallest heap.
            "log.cleaner.dedupe.buffer.size": 8 << 20,
            "controlled.shutdown.max.retries": 1,
            # After a kill the controller takes the broker for a double until its session ends: 9 s by default.
            "broker.session.timeout.ms": 4000,
            "broker.heartbeat.interval.ms": 500,
        }
        return "".join(f"{key}={_escape(str(value))}\n" for key, value in values.items())


def cluster_id(data: Path) -> str | None:
    """The cluster id that the data folder was formatted with, or None."""
    try:
        found = re.search(r"^cluster\.id=(\S+)$", (data / "meta.properties").read_text("utf-8"), re.MULTILINE)
    except OSError:
        return None
    return found[1] if found else None


def _is_formatted(data: Path) -> bool:
    """Whether the data folder can be used; False if it is absent or empty.

    Raises:
        StackError: it holds records but no identity, which Kafka would refuse.
    """
    if cluster_id(data) is not None:
        return True
    if data.exists() and any(data.iterdir()):
        raise StackError(
            f"Kafka's data folder {data} is incomplete (meta.properties is missing or damaged); restore that file, "
            "or give the data up with: shipper stack down --wipe"
        )
    return False


def _escape(value: str) -> str:
    """Escape a value for Java's properties format, which is Latin-1 with UTF-16 escapes."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = (int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2))
    return "".join(chr(code) if 32 <= code < 127 else f"\\u{code:04x}" for code in codes)
