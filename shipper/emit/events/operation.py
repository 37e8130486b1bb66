"""Which model serves, in which stage, with which resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from shipper.emit.events.form import EventFields, Number, builder, named, typed


@builder
def deployment(  # noqa: PLR0913 - one keyword per field
    *,
    version: str,
    previous_version: str | None = None,
    deployment_id: str | None = None,
    model_name: str | None = None,
    target: str | None = None,
    action: Literal["deploy", "rollback"] = "deploy",
    outcome: Literal["success", "failure"] = "success",
    stage: str | None = None,
    digest: str | None = None,
    reason: str | None = None,
    duration_ns: Number | None = None,
    resources: Mapping[str, Number] | None = None,
) -> EventFields:
    """A version of a model was put into service, or the former one put back.

    >>> event = deployment(
    ...     version="7", previous_version="8", action="rollback", reason="recall fell", deployment_id="d-13", target="eu-1"
    ... )
    >>> event["event.action"], event["ml.model.version"]
    ('rollback', '7')

    Args:
        version: the version that serves from now on.
        previous_version: the one that it replaces.
        deployment_id: identity of the deployment.
        model_name: where it is not this process's model.
        target: where it runs.
        action: `rollback` where the former version comes back.
        outcome: whether it went well.
        stage: for example production, shadow, canary.
        digest: digest of the model's file; see `shipper.file_digest`.
        reason: why.
        duration_ns: how long it took, nanoseconds.
        resources: use by name with the unit in the name.
    """
    return typed(
        "ml.deployment",
        action,
        {
            "event.outcome": outcome,
            "event.reason": reason,
            "event.duration": duration_ns,
            "ml.deployment.id": deployment_id,
            "ml.deployment.target": target,
            "ml.model.name": model_name,
            "ml.model.version": version,
            "ml.model.previous_version": previous_version,
            "ml.model.stage": stage,
            "ml.model.digest": digest,
            **named("ml.resource", resources),
        },
    )


@builder
def stage_change(
    *,
    version: str,
    stage: str,
    previous_stage: str | None = None,
    model_name: str | None = None,
    deployment_id: str | None = None,
    target: str | None = None,
    reason: str | None = None,
) -> EventFields:
    """A version of a model moved to another stage, for example from shadow to production.

    >>> event = stage_change(version="8", stage="production", previous_stage="shadow", reason="a week without alerts")
    >>> event["ml.model.stage"]
    'production'

    Args:
        version: the version.
        stage: where it is from now on.
        previous_stage: where it was.
        model_name: where it is not this process's model.
        deployment_id: the deployment that it belongs to.
        target: where it runs.
        reason: why.
    """
    return typed(
        "ml.deployment",
        "stage-change",
        {
            "event.reason": reason,
            "ml.deployment.id": deployment_id,
            "ml.deployment.target": target,
            "ml.model.name": model_name,
            "ml.model.version": version,
            "ml.model.stage": stage,
            "ml.model.previous_stage": previous_stage,
        },
    )


@builder
def resource_use(
    *,
    resources: Mapping[str, Number],
    version: str | None = None,
    model_name: str | None = None,
    deployment_id: str | None = None,
    target: str | None = None,
) -> EventFields:
    """What a serving process uses; `process_resources()` tells the least of it.

    >>> event = resource_use(resources={"memory_bytes": 1.2e9, "gpu_memory_bytes": 6e9, "cpu_s": 812.4}, target="eu-1")
    >>> event["ml.resource.cpu_s"]
    812.4

    Args:
        resources: use by name with the unit in the name.
        version: of the model, where it is not this process's.
        model_name: likewise.
        deployment_id: the deployment that it belongs to.
        target: where it runs.
    """
    return typed(
        "ml.deployment",
        "resource-use",
        {
            "event.kind": "metric",
            "ml.deployment.id": deployment_id,
            "ml.deployment.target": target,
            "ml.model.name": model_name,
            "ml.model.version": version,
            **named("ml.resource", resources),
        },
    )
