"""`shipper migrate apply` started twice at once on the real server: one works, the second says so and ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from shipper.clock import SystemClock
from shipper.datasets import index_name
from shipper.elastic.client import ElasticClient
from shipper.lease import Lease, new_holder
from shipper.state_index import ensure_state_index, state_index
from tests.service.detect_place import connected
from tests.service.running_stack import RunningStack


@pytest.fixture
def client(stack: RunningStack) -> Iterator[ElasticClient]:
    """A client of the running server."""
    with connected(stack.elasticsearch_url) as found:
        yield found


@pytest.fixture
def namespace(client: ElasticClient) -> Iterator[str]:
    """A namespace with one index of one document."""
    name = f"twice{uuid4().hex[:12]}"
    stamp = datetime.now(UTC)
    index = index_name("ml.app", name, SystemClock().now_us())
    client.create(index, "1", {"@timestamp": stamp.isoformat(), "message": "x"}, refresh=True)
    yield name
    for pattern in (f"logs-ml.*-{name}-*", state_index(name)):
        for made in client.indices(pattern):
            client.delete_index(made)


def apply(stack: RunningStack, namespace: str) -> subprocess.CompletedProcess[str]:
    """Migrate the namespace's index by the real command in a process of its own."""
    index = index_name("ml.app", namespace, SystemClock().now_us())
    return subprocess.run(
        [sys.executable, "-m", "shipper", "migrate", "apply", "--yes", "--index", index, "--json"],
        env={
            **os.environ,
            "SHIPPER_ELASTICSEARCH_URL": stack.elasticsearch_url,
            "SHIPPER_NAMESPACE": namespace,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_second_says_so(stack: RunningStack, client: ElasticClient, namespace: str) -> None:
    """While one is at work (here: this process has its lease) another is refused in one sentence; then it works."""
    ensure_state_index(client, namespace)
    first = Lease(client, state_index(namespace), "lease-migrate", SystemClock(), new_holder())
    first.take()
    refused = apply(stack, namespace)
    assert refused.returncode == 1, refused.stdout
    (sentence,) = refused.stderr.strip().splitlines()
    assert f"Another migration ({first.holder}) works on this namespace" in sentence
    assert client.indices(f"logs-ml.app-{namespace}-*-000002", states="open,hidden") == []
    first.give_back()
    done = apply(stack, namespace)
    assert done.returncode == 0, done.stderr
    assert [one["outcome"] for one in json.loads(done.stdout)["results"]] == ["migrated"]
    again = Lease(client, state_index(namespace), "lease-migrate", SystemClock(), "elsewhere-1-a")
    again.take()  # what has ended holds nobody up
