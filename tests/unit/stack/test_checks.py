"""What stands in the way of a start is said before anything is started."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from shipper.config import StackSettings
from shipper.errors import ConfigurationError, PortBusy, ResourceShortage
from shipper.stack import checks
from tests.service.running_stack import free_ports


def settings(**changes: object) -> StackSettings:
    """Settings on ports that nobody uses."""
    names = ("kafka_port", "kafka_controller_port", "elasticsearch_port", "elasticsearch_transport_port")
    ports = dict(zip(names, free_ports(4), strict=True))
    return StackSettings.model_validate({**ports, **changes})


def test_old_python_is_named() -> None:
    """An older Python is refused with the version that is needed."""
    with pytest.raises(ConfigurationError, match=r"needs Python 3\.11 or later, this is 3\.9"):
        checks.check_python((3, 9))
    checks.check_python((3, 11))


@pytest.mark.parametrize(
    ("field", "variable"),
    [
        ("kafka_port", "SHIPPER_STACK_KAFKA_PORT"),
        ("kafka_controller_port", "SHIPPER_STACK_KAFKA_CONTROLLER_PORT"),
        ("elasticsearch_port", "SHIPPER_STACK_ELASTICSEARCH_PORT"),
        ("elasticsearch_transport_port", "SHIPPER_STACK_ELASTICSEARCH_TRANSPORT_PORT"),
    ],
)
def test_busy_port_names_its_setting(field: str, variable: str) -> None:
    """Somebody listens there: the sentence names the port and the variable that changes it."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortBusy, match=f"Port {port} .* {variable}"):
            checks.check_ports(settings(**{field: port}), ("kafka", "elasticsearch"))


def test_only_the_ports_of_stopped_servers_matter() -> None:
    """A server that runs holds its own ports; they are not checked for the other one."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        checks.check_ports(settings(kafka_port=other.getsockname()[1]), ("elasticsearch",))


def test_port_that_was_just_closed_is_free() -> None:
    """Connections that wind down after a restart do not count as a listener."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # the closing side waits: TIME_WAIT on the server's port
            client.recv(1)
    checks.check_ports(settings(kafka_port=port), ("kafka",))


def test_address_of_another_machine() -> None:
    """An address that is not of this machine is a wrong setting, not a busy port."""
    with pytest.raises(ConfigurationError, match="SHIPPER_STACK_HOST"):
        checks.check_ports(settings(host="192.0.2.1"), ("kafka",))


def test_same_port_twice() -> None:
    """Two servers on one port would fail late and unclearly; both settings are named."""
    with pytest.raises(
        ConfigurationError, match="KAFKA_PORT and SHIPPER_STACK_ELASTICSEARCH_PORT are both 9200"
    ):
        checks.check_distinct_ports(StackSettings(kafka_port=9200))


def test_names_that_no_configuration_can_hold(tmp_path: Path) -> None:
    """A comma or a colon in a folder is refused with the setting, before anything is fetched."""
    with pytest.raises(ConfigurationError, match="SHIPPER_STACK_DIRECTORY"):
        checks.check_folder_names(tmp_path / "a,b", tmp_path)
    with pytest.raises(ConfigurationError, match="SHIPPER_STACK_CACHE"):
        checks.check_folder_names(tmp_path, tmp_path / "a:b")
    checks.check_folder_names(tmp_path / "ä b $HOME\\x", tmp_path)


def test_too_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less memory than the servers may grow to: figures and what to lower."""
    monkeypatch.setattr(checks, "available_memory_bytes", lambda: 600 << 20)
    with pytest.raises(ResourceShortage, match=r"600 MiB available; .*SHIPPER_STACK_ELASTICSEARCH_HEAP_MIB"):
        checks.check_memory(settings(), ("kafka", "elasticsearch"))
    checks.check_memory(settings(kafka_heap_mib=256), ("kafka",))


def test_memory_limit_of_a_container_counts(tmp_path: Path) -> None:
    """A container's limit, less what it uses beside reclaimable pages, is what is available."""
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 300000\n")
    assert checks.available_memory_bytes(tmp_path) == 400_000
    (tmp_path / "memory.max").write_text("max\n")
    machine = checks.available_memory_bytes(tmp_path)
    assert machine > 400_000
    assert checks.available_memory_bytes(tmp_path / "none") > 400_000


def test_too_little_disk(tmp_path: Path) -> None:
    """Less free disk than needed: the folder and its setting are named; absent folders count as their parent."""
    with pytest.raises(ResourceShortage, match=r"disk space for .*/x/y.*SHIPPER_STACK_CACHE"):
        checks.check_disk(tmp_path / "x" / "y", 1 << 60, "SHIPPER_STACK_CACHE")
    checks.check_disk(tmp_path / "x" / "y", 1, "SHIPPER_STACK_CACHE")
