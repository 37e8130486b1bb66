"""The embedded Elasticsearch: one node, without security, for this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from shipper.config import StackSettings
from shipper.errors import StackError
from shipper.stack.placement import Placement, make_folder, reaches
from shipper.stack.probe import elasticsearch_process
from shipper.stack.process import Command, ProcessIdentity, find_marked, mark
from shipper.stack.server import ServerFolder, contact_host, java_environment
from shipper.stack.software import Software

_LOG4J: Final = """\
status = error
appenders = file
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = ${sys:es.logs.base_path}/elasticsearch.log
appender.file.filePattern = ${sys:es.logs.base_path}/elasticsearch.log.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSX}{UTC} %-5p %c{1}: %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 16MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 2
rootLogger.level = info
rootLogger.appenderRefs = file
rootLogger.appenderRef.file.ref = file
"""
_LEFT_OUT: Final = (
    "jdk.incubator.vector",  # a module that the Java image does not have
    "-Xlog:gc",  # 32 files of 64 MiB
)


class ElasticsearchServer:
    """See `Server`."""

    def __init__(self, settings: StackSettings, placement: Placement, software: Software) -> None:
        self.folder = ServerFolder(placement.home / "elasticsearch", "elasticsearch")
        self._settings = settings
        self._placement = placement
        self._software = software

    def prepare(self) -> None:
        """Write the configuration; the server itself makes its data folder whole."""
        self.folder.make(self._placement)
        make_folder(self.folder.data, self._placement, owned=True)
        if self._settings.snapshots is not None:
            self._make_snapshots(self._settings.snapshots)
        self.folder.write("elasticsearch.yml", self._yaml())
        self.folder.write("log4j2.properties", _LOG4J)
        self.folder.write("jvm.options", self._jvm_options())

    def command(self) -> Command:
        """The launcher's own program, as `bin/elasticsearch --daemonize` calls it.

        The launcher works out the options of the real server, starts it in our session, and ends
        with 0 once the server listens.
        """
        home = self._software.elasticsearch
        folders = {
            "ES_PATH_CONF": str(self.folder.configuration),
            "ES_TMPDIR": str(self.folder.temporary),
            "ES_JAVA_HOME": str(self._software.java),
        }
        return Command(
            [
                str(self._software.java_program),
                "-Xms4m",
                "-Xmx64m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-XX:-UsePerfData",
                mark(self.folder.root),
                "-Dcli.name=server",
                f"-Dcli.script={home / 'bin' / 'elasticsearch'}",
                "-Dcli.libs=lib/tools/server-cli",
                f"-Des.path.home={home}",
                f"-Des.path.conf={self.folder.configuration}",
                "-Des.distribution.type=zip",
                "-Des.java.type=ES_JAVA_HOME",
                f"-Djava.io.tmpdir={self.folder.temporary}",
                "-cp",
                f"{home}/lib/*:{home}/lib/cli-launcher/*",
                "org.elasticsearch.launcher.CliToolLauncher",
                "--daemonize",
                "--pidfile",
                str(self._pid_file),
            ],
            java_environment(self.folder, folders),
            home,
            self.folder.output,
        )

    def ready_process(self) -> ProcessIdentity | None:
        """The process, if the node that answers says that it is one of ours."""
        pid = elasticsearch_process(contact_host(self._settings.host), self._settings.elasticsearch_port)
        if pid is None:
            return None
        return next((process for process in find_marked(self.folder.root) if process.pid == pid), None)

    @property
    def _pid_file(self) -> Path:
        return self.folder.temporary / "pid"

    def _make_snapshots(self, folder: Path) -> None:
        account = self._placement.account
        if account is not None and not reaches(account, folder.absolute()):
            raise StackError(
                f"The account of the servers cannot enter {folder}, where stack.snapshots shall be; choose "
                "another folder with SHIPPER_STACK_SNAPSHOTS."
            )
        make_folder(folder.absolute(), self._placement, owned=True)

    def _yaml(self) -> str:
        s = self._settings
        values: dict[str, object] = {
            "cluster.name": "shipper",
            "node.name": "shipper",
            "path.data": str(self.folder.data),
            "path.logs": str(self.folder.logs),
            "network.host": s.host,
            "http.port": s.elasticsearch_port,
            "transport.port": s.elasticsearch_transport_port,
            "discovery.type": "single-node",
            "xpack.security.enabled": False,
            # On a disk that is 90 % full all indices would become read-only; `up` checks the free space.
            "cluster.routing.allocation.disk.threshold_enabled": False,
        }
        if s.snapshots is not None:
            values["path.repo"] = [str(s.snapshots.absolute())]
        # Each JSON value is a YAML value, whatever a folder's name contains.
        return "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items())

    def _jvm_options(self) -> str:
        heap = f"{self._settings.elasticsearch_heap_mib}m"
        original = self._software.elasticsearch / "config" / "jvm.options"
        kept = [
            line
            for line in original.read_text("utf-8").splitlines()
            if line.strip() and not line.startswith("#") and not any(part in line for part in _LEFT_OUT)
        ]
        ours = [
            f"-Xms{heap}",
            f"-Xmx{heap}",
            "-XX:-AlwaysPreTouch",  # memory is taken when used, not at the start
            "-XX:-UsePerfData",
            mark(self.folder.root),
        ]
        return "\n".join([*kept, *ours, ""])
