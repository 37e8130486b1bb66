"""What the servers are configured with, and what their logs tell when they fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shipper.clock import ManualClock
from shipper.config import StackSettings
from shipper.errors import StackError
from shipper.stack.elasticsearch_server import ElasticsearchServer
from shipper.stack.kafka_server import KafkaServer, cluster_id
from shipper.stack.placement import Placement
from shipper.stack.process import mark
from shipper.stack.server import ServerFolder, authority, contact_host, tail
from shipper.stack.software import Software

JVM_OPTIONS = """\
## comment
-XX:+UseG1GC
20-:--add-modules=jdk.incubator.vector
-Xlog:gc*:file=gc.log
"""


@pytest.fixture
def software(tmp_path: Path) -> Software:
    """Software folders with the one file that is read."""
    elasticsearch = tmp_path / "software" / "elasticsearch"
    (elasticsearch / "config").mkdir(parents=True)
    (elasticsearch / "config" / "jvm.options").write_text(JVM_OPTIONS, "utf-8")
    return Software(tmp_path / "java", tmp_path / "kafka", elasticsearch)


def kafka(home: Path, software: Software, **changes: object) -> KafkaServer:
    """A Kafka whose data folder is already formatted."""
    data = home / "kafka" / "data"
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("#\ncluster.id=abc\nversion=1\n", "utf-8")
    settings = StackSettings.model_validate(changes)
    return KafkaServer(settings, Placement(None, home, home), software, ManualClock())


def read_properties(path: Path) -> dict[str, str]:
    """Read a Java properties file as Java does (the part of the format that we write)."""
    pairs = (line.split("=", 1) for line in path.read_text("ascii").splitlines())
    return {key: value.encode("ascii").decode("unicode_escape") for key, value in pairs}


def test_kafka_is_configured_for_one_node(tmp_path: Path, software: Software) -> None:
    """Ports and folder come from the settings, topics are not made by accident, nothing waits or replicates."""
    server = kafka(tmp_path, software, kafka_port=1234, kafka_controller_port=1235)
    server.prepare()
    values = read_properties(server.folder.configuration / "server.properties")
    assert values["listeners"] == "PLAINTEXT://127.0.0.1:1234,CONTROLLER://127.0.0.1:1235"
    assert values["log.dirs"] == str(server.folder.data)
    assert values["auto.create.topics.enable"] == "false"
    assert values["group.initial.rebalance.delay.ms"] == "0"
    assert values["offsets.topic.replication.factor"] == "1"


def test_kafka_listening_on_all_addresses_is_reached_on_this_machine(
    tmp_path: Path, software: Software
) -> None:
    """A wildcard can be listened on but not be told to clients; the controller stays on this machine."""
    server = kafka(tmp_path, software, host="0.0.0.0")  # noqa: S104
    server.prepare()
    values = read_properties(server.folder.configuration / "server.properties")
    assert values["listeners"] == "PLAINTEXT://0.0.0.0:9092,CONTROLLER://127.0.0.1:9093"
    assert values["advertised.listeners"].startswith("PLAINTEXT://127.0.0.1:9092")


@pytest.mark.parametrize("name", ["plain", "wíth späces", "back\\slash", "𝄞 = # !", "$HOME ${x}"])
def test_any_folder_name_survives_the_configuration(tmp_path: Path, software: Software, name: str) -> None:
    """Names with blanks, signs or letters beyond Latin-1 reach the servers unchanged."""
    home = tmp_path / name
    server = kafka(home, software)
    server.prepare()
    values = read_properties(server.folder.configuration / "server.properties")
    text = values["log.dirs"].encode("utf-16", "surrogatepass").decode("utf-16")
    assert text == str(server.folder.data)
    other = ElasticsearchServer(StackSettings(), Placement(None, home, home), software)
    other.prepare()
    lines = (other.folder.configuration / "elasticsearch.yml").read_text("utf-8").splitlines()
    pairs = {key: json.loads(value) for key, value in (line.split(": ", 1) for line in lines)}
    assert pairs["path.data"] == str(other.folder.data)


def test_elasticsearch_is_configured_for_one_node(tmp_path: Path, software: Software) -> None:
    """Java options that the image lacks are left out; a full disk does not make indices read-only."""
    settings = StackSettings(elasticsearch_port=1236, elasticsearch_heap_mib=300)
    server = ElasticsearchServer(settings, Placement(None, tmp_path, tmp_path), software)
    server.prepare()
    options = (server.folder.configuration / "jvm.options").read_text("utf-8").splitlines()
    assert "-XX:+UseG1GC" in options
    assert "-Xmx300m" in options
    assert mark(server.folder.root) in options
    assert not [option for option in options if "incubator" in option or "Xlog" in option or "##" in option]
    yaml = (server.folder.configuration / "elasticsearch.yml").read_text("utf-8")
    assert "http.port: 1236" in yaml
    assert "cluster.routing.allocation.disk.threshold_enabled: false" in yaml
    assert 'network.host: "127.0.0.1"' in yaml


def test_commands_carry_the_mark_and_a_small_environment(tmp_path: Path, software: Software) -> None:
    """The processes are found again by their command line, and get none of our variables."""
    placement = Placement(None, tmp_path, tmp_path)
    for server in (
        KafkaServer(StackSettings(), placement, software, ManualClock()),
        ElasticsearchServer(StackSettings(), placement, software),
    ):
        command = server.command()
        assert mark(server.folder.root) in command.arguments
        assert not [name for name in command.environment if name.startswith(("SHIPPER_", "JAVA_TOOL"))]


def test_data_without_identity_are_not_formatted_over(tmp_path: Path, software: Software) -> None:
    """Records whose meta.properties is gone are explained, never wiped silently."""
    server = kafka(tmp_path, software)
    (server.folder.data / "meta.properties").write_text("torn", "utf-8")
    (server.folder.data / "topic-0").mkdir()
    with pytest.raises(StackError, match=r"meta\.properties is missing .* --wipe"):
        server.prepare()
    assert (server.folder.data / "topic-0").exists()
    assert cluster_id(server.folder.data) is None


def test_configuration_is_not_written_through_links(tmp_path: Path) -> None:
    """The servers' account owns the folder: a link that it planted there is replaced, not followed."""
    victim = tmp_path / "victim"
    victim.write_text("precious", "utf-8")
    folder = ServerFolder(tmp_path / "kafka", "kafka")
    folder.make(Placement(None, tmp_path, tmp_path))
    (folder.configuration / "x.properties").symlink_to(victim)
    folder.write("x.properties", "new")
    assert victim.read_text("utf-8") == "precious"


def test_remains_of_a_start_that_was_cut_off_are_cleared(tmp_path: Path) -> None:
    """Temporary files and torn configuration are gone at the next start; logs stay."""
    folder = ServerFolder(tmp_path / "kafka", "kafka")
    placement = Placement(None, tmp_path, tmp_path)
    folder.make(placement)
    (folder.temporary / "native.so").touch()
    (folder.configuration / "elasticsearch.keystore.tmp").touch()
    folder.log.write_text("line\n", "utf-8")
    folder.make(placement)
    assert list(folder.temporary.iterdir()) == list(folder.configuration.iterdir()) == []
    assert folder.log.exists()


def test_explanation_is_of_this_start(tmp_path: Path) -> None:
    """The most telling line after the given position is the reason; old errors are not."""
    folder = ServerFolder(tmp_path / "kafka", "kafka")
    folder.make(Placement(None, tmp_path, tmp_path))
    folder.log.write_text("ERROR old\n", "utf-8")
    known = folder.log_size()
    assert folder.explain(known)[0] == "it wrote nothing"
    folder.output.write_text("Unrecognized option\n", "utf-8")
    assert folder.explain(known)[0] == "Unrecognized option"
    with folder.log.open("a", encoding="utf-8") as file:
        file.write("INFO begin\nFATAL no disk\n" + "INFO more\n" * 30)
    reason, end = folder.explain(known)
    assert reason == "FATAL no disk"
    assert end.count("\n") == 11


def test_tail_is_bounded(tmp_path: Path) -> None:
    """Of a huge log only the end is read; a log that was rotated since counts from its beginning."""
    path = tmp_path / "log"
    path.write_text("x" * 100_000 + "\nend", "utf-8")
    assert tail(path)[-1] == "end"
    assert sum(map(len, tail(path))) <= 1 << 16
    assert tail(path, since_bytes=1 << 40)[-1] == "end"
    assert tail(tmp_path / "none") == []


def test_addresses() -> None:
    """Wildcards are reached on this machine; IPv6 stands in brackets."""
    assert authority(contact_host("0.0.0.0"), 1) == "127.0.0.1:1"  # noqa: S104
    assert authority("::1", 2) == "[::1]:2"
