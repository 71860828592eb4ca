"""What is stored is what was typed, whatever the model suggests; the same in Label and in Grid."""

from __future__ import annotations

import numpy as np
import pytest

from labeler.project.store.records import LABELLED
from labeler.session.selection import SelectedShots
from labeler.session.suggestions import FEWEST_LABELS
from tests.helpers.data import data_file
from tests.helpers.window_parts import MadeUpRun, make_project, make_session

SHOTS = 200


def label_sets(taxonomy):
    """(SHOTS, C) label sets: one half as frequent as the published ones where those are there, the
    other of all that break no hard rule, most of which break soft ones."""
    path, rng = data_file("cxidb94_labels.npz"), np.random.default_rng(1)
    if path.is_file():
        with np.load(path) as file:
            order = np.argsort(taxonomy.columns([str(name) for name in file["class_names"]]))
            rows = file["labels"].astype(bool)[:, order]
    else:
        rows = taxonomy.legal_sets
    odd = taxonomy.legal_sets[taxonomy.violations(taxonomy.legal_sets).any(1)]
    halves = (rows[~taxonomy.contradictions(rows)], odd)
    drawn = [half[half.any(1)][rng.integers(0, half.any(1).sum(), SHOTS // 2)] for half in halves]
    return np.concatenate(drawn)


@pytest.fixture
def session(qapp, tmp_path):
    """A project whose run suggests something else, at random, on every shot."""
    session = make_session(make_project(tmp_path, SHOTS + FEWEST_LABELS))
    taxonomy, rng = session.labels.taxonomy, np.random.default_rng(2)
    run = MadeUpRun(session)
    legal = taxonomy.legal_sets
    run.likely = lambda: legal[rng.integers(0, len(legal), session.labels.n_shots)]
    session.predictions.run = run
    rows = np.arange(SHOTS, SHOTS + FEWEST_LABELS)
    session.labels.decide(rows, 1 << taxonomy.index("Empty"), LABELLED, "bulk")
    yield session
    session.close()


def keys_of(taxonomy, labels):
    """The classes that a person types for a label set, in any order: those nothing else brings."""
    typed = np.flatnonzero(labels & ~taxonomy.implied(labels))
    return np.random.default_rng(int(taxonomy.pack(labels))).permutation(typed).tolist()


def typed(session, wanted, target):
    """How many of the shots hold something else than was typed on them. What a class brought along
    and the person does not see on the shot is taken off again by its own key."""
    taxonomy = session.labels.taxonomy
    for row, labels in enumerate(wanted):
        session.cursor.show(row)
        assert session.suggestions.of() is not None
        for class_index in keys_of(taxonomy, labels):
            target.toggle(class_index)
        for class_index in np.flatnonzero(session.labelling.shown_labels() & ~labels).tolist():
            target.toggle(class_index)
    stored = session.opened.project.store.load_state(session.opened.annotator)
    return int((stored.present[:SHOTS] != taxonomy.pack(wanted)).sum())


def test_two_hundred_typed_shots_are_stored_as_typed_in_label(session):
    wanted = label_sets(session.labels.taxonomy)
    assert typed(session, wanted, session.labelling) == 0


def test_two_hundred_typed_shots_are_stored_as_typed_in_grid(session):
    selected = SelectedShots(
        session, lambda: np.array([session.cursor.row]), lambda what: True, lambda which: None
    )
    assert typed(session, label_sets(session.labels.taxonomy), selected) == 0


def test_the_key_of_a_suggested_class_confirms_that_class_alone(session):
    taxonomy = session.labels.taxonomy
    streak, newton = taxonomy.index("Streak"), taxonomy.index("Newton Rings")
    suggested = np.zeros(len(taxonomy), bool)
    suggested[[streak, newton]] = True
    session.predictions.run.likely = lambda: np.tile(suggested, (session.labels.n_shots, 1))
    session.cursor.show(0)
    assert session.suggestions.of()[newton]
    session.labelling.toggle(streak)
    assert set(np.flatnonzero(session.labelling.shown_labels())) == {
        streak,
        taxonomy.index("Prolate"),
    }


def test_nothing_is_suggested_before_twenty_labels_and_nothing_when_it_is_switched_off(session):
    session.cursor.show(0)
    assert session.suggestions.of() is not None
    session.suggestions.turn(False)
    assert session.suggestions.of() is None
    assert not session.suggestions.bits(np.arange(SHOTS)).any()
    assert not len(session.suggestions.sure(0.0).rows)
    session.suggestions.turn(True)
    session.labelling.undo()
    assert session.suggestions.labelled == 0
    assert session.suggestions.of(0) is None
    assert not session.suggestions.bits(np.arange(SHOTS)).any()
