"""The anchoring guard: a fixed random part is hidden, and the measured shift is the textbook's."""

import numpy as np
import pytest

from labeler.active import anchoring
from labeler.project.store.records import LABELLED


def test_a_fixed_random_part_of_the_shots_is_hidden():
    rows = np.arange(200_000)
    hidden = anchoring.is_hidden(rows, 0.05)
    assert hidden.mean() == pytest.approx(0.05, abs=0.002)
    assert anchoring.is_hidden(rows[::-1], 0.05)[::-1].tolist() == hidden.tolist()
    assert not anchoring.is_hidden(rows, 0.0).any()
    assert anchoring.is_hidden(rows, 1.0).all()
    other = anchoring.is_hidden(rows, 0.05, seed=1)
    assert (hidden & other).mean() == pytest.approx(0.0025, abs=0.0006)  # independent
    assert np.corrcoef(hidden[1:], hidden[:-1])[0, 1] == pytest.approx(0, abs=0.01)


def test_the_interval_is_newcombe_s():
    """Newcombe (1998), Statistics in Medicine 17, 873, Table II (a): 56/70 against 48/80."""
    shift = anchoring.shift_of(70, 56, 80, 48)
    assert shift.shift == pytest.approx(0.2)
    assert (shift.low, shift.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_only_first_decisions_with_a_suggestion_count():
    present = np.array([1, 2, 4, 8, 16])
    status = np.array([LABELLED, LABELLED, LABELLED, LABELLED, 0], np.uint8)
    five = {"probabilities": [0.5] * 5}
    firsts = [
        (0, five | {"suggested": 1}),
        (1, five | {"suggested": 7}),
        (2, five | {"suggested": 4, "hidden": True}),
        (3, five),  # nothing was suggested then
        (4, five | {"suggested": 16}),  # no longer decided
    ]
    shift = anchoring.measure(firsts, present, status, np.full(5, 31))
    assert (shift.seen, shift.seen_agreed, shift.hidden, shift.hidden_agreed) == (2, 1, 1, 1)


def test_labels_are_not_held_against_a_class_that_came_later_or_is_undecided():
    status = np.full(3, LABELLED, np.uint8)
    two = {"probabilities": [0.9, 0.1], "suggested": 1}
    present, known = np.array([1 | 4, 1, 2]), np.array([7, 7, 7])
    shift = anchoring.measure([(row, two) for row in range(3)], present, status, known)
    assert (shift.seen, shift.seen_agreed) == (3, 2), "the third class was not there then"
    known = np.array([7, 7, 4])
    shift = anchoring.measure([(row, two) for row in range(3)], present, status, known)
    assert shift.seen_agreed == 3, "of the last shot nobody decided on what was suggested"


def test_the_shift_is_told_in_words_once_there_are_enough_hidden_shots():
    assert "hidden (blind check) on 3 of 53" in anchoring.shift_of(50, 40, 3, 3).text()
    text = anchoring.shift_of(400, 360, 40, 24).text()
    assert "90 % of 400" in text
    assert "60 % of 40" in text
    assert "+30 points (+16 to +46), seeing them sways" in text
    assert "no sway" in anchoring.shift_of(400, 300, 40, 30).text()
