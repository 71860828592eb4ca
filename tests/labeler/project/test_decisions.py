"""Who decided what, by example: own labels over the files', counts, and classes that came later."""

from __future__ import annotations

import numpy as np
import pytest

from labeler.project import decisions
from labeler.project.decisions import Decisions, Tally, by_known, in_words
from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED
from model.taxonomy.taxonomy import Class, Rule, Taxonomy

A, B, C = 1, 2, 4
EVERY = A | B | C
TAXONOMY = Taxonomy(
    "small", [Class("A"), Class("B"), Class("C")],
    [Rule("never", "hard", ("A",), ("B",), ""), Rule("some", "soft", ("A", "B"), (), "")],
)  # fmt: skip


def bits(*values):
    return np.array(values, np.int64)


def status(*values):
    return np.array(values, np.uint8)


@pytest.fixture
def five():
    """Own decision, the file's, both, none, and a skipped one; of the third, C came later."""
    return Decisions(
        bits(A, 0, B, 0, C), status(LABELLED, FLAGGED, LABELLED, 0, SKIPPED),
        bits(0, B, A | C, 0, 0), status(0, LABELLED, LABELLED, 0, 0),
        own_known=bits(EVERY, 0, A | B, 0, 0), every=EVERY,
    )  # fmt: skip


def test_a_person_s_decision_stands_over_the_file_s_and_flags_are_the_person_s(five):
    assert five.present.tolist() == [A, B, B, 0, 0]
    assert five.status.tolist() == [LABELLED, LABELLED | FLAGGED, LABELLED, 0, SKIPPED]
    assert five.known.tolist() == [EVERY, EVERY, A | B, 0, 0]
    assert five.status.dtype == np.uint8
    assert [five.from_file(row) for row in range(5)] == [False, True, False, False, False]


def test_classes_that_came_later_are_open_on_decided_shots_alone(five):
    assert [five.undecided(row) for row in range(5)] == [0, 0, C, 0, 0]
    assert five.open_classes(bits(2, 0, 2)).tolist() == [C, 0, C]
    assert five.status_on(2).tolist() == [LABELLED, LABELLED | FLAGGED, 0, 0, SKIPPED]
    assert five.status_on(0).tolist() == [LABELLED, LABELLED | FLAGGED, LABELLED, 0, SKIPPED]


def test_what_is_undecided_is_filled_with_what_is_said_of_it_and_nothing_else(five):
    assert five.filled(lambda: np.full(5, A | C)).tolist() == [A, B, B | C, 0, 0]
    whole = Decisions(bits(A, 0), status(1, 0), bits(0, 0), status(0, 0), every=EVERY)

    def never():
        raise AssertionError("nobody needs to be asked")

    assert whole.filled(never) is whole.present


def test_without_a_word_of_what_was_decided_all_classes_were():
    made = Decisions(bits(A, B), status(1, 0), bits(0, C), status(0, 1), every=EVERY)
    assert (made.own_known.tolist(), made.file_known.tolist()) == ([EVERY, 0], [0, EVERY])
    assert made.known.tolist() == [EVERY, EVERY]
    told = Decisions(
        bits(A), status(1), bits(B), status(1), bits(A), bits(B | C), every=EVERY
    )  # fmt: skip
    assert (told.own_known.tolist(), told.file_known.tolist()) == ([A], [B | C])
    none = Decisions.none(3)
    assert none.every == -1
    assert none.present.tolist() == none.status.tolist() == none.known.tolist() == [0, 0, 0]
    assert (none.present.dtype, none.status.dtype) == (np.int64, np.uint8)
    assert none.open_classes(bits(0, 1)).tolist() == [0, 0]
    assert not np.shares_memory(none.own_present, none.file_present)
    assert not np.shares_memory(none.own_status, none.file_status)


def test_a_first_decision_speaks_of_every_class_and_a_later_one_of_what_it_changes():
    made = Decisions(bits(0, 0), status(0, 0), bits(0, 0), status(0, 0), every=EVERY)
    assert made.put(0, A, LABELLED, unsaid=C).tolist() == [0]
    assert made.known.tolist() == [A | B, 0]
    made.put(0, A | C, LABELLED)
    assert made.known.tolist() == [EVERY, 0]
    made.put([1], B, LABELLED, unsaid=A | C)
    made.put([1], B, LABELLED, said=A)
    assert made.known.tolist() == [EVERY, A | B]
    made.put([0, 1], [0, B], [SKIPPED, LABELLED], known=[0, C])
    assert made.known.tolist() == [0, C]
    assert made.present.tolist() == [0, B]
    assert made.status.tolist() == [SKIPPED, LABELLED]
    assert made.own_status.tolist() == [SKIPPED, LABELLED]


def test_a_shot_that_is_named_twice_in_a_gesture_counts_once():
    made = Decisions.none(4)
    assert made.put([2, 2, 3], A, LABELLED).tolist() == [2, 2, 3]
    assert (made.tally.labelled, made.tally.sets) == (2, {(A, -1): 2})


def test_counts_are_of_decided_shots_and_of_the_classes_that_were_decided(five):
    tally = five.tally
    assert (tally.labelled, tally.flagged, tally.skipped) == (3, 1, 1)
    assert dict(tally.sets) == {(A, EVERY): 1, (B, EVERY): 1, (B, A | B): 1}
    assert tally.classes(TAXONOMY).tolist() == [1, 2, 0]
    assert tally.decided_on(TAXONOMY).tolist() == [3, 3, 2]
    assert tally.rules(TAXONOMY).tolist() == [0, 0]
    for found in (tally.classes(TAXONOMY), tally.decided_on(TAXONOMY), tally.rules(TAXONOMY)):
        assert found.dtype == np.int64


def test_contradictions_are_counted_and_left_out_of_what_is_usable():
    tally = Tally(bits(A | B, A | B, C, 0, A | B), status(1, 1, 1, 3, 0))
    assert tally.in_error(TAXONOMY) == 2
    assert tally.rules(TAXONOMY).tolist() == [2, 2]
    usable, which = tally.usable(TAXONOMY)
    assert (usable, which.tolist()) == (2, [False, False, True])
    assert (type(tally.in_error(TAXONOMY)), type(usable)) == (int, int)
    unsaid = Tally(bits(0, A | B), status(1, 1), bits(C, A | B))
    assert unsaid.rules(TAXONOMY).tolist() == [1, 0], "A or B may be there"
    assert unsaid.in_error(TAXONOMY) == 1
    assert unsaid.usable(TAXONOMY)[0] == 1


def test_a_set_that_no_shot_has_any_more_is_forgotten():
    tally = Tally(bits(A, A, B), status(1, 1, 0))
    now = bits(A), status(1), bits(-1)
    tally.move(now, (bits(C), status(1 | 2), bits(-1)))
    assert dict(tally.sets) == {(A, -1): 1, (C, -1): 1}
    tally.move(now, (bits(A), status(4), bits(0)))
    assert dict(tally.sets) == {(C, -1): 1}
    assert (tally.labelled, tally.flagged, tally.skipped) == (1, 1, 1)


def test_status_bits_that_a_later_version_adds_are_not_counted():
    tally = Tally(bits(A, B), status(LABELLED | 8, 16))
    assert (tally.labelled, tally.flagged, tally.skipped) == (1, 0, 0)


def test_masks_of_decided_classes_come_with_where_they_are():
    assert list(by_known(bits())) == []
    assert list(by_known(bits(5, 5))) == [(5, slice(None))]
    found = {mask: at.tolist() for mask, at in by_known(bits(7, 3, 7))}
    assert found == {7: [0, 2], 3: [1]}


@pytest.mark.parametrize("few", [4, 1 << 16])
def test_many_label_sets_are_counted_alike_by_a_table_and_by_sorting(monkeypatch, few):
    monkeypatch.setattr(decisions, "FEW_BITS", few)
    for present in (bits(3, 1, 3, 3, 0, 1), bits(3, 4, 3, 3, 0, 1), bits(2, 2)):
        sets, counts = decisions._sets_of(present)
        assert sets.tolist() == sorted(set(present.tolist()))
        assert counts.tolist() == [present.tolist().count(s) for s in sets]
        assert sets.dtype == np.int64
        asked = []

        def judge(labels, known, asked=asked):
            asked.append(len(labels))
            return labels[:, 0] & known[1]

        known = np.where(present == 3, A | B, A)
        said = decisions.judged(judge, TAXONOMY, present, known)
        assert said.tolist() == [p == 3 for p in present.tolist()]
        assert sum(asked) == len(set(present.tolist()))


def test_what_a_key_brought_and_dropped_besides_its_class_is_said():
    def said(before, after, index):
        return in_words(TAXONOMY, np.array(before, bool), np.array(after, bool), index)

    assert said([0, 0, 0], [1, 0, 0], 0) == ""
    assert said([0, 1, 0], [1, 0, 1], 0) == "A added C and dropped B"
    assert said([0, 1, 1], [1, 0, 0], 0) == "A dropped B, C"
    assert said([1, 1, 1], [0, 1, 1], 0) == ""
