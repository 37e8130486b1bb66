"""One at a time: a document with an expiry, taken and renewed only if nobody else wrote it meanwhile.

A lease keeps two processes from doing the same work. It is not what keeps them from spoiling each other's: what they
write is conditional on what they read, which holds even where a holder slept past the expiry.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from shipper.clock import Clock
from shipper.errors import RequestRefused, StoreError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Stored(Protocol):
    """A document as it was read."""

    @property
    def source(self) -> Mapping[str, Any]:
        """What was stored."""


class Documents(Protocol):
    """Documents by id, written on conditions."""

    def get(self, index: str, document_id: str) -> Stored | None:
        """Return a document as of now, or None."""

    def create(self, index: str, document_id: str, source: Mapping[str, Any]) -> bool:
        """Store a new document; False, changing nothing, where the id exists."""

    def put(
        self,
        index: str,
        document_id: str,
        source: Mapping[str, Any],
        *,
        unless_changed_since: Any = None,  # a document that was read from there
    ) -> None:
        """Store a document; `RequestRefused` with status 409 where it changed since that one was read."""


class LeaseHeld(StoreError):
    """Another process does this work; the second one is refused."""

    retriable = True

    def __init__(self, holder: str, until: str, work: str = "Another job") -> None:
        super().__init__(holder, until, work)
        self.holder = holder
        self.until = until
        self.work = work

    def __str__(self) -> str:
        return (
            f"{self.work} ({self.holder}) works on this namespace until {self.until} at the latest; "
            "wait for it, or stop it."
        )


def new_holder() -> str:
    """Return a name for this process: host, process id and a random part."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


class Lease:
    """The right to do some work, for a limited time.

    Attributes:
        holder: who takes it.
        work: what another holder is called in the sentence for a person.
        outlives_process: False: a holder whose process on this host is gone loses it at once. Only for who is started by hand: in
            containers two hosts may have one name.
    """

    def __init__(
        self,
        store: Documents,
        index: str,
        lease_id: str,
        clock: Clock,
        holder: str,
        *,
        length_s: float = 120.0,
        work: str = "Another job",
        outlives_process: bool = True,
    ) -> None:
        self.work = work
        self.outlives_process = outlives_process
        self._store = store
        self._index = index
        self._id = lease_id
        self._clock = clock
        self.holder = holder
        self._length_us = round(length_s * 1e6)
        self._taken_us = 0

    def take(self) -> None:
        """Take the lease or renew it.

        Raises:
            LeaseHeld: somebody else has it.
        """
        now = self._clock.now_us()
        mine = self._document(now + self._length_us)
        if not self._store.create(self._index, self._id, mine):
            stored = self._store.get(self._index, self._id)
            if stored is None:  # deleted between the two requests
                return self.take()
            self._refuse_held(stored, now)
            try:
                self._store.put(self._index, self._id, mine, unless_changed_since=stored)
            except RequestRefused as error:
                if error.status != 409:
                    raise
                raise LeaseHeld("one that was quicker", "it is done", self.work) from error
        self._taken_us = now
        return None

    def keep(self) -> None:
        """Renew the lease where a third of its time is over; for calls from within long work. Raises as `take`."""
        if self._clock.now_us() - self._taken_us > self._length_us // 3:
            self.take()

    def give_back(self) -> None:
        """Let the next one take it at once; nothing happens where it is not ours any more."""
        stored = self._store.get(self._index, self._id)
        if stored is None or stored.source.get("holder") != self.holder:
            return
        free = self._document(self._clock.now_us())
        try:
            self._store.put(self._index, self._id, free, unless_changed_since=stored)
        except RequestRefused as error:
            if error.status != 409:
                raise

    def _document(self, expires_us: int) -> dict[str, Any]:
        moment = _EPOCH + timedelta(microseconds=expires_us)
        expires = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {"kind": "lease", "holder": self.holder, "expires": expires}

    def _refuse_held(self, stored: Stored, now_us: int) -> None:
        holder, expires = str(stored.source.get("holder", "")), str(stored.source.get("expires", ""))
        try:
            is_over = (datetime.fromisoformat(expires) - _EPOCH) <= timedelta(microseconds=now_us)
        except (ValueError, TypeError):  # not by us: nobody can say that they have it
            is_over = True
        if holder == self.holder or is_over or (not self.outlives_process and _is_gone(holder)):
            return
        raise LeaseHeld(holder, expires, self.work)


def _is_gone(holder: str) -> bool:
    """Whether a holder was a process of this host that does not run any more."""
    host, _, rest = holder.rpartition("-")[0].rpartition("-")
    if host != socket.gethostname() or not rest.isdecimal():
        return False
    with suppress(PermissionError):
        try:
            os.kill(int(rest), 0)
        except ProcessLookupError:
            return True
    # Of our own number there is no other process now.
    return int(rest) == os.getpid()
