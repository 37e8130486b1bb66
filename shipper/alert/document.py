"""Alerts as documents: the current state in `alerts-ml-<namespace>`, and each change of it in `ml.alert`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shipper.alert.alert import Alert, Context, Evidence, State, Suspect
from shipper.alert.finding import Fact, Measured, RuleFacts
from shipper.alert.wording import sentence

_LEVELS: Final = {20: "info", 30: "warning", 40: "error", 50: "critical"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Json = dict[str, Any]


def to_document(alert: Alert) -> Json:
    """Return the document of the current state."""
    measured, evidence = alert.measured, alert.evidence
    document: Json = {
        "@timestamp": _iso(alert.start_us),
        "message": sentence(alert.rule, alert.group, alert.start_us, measured),
        "log": {"level": _LEVELS.get(alert.rule.severity, "error")},
        "event": {
            "kind": "alert",
            "dataset": "ml.alert",
            "start": _iso(alert.start_us),
            "created": _iso(alert.detected_us),
            "severity": alert.rule.severity,
        },
        "rule": {"id": alert.rule.id, "name": alert.rule.name, "category": alert.rule.category},
        "alert": {
            "id": alert.id,
            "state": alert.state.value,
            "revision": alert.revision,
            "group": dict(alert.group),
            "observed": measured.observed,
            "expected": measured.expected,
            "threshold": measured.threshold,
            "unit": measured.unit,
            "score": measured.score,
            "effect": measured.effect,
            "count": measured.count,
            "windows": alert.windows,
            "window": {"start": _iso(measured.window_start_us), "end": _iso(measured.window_end_us)},
            "samples": list(evidence.samples),
            "evidence": {
                "measured": {name: _plain(value) for name, value in measured.facts.items()},
                "features": list(measured.features),
                "gathered": {name: _plain(value) for name, value in evidence.facts.items()},
                "suspect_reasons": [suspect.reason for suspect in evidence.suspects],
            },
            "suspects": {
                "kind": [suspect.kind for suspect in evidence.suspects],
                "value": [suspect.value for suspect in evidence.suspects],
            },
        },
    }
    document["alert"] |= _present(
        {"owner": alert.rule.owner, "url": evidence.url, "incident": alert.incident, "note": alert.note}
    )
    document["event"] |= _present({"reason": alert.reason})
    if alert.silenced_until_us is not None:
        document["alert"]["silenced_until"] = _iso(alert.silenced_until_us)
    if alert.ended_us is not None:
        document["event"]["end"] = _iso(alert.ended_us)
    return document | _context(alert)


def from_document(document: Mapping[str, Any]) -> Alert:
    """Read back what `to_document` made; KeyError, TypeError or ValueError where it is something else."""
    event, alert, rule = document["event"], document["alert"], document["rule"]
    return Alert(
        id=alert["id"],
        rule=RuleFacts(rule["id"], rule["name"], rule["category"], event["severity"], alert.get("owner", "")),
        group=dict(alert["group"]),
        state=State(alert["state"]),
        start_us=_moment(event["start"]),
        detected_us=_moment(event["created"]),
        windows=alert["windows"],
        measured=_measured(alert),
        evidence=_evidence(document),
        ended_us=_moment(event["end"]) if "end" in event else None,
        revision=alert["revision"],
        note=alert.get("note", ""),
        reason=event.get("reason", ""),
        silenced_until_us=_moment(alert["silenced_until"]) if "silenced_until" in alert else None,
    )


def transition_id(alert: Alert) -> str:
    """Return the id of the document that tells of this revision: the same for every attempt to write it."""
    return f"{alert.id}-{alert.revision}-{alert.state.value}"


def to_transition(
    alert: Alert, previous: State | None, at_us: int, *, ingested_us: int, namespace: str
) -> Json:
    """Return the document that tells of a change of state.

    Args:
        alert: the alert after the change.
        previous: state before it; None where the alert is new.
        at_us: when it changed, event time.
        ingested_us: when it is sent.
        namespace: team or environment.
    """
    document = to_document(alert)
    verb = "acknowledged" if alert.state is State.ACKNOWLEDGED else alert.state.value
    document["@timestamp"] = _iso(at_us)
    document["message"] = f"Alert {verb}: {document['message']}"
    document["log"]["level"] = document["log"]["level"] if alert.state is State.OPEN else "info"
    document["event"] |= {
        "id": transition_id(alert),
        "kind": "event",
        "action": f"alert-{verb}",
        "ingested": _iso(ingested_us),
    }
    document["alert"]["previous_state"] = previous.value if previous is not None else "none"
    document["data_stream"] = {"type": "logs", "dataset": "ml.alert", "namespace": namespace}
    return document


def _context(alert: Alert) -> Json:
    context, group = alert.evidence.context, alert.group
    service = group.get("service.name") or context.service_name
    model = _present(
        {
            "name": group.get("ml.model.name") or context.model_name,
            "version": group.get("ml.model.version") or context.model_version,
        }
    )
    found: Json = {}
    if service:
        found["service"] = {"name": service}
    if model:
        found["ml"] = {"model": model}
    if alert.commit:
        found["git"] = {"commit": alert.commit}
    return found


def _measured(alert: Mapping[str, Any]) -> Measured:
    return Measured(
        window_start_us=_moment(alert["window"]["start"]),
        window_end_us=_moment(alert["window"]["end"]),
        observed=alert["observed"],
        expected=alert["expected"],
        threshold=alert["threshold"],
        unit=alert["unit"],
        score=alert["score"],
        effect=alert["effect"],
        count=alert["count"],
        facts=_facts(alert["evidence"]["measured"]),
        features=tuple(alert["evidence"]["features"]),
    )


def _evidence(document: Mapping[str, Any]) -> Evidence:
    alert = document["alert"]
    suspects = zip(
        alert["suspects"]["kind"],
        alert["suspects"]["value"],
        alert["evidence"]["suspect_reasons"],
        strict=True,
    )
    model = document.get("ml", {}).get("model", {})
    return Evidence(
        samples=tuple(alert["samples"]),
        suspects=tuple(Suspect(*one) for one in suspects),
        context=Context(
            service_name=document.get("service", {}).get("name", ""),
            model_name=model.get("name", ""),
            model_version=model.get("version", ""),
            git_commit=document.get("git", {}).get("commit", ""),
        ),
        facts=_facts(alert["evidence"]["gathered"]),
        url=alert.get("url", ""),
    )


def _facts(content: Mapping[str, Any]) -> dict[str, Fact]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}


def _plain(value: Fact) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _present(content: Mapping[str, str]) -> Json:
    return {name: value for name, value in content.items() if value}


def _iso(moment_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=moment_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(text: str) -> int:
    return round((datetime.fromisoformat(text) - _EPOCH) / timedelta(microseconds=1))
