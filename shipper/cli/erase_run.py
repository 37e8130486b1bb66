"""One call of `shipper erase`: the list, the dead letters, the indices, and a last look at what came in meanwhile."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

import typer

from shipper.cli.audited import act_of, audited, who
from shipper.cli.erase_receipt import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipper.config import Settings
    from shipper.elastic.client import ElasticClient
    from shipper.index.erase_topic import NoTopic, TopicEraser
    from shipper.index.erase_writes import ErasureWriter
    from shipper.index.erasures import Erased, Erasure

_EVER_US: Final = 1 << 62


class EraseRun:
    """One call of the command."""

    def __init__(
        self,
        settings: Settings,
        client: ElasticClient,
        indices: tuple[str, ...],
        is_quick: bool,
        no_kafka: bool,
        *,
        is_loud: bool,
    ) -> None:
        from shipper.clock import SystemClock
        from shipper.index.erasures import ErasureList

        self._settings = settings
        self._client = client
        self._indices = indices
        self._is_quick = is_quick
        self._no_kafka = no_kafka
        self._is_loud = is_loud
        self._clock = SystemClock()
        self._list = ErasureList(client, self._clock)

    def erase(self, pseudonyms: list[str], why: str, *, is_dry: bool) -> Receipt:
        """Erase one person, of whatever time the records are. Raises StoreError, TransportError."""
        from shipper.assets import asset
        from shipper.index.erasures import Erased, erasure_id
        from shipper.index.templates import packaged_templates, require_installed

        receipt = Receipt(is_dry, [erasure_id(pseudonyms)], pseudonyms)
        everything = Erased({one.encode(): _EVER_US for one in pseudonyms})
        if is_dry:
            self._work(receipt, everything, [])
            return receipt
        require_installed(self._client, packaged_templates(asset("es_templates")))
        act = act_of(self._settings, "erase", f"erasure {receipt.erasures[0]}", why)
        counts: Counter[str] = Counter()
        with audited(self._settings, self._client, act, counts):
            # First on the list: what comes in from now on is not stored any more.
            entry = self._list.register(pseudonyms, who(self._settings))
            try:
                self._work(receipt, everything, [entry])
            finally:
                counts.update(receipt.counts())
        return receipt

    def sweep(self, why: str, *, is_dry: bool) -> Receipt:
        """Erase again what is on the list, up to the times on it. Raises StoreError, TransportError."""
        from shipper.index.erasures import erased_of

        entries = self._list.entries()
        names = sorted({one for entry in entries for one in entry.pseudonyms})
        receipt = Receipt(is_dry, [entry.id for entry in entries], names)
        if not entries:
            return receipt
        if is_dry:
            self._work(receipt, erased_of(entries), [])
            return receipt
        act = act_of(self._settings, "erase-sweep", f"{len(entries)} erasures", why)
        counts: Counter[str] = Counter()
        with audited(self._settings, self._client, act, counts):
            try:
                self._work(receipt, erased_of(entries), entries)
            finally:
                counts.update(receipt.counts())
        return receipt

    def _work(self, receipt: Receipt, erased: Erased, entries: list[Erasure]) -> None:
        from shipper.index.erase import PASSES_MAX, ErasePlan, Eraser
        from shipper.index.erase_writes import ErasureWriter
        from shipper.index.erasures import LOOK_S

        writer = ErasureWriter(self._client, self._settings.namespace, self._clock)
        receipt.erasing = writer.done
        started_us = self._clock.now_us()

        def reach(newest_us: int) -> None:
            for entry in entries if len(entries) == 1 else ():
                if newest_us > entry.until_us:
                    self._list.change(entry.id, until_us=newest_us)

        def told(counts: Counter[str]) -> None:
            if counts and len(entries) == 1:
                self._list.change(entries[0].id, counts=counts)
            done = writer.done
            self._tell(f"{done.looked_at} documents looked at, {done.total().total()} found")

        plan = ErasePlan(self._indices, self._is_quick, receipt.is_dry)
        eraser = Eraser(self._client, writer, plan, reach, told)
        topic = self._topic(writer, reach, told, is_dry=receipt.is_dry)
        self._letters(receipt, erased, entries)
        # The places of what is on its way are taken first; what was stored before that is found afterwards.
        topic.run_pass(erased)
        eraser.run_pass(erased)
        for _ in range(0 if receipt.is_dry else PASSES_MAX):
            # Who indexes has the new list by then; what came onto the topic meanwhile is found by the next look.
            self._pause(2 * LOOK_S)
            later = self._later(receipt)
            if not topic.run_pass(later) + eraser.run_pass(later, started_us):
                break
        else:
            receipt.is_settled = receipt.is_dry
        receipt.held = topic.held
        if receipt.is_whole:
            for entry in entries:
                self._list.change(entry.id, state="done")

    def _later(self, receipt: Receipt) -> Erased:
        """Return whose records, and up to when: what happens after an erasure is stored."""
        from shipper.index.erasures import erased_of

        return erased_of(entry for entry in self._list.entries() if entry.id in receipt.erasures)

    def _topic(
        self,
        writer: ErasureWriter,
        reach: Callable[[int], None],
        told: Callable[[Counter[str]], None],
        *,
        is_dry: bool,
    ) -> TopicEraser | NoTopic:
        from shipper.index.assemble import limits_of
        from shipper.index.erase_topic import NoTopic, Road, TopicEraser

        if self._no_kafka:
            return NoTopic()
        settings = self._settings
        return TopicEraser(
            Road(settings.kafka, settings.namespace, limits_of(settings.index, settings.kafka)),
            writer,
            self._clock,
            is_dry=is_dry,
            on_found=reach,
            on_counts=told,
            on_records=lambda count: self._tell(f"{count} records of the topic looked at"),
        )

    def _letters(self, receipt: Receipt, erased: Erased, entries: list[Erasure]) -> None:
        from shipper.index.erase_letters import count_letters, erase_letters
        from shipper.index.erasures import erased_of
        from shipper.index.mirror import LetterMirror
        from shipper.redaction import redactor, shown

        if self._no_kafka:
            receipt.is_kafka_asked = False
            return
        self._tell("reading the dead-letter topic")
        kafka = self._settings.kafka
        if receipt.is_dry:
            receipt.letters["letters"] = count_letters(kafka, erased)
            return
        hiding = redactor(self._settings.redact)
        mirror = LetterMirror(self._client, self._settings.namespace, lambda payload: shown(payload, hiding))
        now_us = self._clock.now_us()
        try:
            erase_letters(kafka, mirror, lambda: erased_of(self._list.entries()), now_us, receipt.letters)
        finally:
            if receipt.letters and len(entries) == 1:
                self._list.change(entries[0].id, counts=receipt.letters)

    def _pause(self, seconds: float) -> None:
        import threading

        self._clock.wait(threading.Event(), seconds)

    def _tell(self, sentence: str) -> None:
        if self._is_loud and sys.stderr.isatty():
            typer.echo(f"\r\x1b[K{sentence} …", err=True, nl=False)
