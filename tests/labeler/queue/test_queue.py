"""Filters, orders and steps of a queue, against plain loops; the pace, against a made-up clock."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.project.decisions import Decisions
from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED
from labeler.quality.pace import Pace
from labeler.queue import queue as queues
from labeler.queue.position import Walk
from model.taxonomy.toml import load, shipped
from tests.helpers.waiting import processor_s

TAXONOMY = load(shipped("helium"))
sets = st.lists(st.tuples(st.integers(0, 2**11 - 1), st.integers(0, 7)), min_size=1, max_size=12)


def decided(pairs):
    found = Decisions.none(len(pairs))
    for row, (present, status) in enumerate(pairs):
        found.put(row, present, status)
    return found


@given(pairs=sets)
def test_filters_agree_with_a_plain_loop(pairs):
    d = decided(pairs)
    for row, (present, status) in enumerate(pairs):
        labelled = bool(status & LABELLED)
        held = present if labelled else 0
        wrong = bool(TAXONOMY.contradictions(TAXONOMY.unpack(held)))
        expected = {
            "all": True,
            "unlabelled": not labelled,
            "error": labelled and wrong,
            "flagged": bool(status & FLAGGED),
            "skipped": bool(status & SKIPPED),
            "class:Round": bool(held >> TAXONOMY.index("Round") & 1),
            "disagree": False,
        }
        for name, passes in expected.items():
            known = queues.ShotFacts(d, TAXONOMY)
            assert queues.matching((name,), known)[row] == passes, name
            assert queues.matching((name,), known, np.array([row]))[0] == passes, name


def test_orders_put_the_largest_first_and_keep_file_order_among_equals():
    class FakePredictions:
        def uncertainty(self):
            return np.array([0.1, 0.9, 0.1, 0.9])

        def contradictions(self):
            return np.array([False, False, True, False])

        def disagreement(self, present, status):
            return np.array([0, 2, 0, 1])

    d = Decisions.none(4)
    known = queues.ShotFacts(d, TAXONOMY, FakePredictions())
    build = lambda **k: queues.build(queues.Choice(**k), known).tolist()  # noqa: E731
    assert build() == [0, 1, 2, 3]
    assert build(order="uncertainty") == [1, 3, 0, 2]
    assert build(order="contradiction") == [2, 0, 1, 3]
    assert build(filters=("disagree",)) == [1, 3]


def test_a_step_from_outside_the_queue_goes_to_its_neighbours_in_file_order():
    walk = Walk([8, 2, 5], 12, np.zeros(12, np.uint8))
    assert walk.step(2, 1) == 5
    assert walk.step(5, 1) == 5
    assert walk.step(8, -1) == 8
    assert walk.step(4, 1) == 5
    assert walk.step(4, -1) == 2
    assert walk.step(9, 1) == 5
    assert Walk([], 12, np.zeros(12, np.uint8)).step(4, 1) is None


def test_the_next_undecided_is_found_round_the_end():
    d = Decisions.none(5)
    d.put([3, 4], 0, LABELLED)
    walk = Walk(np.arange(5), 5, d.status)
    assert walk.next_open(2) == 0
    walk.follow(d.put([0, 1, 2], 0, SKIPPED), d.status)
    assert walk.next_open(2) is None


def test_a_million_shots_are_filtered_in_a_moment():
    rng = np.random.default_rng(0)
    d = Decisions.none(1_000_000)
    d.put(np.arange(1_000_000), rng.choice([0, 3, 24, 27], 1_000_000), LABELLED)
    wrong = []
    known = queues.ShotFacts(d, TAXONOMY)
    assert processor_s(lambda: wrong.append(queues.matching(("error",), known)), 1) < 2
    assert 0 < wrong[0].sum() < 1_000_000


def test_the_persons_labels_lie_over_those_of_the_file():
    zero, one = np.zeros(2, np.int64), np.zeros(2, np.uint8)
    d = Decisions(zero.copy(), one.copy(), np.array([3, 0]), np.array([1, 0], np.uint8))
    assert d.present.tolist() == [3, 0]
    assert d.from_file(0)
    d.put(0, 8, LABELLED)
    assert d.present.tolist() == [8, 0]
    d.put(0, 0, 0)
    assert d.present.tolist() == [3, 0]


def test_pauses_do_not_count_as_work():
    now = [0.0]
    pace = Pace(lambda: now[0])
    for gap in (0, 10, 10, 10, 600, 10):
        now[0] += gap
        pace.count()
    assert pace.per_hour() == pytest.approx(360)


def test_a_rate_is_not_told_before_there_is_one():
    pace = Pace(lambda: 0.0)
    pace.count()
    assert pace.per_hour() is None
