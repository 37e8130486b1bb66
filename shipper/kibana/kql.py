"""The part of Kibana's query language that our objects use: read, and translated as Kibana does it.

    query  := and ("or" and)*          and := not ("and" not)*        not := "not" not | "(" query ")" | clause
    clause := field ":" value | field ":" "(" values ")" | field (">" | ">=" | "<" | "<=") value

Every value names its field: a word that searches all fields is refused, since it is slow and vague.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from shipper.errors import ConfigurationError

Comparison = Literal[":", ">", ">=", "<", "<="]
JsonObject = dict[str, Any]

_TOKEN: Final = re.compile(
    r'\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<symbol>[():]|[<>]=?)|(?P<word>(?:[^\s():<>"\\]|\\.)+))'
)
_RANGES: Final = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_KEYWORDS: Final = ("and", "or", "not")


@dataclass(frozen=True, slots=True)
class Clause:
    """One field compared with one value; `value` is `*` for "has any"."""

    field: str
    comparison: Comparison
    value: str
    is_quoted: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Parts that must all match, of which one must match, or (one part) that must not match."""

    kind: Literal["and", "or", "not"]
    parts: tuple[Query, ...]


Query = Clause | Group


def parse_kql(text: str) -> Query | None:
    """Return the query, or None for an empty text, which matches everything.

    Raises:
        ConfigurationError: the text is not in the grammar above; the sentence says where.
    """
    parser = _Parser(text)
    if not parser.tokens:
        return None
    query = parser.query()
    if parser.tokens:
        raise parser.error(f"{parser.tokens[0][1]!r} is not expected there")
    return query


def clauses(query: Query | None) -> Iterator[Clause]:
    """Return every comparison in the query."""
    match query:
        case None:
            return
        case Clause():
            yield query
        case Group():
            for part in query.parts:
                yield from clauses(part)


def to_query_dsl(query: Query | None) -> JsonObject:
    """Return the Elasticsearch query that Kibana sends for `query`."""
    match query:
        case None:
            return {"match_all": {}}
        case Group("and"):
            return {"bool": {"filter": [to_query_dsl(part) for part in query.parts]}}
        case Group("or"):
            return {
                "bool": {"should": [to_query_dsl(part) for part in query.parts], "minimum_should_match": 1}
            }
        case Group():
            return {"bool": {"must_not": to_query_dsl(query.parts[0])}}
        case Clause():
            return _clause_dsl(query)


def _clause_dsl(clause: Clause) -> JsonObject:
    if clause.comparison != ":":
        return {"range": {clause.field: {_RANGES[clause.comparison]: clause.value}}}
    if clause.is_quoted:
        return {"match_phrase": {clause.field: clause.value}}
    if clause.value == "*":
        return {"exists": {"field": clause.field}}
    if "*" in clause.value:
        return {"query_string": {"fields": [clause.field], "query": clause.value}}
    return {"match": {clause.field: clause.value}}


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = self._tokens()

    def _tokens(self) -> list[tuple[str, str]]:
        """Kind (quoted, symbol, word) and text of each token."""
        tokens: list[tuple[str, str]] = []
        position, end = 0, len(self.text.rstrip())
        while position < end:
            match = _TOKEN.match(self.text, position)
            if match is None:
                raise self.error(f"it cannot be read from character {position + 1} on")
            kind = match.lastgroup or ""
            value = match.group(kind)
            if kind == "quoted":
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            elif kind == "word" and value.lower() in _KEYWORDS:
                kind, value = "keyword", value.lower()
            tokens.append((kind, value))
            position = match.end()
        return tokens

    def error(self, what: str) -> ConfigurationError:
        return ConfigurationError(f"The KQL query {self.text!r} is wrong: {what}.")

    def take(self, kind: str, value: str = "") -> str | None:
        """Return and consume the next token's text if it is of `kind` (and equals `value`)."""
        if self.tokens and self.tokens[0][0] == kind and value in ("", self.tokens[0][1]):
            return self.tokens.pop(0)[1]
        return None

    def query(self) -> Query:
        return self.series("or", lambda: self.series("and", self.negation))

    def series(self, word: Literal["and", "or"], part: Any) -> Query:
        parts = [part()]
        while self.take("keyword", word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Group(word, tuple(parts))

    def negation(self) -> Query:
        if self.take("keyword", "not"):
            return Group("not", (self.negation(),))
        if self.take("symbol", "("):
            inner = self.query()
            self.close()
            return inner
        return self.clause()

    def close(self) -> None:
        if not self.take("symbol", ")"):
            raise self.error("a parenthesis is not closed")

    def clause(self) -> Query:
        field = self.take("word") or self.take("quoted")
        if field is None:
            raise self.error(
                "a field is missing" if not self.tokens else f"{self.tokens[0][1]!r} is not a field"
            )
        if self.take("symbol", ":"):
            if self.take("symbol", "("):
                inner = self.values(field)
                self.close()
                return inner
            return self.value(field, ":")
        for comparison in (">=", "<=", ">", "<"):
            if self.take("symbol", comparison):
                return self.value(field, comparison)
        raise self.error(f"{field!r} is compared with nothing")

    def values(self, field: str) -> Query:
        def negation() -> Query:
            if self.take("keyword", "not"):
                return Group("not", (negation(),))
            return self.value(field, ":")

        return self.series("or", lambda: self.series("and", negation))

    def value(self, field: str, comparison: Any) -> Clause:
        quoted = self.take("quoted")
        if quoted is not None:
            return Clause(field, comparison, quoted, is_quoted=True)
        words = []
        while (word := self.take("word")) is not None:
            words.append(re.sub(r"\\(.)", r"\1", word))
        if not words:
            raise self.error(f"{field!r} has no value")
        return Clause(field, comparison, " ".join(words), is_quoted=False)
