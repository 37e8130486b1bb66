"""The embedded stack on the real servers."""

from __future__ import annotations

import urllib.request

from shipper.stack.probe import kafka_cluster_id
from tests.service.running_stack import RunningStack


def test_both_answer(stack: RunningStack) -> None:
    """The servers of the fixture answer real requests."""
    host, _, port = stack.kafka_bootstrap.rpartition(":")
    assert kafka_cluster_id(host, int(port))
    with urllib.request.urlopen(f"{stack.elasticsearch_url}/_cluster/health", timeout=10) as answer:
        assert answer.status == 200
