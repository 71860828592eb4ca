"""Going through a queue and counting labels, against plain loops over everything."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.project.decisions import Decisions, Tally
from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED
from labeler.queue import position as walk_module
from labeler.queue.position import Walk
from model.taxonomy.toml import load, shipped
from tests.helpers.waiting import processor_s

TAXONOMY = load(shipped("helium"))
N = 40
gestures = st.lists(
    st.tuples(
        st.lists(st.integers(0, N - 1), min_size=1, max_size=5),
        st.integers(0, 2**11 - 1),
        st.integers(0, 7),
    ),
    max_size=12,
)


def next_by_hand(queue, row, status):
    """The first open one after a row, looking at one shot after the other."""
    queue = list(queue)
    start = queue.index(row) + 1 if row in queue else int(np.searchsorted(queue, row))
    for other in queue[start:] + queue[:start]:
        if other != row and not status[other] & (LABELLED | SKIPPED):
            return other
    return None


@settings(max_examples=80, deadline=None)
@given(gestures=gestures, queue=st.permutations(range(N)), size=st.integers(1, N))
def test_the_next_open_shot_is_the_one_that_a_plain_search_finds(gestures, queue, size):
    block, walk_module.BLOCK = walk_module.BLOCK, 7
    try:
        d = Decisions.none(N)
        walk = Walk(queue[:size], N, d.status)
        for rows, present, status in gestures:
            walk.follow(d.put(rows, present, status), d.status)
            for row in queue[:size]:
                assert walk.next_open(row) == next_by_hand(queue[:size], row, d.status)
            assert walk.left == sum(not d.status[r] & 5 for r in queue[:size])
    finally:
        walk_module.BLOCK = block


def test_places_and_neighbours_are_those_of_the_queue():
    walk = Walk([5, 2, 9, 7], 12, np.zeros(12, np.uint8))
    assert [walk.place_of(r) for r in (5, 7, 3, 99)] == [0, 3, None, None]
    assert walk.around(2, (1, 2, -1, 3)).tolist() == [9, 7, 5]
    assert walk.around(3, (1, -1)).tolist() == []
    assert walk.places_of([7, 3, 5]).tolist() == [3, 0]


@settings(max_examples=80, deadline=None)
@given(gestures=gestures)
def test_the_tally_follows_every_gesture(gestures):
    rng = np.random.default_rng(0)
    zeros = np.zeros(N, np.int64), np.zeros(N, np.uint8)
    files = rng.integers(0, 2**11, N), rng.integers(0, 2, N).astype(np.uint8)
    d = Decisions(*zeros, *files)
    for rows, present, status in gestures:
        d.put(rows, present, status)
        fresh = Tally(d.present, d.status)
        assert d.tally.sets == fresh.sets
        held = d.present[(d.status & LABELLED) > 0]
        labels = TAXONOMY.unpack(held)
        assert d.tally.labelled == len(held)
        assert d.tally.flagged == np.count_nonzero(d.status & FLAGGED)
        assert d.tally.classes(TAXONOMY).tolist() == labels.sum(0).tolist()
        assert d.tally.rules(TAXONOMY).tolist() == TAXONOMY.violations(labels).sum(0).tolist()
        legal = ~TAXONOMY.contradictions(labels)
        assert d.tally.in_error(TAXONOMY) == int((~legal).sum())
        usable, occurring = d.tally.usable(TAXONOMY)
        assert usable == int(legal.sum())
        assert occurring.tolist() == labels[legal].any(0).tolist()


def test_a_million_shots_cost_no_more_than_a_thousand_for_each_key():
    """Ten open ones among a million: found, counted and followed in microseconds."""
    n = 1_000_000
    rng = np.random.default_rng(0)
    d = Decisions.none(n)
    d.put(np.arange(n), rng.integers(0, 2**11, n), LABELLED)
    d.put(rng.choice(n, 10, replace=False), 0, 0)
    walk = Walk(np.arange(n), n, d.status)
    assert walk.left == 10
    rows = iter(rng.integers(0, n, 100).tolist())

    def key():
        row = next(rows)
        found = walk.next_open(row)
        assert d.status[found] == 0
        walk.follow(d.put(row, 3, LABELLED), d.status)
        d.tally.classes(TAXONOMY)

    assert processor_s(key, 100) < 0.005
