"""KQL is read as Kibana reads it, and translated into the queries that Kibana sends."""

from __future__ import annotations

from typing import Any

import pytest

from shipper.errors import ConfigurationError
from shipper.kibana.kql import clauses, parse_kql, to_query_dsl

TRANSLATIONS: list[tuple[str, dict[str, Any]]] = [
    ("", {"match_all": {}}),
    ("  ", {"match_all": {}}),
    ("a.b: c", {"match": {"a.b": "c"}}),
    ('a: "c d"', {"match_phrase": {"a": "c d"}}),
    (r'a: "say \"no\""', {"match_phrase": {"a": 'say "no"'}}),
    ("a: c d", {"match": {"a": "c d"}}),
    ("a: *", {"exists": {"field": "a"}}),
    ('"a.b": *', {"exists": {"field": "a.b"}}),
    ("a: c*", {"query_string": {"fields": ["a"], "query": "c*"}}),
    ("a >= 3", {"range": {"a": {"gte": "3"}}}),
    ("a<3", {"range": {"a": {"lt": "3"}}}),
    ("not a: b", {"bool": {"must_not": {"match": {"a": "b"}}}}),
    (
        "a: (b or c)",
        {"bool": {"should": [{"match": {"a": "b"}}, {"match": {"a": "c"}}], "minimum_should_match": 1}},
    ),
    ("a: b AND c: d", {"bool": {"filter": [{"match": {"a": "b"}}, {"match": {"c": "d"}}]}}),
    (
        "a: 1 or b: 2 and c: 3",
        {
            "bool": {
                "should": [
                    {"match": {"a": "1"}},
                    {"bool": {"filter": [{"match": {"b": "2"}}, {"match": {"c": "3"}}]}},
                ],
                "minimum_should_match": 1,
            }
        },
    ),
    (
        "(a: 1 or b: 2) and c: 3",
        {
            "bool": {
                "filter": [
                    {
                        "bool": {
                            "should": [{"match": {"a": "1"}}, {"match": {"b": "2"}}],
                            "minimum_should_match": 1,
                        }
                    },
                    {"match": {"c": "3"}},
                ]
            }
        },
    ),
]


@pytest.mark.parametrize(("text", "query"), TRANSLATIONS, ids=[text or "empty" for text, _ in TRANSLATIONS])
def test_translation(text: str, query: dict[str, Any]) -> None:
    """Each form becomes the query that Kibana sends; `and` binds tighter than `or`."""
    assert to_query_dsl(parse_kql(text)) == query


@pytest.mark.parametrize(
    "text", ["a", "a:", "a: (b", "a: b)", "and a: b", "a: b or", ": b", 'a: "b', "not", "a: ()"]
)
def test_what_is_not_kql_is_refused(text: str) -> None:
    """A query that Kibana would not understand, or that names no field, is one sentence."""
    with pytest.raises(ConfigurationError, match="is wrong"):
        parse_kql(text)


def test_every_clause_is_seen() -> None:
    """A check of fields sees the comparisons inside groups and negations too."""
    query = parse_kql("a: 1 and (not b: (2 or not 3) or c > 4)")
    assert [(clause.field, clause.value) for clause in clauses(query)] == [
        ("a", "1"),
        ("b", "2"),
        ("b", "3"),
        ("c", "4"),
    ]
