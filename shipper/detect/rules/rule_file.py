"""Reading a rules file: every problem in one sentence, each with its line, rule and a guess at what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from shipper.detect.rules.kinds import KINDS
from shipper.detect.rules.rule import Rule, RuleSet
from shipper.errors import ConfigurationError

Path_ = tuple[str | int, ...]


def default_rules_text() -> str:
    """Return the text of the rules that ship with the package."""
    return (files("shipper.detect") / "default_rules.yml").read_text("utf-8")


def load_rules(path: Path | None, known_fields: Collection[str] = ()) -> RuleSet:
    """Read and validate a rules file; None reads the one that ships with the package.

    Args:
        path: a YAML file, or None.
        known_fields: fields that documents may have; empty: fields are not checked.

    Raises:
        ConfigurationError: the file cannot be read or a rule is wrong; one sentence with all problems.
    """
    if path is None:
        return parse_rules(default_rules_text(), "the default rules", known_fields)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The rules file {path} cannot be read: {error}.") from error
    return parse_rules(text, f"the rules file {path}", known_fields)


def parse_rules(text: str, source: str = "the rules", known_fields: Collection[str] = ()) -> RuleSet:
    """Validate the text of a rules file; see `load_rules`."""
    reader = _Reader(text, source, frozenset(known_fields))
    rules = reader.read()
    if reader.problems:
        listed = "; ".join(reader.problems)
        raise ConfigurationError(f"{source[0].upper()}{source[1:]} cannot be used: {listed}.")
    return rules


class _Reader:
    """Collects problems instead of stopping at the first."""

    def __init__(self, text: str, source: str, known_fields: frozenset[str]) -> None:
        self.problems: list[str] = []
        self._source = source
        self._known_fields = known_fields
        try:
            self._lines = dict(_lines(yaml.compose(text, Loader=yaml.SafeLoader)))
            self._content: Any = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
            raise ConfigurationError(
                f"{source[0].upper()}{source[1:]} is not valid YAML: {where}{error.problem or error.context}."
            ) from error
        except yaml.YAMLError as error:
            raise ConfigurationError(
                f"{source[0].upper()}{source[1:]} is not valid YAML: {error}."
            ) from error

    def read(self) -> RuleSet:
        content = self._content if self._content is not None else {}
        if not isinstance(content, dict):
            self.problems.append("line 1: it must be a mapping with the keys false_alarms and rules")
            return RuleSet()
        listed = content.get("rules", [])
        if not isinstance(listed, list) or not listed:
            self.problems.append(
                f"line {self._line(('rules',))}: rules must be a list with at least one rule"
            )
            listed = []
        rules = [rule for place, one in enumerate(listed) if (rule := self._rule(place, one)) is not None]
        self._refuse_doubles(rules)
        try:
            return RuleSet.model_validate({**content, "rules": tuple(rules)})
        except ValidationError as error:
            self._note(error, RuleSet, (), "")
            return RuleSet()

    def _rule(self, place: int, content: object) -> Rule | None:
        where: Path_ = ("rules", place)
        if not isinstance(content, dict):
            self.problems.append(f"line {self._line(where)}: a rule must be a mapping")
            return None
        label = f"rule {content['id']}" if isinstance(content.get("id"), str) else f"rule {place + 1}"
        kind = content.get("kind")
        model = KINDS.get(kind) if isinstance(kind, str) else None
        if model is None:
            said = f"kind {kind!r} is unknown" if "kind" in content else "kind is missing"
            hint = _guess(str(kind), KINDS) or f"the kinds are {', '.join(KINDS)}"
            self.problems.append(f"line {self._line((*where, 'kind'))}, {label}: {said}, {hint}")
            return None
        try:
            rule = model.model_validate(_normalised(content))
        except ValidationError as error:
            self._note(error, model, where, label)
            return None
        self._check_fields(rule, where, label)
        return rule

    def _check_fields(self, rule: Rule, where: Path_, label: str) -> None:
        if not self._known_fields:
            return
        for key, name in rule.fields():
            if name in self._known_fields or any(
                name.startswith(f"{known}.") for known in self._known_fields
            ):
                continue
            hint = _guess(name, self._known_fields)
            line = self._line((*where, *key.split("."), name))
            self.problems.append(
                f"line {line}, {label}: {key} names the unknown field {name}{', ' + hint if hint else ''}"
            )

    def _refuse_doubles(self, rules: list[Rule]) -> None:
        seen: set[str] = set()
        for rule in rules:
            if rule.id in seen:
                self.problems.append(f"two rules have the id {rule.id}")
            seen.add(rule.id)

    def _note(self, error: ValidationError, model: type[BaseModel], where: Path_, label: str) -> None:
        told: set[str] = set()
        for problem in error.errors(include_url=False, include_input=False):
            location = _without_branches(problem["loc"])
            key = ".".join(str(part) for part in location)
            if problem["type"] == "extra_forbidden":
                known = _keys_beside(model, location)
                said = f"unknown key {key}"
                hint = _guess(str(location[-1]), known)
                said += f", {hint}" if hint else f", known are {', '.join(sorted(known))}"
            else:
                said = f"{key}: {_plain(problem['msg'])}" if key else _plain(problem["msg"])
            line = self._line((*where, *location))
            place = f"line {line}, {label}" if label else f"line {line}"
            sentence = f"{place}: {said}"
            if sentence not in told:
                told.add(sentence)
                self.problems.append(sentence)

    def _line(self, path: Path_) -> int:
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


def _normalised(content: Mapping[str, Any]) -> dict[str, Any]:
    """Allow `baseline: 24h` for `baseline: {preceding: 24h}`."""
    baseline = content.get("baseline")
    return {**content, "baseline": {"preceding": baseline}} if isinstance(baseline, str) else dict(content)


def _lines(node: yaml.Node | None, path: Path_ = ()) -> Iterator[tuple[Path_, int]]:
    if node is None:
        return
    yield path, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = (*path, str(key.value))
            yield from _lines(value, name)
            yield name, key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            yield from _lines(value, (*path, place))


def _guess(word: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else ""


def _without_branches(location: tuple[str | int, ...]) -> Path_:
    """Leave out the names of union branches, which pydantic adds after the key."""
    return tuple(
        part for part in location if not (isinstance(part, str) and ("[" in part or part in _BRANCHES))
    )


_BRANCHES = frozenset({"str", "bool", "int", "float"})


def _keys_beside(model: type[BaseModel], location: Path_) -> set[str]:
    """Return the keys that the model at this location knows."""
    for part in location[:-1]:
        if isinstance(part, int):  # a place in a list, whose model was found by the part before
            continue
        field = model.model_fields.get(str(part))
        inner = field.annotation if field is not None else None
        candidates = [inner, *getattr(inner, "__args__", ())]
        found = [one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)]
        if not found:
            return set()
        model = found[0]
    return set(model.model_fields)


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ").rstrip(".")
