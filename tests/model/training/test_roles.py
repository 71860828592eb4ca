"""Which shots may judge a network: none that was labelled together with others, a fixed draw."""

from dataclasses import replace

import numpy as np
import pytest

from model.active import audit
from model.errors import InputError
from model.runs.recipes import named
from model.shots.table import EVALUATION, TRAINING, UNDECIDED, ShotTable
from model.training.data import prepare
from model.training.roles import marks_of, number_judging, with_roles

N = 600
MADE = ShotTable(
    (), np.zeros(N, np.int32), np.arange(N), ("a", "b", "c"),
    np.random.default_rng(8).integers(0, 2, (N, 3)).astype(np.uint8), np.zeros(N, bool),
    np.zeros(N, np.uint8), None, "made up",
)  # fmt: skip
"""600 shots of no file."""
TYPED, ACCEPTED = np.arange(150), np.arange(150, 380)


def labelled_at(*parts, together=(), role=None):
    labelled, many = np.zeros(N, bool), np.zeros(N, bool)
    for rows in parts:
        labelled[rows] = True
    many[list(together)] = True
    role = np.zeros(N, np.uint8) if role is None else role
    return replace(MADE, labelled=labelled, together=many, role=role)


def test_labels_accepted_in_bulk_train_and_never_judge():
    table = with_roles(labelled_at(TYPED, ACCEPTED, together=ACCEPTED))
    assert (table.role[ACCEPTED] == TRAINING).all()
    judging = np.flatnonzero(table.role == EVALUATION)
    assert len(judging) == 57, "15 % of all labels, as far as the typed ones go"
    assert judging.max() < 150
    data = prepare(table, named("quick"), 0)
    assert data.evaluation.tolist() == judging.tolist()
    assert np.isin(ACCEPTED, np.concatenate([data.training, data.tuning])).all()
    assert any(
        "230 shots with suggestions accepted together judge nothing" in n for n in data.notes
    )


def test_evaluation_shots_of_earlier_trainings_that_were_accepted_in_bulk_judge_no_more():
    role = np.zeros(N, np.uint8)
    role[:380] = TRAINING
    role[[*range(23), *range(150, 184)]] = EVALUATION
    data = prepare(labelled_at(TYPED, ACCEPTED, together=ACCEPTED, role=role), named("quick"), 0)
    assert data.evaluation.tolist() == list(range(23))
    assert any("34 of them do not train either" in note for note in data.notes)


def test_where_no_label_was_given_one_by_one_no_network_is_trained():
    with pytest.raises(InputError, match="no shot is left that could judge") as refused:
        with_roles(labelled_at(ACCEPTED, together=ACCEPTED))
    assert "Label some shots yourself" in str(refused.value)


def test_shots_of_the_draw_that_were_accepted_in_bulk_neither_train_nor_judge():
    checks = audit.reserved(N, 0)
    others = np.setdiff1d(np.arange(N), checks)[:300]
    many = checks[[0, 3, 30, -2, -1]]
    table = labelled_at(checks, others, together=many)
    made = with_roles(table, checks=checks)
    assert (made.role[many] == UNDECIDED).all()
    data = prepare(made, named("quick"), 0, checks=checks)
    assert data.evaluation.tolist() == np.setdiff1d(checks, many).tolist(), "nor stop the draw"
    assert any("5 of them do not train either, as shots kept" in note for note in data.notes)
    used = np.concatenate([data.training, data.tuning])
    assert not np.isin(checks, used).any()
    assert (data.at_random, data.left_out) == (True, 0)


@pytest.mark.parametrize("others", [40, 50, 59])
def test_a_fixed_half_of_the_draw_is_kept_even_where_most_labels_are_of_it(others):
    checks = audit.reserved(N, 0)
    rest = np.setdiff1d(np.arange(N), checks)
    made = with_roles(labelled_at(checks, rest[:others]), checks=checks)
    kept = checks[audit.fixed_half(checks)]
    assert len(kept) > len(checks) / 3
    assert (made.role[kept] == EVALUATION).all()
    later = with_roles(replace(labelled_at(checks, rest), role=made.role), checks=checks)
    assert (later.role[kept] == EVALUATION).all(), "and for good"


@pytest.mark.parametrize("others", [0, 40, 300])
@pytest.mark.parametrize("many", [0, 100])
def test_how_many_judge_is_known_before_the_training(others, many):
    checks = audit.reserved(N, 0)
    rest = np.setdiff1d(np.arange(N), checks)
    table = labelled_at(checks[:55], rest[:others], rest[-100:], together=rest[-many:][:many])
    said = number_judging(marks_of(table), checks)
    assert said == len(prepare(table, named("quick"), 0, checks=checks).evaluation)


def test_a_run_is_judged_on_the_draw_of_the_files_before_until_it_has_caught_up():
    """A file of 600 shots is added to one whose draw has judged."""
    table = replace(MADE, source_of=np.repeat([0, 1], [N, N]), index_of=np.tile(np.arange(N), 2),
                    labels=np.tile(MADE.labels, (2, 1)), labelled=np.zeros(2 * N, bool),
                    role=np.zeros(2 * N, np.uint8))  # fmt: skip
    old, checks = audit.reserved(N, 0), audit.reserved(2 * N, 0)
    assert checks[checks < N].tolist() == old.tolist(), "none of the old ones is lost"
    table.labelled[old] = True
    table.labelled[np.setdiff1d(np.arange(N), old)[:300]] = True
    data = prepare(table, named("quick"), 0, checks=checks)
    assert data.evaluation.tolist() == sorted(old)
    assert (data.at_random, data.among, data.left_out) == (True, "the first file", 0)
    table.labelled[checks] = True
    data = prepare(table, named("quick"), 0, checks=checks)
    assert data.evaluation.tolist() == sorted(checks)
    assert data.among == ""
