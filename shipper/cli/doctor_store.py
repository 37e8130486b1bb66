"""Checks of `shipper doctor` on Elasticsearch, up to the proof that our templates apply."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from shipper.assets import asset
from shipper.cli.doctor_checks import Check, said_age
from shipper.cli.doctor_roles import role_checks
from shipper.clock import Clock
from shipper.config import ElasticsearchSettings
from shipper.datasets import DEFAULT_DATASET, index_pattern
from shipper.elastic.client import ElasticClient, connect
from shipper.errors import RequestRefused, ShipperError
from shipper.index.letter_watch import OpenLetters, open_letters
from shipper.index.migrate import plan
from shipper.index.templates import PROBE_PERIOD, differences, packaged_templates, simulation_problems

_CLOCK_WARN_S = 2.0
_CLOCK_FAIL_S = 60.0


def elasticsearch_checks(settings: ElasticsearchSettings, namespace: str, clock: Clock) -> Iterator[Check]:
    """Server, clock, templates, and the proof that the templates apply."""
    with connect(settings) as client:
        try:
            health = client.health()
            before_us = clock.now_us()
            facts = client.server_facts()
        except ShipperError as error:
            advice = "start Elasticsearch (for example `shipper stack up`) or set the address and credentials"
            yield Check("elasticsearch", "fail", str(error), advice)
            return
        found = f"{facts.version}, cluster {health.name}, {health.nodes} nodes, {health.status}"
        if health.status == "red":
            advice = "some data cannot be reached; see _cluster/allocation/explain"
            yield Check("elasticsearch", "fail", found, advice)
        elif not facts.version.startswith("9."):
            yield Check("elasticsearch", "warn", found, "tested with Elasticsearch 9")
        else:
            yield Check("elasticsearch", "ok", found)
        yield _clock((facts.time_us - (before_us + clock.now_us()) / 2) / 1e6)
        yield from _guarded("templates", lambda: _templates(client))
        yield from _guarded("template proof", lambda: _proof(client))
        yield from _guarded("indices", lambda: _indices(client, namespace))
        yield from _guarded("schema of indices", lambda: _schema(client, namespace))
        yield from _guarded(
            "dead letters", lambda: letters_check(open_letters(client, namespace), clock.now_us())
        )
        yield from _guarded_all("heartbeats", lambda: role_checks(client, namespace, clock.now_us()))


def _clock(ahead_s: float) -> Check:
    found = (
        f"Elasticsearch's clock is {abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} this one"
    )
    if abs(ahead_s) < _CLOCK_WARN_S:
        return Check("clock", "ok", found)
    advice = "synchronise both machines (NTP): windows, watermarks and limits of event time rely on it"
    return Check("clock", "fail" if abs(ahead_s) >= _CLOCK_FAIL_S else "warn", found, advice)


def _guarded(name: str, check: Callable[[], Check]) -> Iterator[Check]:
    """A refusal is one failed check, not the end of all."""
    yield from _guarded_all(name, lambda: [check()])


def _guarded_all(name: str, checks: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    try:
        yield from checks()
    except RequestRefused as error:
        if error.status in (401, 403):
            yield Check(name, "warn", str(error), "this user may not look; ask one that may")
        else:
            yield Check(name, "fail", str(error), "see the sentence of the server")
    except ShipperError as error:
        yield Check(name, "fail", str(error), "try again")


def _templates(client: ElasticClient) -> Check:
    templates = packaged_templates(asset("es_templates"))
    found = differences(client, templates)
    missing = [difference for difference in found if difference.state == "missing"]
    if missing:
        sentence = f"{len(missing)} of {len(templates)} are missing, for example {missing[0].template.name}"
        return Check("templates", "fail", sentence, "run `shipper setup`")
    if any(difference.state == "newer" for difference in found):
        return Check("templates", "warn", "the server's are newer", "upgrade shipper here")
    if found:
        line = f": {found[0].lines[0]}" if found[0].lines else ""
        return Check("templates", "warn", f"{found[0]}{line}", "run `shipper setup`")
    problems = simulation_problems(client, templates)
    if problems:
        return Check("templates", "fail", problems[0], "remove the other template, or lower its priority")
    return Check("templates", "ok", f"{len(templates)} installed and current")


def _proof(client: ElasticClient) -> Check:
    """Make an index as the indexer would, look at it, and remove it: a simulation is not yet an index."""
    name = f"logs-{DEFAULT_DATASET}-doctor{uuid.uuid4().hex[:12]}-{PROBE_PERIOD}"
    try:
        client.create_index(name)
        definition = client.index_definition(name) or {}
    finally:
        client.delete_index(name)
    problem = _definition_problem(definition)
    if problem:
        return Check("template proof", "fail", f"a new index {problem}", "run `shipper setup`")
    return Check("template proof", "ok", "a new index is plain, closed for unknown fields and capped")


def _indices(client: ElasticClient, namespace: str) -> Check:
    definitions = client.index_definitions(index_pattern(namespace=namespace))
    for name, definition in sorted(definitions.items()):
        problem = _definition_problem(definition)
        if problem:
            advice = "it was made before the templates: index it anew under them, or delete it"
            return Check("indices", "fail", f"{name} {problem}", advice)
    return Check("indices", "ok", f"{len(definitions)} of namespace {namespace}, all made by our templates")


def _schema(client: ElasticClient, namespace: str) -> Check:
    """An index of an older schema answers searches otherwise than those beside it, without a word."""
    steps = plan(client, packaged_templates(asset("es_templates")), namespace=namespace)
    if not steps:
        return Check("schema of indices", "ok", "every index is as the schema says")
    found = f"{len(steps)} are not, for example {steps[0].index.name}: {steps[0].reasons[0]}"
    return Check("schema of indices", "warn", found, "see `shipper migrate plan`")


def letters_check(letters: OpenLetters, now_us: int) -> Check:
    """Judge what is open: a dead letter is never silent."""
    if not letters.total or letters.oldest_us is None:
        return Check("dead letters", "ok", "none is open")
    kinds = ", ".join(
        f"{hop} {reason} {count}"
        for (hop, reason), count in sorted(letters.counts.items(), key=lambda row: -row[1])
    )
    age = said_age(max(0.0, (now_us - letters.oldest_us) / 1e6))
    found = f"{letters.total} open ({kinds}), {letters.size_bytes} bytes, the oldest {age} old"
    return Check(
        "dead letters", "warn", found, "see `shipper dlq list`; mend the cause, then `shipper dlq replay`"
    )


def _definition_problem(definition: Mapping[str, Any]) -> str:
    settings = definition.get("settings", {}).get("index", {})
    mappings = definition.get("mappings", {})
    if "data_stream" in definition:
        return "belongs to a data stream"
    if str(mappings.get("dynamic", "true")).lower() != "false":
        return "is open for unknown fields"
    if "limit" not in settings.get("mapping", {}).get("total_fields", {}):
        return "has no cap on its fields"
    return ""
