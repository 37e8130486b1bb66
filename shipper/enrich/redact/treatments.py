"""What happens to the value at a path of a document: by the schema's privacy class, and by the name where callers invent it.

======== ============================================================================================
class    what happens
======== ============================================================================================
public   passes
internal scanned
personal `scan`: scanned. `pseudonym`: keywords become pseudonyms, addresses are left out, full text is
         scanned. `drop`: all but full text is left out
secret   masked; what is no text is left out
======== ============================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from shipper.enrich.redact.names import NameClass, words_of
from shipper.enrich.redact.policy import Policy
from shipper.enrich.redact.vocabulary import words
from shipper.treatment import Treatment

_OPEN_TYPES: Final = frozenset({"doubles", "keywords", "flattened"})
_TEXT_TYPES: Final = frozenset({"text", "keyword"})
_NUMBER_OF_A_PERSON: Final = words("""
    ssn phone telephone mobile cell iban card account passport nhs dob birth pesel cpf aadhaar tax national
""")
_MOST_REMEMBERED: Final = 4096


class FieldClass(Protocol):
    """What is asked of a declared field."""

    @property
    def type(self) -> str:
        """Type, as in `schema/fields.yml`."""
        ...

    @property
    def privacy(self) -> str:
        """Privacy class, as in `schema/fields.yml`."""
        ...


class Treatments:
    """Treatments by path; remembered, with a bound.

    Args:
        fields: the declared fields.
        policy: the choices.
        has_key: whether pseudonyms can be made.
        classify: says what a name tells of its value.
        is_clean_name: says whether a name itself holds nothing to redact.
    """

    __slots__ = ("_classify", "_fields", "_has_key", "_is_clean_name", "_known", "_open", "_policy")

    def __init__(
        self,
        fields: Mapping[str, FieldClass],
        policy: Policy,
        has_key: bool,
        classify: Callable[[str], NameClass],
        is_clean_name: Callable[[str], bool],
    ) -> None:
        self._fields = fields
        self._policy = policy
        self._has_key = has_key
        self._classify = classify
        self._is_clean_name = is_clean_name
        self._known: dict[str, Treatment] = {}
        self._open = tuple(name for name, field in fields.items() if field.type in _OPEN_TYPES)

    def of(self, path: str) -> Treatment:
        """Return the treatment of the value at a dotted path."""
        known = self._known.get(path)
        if known is None:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            known = self._known[path] = self._decide(path)
        return known

    def _decide(self, path: str) -> Treatment:
        field = self._fields.get(path)
        if field is not None and field.type not in _OPEN_TYPES:
            return self._of_field(path, field)
        for opened in self._open:
            if path.startswith(f"{opened}."):
                return self._of_invented(path, path[len(opened) + 1 :], self._fields[opened], opened)
        return Treatment.SCAN

    def _of_field(self, path: str, field: FieldClass) -> Treatment:
        is_text = field.type in _TEXT_TYPES
        if field.privacy == "secret":
            return Treatment.MASK if is_text else Treatment.DROP
        if path in self._policy.pseudonyms and self._has_key and field.type == "keyword":
            return Treatment.PSEUDONYM
        if field.privacy == "personal":
            return self._of_personal(field)
        if field.type == "ip":
            return Treatment.DROP if self._policy.ip else Treatment.PASS
        if not is_text or field.privacy == "public":
            return Treatment.PASS
        return Treatment.SCAN

    def _of_personal(self, field: FieldClass) -> Treatment:
        mode = self._policy.personal
        if field.type == "text":
            return Treatment.SCAN
        if field.type == "ip":
            return Treatment.DROP if mode != "scan" or self._policy.ip else Treatment.PASS
        if mode == "drop":
            return Treatment.DROP
        if field.type in ("doubles", "long", "double", "boolean", "date"):
            return Treatment.PASS
        return Treatment.PSEUDONYM if mode == "pseudonym" else Treatment.SCAN

    def _of_invented(  # noqa: PLR0911 - one line per reason
        self, path: str, name: str, field: FieldClass, opened: str
    ) -> Treatment:
        if not self._is_clean_name(name) or (
            field.type == "doubles" and not self._is_clean_name(name.replace("_", "."))
        ):
            return Treatment.RENAME
        said = self._classify(name)
        if "…[cut" in name:
            said = NameClass.SECRET  # the end of the name, which would tell, is gone
        if field.type == "doubles":
            return self._of_number(name, said, field, opened)
        if said is NameClass.SECRET or field.privacy == "secret":
            return Treatment.MASK
        mode = self._policy.personal
        wants_pseudonym = name in self._policy.pseudonyms or path in self._policy.pseudonyms
        if wants_pseudonym and self._has_key:
            return Treatment.PSEUDONYM
        if said is NameClass.PERSONAL:
            if mode == "drop":
                return Treatment.DROP
            return Treatment.PSEUDONYM if mode == "pseudonym" and self._has_key else Treatment.MASK
        return self._of_personal(field) if field.privacy == "personal" else Treatment.SCAN

    def _of_number(self, name: str, said: NameClass, field: FieldClass, opened: str) -> Treatment:
        if field.privacy == "secret" or (field.privacy == "personal" and self._policy.personal == "drop"):
            return Treatment.DROP
        if said is NameClass.SECRET and field.privacy != "public":
            return Treatment.DROP
        if said is NameClass.PERSONAL and field.privacy != "public":
            is_label = opened == "numeric_labels"
            return (
                Treatment.DROP
                if is_label or not _NUMBER_OF_A_PERSON.isdisjoint(words_of(name))
                else Treatment.PASS
            )
        return Treatment.PASS
