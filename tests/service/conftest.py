"""The real servers for the tests of this folder.

A running stack is used if SHIPPER_TEST_KAFKA and SHIPPER_TEST_ELASTICSEARCH name it (and
SHIPPER_TEST_STACK_DIR its folder, for tests that restart a server). Otherwise one is started for the
session, on free ports and in a folder of its own, with the archives of the ordinary cache.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shipper.config import StackSettings, load_settings, state_directory
from shipper.elastic.client import ElasticClient
from shipper.errors import StackError
from shipper.stack import EmbeddedStack
from tests.service.detect_place import Place, connected, empty_place
from tests.service.kafka_stage import KafkaStage, open_stage
from tests.service.running_stack import RunningStack, free_ports

_TEST_LIMIT_S = 180


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests on real servers; their time limit leaves out the start of the servers."""
    for item in items:
        if "stack" not in getattr(item, "fixturenames", ()):
            continue
        item.add_marker(pytest.mark.service)
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_TEST_LIMIT_S, func_only=True))


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """The running servers; see `RunningStack` for what a test may do with them."""
    kafka, elasticsearch = (os.environ.get(f"SHIPPER_TEST_{name}", "") for name in ("KAFKA", "ELASTICSEARCH"))
    if kafka and elasticsearch:
        directory = os.environ.get("SHIPPER_TEST_STACK_DIR", "")
        yield RunningStack(kafka, elasticsearch, EmbeddedStack.attach(Path(directory)) if directory else None)
        return
    own = _own_stack()
    try:
        own.up()
        yield RunningStack(own.kafka_bootstrap, own.elasticsearch_url, own)
    finally:
        _remove(own)


@pytest.fixture(scope="module")
def client(stack: RunningStack) -> Iterator[ElasticClient]:
    """A client of the running server."""
    with connected(stack.elasticsearch_url) as found:
        yield found


@pytest.fixture
def place(client: ElasticClient) -> Iterator[Place]:
    """An empty namespace for detection."""
    with empty_place(client) as found:
        yield found


def _own_stack() -> EmbeddedStack:
    """A stack for this session, after clearing away those of sessions that were killed."""
    root = state_directory() / "test-stacks"
    for left in root.glob("*"):
        if left.name.isdecimal() and not psutil.pid_exists(int(left.name)):
            try:
                _remove(EmbeddedStack.attach(left))
            except StackError:
                shutil.rmtree(left, ignore_errors=True)
    ports = free_ports(4)
    settings = StackSettings(
        directory=root / str(os.getpid()),
        cache=load_settings().stack.cache,
        kafka_port=ports[0],
        kafka_controller_port=ports[1],
        elasticsearch_port=ports[2],
        elasticsearch_transport_port=ports[3],
    )
    return EmbeddedStack(settings)


def _remove(own: EmbeddedStack) -> None:
    own.down()
    own.wipe()
    shutil.rmtree(own.directory, ignore_errors=True)


@pytest.fixture
def stage(stack: RunningStack) -> Iterator[KafkaStage]:
    """Topics and a namespace for one test, with the templates as packaged; nothing of it is left behind."""
    with open_stage(stack) as stage:
        yield stage
