"""The life of a version in service: deployed as a shadow, promoted, watched, rolled back."""

from __future__ import annotations

import shipper
from shipper import events

log = shipper.get_logger("deploy")


def deploy() -> None:
    """Deploy version 8, and go back to version 7."""
    events.log(
        log,
        events.deployment(
            version="8", previous_version="7", deployment_id="d-12", target="eu-1", stage="shadow"
        ),
    )
    events.log(
        log,
        events.stage_change(
            version="8", stage="production", previous_stage="shadow", reason="a week without alerts"
        ),
    )
    events.log(log, events.resource_use(resources=events.process_resources(), target="eu-1"))
    events.log(
        log,
        events.deployment(
            version="7",
            previous_version="8",
            deployment_id="d-13",
            target="eu-1",
            stage="production",
            action="rollback",
            reason="recall fell by a tenth",
        ),
    )


if __name__ == "__main__":
    shipper.configure(service="deployer", model={"name": "biopsy", "version": "8"})
    deploy()
    shipper.close()
