"""`shipper erase` beside a real Logstash, which knows no list of erasures: nothing of the person comes back."""

from __future__ import annotations

import base64
import json
import signal
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from shipper.cli.main import app
from shipper.datasets import dead_letter_index
from shipper.enrich.redact import Keyring
from shipper.index.erasures import erasure_index
from shipper.index.search import read_all
from shipper.index.tombstones import NOT_ERASED
from shipper.kafka.producer import Message
from tests.service.logstash_process import START_S, logstash_home, running
from tests.service.logstash_road import Ground, ground, wait_until
from tests.service.running_stack import RunningStack

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(6 * START_S)]

COUNT = 5000
KEY = f"new:{base64.b64encode(b'n' * 32).decode()}"


def _message(ends: Ground, number: int, who: str, **more: Any) -> Message:
    document = {
        "@timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "event": {"id": f"{ends.namespace}-{number}", "sequence": number, "dataset": "ml.app"},
        "agent": {"ephemeral_id": ends.namespace},
        "log": {"level": "info"},
        "message": "m",
        "user": {"id": who},
    }
    return Message(ends.kafka.topic, b"key", orjson.dumps(document | more))


def _command(ends: Ground, *arguments: str) -> dict[str, Any]:
    variables = {
        **ends.variables,
        "SHIPPER_ELASTICSEARCH_URL": ends.client.url,
        "SHIPPER_REDACT_KEY": KEY,
    }
    done = CliRunner().invoke(app, [*arguments, "--json"], env=variables)
    assert done.exit_code == 0, (done.output, done.exception)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _found(ends: Ground) -> list[str]:
    """Return the ids of all records that a search finds; those of the audit trail are nobody's."""
    pattern = f"logs-ml.app-{ends.namespace}-*"
    ends.client.refresh(pattern)
    hits = read_all(ends.client, pattern, NOT_ERASED, sort=[{"_shard_doc": "asc"}], _source=False)
    return sorted(hit["_id"] for hit in hits)


def _stored_whole(ends: Ground) -> str:
    """Return all that is stored in this namespace, as a text."""
    pattern = f"*-{ends.namespace}*"
    ends.client.refresh(pattern)
    hits = read_all(ends.client, pattern, {"match_all": {}}, sort=[{"_shard_doc": "asc"}])
    return "\n".join(json.dumps(hit) for hit in hits)


def test_neither_what_is_on_its_way_nor_a_replay(stack: RunningStack, tmp_path: Path) -> None:
    """A person is erased while 5,000 of her records are on their way through Logstash, and afterwards Logstash reads the
    whole topic again as another group: none of them is ever found again, and there was no sweep. What no index takes
    becomes a dead letter again, and a sweep takes that out."""
    logstash_home()
    person = f"alice-{uuid.uuid4().hex}@example.org"
    (pseudonym,) = Keyring.parse(KEY).all_pseudonyms(person)
    with ground(stack) as ends:
        variables = {**ends.variables, "SHIPPER_LOGSTASH_NOW": ""}
        refused = _message(ends, COUNT + 1, pseudonym, host="a text where there is an object")
        ends.produce([refused])
        with running(tmp_path, variables) as logstash:
            # The refused one first: a dead letter of before the erasure.
            wait_until(lambda: ends.dead_letters() == 1)
            mine = [_message(ends, number, pseudonym) for number in range(1, COUNT + 1)]
            ends.produce(mine[: COUNT // 2])
            wait_until(lambda: len(_found(ends)) > 0)
            # It stands still with records in its hands, in its queue and on the topic, and goes on when she is erased.
            logstash.send_signal(signal.SIGSTOP)
            try:
                ends.produce(mine[COUNT // 2 :])
                receipt = _command(ends, "erase", "--subject", person, "--yes")
            finally:
                logstash.send_signal(signal.SIGCONT)
            ends.produce([_message(ends, COUNT + 2, "somebody")])
            wait_until(
                lambda: len(_found(ends)) == 1 and ends.lag() == 0,
                lambda: f"{len(_found(ends))} found, lag {ends.lag()}, {receipt['counts']}",
            )
            time.sleep(2)  # what a worker of Logstash has in hand still
        others = [f"{ends.namespace}-{COUNT + 2}"]
        counts = receipt["counts"]
        assert (receipt["whole"], counts["letters"], receipt["kafka"]["read_by_logstash"]) == (True, 1, True)
        assert counts["deleted"] > 0, f"it came too early to prove anything: {counts}"
        assert counts["kept_out"] > 1, f"it came too late to prove anything: {counts}"
        assert counts["deleted"] + counts["kept_out"] == COUNT + 1  # with the place of the refused one
        assert _found(ends) == others
        ends.produce([_message(ends, COUNT + 3, "somebody")])
        again = tmp_path / "again"
        again.mkdir()
        with running(again, {**variables, "SHIPPER_LOGSTASH_GROUP": f"again-{ends.namespace}"}):
            others.append(f"{ends.namespace}-{COUNT + 3}")
            wait_until(lambda: others[-1] in _found(ends) and ends.dead_letters() == 2)
            time.sleep(2)
        assert _found(ends) == others
        assert pseudonym not in _stored_whole(ends)
        assert "conflict" not in (again / "logstash.out").read_text("utf-8")
        totals = _command(ends, "reconcile")["totals"]
        assert (totals["missing"], totals["doubled"], totals["stored"]) == (0, 0, 2)
        swept = _command(ends, "erase", "--sweep", "--yes")
        assert swept["dead_letter_topic"]["letters"] == 1
        for index in (dead_letter_index, erasure_index):
            ends.client.delete_index(index(ends.namespace))
    print(f"{counts['deleted']} deleted and {counts['kept_out']} kept out of {COUNT + 1}; none came back")
