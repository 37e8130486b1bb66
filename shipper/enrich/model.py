"""Which model an event is about: name, version, stage, digest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shipper.enrich.context import context


@dataclass(frozen=True, slots=True)
class Model:
    """A model as documents name it; empty parts are left out.

    Attributes:
        stage: for example production, shadow, canary.
        digest: identifies the model's file, for example `sha256:...` (see `file_digest`).
    """

    name: str = ""
    version: str = ""
    stage: str = ""
    digest: str = ""

    def fields(self) -> dict[str, object]:
        """Return the declared fields that are known."""
        given = {
            "ml.model.name": self.name,
            "ml.model.version": self.version,
            "ml.model.stage": self.stage,
            "ml.model.digest": self.digest,
        }
        return {name: value for name, value in given.items() if value}


@contextmanager
def model(
    name: str = "", version: str = "", *, stage: str = "", digest: str | os.PathLike[str] = ""
) -> Iterator[Model]:
    """Bind a model to each event that is logged inside; yields the bound `Model`.

    Args:
        digest: the digest itself, or the path of the model's file, whose digest is taken.

    Raises:
        OSError: `digest` is a path that cannot be read.
    """
    bound = make_model(name, version, stage=stage, digest=digest)
    with context(**bound.fields()):
        yield bound


def make_model(name: str, version: str, *, stage: str, digest: str | os.PathLike[str]) -> Model:
    """Return a `Model`; a path as digest is read and replaced by its file's digest."""
    return Model(
        str(name), str(version), str(stage), digest if isinstance(digest, str) else file_digest(digest)
    )


def file_digest(path: str | os.PathLike[str]) -> str:
    """Return `sha256:<64 hexadecimal digits>` of a file's content.

    Raises:
        OSError: the file cannot be read.
    """
    with Path(path).open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
