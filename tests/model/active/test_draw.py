"""The random draw: it stands when files come, and goes on to cover them."""

import numpy as np
import pytest

from model.active import audit


@pytest.mark.parametrize("seed", [0, 5])
def test_shots_that_are_added_change_neither_the_order_nor_the_reserve_of_the_others(seed):
    for more in (1001, 1400, 5000):
        order = audit.order(more, seed)
        assert sorted(order) == list(range(more))
        assert order[order < 1000].tolist() == audit.order(1000, seed).tolist()
        kept = audit.reserved(more, seed)
        assert kept[kept < 1000].tolist() == audit.reserved(1000, seed).tolist()


def test_the_order_is_a_random_one():
    places = audit.places(np.arange(20_000), 0)
    assert places.min() >= 0
    assert places.max() < 1
    assert np.histogram(places, 20, (0, 1))[0].std() < 60
    assert abs(np.corrcoef(places[1:], places[:-1])[0, 1]) < 0.03
    assert abs(np.corrcoef(places, audit.places(np.arange(20_000), 1))[0, 1]) < 0.03
    assert abs(audit.fixed_half(np.flatnonzero(places < 0.1)).mean() - 0.5) < 0.05


def test_a_file_that_is_added_in_mid_week_takes_no_check_away():
    labelled, files = np.zeros(1000, bool), np.repeat([0, 1], [600, 400])
    labelled[audit.order(600, 0)[:40]] = True
    before = audit.audited(labelled[:600], 0)
    assert (len(before.rows), before.among) == (40, "")
    now = audit.audited(labelled, 0, None, files)
    assert now.rows.tolist() == before.rows.tolist()
    assert now.among == "the first file"
    asked = audit.upcoming(labelled, np.ones(1000, bool), 0, 30)
    assert (asked[:20] >= 600).all(), "the new file's, up to where the draw has come"
    labelled[asked] = True
    now = audit.audited(labelled, 0, None, files)
    assert now.rows.tolist() == audit.order(1000, 0)[: len(now.rows)].tolist()
    assert (len(now.rows), now.among) == (70, "")


def test_a_file_that_came_with_its_labels_says_nothing_of_how_far_a_draw_has_come():
    labelled, files = np.arange(1000) < 600, np.repeat([0, 1], [600, 400])
    drawn = audit.audited(labelled, 0, None, files, came=labelled)
    assert (drawn.files, drawn.of) == (2, 2)


def test_files_that_were_labelled_as_a_whole_stay_covered_when_another_is_added():
    truth, files = (np.arange(1400) % 3 == 0)[:, None], np.repeat([0, 1, 2], [600, 400, 400])
    labelled, came = files < 2, files == 1
    (found,) = audit.fractions(truth, labelled, ("a",), 0, file_of=files, came=came)
    assert (found.shots, found.among) == (1000, "the first 2 of 3 files")
    assert found.low == found.high == truth[:1000].mean()
    open_at = np.flatnonzero(files[audit.order(1400, 0)] == 2)[:60]
    labelled[audit.order(1400, 0)[open_at]] = True
    (found,) = audit.fractions(truth, labelled, ("a",), 0, file_of=files, came=came)
    assert (found.shots >= 200, found.among) == (True, ""), "until the new one has caught up"


def test_suggestions_accepted_together_count_in_fractions_and_are_counted():
    labelled, together = np.zeros(1000, bool), np.zeros(1000, bool)
    labelled[audit.order(1000, 0)[:80]] = True
    together[audit.order(1000, 0)[[3, 40, 90]]] = True
    labelled |= together
    (found,) = audit.fractions(labelled[:, None], labelled, ("a",), 0, together=together)
    assert (found.shots, found.together) == (80, 2)


def test_fractions_are_of_the_files_that_the_draw_covers_and_say_which():
    """Of 200 such draws the intervals hold what the covered files have."""
    random, files = np.random.default_rng(3), np.repeat([0, 1], [400, 400])
    held = 0
    for seed in range(200):
        truth = np.concatenate([random.random((400, 1)) < 0.3, np.ones((400, 1), bool)])
        labelled = np.zeros(800, bool)
        labelled[audit.order(400, seed)[:60]] = True
        (found,) = audit.fractions(truth, labelled, ("a",), seed, file_of=files)
        assert (found.shots, found.among) == (60, "the first file")
        held += found.low <= truth[:400].mean() <= found.high
    assert held >= 186


def test_no_shots_make_no_draw():
    drawn = audit.audited(np.zeros(0, bool), 0)
    assert (len(drawn.rows), drawn.among) == (0, "")
