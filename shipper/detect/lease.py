"""One leader: a document with an expiry, taken and renewed only if nobody else wrote it meanwhile.

The lease keeps two jobs from doing the same work. It is not what keeps them from spoiling each other's: that is
the conditional writing of states and alerts, which holds even where a leader slept past its expiry.
"""

from __future__ import annotations

import os
import secrets
import socket
from typing import Final

from shipper.clock import Clock
from shipper.detect.state import state_index
from shipper.detect.store import Store
from shipper.detect.window import SECOND_US, iso, parse_iso
from shipper.errors import RequestRefused, StoreError

_ID: Final = "lease-detect"


class LeaseHeld(StoreError):
    """Another detection job works on this namespace; overlapping runs are refused."""

    retriable = True

    def __init__(self, holder: str, until: str) -> None:
        super().__init__(holder, until)
        self.holder = holder
        self.until = until

    def __str__(self) -> str:
        return (
            f"Another detection job ({self.holder}) works on this namespace until {self.until} at the latest; "
            "wait for it, or stop it."
        )


def new_holder() -> str:
    """Return a name for this process: host, process id and a random part."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


class Lease:
    """The right to judge, for a limited time."""

    def __init__(
        self, store: Store, namespace: str, clock: Clock, holder: str, *, length_s: float = 120.0
    ) -> None:
        self._store = store
        self._index = state_index(namespace)
        self._clock = clock
        self._holder = holder
        self._length_us = round(length_s * SECOND_US)

    def take(self) -> None:
        """Take the lease or renew it.

        Raises:
            LeaseHeld: somebody else has it.
        """
        now = self._clock.now_us()
        mine = {"kind": "lease", "holder": self._holder, "expires": iso(now + self._length_us)}
        if self._store.create(self._index, _ID, mine):
            return None
        stored = self._store.get(self._index, _ID)
        if stored is None:  # given back between the two requests
            return self.take()
        holder, expires = str(stored.source.get("holder", "")), str(stored.source.get("expires", ""))
        if holder != self._holder and parse_iso(expires) > now:
            raise LeaseHeld(holder, expires)
        try:
            self._store.put(self._index, _ID, mine, unless_changed_since=stored)
        except RequestRefused as error:
            if error.status != 409:
                raise
            raise LeaseHeld("one that was quicker", "it is done") from error
        return None

    def give_back(self) -> None:
        """Let the next one take it at once; nothing happens where it is not ours any more."""
        stored = self._store.get(self._index, _ID)
        if stored is None or stored.source.get("holder") != self._holder:
            return
        free = {"kind": "lease", "holder": self._holder, "expires": iso(self._clock.now_us())}
        try:
            self._store.put(self._index, _ID, free, unless_changed_since=stored)
        except RequestRefused as error:
            if error.status != 409:
                raise
