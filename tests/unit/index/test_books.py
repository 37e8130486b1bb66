"""Gaps, doubles, drops and what waits of one producer's sequence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shipper.index.books import Seen, SpoolLook, Told, book
from shipper.index.ranges import Ranges

numbers = st.sets(st.integers(1, 60))


def ranges(found: set[int]) -> Ranges:
    """Return a set as ranges."""
    return Ranges.of(sorted(found))


@given(stored=numbers, dead=numbers, kafka=numbers, spool=numbers, evicted=numbers, is_alive=st.booleans())
def test_every_number_is_in_exactly_one_place(
    stored: set[int],
    dead: set[int],
    kafka: set[int],
    spool: set[int],
    evicted: set[int],
    is_alive: bool,
) -> None:
    """U19: the places are apart and together the whole sequence; what is in none of them is named."""
    last = max(spool | evicted, default=0)
    look = SpoolLook(last, is_alive, ranges(spool), ranges(evicted))
    made = book("p", Seen(ranges(stored), (), ranges(dead), ranges(kafka), look))
    parts = (made.stored, made.dead_lettered, made.in_kafka, made.in_spool, sum(made.dropped.values()))
    assert sum(parts) + made.missing_count == made.last
    missing = {number for first, last in made.missing for number in range(first, last + 1)}
    everywhere = stored | dead | kafka | spool | evicted
    assert missing == set(range(1, made.last + 1)) - everywhere
    assert made.stored == len({number for number in stored if number <= made.last})
    assert made.is_balanced == (not missing)
    if is_alive:
        assert made.last + made.moving == max(made.last, max(everywhere, default=0))
    else:
        assert (made.last, made.moving) == (max(everywhere, default=0), 0)


def test_refused_records_were_emitted_though_they_have_no_number() -> None:
    """U19: emitted = indexed + dead + dropped{reason} + waiting, with those that a full spool never took."""
    told = Told(dropped={"spool_full": 7, "sampled": 2, "evicted": 0})
    made = book("p", Seen(ranges(set(range(1, 11))), told=told))
    assert (made.emitted, made.stored, dict(made.dropped)) == (19, 10, {"spool_full": 7, "sampled": 2})
    assert made.is_balanced


def test_what_made_room_explains_its_gap() -> None:
    """U19: evicted ranges are drops with numbers, told by the folder or, once that is gone, by the count."""
    stored = Ranges([(1, 3), (7, 9)])
    by_folder = book("p", Seen(stored, spool=SpoolLook(9, False, Ranges(), Ranges([(4, 6)]))))
    by_count = book("p", Seen(stored, told=Told(dropped={"evicted": 3})))
    for made in (by_folder, by_count):
        assert (dict(made.dropped), made.missing, made.emitted) == ({"evicted": 3}, (), 9)
    short = book("p", Seen(stored, told=Told(dropped={"evicted": 2})))
    assert short.missing == ((4, 6),)


def test_the_folder_s_counts_and_the_told_ones_are_one() -> None:
    """U25: a producer's counts only rise, so of what its folder says and what it told the higher is the newer."""
    look = SpoolLook(9, False, Ranges(), Ranges(), {"spool_full": 9, "disk_full": 1, "evicted": 3})
    told = Told(dropped={"spool_full": 4, "sampled": 2})
    made = book("p", Seen(Ranges([(1, 3), (7, 9)]), spool=look, told=told))
    assert dict(made.dropped) == {"spool_full": 9, "disk_full": 1, "sampled": 2, "evicted": 3}
    assert (made.missing, made.emitted) == ((), 9 + 9 + 1 + 2)


def test_a_living_producer_is_judged_up_to_where_its_spool_was_seen() -> None:
    """In motion: what was emitted behind the look is on its way, and neither missing nor counted."""
    look = SpoolLook(10, True, Ranges([(8, 10)]), Ranges())
    made = book("p", Seen(Ranges([(1, 7), (12, 15)]), in_kafka=Ranges([(8, 9)]), spool=look))
    assert (made.last, made.stored, made.in_kafka, made.in_spool, made.moving) == (10, 7, 2, 1, 5)
    assert made.is_balanced
    assert not made.is_at_rest


def test_a_dead_writer_s_note_shows_a_missing_tail() -> None:
    """U23: records that stood behind the last one that is left are missing by number."""
    made = book("p", Seen(Ranges([(1, 5)]), spool=SpoolLook(8, False, Ranges(), Ranges())))
    assert made.missing == ((6, 8),)


@given(one=numbers, other=numbers, limit=st.integers(0, 61))
def test_ranges_are_sets(one: set[int], other: set[int], limit: int) -> None:
    """Union, difference, limit and length are those of sets, whatever the numbers."""
    first, second = ranges(one), ranges(other)
    assert set(first | second) == one | other
    assert set(first - second) == one - other
    assert set(first.up_to(limit)) == {number for number in one if number <= limit}
    assert (len(first), bool(first), first.last) == (len(one), bool(one), max(one, default=0))
    assert Ranges.of(list(one)) == first
    assert all(before[1] + 1 < after[0] for before, after in zip(first.parts, first.parts[1:], strict=False))
