"""The pipelines of this process: `configure()`, `flush()`, `close()`, and which one a logging call uses."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shipper.clock import Clock, SystemClock
from shipper.ecs.event import LEVELS
from shipper.emit.level_watch import WATCHER
from shipper.emit.levels import LEVELS as LOGGER_LEVELS
from shipper.emit.outlet import REGISTRY, Outlet
from shipper.emit.road import inside
from shipper.enrich.git import GitFacts, git_facts
from shipper.enrich.model import make_model
from shipper.enrich.service import main_folder
from shipper.errors import ConfigurationError, ShipperError
from shipper.loading import LOADING
from shipper.no_outlet import NoOutlet
from shipper.pipeline import RESET_IN_CHILD, Pipeline
from shipper.shipping import Destination

if TYPE_CHECKING:
    from shipper.config import Settings

_SYSTEM: Final = SystemClock()


class _Pipelines:
    """All pipelines of this process, the current one, and the answers given to handlers."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.all: list[Pipeline] = []
        self.current: Pipeline | None = None
        self.answers: dict[int, tuple[Mapping[str, object], Outlet]] = {}
        self.git: dict[tuple[object, ...], GitFacts] = {}

    def reset_in_child(self) -> None:
        """In a forked child: a fresh lock."""
        self.lock = threading.RLock()


_PIPELINES: Final = _Pipelines()
RESET_IN_CHILD.add(_PIPELINES)


def configure(  # noqa: PLR0913 - the public entry: each is a word that a user types
    *,
    service: str | Mapping[str, object] | None = None,
    model: str | Mapping[str, object] | None = None,
    environment: str | None = None,
    namespace: str | None = None,
    clock: Clock | None = None,
    git: str | os.PathLike[str] | Mapping[str, object] | None = None,
    settings: Settings | None = None,
    sink: Destination | None = None,
    structlog: bool = True,
    **groups: object,
) -> Pipeline:
    """Make the pipeline that all loggers use from now on; opens nothing until the first record.

    Values come from the arguments, else the environment (`SHIPPER_*`), else `shipper.toml`, else defaults.
    Called again with equal settings it returns the same pipeline; with other settings it makes another one,
    and the former goes on until it is closed.

    Args:
        service: `service.name`, or the whole group, for example `{"name": "checkout", "version": "1.4"}`.
        model: `ml.model.name`, or the whole group (`name`, `version`, `stage`, `digest`).
        environment: `service.environment`.
        namespace: team or environment in the index names.
        clock: gives events their time (only `now_us` is asked); None: the machine's.
        git: folder to look for a repository or build stamp, or the group (`commit`, `branch`, `dirty`,
            `directory`). Git facts are read once per process, and anew when this is given.
        settings: complete settings; then none of the above that stand for settings may be given.
        sink: destination in place of Kafka.
        structlog: also make structlog's own `get_logger()` ship.
        groups: further groups or keys of the settings, for example `kafka={"topic": "t"}`, `level="info"`.

    Raises:
        ConfigurationError: a value is out of range or a key is unknown.
    """
    given = _groups(
        groups, service=service, model=model, environment=environment, namespace=namespace, git=git
    )
    if settings is not None and given:
        raise ConfigurationError(f"configure() takes settings or {', '.join(sorted(given))}, not both.")
    with inside(), _PIPELINES.lock:
        chosen = settings if settings is not None else _load(given)
        pipeline = _pipeline(chosen, clock, sink, refresh_git=git is not None)
        _make_current(pipeline)
    if structlog:
        with LOADING:
            from shipper.emit.logger import configure_structlog  # noqa: PLC0415 - structlog is loaded where used

        configure_structlog()
    return pipeline


def bind_model(
    name: str = "", version: str = "", *, stage: str = "", digest: str | os.PathLike[str] = ""
) -> None:
    """Make this the model of the whole process, on all threads, from the next event on.

    For one request or task use `with shipper.model(...)`.

    Args:
        stage: for example production, shadow, canary.
        digest: the digest itself, or the path of the model's file, whose digest is taken.

    Raises:
        ConfigurationError: there is no pipeline yet and the settings for one are not usable.
        OSError: `digest` is a path that cannot be read.
    """
    bound = make_model(name, version, stage=stage, digest=digest)
    with inside(), _PIPELINES.lock:
        if _PIPELINES.current is None:
            _make_current(_pipeline(_load({}), None, None, refresh_git=False))
        current = _PIPELINES.current
    if current is not None:
        current.bind_model(bound)


def flush(timeout_s: float | None = None) -> int:
    """Wait until all that was logged before has reached its destination; see `Pipeline.flush`.

    Args:
        timeout_s: budget for all pipelines together, in seconds; None: the longest `ship.close_timeout_s`.

    Returns:
        How many records are left in spools.
    """
    deadline_s, pipelines = _deadline_s(timeout_s)
    return sum(pipeline.flush(max(0.0, deadline_s - _SYSTEM.monotonic_s())) for pipeline in pipelines)


def close(timeout_s: float | None = None) -> int:
    """Ship what is possible within one budget and let go of everything; see `Pipeline.close`. Idempotent.

    Called by itself when the interpreter ends. What is logged later still goes to disk.

    Args:
        timeout_s: budget for all pipelines together, in seconds; None: the longest `ship.close_timeout_s`.

    Returns:
        How many records are left in spools.
    """
    WATCHER.stop()
    deadline_s, pipelines = _deadline_s(timeout_s)
    return sum(pipeline.close(max(0.0, deadline_s - _SYSTEM.monotonic_s())) for pipeline in pipelines)


def pipelines() -> list[Pipeline]:
    """Return all pipelines of this process."""
    return list(_PIPELINES.all)


def forget() -> None:
    """Close all pipelines within a second and forget them, as if nothing had been configured: for tests."""
    close(1.0)
    with inside(), _PIPELINES.lock:
        _PIPELINES.all.clear()
        _PIPELINES.answers.clear()
        _PIPELINES.git.clear()
        _PIPELINES.current = None
    REGISTRY.current = None
    LOGGER_LEVELS.forget()


def outlet_for(groups: Mapping[str, object]) -> Outlet:
    """Return where an event goes: for a handler's own settings, or the current pipeline. Never raises."""
    if not groups:
        current = _PIPELINES.current
        if current is not None:
            return current.emitter
    known = _PIPELINES.answers.get(id(groups))
    if known is not None and known[0] is groups:
        return known[1]
    with _PIPELINES.lock:
        try:
            pipeline = _pipeline(_load(_groups(groups)), None, None, refresh_git=False)
        except (ShipperError, OSError, TypeError, ValueError) as error:
            answer: Outlet = NoOutlet(str(error))
            _PIPELINES.answers[id(groups)] = (groups, answer)
            return answer
        if not groups:
            _make_current(pipeline)
        else:
            _PIPELINES.answers[id(groups)] = (groups, pipeline.emitter)
        return pipeline.emitter


def _groups(groups: Mapping[str, object], **named: object) -> dict[str, object]:
    """Return groups of settings from the short forms that `configure` and the handler take."""
    given = {name: value for name, value in {**groups, **named}.items() if value is not None}
    for name, key in (("service", "name"), ("model", "name"), ("git", "directory")):
        value = given.get(name)
        if isinstance(value, (str, os.PathLike)):
            given[name] = {key: value}
    environment = given.pop("environment", None)
    if environment is not None:
        service = given.get("service", {})
        if not isinstance(service, Mapping):
            raise ConfigurationError("service is a name or a group of settings.")
        given["service"] = {**service, "environment": environment}
    return given


def _load(groups: Mapping[str, object]) -> Settings:
    # Around the call, too: pydantic completes its models at their first use, under locks of its own.
    with LOADING:
        from shipper.config import load_settings  # noqa: PLC0415 - pydantic is loaded where it is needed

        return load_settings(**groups)


def _pipeline(
    settings: Settings, clock: Clock | None, sink: Destination | None, *, refresh_git: bool
) -> Pipeline:
    facts = _git(settings, refresh=refresh_git)
    for pipeline in _PIPELINES.all:
        if pipeline.matches(settings, clock, sink):
            pipeline.reopen()
            if refresh_git:
                pipeline.set_git_facts(facts)
            return pipeline
    with LOADING:  # it reads the settings, and may be the first to do so; see `_load`
        pipeline = Pipeline(settings, clock, sink, facts)
    _PIPELINES.all.append(pipeline)
    return pipeline


def _make_current(pipeline: Pipeline) -> None:
    _PIPELINES.current = pipeline
    _PIPELINES.answers.clear()
    REGISTRY.current = pipeline.emitter
    LOGGER_LEVELS.set_base(LEVELS[pipeline.settings.level])
    if LOGGER_LEVELS.base > LEVELS["debug"] and REGISTRY.diversion is None:
        # Otherwise the first record starts the watch; here it may never come, just because of the level.
        pipeline.watch_levels()


def _git(settings: Settings, *, refresh: bool) -> GitFacts:
    given = settings.git
    if given.commit:
        return GitFacts(given.commit, given.branch or None, given.dirty, None, "environment")
    if given.directory is not None:
        starts = [given.directory.expanduser()]
    else:
        main = main_folder()
        starts = [*([main] if main is not None else []), Path.cwd()]
    key = tuple(starts)
    if refresh or key not in _PIPELINES.git:
        _PIPELINES.git[key] = git_facts(starts)
    return _PIPELINES.git[key]


def _deadline_s(timeout_s: float | None) -> tuple[float, list[Pipeline]]:
    pipelines = list(_PIPELINES.all)
    if timeout_s is None:
        timeout_s = max((pipeline.settings.ship.close_timeout_s for pipeline in pipelines), default=0.0)
    return _SYSTEM.monotonic_s() + timeout_s, pipelines


atexit.register(close)
