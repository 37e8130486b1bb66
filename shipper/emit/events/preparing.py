"""A step of data preparation as a block: the table before and after is compared when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

from shipper.clock import Clock, SystemClock
from shipper.emit.events.data import data_step
from shipper.emit.events.form import Number
from shipper.emit.events.frames import Profile, profile
from shipper.emit.events.sending import Logger, log

_SYSTEM: Final = SystemClock()


class preprocessing:  # noqa: N801 - reads as the verb that it is: `with events.preprocessing(...)`
    """Log one step of preparation, `with` or `async with`.

    ::

        with events.preprocessing(log, name="patients", step="impute", data=table) as step:
            step.data = table.fillna(table.median())

    Rows, columns, missing values that were filled and the statistics of each feature before and after are taken
    from the table (its cost: `shipper.emit.events.frames`); the event is logged when the block ends, at level error
    with the exception where it failed, which goes on unchanged.

    Attributes:
        data: the table; set it to the result, unless the step changes it in place.
        outliers: number of outliers that were treated, by feature or of all; only you know it.
        filled: number of missing values that were filled; None: counted, where the number of rows stays the same.

    Args:
        logger: of structlog or `logging`; None: shipper's own, named for the calling module.
        name: data set.
        step: what is done, for example `impute`, `scale`, `drop-outliers`.
        data: the table before.
        params: settings of the step.
        with_statistics: False: the statistics stay at home.
        message: None: "data prepared".
        clock: where durations come from.
        fields: further arguments of `events.data_step`.
    """

    def __init__(
        self,
        logger: Logger | None = None,
        *,
        name: str,
        step: str,
        data: object | None = None,
        params: Mapping[str, object] | None = None,
        with_statistics: bool = True,
        message: str | None = None,
        clock: Clock = _SYSTEM,
        **fields: Any,
    ) -> None:
        self.data: Any = data
        self.outliers: Mapping[str, Number] | int | None = None
        self.filled: Mapping[str, Number] | int | None = None
        self._fields = {"name": name, "step": step, "params": params, **fields}
        data_step(
            **self._fields
        )  # an argument that does not exist is told now, not in the midst of a failure
        self._logger = logger
        self._with_statistics = with_statistics
        self._message = message
        self._clock = clock
        self._before: Profile | None = None
        self._began_s = clock.monotonic_s()

    def __enter__(self) -> Self:
        self._before = profile(self.data) if self.data is not None else None
        self._began_s = self._clock.monotonic_s()
        return self

    async def __aenter__(self) -> Self:
        return self.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Log the step."""
        duration_ns = max(0, round((self._clock.monotonic_s() - self._began_s) * 1e9))
        before = self._before
        after = profile(self.data) if error is None and self.data is not None else None
        found: dict[str, Any] = {"duration_ns": duration_ns, "outliers": self.outliers}
        if before is not None:
            found |= {"rows": before.rows, "columns": before.columns}
        if after is not None:
            found |= {"rows_out": after.rows, "columns_out": after.columns}
        if self._with_statistics:
            found |= {
                "before": None if before is None else before.statistics,
                "after": None if after is None else after.statistics,
            }
        found["filled"] = _filled(before, after) if self.filled is None else self.filled
        found["outcome"] = (
            "success" if error is None else "failure" if isinstance(error, Exception) else "unknown"
        )
        event = data_step(**{**found, **self._fields})
        log(self._logger, event, self._message, exc_info=error if isinstance(error, Exception) else None)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def _filled(before: Profile | None, after: Profile | None) -> dict[str, int] | None:
    """Return how many missing values went, by feature; None where rows went, too, and nobody can tell."""
    if before is None or after is None or before.rows != after.rows:
        return None
    return {
        name: count - after.missing[name]
        for name, count in before.missing.items()
        if name in after.missing and count > after.missing[name]
    }
