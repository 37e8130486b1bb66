"""A day of a small platform, as bulk bodies: predictions, log records, labels that arrive late, a few evaluations.

Most of what a document says is drawn once, for some thousand documents of each kind, and used again and again, so that
ten million of them are made in a minute or two; times and ids are each document's own. Nothing is wrong in this day:
what is measured is the ordinary run.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
import orjson

from shipper.datasets import index_name
from shipper.detect.event_time.window import DAY_US, HOUR_US, MINUTE_US, SECOND_US

Json = dict[str, Any]

BATCH: Final = 5_000
"""Documents of one bulk request, about."""

SERVICES: Final = ("scoring-api", "batch-scorer", "mobile")
VERSIONS: Final = ("1", "2")
FEATURES: Final = ("age", "area", "density", "edges", "hue", "radius", "smoothness", "texture")
SITES: Final = ("north", "south", "west", "east", "abroad")
_TAILS: Final = 4_000
_LABEL_DELAY_US: Final = 20 * MINUTE_US
_TIME: Final = "@time@"
_SHARES: Final = {"ml.inference": 0.5, "ml.app": 0.35, "ml.feedback": 0.15}
_EVALUATIONS_PER_DAY: Final = 48


@dataclass(frozen=True, slots=True)
class History:
    """A day of documents.

    Attributes:
        documents: how many, evaluations left out.
        end_us: where the day ends.
        namespace: of their indices.
        seed: of all that is drawn.
    """

    documents: int
    end_us: int
    namespace: str
    seed: int = 1

    def bodies(self) -> Iterator[tuple[bytes, int]]:
        """Give bulk bodies of create actions with their numbers of documents, in order of event time."""
        chance, draw = random.Random(self.seed), np.random.default_rng(self.seed)
        tails = {
            dataset: [
                _tail(make(chance), dataset, self.namespace) for _ in range(min(_TAILS, self.documents))
            ]
            for dataset, make in _MAKE.items()
        }
        slots = max(1, self.documents // BATCH)
        edges = np.linspace(self.end_us - DAY_US, self.end_us, slots + 1).astype(np.int64)
        ends = np.linspace(0, self.documents, slots + 1).astype(np.int64)
        for slot in range(slots):
            counts = draw.multinomial(ends[slot + 1] - ends[slot], list(_SHARES.values()))
            for dataset, count in zip(_SHARES, counts, strict=True):
                moments = np.sort(draw.integers(edges[slot], edges[slot + 1], count))
                yield from self._written(dataset, moments, tails[dataset], draw)
        moments = self.end_us - DAY_US + np.arange(_EVALUATIONS_PER_DAY) * (DAY_US // _EVALUATIONS_PER_DAY)
        yield from self._written("ml.evaluation", moments, tails["ml.evaluation"], draw)

    def _written(
        self, dataset: str, moments: Any, tails: list[tuple[str, str]], draw: np.random.Generator
    ) -> Iterator[tuple[bytes, int]]:
        """Give one body per day: a day has its own index."""
        stamps, ingested, predicted = (
            [f"{text}Z" for text in np.datetime_as_string((moments + shift).astype("M8[us]"), unit="us")]
            for shift in (0, SECOND_US, -_LABEL_DELAY_US)
        )
        chosen = draw.integers(0, len(tails), len(moments)).tolist()
        for _, some in groupby(range(len(moments)), key=lambda place: int(moments[place]) // DAY_US):
            places = list(some)
            first = int(moments[places[0]])
            action = f'{{"create":{{"_index":"{index_name(dataset, self.namespace, first)}","_id":"'
            lines = []
            for place in places:
                begin, end = tails[chosen[place]]
                identity = f"{dataset}-{first}-{place}"
                lines.append(
                    f'{action}{identity}"}}}}\n{{"@timestamp":"{stamps[place]}","event":{{"id":"{identity}",'
                    f'"ingested":"{ingested[place]}",{begin}{predicted[place] if end else ""}{end}\n'
                )
            yield "".join(lines).encode(), len(lines)


def _tail(document: Json, dataset: str, namespace: str) -> tuple[str, str]:
    """Return the document from within `event` on, cut where the time of the prediction stands, if it has one."""
    event = document.pop("event") | {"dataset": dataset}
    stream = {"type": "logs", "dataset": dataset, "namespace": namespace}
    rest = {**document, "data_stream": stream, "agent": {"ephemeral_id": "0123456789abcdef0123"}}
    text = f"{orjson.dumps(event).decode()[1:]},{orjson.dumps(rest).decode()[1:]}"
    begin, _, end = text.partition(_TIME)
    return begin, end


def _model(chance: random.Random) -> Json:
    return {"name": "tumour", "version": chance.choice(VERSIONS), "stage": "production"}


def _prediction(chance: random.Random) -> Json:
    is_failed = chance.random() < 0.004
    return {
        "event": {
            "action": "predict",
            "outcome": "failure" if is_failed else "success",
            "duration": round(chance.lognormvariate(16.86, 0.35)),
        },
        "message": "prediction",
        "log": {"level": "error" if is_failed else "info", "logger": "app.serving"},
        "service": {"name": chance.choice(SERVICES)},
        "ml": {
            "model": _model(chance),
            "prediction": {
                "id": f"{chance.getrandbits(64):016x}",
                "score": round(chance.random(), 6),
                "label": chance.choice(("benign", "malignant")),
            },
            "features": {
                "numeric": {name: round(chance.gauss(50, 20), 4) for name in FEATURES},
                "categorical": {"site": chance.choice(SITES), "device": f"d{chance.randrange(20)}"},
            },
        },
    }


def _record(chance: random.Random) -> Json:
    return {
        "event": {"action": "handle"},
        "message": f"request handled in {chance.randrange(10, 90)} ms",
        "log": {"level": "error" if chance.random() < 0.01 else "info", "logger": "app.web"},
        "service": {"name": chance.choice(SERVICES)},
    }


def _label(chance: random.Random) -> Json:
    return {
        "event": {"action": "feedback"},
        "message": "feedback",
        "log": {"level": "info"},
        "ml": {
            "model": _model(chance),
            "prediction": {
                "id": f"{chance.getrandbits(64):016x}",
                "correct": chance.random() < 0.94,
                "time": _TIME,
            },
        },
    }


def _evaluation(chance: random.Random) -> Json:
    return {
        "event": {"action": "evaluate"},
        "message": "evaluation",
        "log": {"level": "info"},
        "ml": {
            "model": _model(chance),
            "split": "test",
            "metrics": {"f1": round(chance.gauss(0.9, 0.003), 4)},
            "sample": {"size": 2000},
        },
    }


_MAKE: Final[Mapping[str, Callable[[random.Random], Json]]] = {
    "ml.inference": _prediction,
    "ml.app": _record,
    "ml.feedback": _label,
    "ml.evaluation": _evaluation,
}


def end_of_day(now_us: int) -> int:
    """Return the last full hour before a moment: there the made-up day ends, and the windows of every length with it."""
    return now_us - now_us % HOUR_US
