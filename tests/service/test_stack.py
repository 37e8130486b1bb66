"""The embedded stack as a whole, on the real servers: `up`, `down`, crashes, interruptions."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil
import pytest

from shipper.clock import SystemClock
from shipper.config import KafkaSettings
from shipper.errors import ServerFailed, StackError
from shipper.kafka.admin import Admin
from shipper.stack import EmbeddedStack
from shipper.stack.probe import elasticsearch_process, kafka_cluster_id
from tests.service.running_stack import RunningStack
from tests.service.spare_stack import LIMIT_S, SpareStack, spare_stack

CLOCK = SystemClock()
NEVER = threading.Event()

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(LIMIT_S * 2)]


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpareStack]:
    """A stack of this module's own; each test says itself whether it must run."""
    with spare_stack(tmp_path_factory.mktemp("spare") / "stäck of mine") as stack:
        yield stack


def interrupted_up(spare: SpareStack, number: signal.Signals) -> tuple[int, str]:
    """Send a signal to `up` once both servers have a process; return its exit code and errors."""
    with spare.start_command("up") as command:
        deadline_s = CLOCK.monotonic_s() + LIMIT_S
        while spare.processes() < 2:
            assert command.poll() is None, command.communicate()
            assert CLOCK.monotonic_s() < deadline_s
            CLOCK.wait(NEVER, 0.1)
        os.kill(command.pid, number)
        _, errors = command.communicate(timeout=LIMIT_S)
    return command.returncode, errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_start_leaves_nothing_running(spare: SpareStack, number: signal.Signals) -> None:
    """Ctrl-C or SIGTERM in the middle of a start stops the servers; the command says so without a trace."""
    spare.control.down()
    code, errors = interrupted_up(spare, number)
    assert code == 130
    assert errors.splitlines()[-1] == "shipper: Interrupted; what was being started is stopped again."
    assert "Traceback" not in errors
    assert spare.processes() == 0


def test_killed_start_is_completed_by_the_next(spare: SpareStack) -> None:
    """After `kill -9` of the command the next `up` finds the half-started servers and completes them."""
    spare.control.down()
    code, _ = interrupted_up(spare, signal.SIGKILL)
    assert code == -signal.SIGKILL
    answer = spare.command("up")
    assert answer.returncode == 0, answer.stderr
    assert spare.control.status().is_running


def test_second_up_gives_the_same_answer(spare: SpareStack) -> None:
    """A running stack is said to run, with exit code 0, the same addresses and the same processes."""
    spare.control.up()
    before = {server.name: server.pid for server in spare.control.status().servers}
    answer = spare.command("up")
    assert answer.returncode == 0
    assert answer.stdout.startswith("The stack runs already.\n")
    assert f"export SHIPPER_KAFKA_BOOTSTRAP_SERVERS={spare.control.kafka_bootstrap}" in answer.stdout
    assert f"export SHIPPER_ELASTICSEARCH_URL={spare.control.elasticsearch_url}" in answer.stdout
    assert {server.name: server.pid for server in spare.control.status().servers} == before


def test_no_server_is_a_child_of_the_terminal(spare: SpareStack) -> None:
    """The servers outlive the command that started them, in sessions of their own."""
    spare.control.up()
    for server in spare.control.status().servers:
        assert server.pid is not None
        assert psutil.Process(server.pid).terminal() is None
        assert os.getsid(server.pid) != os.getsid(0)


def test_other_settings_for_a_running_stack(spare: SpareStack) -> None:
    """Asking for another port while it runs is refused, with what to do."""
    spare.control.up()
    settings = spare.control.settings.model_copy(update={"kafka_port": 1})
    with pytest.raises(StackError, match=r"other settings \(kafka_port = \d+\); stop it first"):
        EmbeddedStack(settings).up()


def test_status_and_logs(spare: SpareStack) -> None:
    """Status tells a script what runs; the logs are the servers' own."""
    spare.control.up()
    status = spare.command("status", "--json")
    assert status.returncode == 0
    servers = json.loads(status.stdout)["servers"]
    assert servers["kafka"]["phase"] == servers["elasticsearch"]["phase"] == "running"
    assert servers["elasticsearch"]["memory_bytes"] > 100 << 20
    assert "Kafka Server started" in spare.command("logs", "kafka", "-n", "2000").stdout
    assert len(spare.command("logs", "elasticsearch", "-n", "3").stdout.splitlines()) == 3


def test_logs_are_followed_until_interrupted(spare: SpareStack) -> None:
    """--follow shows new lines, also of a log that was begun anew, and ends quietly with Ctrl-C."""
    spare.control.up()
    log = spare.control.log("kafka")
    with spare.start_command("logs", "kafka", "-n", "1", "--follow") as command:
        assert command.stdout is not None
        assert command.stdout.readline()
        with log.open("a", encoding="utf-8") as file:
            file.write("a new line\n")
        assert wait_for_line(command.stdout, "a new line")
        os.kill(command.pid, signal.SIGINT)
        _, errors = command.communicate(timeout=LIMIT_S)
    assert errors == ""


def test_data_survive_down_and_up(spare: SpareStack) -> None:
    """Topics, cluster and documents survive `down` and `up`, even if the state file is lost while it runs.

    Of two `up` at once one starts the servers, the other waits and finds them running.
    """
    spare.control.up()
    cluster = write_something(spare)
    (spare.control.directory / "stack.json").unlink()
    assert spare.command("down").stdout == "The stack is stopped.\n"
    assert spare.processes() == 0
    with spare.start_command("up") as one, spare.start_command("up") as other:
        outputs = [command.communicate(timeout=LIMIT_S) for command in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0), outputs
    assert sorted("runs already" in output for output, _ in outputs) == [False, True]
    assert_something_is_there(spare, cluster)


def test_killed_servers_come_back(spare: SpareStack) -> None:
    """After `kill -9` of both servers status says stopped, and `up` recovers what was acknowledged."""
    spare.control.up()
    cluster = write_something(spare)
    killed = [server.pid for server in spare.control.status().servers if server.pid is not None]
    assert len(killed) == 2
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    deadline_s = CLOCK.monotonic_s() + 20
    while spare.processes():
        assert CLOCK.monotonic_s() < deadline_s
        CLOCK.wait(NEVER, 0.1)
    assert spare.command("status").returncode == 1
    assert spare.control.up() is True
    assert_something_is_there(spare, cluster)
    # Left there, it would stop a later server of another user that is given this process number.
    left = [pid for pid in killed if Path(f"/tmp/.java_pid{pid}").exists() and not psutil.pid_exists(pid)]
    assert left == []


def test_two_stacks_side_by_side(spare: SpareStack, stack: RunningStack) -> None:
    """A second stack with other ports and folder runs beside the first; killing it leaves the first alone.

    A running stack is not wiped; `down --wipe` stops it first, keeps the cache, and can be repeated.
    """
    spare.control.up()
    host, _, port = stack.kafka_bootstrap.rpartition(":")
    shared = kafka_cluster_id(host, int(port))
    assert shared
    assert shared != kafka_cluster_id("127.0.0.1", spare.control.settings.kafka_port)
    with pytest.raises(StackError, match="still runs"):
        spare.control.wipe()
    assert spare.command("down", "--wipe").returncode == 0
    assert not (spare.control.home / "kafka").exists()
    assert not (spare.control.home / "elasticsearch").exists()
    assert spare.control.software.exists()
    assert spare.command("down", "--wipe").returncode == 0
    assert kafka_cluster_id(host, int(port)) == shared
    assert elasticsearch_process("127.0.0.1", int(stack.elasticsearch_url.rpartition(":")[2]))


def test_torn_data_folder_is_repaired_or_explained(spare: SpareStack) -> None:
    """A format that was cut off is begun anew; a server that cannot start says why and where to look."""
    spare.control.down()
    spare.control.wipe()
    left = spare.control.home / "kafka" / "data.partial"
    left.mkdir(parents=True)
    (left / "meta.properties").write_text("cluster.id=torn\n", "utf-8")
    spare.control.start_server("kafka")
    assert not left.exists()
    spare.control.stop_server("kafka", kill=True)
    meta = spare.control.home / "kafka" / "data" / "meta.properties"
    good = meta.read_text("utf-8")
    meta.write_text(good.replace("node.id=1", "node.id=2"), "utf-8")
    with pytest.raises(ServerFailed, match=r"Kafka 4\.1\.0 failed: ") as caught:
        spare.control.start_server("kafka")
    assert caught.value.log in {
        str(spare.control.log("kafka")),
        str(spare.control.home / "kafka" / "output.txt"),
    }
    assert "node" in caught.value.tail
    assert spare.processes() == 0
    meta.write_text(good, "utf-8")
    assert spare.control.start_server("kafka") is True


def test_kafka_restart_keeps_what_it_holds(stack: RunningStack) -> None:
    """Restarting the shared broker, as fault tests do, keeps its cluster."""
    host, _, port = stack.kafka_bootstrap.rpartition(":")
    before = kafka_cluster_id(host, int(port))
    stack.restart_kafka(kill=True)
    assert kafka_cluster_id(host, int(port)) == before


def write_something(spare: SpareStack) -> str | None:
    """Make a topic and a document; return the cluster's id."""
    with Admin(KafkaSettings(bootstrap_servers=spare.control.kafka_bootstrap)) as admin:
        admin.ensure_topic("kept")
    spare.ask("PUT", "/kept/_doc/1", {"n": 7})
    return kafka_cluster_id("127.0.0.1", spare.control.settings.kafka_port)


def assert_something_is_there(spare: SpareStack, cluster: str | None) -> None:
    """Check that topic, document and cluster are the ones that were written."""
    assert kafka_cluster_id("127.0.0.1", spare.control.settings.kafka_port) == cluster
    with Admin(KafkaSettings(bootstrap_servers=spare.control.kafka_bootstrap)) as admin:
        assert admin.topic_exists("kept")
    document = spare.ask("GET", "/kept/_doc/1")
    assert isinstance(document, dict)
    assert document["_source"] == {"n": 7}


def wait_for_line(stream: IO[str], wanted: str) -> bool:
    """Read lines until the wanted one; the test's time limit ends the wait."""
    return any(line.strip() == wanted for line in stream)
