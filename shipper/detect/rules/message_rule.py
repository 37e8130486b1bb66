"""What a rule about certain records may say: that they come too often, or that they do not come."""

from __future__ import annotations

from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from shipper.detect.event_time.window import MINUTE_US, ceil_to, format_duration
from shipper.detect.rules.rule import Baseline, DatasetName, Duration, Hysteresis, Rule, Terms
from shipper.detect.templates.masking import SLOT

_SPARE_WINDOWS: Final = 2


class MessageRule(Rule):
    """Certain records come too often within a time, or not often enough."""

    kind: Literal["message"] = "message"
    dataset: DatasetName = "ml.app"
    message: str = Field("", max_length=1000, description="words of the message, in this order")
    match: Terms = Field(default_factory=dict, description="fields of the record, like `filter`")
    at_least: int | None = Field(None, ge=1, le=10**9, description="so many are too many")
    fewer_than: int | None = Field(None, ge=1, le=10**9, description="fewer are too few; 1: none came")
    within: Duration | None = Field(None, description="of event time; default: the window")
    window: Duration = Field(5 * MINUTE_US, description="how often is judged")
    minimum_samples: int = Field(1, ge=1, le=10**9)
    baseline: Baseline = Baseline(minimum_windows=1, minimum_samples=1)
    hysteresis: Hysteresis = Hysteresis(open=1, of=1, recover=3)
    needs_every_window: ClassVar[bool] = True
    is_test: ClassVar[bool] = False

    @model_validator(mode="after")
    def _says_which_and_how_many(self) -> Self:
        if not self.message and not self.match:
            raise ValueError("say which records are meant: message, match, or both")
        if self.message and not any(one.isalnum() for one in self.message.replace(SLOT, "")):
            raise ValueError(f"message has no word: {self.message!r}")
        if self.at_least is not None and self.fewer_than is not None:
            raise ValueError("at_least and fewer_than exclude each other; write two rules")
        if self.length % self.window:
            raise ValueError(
                f"within ({format_duration(self.length)}) is no multiple of the window {format_duration(self.window)}"
            )
        # Frozen for others: how far back is looked follows from `within` alone.
        object.__setattr__(self, "baseline", self.baseline.model_copy(update={"preceding": self._reach()}))
        return self

    def _reach(self) -> int:
        # An absence is told with when the record last came: that lies before the time over which is counted.
        length = self.length * (2 if self.fewer_than is not None else 1)
        return ceil_to(length, self.window) + (self.hysteresis.recover + _SPARE_WINDOWS) * self.window

    @property
    def length(self) -> int:
        """Microseconds over which is counted."""
        return self.within or self.window

    @property
    def most(self) -> int | None:
        """From how many on there are too many; None where the rule waits for records."""
        return None if self.fewer_than is not None else self.at_least or 1

    @property
    def meant(self) -> str:
        """The records in words."""
        parts = [f"“{self.message}”"] if self.message else []
        for name, value in self.match.items():
            shown = " or ".join(map(str, value)) if isinstance(value, tuple) else value
            parts.append(f"{name} {shown}")
        return ", ".join(parts)

    def _own_fields(self) -> list[tuple[str, str]]:
        return [("match", name) for name in self.match]
