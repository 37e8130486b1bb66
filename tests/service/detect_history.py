"""A made-up history of two services and a model, written to the real Elasticsearch for the detection tests.

Everything follows from the seed. Times are real times: the history ends at the moment given.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from shipper.datasets import index_name
from shipper.detect.event_time.window import HOUR_US, iso
from shipper.elastic.client import ElasticClient

Json = dict[str, Any]
COMMITS = ("a" * 40, "b" * 40, "c" * 40)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong from `start_us` to `end_us`; each part can be switched on alone."""

    start_us: int
    end_us: int
    error_rate: float = 0.0
    slower: float = 1.0
    accuracy: float | None = None
    scaled: float = 1.0
    missing: float = 0.0
    silent: str = ""

    def holds(self, moment_us: int) -> bool:
        """Whether it is on."""
        return self.start_us <= moment_us < self.end_us


@dataclass(slots=True)
class History:
    """A history of `hours` up to `end_us`, with at most one fault."""

    end_us: int
    hours: int = 30
    seed: int = 1
    per_hour: int = 220
    fault: Fault | None = None
    label_delay_h: tuple[float, float] = (0.5, 3.0)
    documents: list[Json] = field(default_factory=list)

    def build(self) -> list[Json]:
        """Make all documents, in order of event time; feedback that lies in the future is left out."""
        chance = random.Random(self.seed)
        begin = self.end_us - self.hours * HOUR_US
        self.documents = []
        moment, number = float(begin), 0
        while True:
            hour = (moment / HOUR_US) % 24
            rate = self.per_hour * (1 + 0.3 * math.sin(2 * math.pi * hour / 24))
            moment += chance.expovariate(rate) * HOUR_US
            if moment >= self.end_us:
                break
            number += 1
            self.documents += self._request(chance, int(moment), number, begin)
        self.documents.sort(key=lambda one: one["@timestamp"])
        return self.documents

    def _request(self, chance: random.Random, at: int, number: int, begin: int) -> Iterator[Json]:
        fault = self.fault if self.fault is not None and self.fault.holds(at) else None
        service = "scoring-api" if chance.random() < 0.55 else "batch-scorer"
        if fault is not None and service == fault.silent:
            return
        half = begin + (self.end_us - begin) * 2 // 5
        version, commit = ("1", COMMITS[0]) if at < half else ("2", COMMITS[1])
        commit = COMMITS[2] if fault is not None else commit
        base = {"service": {"name": service}, "git": {"commit": commit}}
        model = {"name": "tumour", "version": version}
        failed = chance.random() < (fault.error_rate if fault and fault.error_rate else 0.004)
        duration = chance.lognormvariate(math.log(2.1e7), 0.35) * (fault.slower if fault else 1.0)
        features = {"texture": chance.gauss(19, 4), "radius": chance.gauss(14, 3.5), "noise": 1.0}
        missing = []
        if fault is not None:
            features["texture"] *= fault.scaled
            if chance.random() < fault.missing:
                del features["texture"]
                missing = ["texture"]
        identity = f"p{self.seed}-{number}"
        accuracy = fault.accuracy if fault and fault.accuracy is not None else 0.94
        yield base | {
            "@timestamp": iso(at),
            "message": "prediction",
            "log": {"level": "error" if failed else "info"},
            "event": {
                "id": f"i{self.seed}-{number}",
                "dataset": "ml.inference",
                "action": "predict",
                "outcome": "failure" if failed else "success",
                "duration": int(duration),
            },
            "ml": {
                "model": model,
                "prediction": {"id": identity},
                "features": {
                    "numeric": features,
                    "categorical": {"site": chance.choice(["north", "south", "west"])},
                    "missing": missing,
                },
            },
            **({"error": {"type": "ValueError"}} if failed else {}),
        }
        if chance.random() < 0.5:
            level = "error" if chance.random() < 0.01 else "info"
            yield base | {
                "@timestamp": iso(at + 500),
                "message": "handled",
                "log": {"level": level},
                "event": {"id": f"a{self.seed}-{number}", "dataset": "ml.app"},
            }
        delay = chance.uniform(*self.label_delay_h) * HOUR_US
        is_right = chance.random() < accuracy
        if not failed and chance.random() < 0.92 and at + delay < self.end_us:
            yield base | {
                "@timestamp": iso(int(at + delay)),
                "message": "feedback",
                "log": {"level": "info"},
                "event": {"id": f"f{self.seed}-{number}", "dataset": "ml.feedback", "action": "feedback"},
                "ml": {
                    "model": model,
                    "prediction": {"id": identity, "correct": is_right, "time": iso(at)},
                },
            }


def store(
    client: ElasticClient,
    namespace: str,
    documents: list[Json],
    *,
    ingested_us: Callable[[Json], int],
    batch: int = 5000,
) -> None:
    """Write the documents by create into the indices of their times, and make them visible."""
    for place in range(0, len(documents), batch):
        lines: list[bytes] = []
        for document in documents[place : place + batch]:
            event = document["event"] | {"ingested": iso(ingested_us(document))}
            stamp = _moment(document["@timestamp"])
            index = index_name(event["dataset"], namespace, stamp)
            lines.append(orjson.dumps({"create": {"_index": index, "_id": event["id"]}}))
            lines.append(orjson.dumps(document | {"event": event}))
        answers = client.bulk(b"\n".join(lines) + b"\n")
        refused = [answer for answer in answers if answer.status not in (201, 409)]
        assert not refused, refused[0]
    client.refresh(f"logs-ml.*-{namespace}-*")


def _moment(text: str) -> int:
    from shipper.detect.event_time.window import parse_iso

    return parse_iso(text)
