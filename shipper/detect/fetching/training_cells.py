"""What rules about training runs ask: sums per run, window and part of a window, and the heartbeats of the runs' processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from shipper.alert.store import JsonObject
from shipper.datasets import index_pattern
from shipper.detect.curves import layout
from shipper.detect.fetching.query import CellQuery, Cells, Condition, cells, terms_conditions
from shipper.detect.fetching.store import Fetch
from shipper.detect.rules.training_rule import PARTS, RUN, TrainingRule

VALIDATION_SPLITS: Final = ("validation", "valid", "val", "dev", "eval")
VALIDATION_PREFIXES: Final = ("val_", "validation_", "eval_")
"""How others name a measure on validation data that stands beside that on training data."""

RATES: Final = ("ml.metrics.learning_rate", "ml.metrics.lr")
_ON_CURVES: Final = ("loss_spike", "plateau", "divergence", "overfitting", "underfitting", "out_of_band")
_ON_SILENCE: Final = ("stalled", "killed")
_MOST_NONFINITE: Final = 20
_METRICS: Final = "ml.metrics."
_AGENT: Final = "agent.ephemeral_id"
_MOST_AGENTS: Final = 8
_KNOWN_AGENTS: Final = 1000
_SLASH: Final = "\u2215"

_IS_VALIDATION: Final[Condition] = {"terms": {"ml.split": list(VALIDATION_SPLITS)}}
_IS_EPOCH: Final[Condition] = {"term": {"event.action": "train-epoch"}}
_IS_END: Final[Condition] = {"term": {"event.action": "train-end"}}
_IS_START: Final[Condition] = {"term": {"event.action": "train-start"}}


def run_cells(rule: TrainingRule, namespace: str, start_us: int, end_us: int) -> Fetch[Cells]:
    """Fetch the sums of the windows that start inside [start, end), by run; then the heartbeats of their processes."""
    found = yield from cells(_query(rule, namespace), start_us, end_us)
    if rule.check in _ON_SILENCE:
        agents = _agents(found)
        if agents:
            beats = yield from cells(_beat_query(rule, namespace, agents), start_us, end_us)
            _add_beats(found, beats)
    return found


def _query(rule: TrainingRule, namespace: str) -> CellQuery:
    parts, buckets = _life_parts(rule)
    if rule.check in _ON_CURVES:
        parts["parts"], more = _curve_parts(rule)
        parts["worst"] = _worst(rule)
        buckets += more
    elif rule.check in _ON_SILENCE:
        seen = {"from": {"min": {"field": "@timestamp"}}, "to": {"max": {"field": "@timestamp"}}}
        parts["parts"] = _in_parts(rule, seen)
        parts["agents"] = {"terms": {"field": _AGENT, "size": _MOST_AGENTS}}
        buckets += PARTS + _MOST_AGENTS
    elif rule.check == "nonfinite":
        first = {"at": {"min": {"field": "@timestamp"}}, "step": {"min": {"field": "ml.step"}}}
        names = {"field": "ml.nonfinite", "size": _MOST_NONFINITE, "include": r"ml\.metrics\..*"}
        parts["nonfinite"] = {
            # The curve of an end event repeats what epochs have said, with gaps as NaN.
            "filter": {"bool": {"must_not": [_IS_END]}},
            "aggs": {"names": {"terms": names, "aggs": first}},
        }
        buckets += 1 + _MOST_NONFINITE
    if rule.check == "slower":
        timed = {"sum": {"stats": {"field": "event.duration"}}}
        parts["steps"] = {"filter": {"bool": {"must_not": [_IS_EPOCH, _IS_END]}}, "aggs": timed}
        parts["epochs"] = {
            "filter": {"bool": {"filter": [_IS_EPOCH], "must_not": [_IS_VALIDATION]}},
            "aggs": timed,
        }
        buckets += 2
    return CellQuery(
        index=index_pattern(rule.dataset, namespace),
        time_field=rule.time_field,
        conditions=(*terms_conditions(rule.filter), {"exists": {"field": RUN}}),
        group_by=rule.group_by,
        window_us=rule.window,
        parts=parts,
        buckets=buckets,
        read=lambda bucket: _read(rule, bucket),
    )


def _life_parts(rule: TrainingRule) -> tuple[dict[str, Any], int]:
    """Return what every check asks: when the run began and how it ended."""
    last = {"at": {"max": {"field": "@timestamp"}}}
    interrupted = {"filter": {"term": {"event.reason": "KeyboardInterrupt"}}}
    statuses = {
        "terms": {"field": "ml.run.status", "size": 5},
        "aggs": {"interrupted": interrupted},
    }
    parts: dict[str, Any] = {
        "starts": {"filter": _IS_START, "aggs": last},
        "ends": {"filter": _IS_END, "aggs": {**last, "statuses": statuses}},
        "last": {"max": {"field": "@timestamp"}},
        "step": {"max": {"field": "ml.step"}},
    }
    if rule.compares:
        for place, name in enumerate(rule.same):
            parts[f"same{place}"] = {"terms": {"field": name, "size": 1}}
    return parts, 12 + len(rule.same)


def _in_parts(rule: TrainingRule, aggs: Mapping[str, Any]) -> dict[str, Any]:
    width = f"{rule.window // 1000 // PARTS}ms"
    offset = {"field": rule.time_field, "fixed_interval": width, "min_doc_count": 1}
    return {"date_histogram": offset, "aggs": dict(aggs)}


def _curve_parts(rule: TrainingRule) -> tuple[dict[str, Any], int]:
    """Return the series of a curve, each part of a window by itself."""
    measure = {
        "value": {"stats": {"field": rule.field}},
        "step": {"max": {"field": "ml.step"}},
        "epoch": {"max": {"field": "ml.epoch"}},
    }
    head, _, tail = rule.field.rpartition(".")
    beside = [f"{head}.{prefix}{tail}" for prefix in VALIDATION_PREFIXES]
    filters: dict[str, Condition] = {
        layout.STEP: _with(rule.field, (), (_IS_VALIDATION, _IS_EPOCH, _IS_END)),
        layout.EPOCH: _with(rule.field, (_IS_EPOCH,), (_IS_VALIDATION,)),
        layout.VALIDATION: _with(rule.field, (_IS_VALIDATION,), ()),
    }
    aggs: dict[str, Any] = {name: {"filter": one, "aggs": measure} for name, one in filters.items()}
    for place, field in enumerate(beside):
        other = {**measure, "value": {"stats": {"field": field}}}
        aggs[f"beside{place}"] = {"filter": _with(field, (), (_IS_END,)), "aggs": other}
    for place, field in enumerate(RATES):
        aggs[f"{layout.RATE}{place}"] = {"stats": {"field": field}}
    return _in_parts(rule, aggs), PARTS * (1 + len(filters) + len(beside))


def _with(field: str, these: Sequence[Condition], not_these: Sequence[Condition]) -> Condition:
    return {"bool": {"filter": [{"exists": {"field": field}}, *these], "must_not": list(not_these)}}


def _worst(rule: TrainingRule) -> dict[str, Any]:
    """Return what asks for the step of the window's worst value on training data."""
    order = "desc" if rule.better == "lower" else "asc"
    hit = {
        "size": 1,
        "_source": False,
        "docvalue_fields": ["ml.step"],
        "sort": [{rule.field: {"order": order, "unmapped_type": "double"}}, {"@timestamp": "asc"}],
    }
    which = _with(rule.field, ({"exists": {"field": "ml.step"}},), (_IS_VALIDATION, _IS_EPOCH, _IS_END))
    return {"filter": which, "aggs": {"hit": {"top_hits": hit}}}


def _read(rule: TrainingRule, bucket: JsonObject) -> dict[str, float]:
    begin_ms = int(bucket["key"]["window"])
    found: dict[str, float] = {layout.EVENTS: float(bucket["doc_count"])}
    _read_life(bucket, begin_ms, found)
    if rule.compares:
        kinds = [bucket[f"same{place}"]["buckets"] for place in range(len(rule.same))]
        text = " / ".join(str(one[0]["key"]).replace("/", _SLASH) if one else "" for one in kinds)
        found[f"{layout.SAME}/{text.replace('/', _SLASH)}"] = found[layout.EVENTS]
    for one in bucket.get("agents", {}).get("buckets", ()):
        found[f"{_AGENT}/{one['key']}"] = 1.0
    if "nonfinite" in bucket:
        _read_nonfinite(bucket["nonfinite"]["names"]["buckets"], begin_ms, found)
    for name, part in ((layout.DURATION, "steps"), (layout.EPOCH_DURATION, "epochs")):
        if part in bucket and bucket[part]["sum"]["count"]:
            found[f"{name}.n"] = float(bucket[part]["sum"]["count"])
            found[f"{name}.sum"] = float(bucket[part]["sum"]["sum"])
    width_ms = rule.window // 1000 // PARTS
    for one in bucket.get("parts", {}).get("buckets", ()):
        _read_part(one, min(PARTS - 1, (int(one["key"]) - begin_ms) // width_ms), begin_ms, found)
    hits = bucket.get("worst", {}).get("hit", {}).get("hits", {}).get("hits", ())
    for hit in hits:
        found[layout.EXTREME_STEP] = float(hit["fields"]["ml.step"][0]) + 1
    return found


def _read_life(bucket: JsonObject, begin_ms: int, found: dict[str, float]) -> None:
    starts, ends = bucket["starts"], bucket["ends"]
    if starts["doc_count"]:
        found[layout.STARTS] = float(starts["doc_count"])
        found[layout.START_AT] = (starts["at"]["value"] - begin_ms) / 1000
    last_s = (bucket["last"]["value"] - begin_ms) / 1000
    for one in ends["statuses"]["buckets"]:
        name = f"end.{one['key']}"
        if name in layout.ENDS:
            found[name] = float(one["doc_count"])
        found[layout.INTERRUPTED] = found.get(layout.INTERRUPTED, 0.0) + one["interrupted"]["doc_count"]
    if bucket["step"]["value"] is not None:
        found[layout.LAST_STEP] = float(bucket["step"]["value"]) + 1
    # What comes after the end (a run taken up again) opens it anew.
    if ends["doc_count"] and (ends["at"]["value"] - begin_ms) / 1000 >= last_s:
        found[layout.ENDED] = 1.0


def _read_nonfinite(buckets: Sequence[JsonObject], begin_ms: int, found: dict[str, float]) -> None:
    for one in buckets:
        name = str(one["key"]).removeprefix(_METRICS).replace("/", _SLASH)
        found[f"{layout.NONFINITE}/{name}"] = float(one["doc_count"])
        found[f"{layout.NONFINITE_AT}/{name}"] = (one["at"]["value"] - begin_ms) / 1000
        step = one["step"]["value"]
        found[f"{layout.NONFINITE_STEP}/{name}"] = 0.0 if step is None else float(step) + 1


def _read_part(part: JsonObject, place: int, begin_ms: int, found: dict[str, float]) -> None:
    if "from" in part:
        found[f"{layout.SEEN}.n/{place}"] = float(part["doc_count"])
        found[f"{layout.SEEN}.from/{place}"] = (part["from"]["value"] - begin_ms) / 1000
        found[f"{layout.SEEN}.to/{place}"] = (part["to"]["value"] - begin_ms) / 1000
        return
    beside = [(layout.VALIDATION, part[f"beside{at}"]) for at in range(len(VALIDATION_PREFIXES))]
    series = [(name, part[name]) for name in (layout.STEP, layout.EPOCH, layout.VALIDATION)]
    for name, one in (*series, *beside):
        at = one["step"]["value"] if one["step"]["value"] is not None else one["epoch"]["value"]
        _put(name, place, one["value"], 0.0 if at is None else float(at), found)
    for number in range(len(RATES)):
        _put(layout.RATE, place, part[f"{layout.RATE}{number}"], 0.0, found)


def _put(name: str, place: int, value: JsonObject, at: float, found: dict[str, float]) -> None:
    if not value["count"] or f"{name}.n/{place}" in found:
        return
    numbers = (value["count"], value["sum"], value["max"], value["min"], at)
    for block, number in zip(layout.stats(name), numbers, strict=True):
        found[f"{block}/{place}"] = float(number)


def _agents(found: Cells) -> list[str]:
    newest: dict[str, int] = {}
    for rows in found.values():
        for start, numbers in rows:
            for name in numbers:
                if name.startswith(f"{_AGENT}/"):
                    agent = name.removeprefix(f"{_AGENT}/")
                    newest[agent] = max(start, newest.get(agent, 0))
    return sorted(sorted(newest, key=lambda agent: (-newest[agent], agent))[:_KNOWN_AGENTS])


def _beat_query(rule: TrainingRule, namespace: str, agents: Sequence[str]) -> CellQuery:
    def read(bucket: JsonObject) -> dict[str, float]:
        found = {
            layout.BEATS: float(bucket["doc_count"]),
            layout.BEAT_AT: (bucket["at"]["value"] - int(bucket["key"]["window"])) / 1000,
            layout.FAREWELL: float(bucket["farewell"]["doc_count"]),
        }
        every = bucket["every"]["value"]
        return found if every is None else {**found, layout.BEAT_S: float(every)}

    return CellQuery(
        index=index_pattern("ml.health", namespace),
        time_field="@timestamp",
        conditions=(
            {"terms": {_AGENT: list(agents)}},
            {"exists": {"field": "shipper.heartbeat_s"}},
        ),
        group_by=(_AGENT,),
        window_us=rule.window,
        parts={
            "at": {"max": {"field": "@timestamp"}},
            "every": {"max": {"field": "shipper.heartbeat_s"}},
            "farewell": {"filter": {"term": {"shipper.heartbeat_s": 0}}},
        },
        buckets=1,
        read=read,
    )


def _add_beats(found: Cells, beats: Cells) -> None:
    """Give each run the heartbeats of the process that logged of it last; from its first event on."""
    for rows in found.values():
        mine: dict[int, dict[str, float]] = {}
        first = rows[0][0]
        for start, numbers in rows:
            for name in numbers:
                if name.startswith(f"{_AGENT}/"):
                    told = beats.get((name.removeprefix(f"{_AGENT}/"),), ())
                    mine.update((at, beat) for at, beat in told if at >= max(first, start))
        known = dict(rows)
        for at, beat in mine.items():
            known[at] = {**known.get(at, {}), **beat}
        rows[:] = sorted(known.items(), key=lambda one: one[0])
