"""One leader: of several detection jobs of a namespace one judges, the others stand by. See `shipper.lease`."""

from __future__ import annotations

from typing import Final

from shipper import lease
from shipper.clock import Clock
from shipper.detect.fetching.store import Store
from shipper.lease import LeaseHeld, new_holder
from shipper.state_index import state_index

__all__ = ["Lease", "LeaseHeld", "new_holder"]

_ID: Final = "lease-detect"


class Lease(lease.Lease):
    """The right to judge, for a limited time."""

    def __init__(
        self, store: Store, namespace: str, clock: Clock, holder: str, *, length_s: float = 120.0
    ) -> None:
        index = state_index(namespace)
        super().__init__(store, index, _ID, clock, holder, length_s=length_s, work="Another detection job")
