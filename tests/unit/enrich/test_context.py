"""Bound context and models."""

from __future__ import annotations

import hashlib
from contextvars import copy_context
from pathlib import Path

import pytest
import structlog

import shipper.enrich.context as context_module
from shipper.enrich.context import bound_fields, context
from shipper.enrich.model import Model, file_digest, model
from shipper.enrich.service import host_fields, service_fields


def test_inner_values_win_and_end_with_their_block() -> None:
    """Context nests: inner values win, and the outer ones are back after the block, also after an exception."""
    with context(a=1, b=1):
        with pytest.raises(ValueError), context(b=2, c=2):  # noqa: PT011, PT012
            assert dict(bound_fields()) == {"a": 1, "b": 2, "c": 2}
            raise ValueError
        assert dict(bound_fields()) == {"a": 1, "b": 1}
    assert dict(bound_fields()) == {}


def test_a_block_that_is_open_when_the_interpreter_ends_is_closed_in_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its module has been emptied by then: nothing is printed to the application's standard error for that."""

    def leave_open() -> None:
        block = context(a=1)
        block.__enter__()
        monkeypatch.setattr(context_module, "_BOUND", None)
        block.gen.close()  # as its destructor does

    copy_context().run(leave_open)


def test_structlog_context_variables_are_read() -> None:
    """What an application binds with structlog's own context variables is there on every road; ours win."""
    with structlog.contextvars.bound_contextvars(a=1, b=1), context(b=2):
        assert dict(bound_fields()) == {"a": 1, "b": 2}
    assert dict(bound_fields()) == {}


def test_model_is_bound_for_a_block(tmp_path: Path) -> None:
    """`with model(...)` binds name, version, stage and digest; a path as digest is read."""
    path = tmp_path / "model.bin"
    path.write_bytes(b"weights")
    digest = f"sha256:{hashlib.sha256(b'weights').hexdigest()}"
    assert file_digest(path) == digest
    with model("fraud", "7", stage="shadow", digest=path) as bound:
        assert bound == Model("fraud", "7", "shadow", digest)
        assert bound_fields()["ml.model.digest"] == digest
    with model("fraud"):
        assert dict(bound_fields()) == {"ml.model.name": "fraud"}


def test_service_name_has_a_default() -> None:
    """Without a name, the service is called as the program."""
    assert service_fields("", "", "")["service.name"]
    assert service_fields("x", "", "")["service.name"] == "x"


def test_a_machine_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that does not know its name is no reason to fail."""

    def fail() -> str:
        raise OSError("no name")

    monkeypatch.setattr("socket.gethostname", fail)
    assert host_fields() == {"host.name": ""}
