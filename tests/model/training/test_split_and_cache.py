"""The split keeps roles and proportions; the cache makes every shot once and survives a kill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.active import audit
from model.errors import InputError
from model.preprocessing.cache import ShotCache
from model.preprocessing.network_input import Preprocessing
from model.runs.recipes import named
from model.shots.table import EVALUATION, TRAINING, ShotTable, table_of_file
from model.training import split
from model.training.data import prepare
from model.training.roles import with_roles
from model.training.split import stratified_choice, stratified_roles
from tests.helpers.data import needed
from tests.helpers.shots import make_file, make_shots, write_file

pytestmark = pytest.mark.usefixtures("narrow_network")

SMALL = Preprocessing(size=64, transform="raw")
MADE = ShotTable(
    (), np.zeros(600, np.int32), np.arange(600), ("a", "b", "c"),
    np.random.default_rng(8).integers(0, 2, (600, 3)).astype(np.uint8), np.zeros(600, bool),
    np.zeros(600, np.uint8), None, "made up",
)  # fmt: skip
"""600 shots of no file."""


@given(st.integers(10, 200), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_every_labelled_shot_gets_one_role_and_fifteen_percent_judge(n, seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random((n + 20, 4)) < [0.8, 0.3, 0.1, 0.03]).astype(np.uint8)
    labelled = np.zeros(n + 20, bool)
    labelled[rng.permutation(n + 20)[:n]] = True
    role = stratified_roles(labels, labelled, np.zeros(n + 20, np.uint8), seed=seed)
    assert (role[~labelled] == 0).all()
    assert set(role[labelled]) <= {TRAINING, EVALUATION}
    assert (role == EVALUATION).sum() == round(0.15 * n)


def test_given_roles_stay_when_labels_are_added():
    rng = np.random.default_rng(0)
    labels = (rng.random((300, 5)) < 0.2).astype(np.uint8)
    labelled = np.arange(300) < 100
    first = stratified_roles(labels, labelled, np.zeros(300, np.uint8), seed=1)
    second = stratified_roles(labels, labelled | True, first, seed=2)
    decided = first > 0
    assert (second[decided] == first[decided]).all()
    assert (second == EVALUATION).sum() == 45


def test_the_real_labels_are_split_in_proportion():
    with np.load(needed("cxidb94_labels.npz")) as file:
        labels = next(v for k, v in file.items() if v.ndim == 2 and v.shape[1] == 11)
    chosen = stratified_choice(labels.astype(np.uint8), 1090, 0)
    shares = labels[chosen].sum(0) / labels.sum(0)
    np.testing.assert_allclose(shares, 0.15, atol=0.02)


def table_of(tmp_path, labelled=300, role=None):
    """400 shots without pictures worth reading, the first ones labelled."""
    images, labels = np.zeros((400, 4, 4), np.uint16), np.tile(np.eye(5, dtype=np.uint8), (80, 1))
    labels[:, 0] |= labels[:, 1]
    labels[:, 2] |= labels[:, 3]
    table = table_of_file(write_file(tmp_path / "a.h5", images, labels))
    role = np.zeros(400, np.uint8) if role is None else role
    return replace(table, labelled=np.arange(400) < labelled, role=role)


@pytest.mark.parametrize("checks", [60, 120])
def test_random_checks_alone_judge_where_there_are_enough(tmp_path, checks):
    table = table_of(tmp_path)
    drawn = np.random.default_rng(1).permutation(300)[:checks]
    roles = with_roles(table, checks=drawn).role
    judging = np.flatnonzero(roles == EVALUATION)
    assert sorted(drawn) == judging.tolist(), "all that are labelled of the draw, no others"
    data = prepare(replace(table, role=roles), named("quick"), 0, checks=drawn)
    assert data.evaluation.tolist() == judging.tolist()
    assert (data.at_random, data.left_out) == (True, 0)
    assert len(data.training) + len(data.tuning) == 300 - checks


def test_checks_that_trained_do_not_judge_and_too_few_leave_the_split_as_it_is(tmp_path):
    role = np.zeros(400, np.uint8)
    role[:40] = EVALUATION
    role[40:200] = TRAINING
    table, drawn = table_of(tmp_path, role=role), np.arange(150, 270)
    roles = with_roles(table, checks=drawn).role
    assert (roles[:40] == EVALUATION).all()
    assert (roles[40:200] == TRAINING).all()
    data = prepare(replace(table, role=roles), named("quick"), 0, checks=drawn)
    assert data.evaluation.tolist() == list(range(200, 270)), "what was kept aside before sits out"
    assert (data.at_random, data.left_out) == (True, 50)
    # 40 judge by their role, and the 10 of the draw that never trained
    plain = prepare(table, named("quick"), 0, checks=drawn[:60])
    assert (len(plain.evaluation), plain.at_random, plain.left_out) == (50, False, 0)


@given(st.integers(0, 2**32 - 1), st.floats(0, 0.5), st.lists(st.integers(40, 160), max_size=5))
@settings(max_examples=30, deadline=None)
def test_in_whatever_order_shots_are_labelled_the_checks_that_judge_are_the_first_of_the_draw(
    seed, share, steps
):
    """With trainings between; up to half of the labels are of the draw, early or late in it."""
    random, n = np.random.default_rng(seed), 600
    checks = audit.reserved(n, 0)
    inside, outside = (random.permutation(rows).tolist() for rows in
                       (checks, np.setdiff1d(np.arange(n), checks)))  # fmt: skip
    table = replace(MADE, labelled=np.zeros(n, bool), role=np.zeros(n, np.uint8))
    for labels in (80, *steps):
        mine = int(share * labels)  # never more than half
        rows = [inside.pop() for _ in range(min(mine, len(inside)))]
        rows += [outside.pop() for _ in range(min(labels - mine, len(outside)))]
        labelled = table.labelled.copy()
        labelled[rows] = True
        table = with_roles(replace(table, labelled=labelled), checks=checks)
        data = prepare(table, named("quick"), 0, checks=checks)
        prefix = audit.audited(table.labelled, 0).rows[: len(checks)]
        assert data.at_random == (len(prefix) >= audit.FEWEST_CHECKS)
        if data.at_random:
            assert data.evaluation.tolist() == sorted(prefix)
        assert not np.isin(checks, np.concatenate([data.training, data.tuning])).any()
        assert data.left_out == 0


def test_a_project_too_small_for_checks_that_judge_keeps_none_for_them():
    assert len(audit.reserved(400, 0)) == len(audit.reserved(0, 0)) == 0
    kept = audit.reserved(600, 3)
    assert kept.tolist() == audit.order(600, 3)[: len(kept)].tolist()
    assert 50 <= len(kept) <= 80


def test_the_split_is_repeatable_and_shuffled():
    labels = np.tile([[1, 0], [0, 1]], (50, 1)).astype(np.uint8)
    a, b = stratified_choice(labels, 20, 3), stratified_choice(labels, 20, 3)
    assert (a == b).all()
    assert (a != stratified_choice(labels, 20, 4)).any()
    assert a.max() > 60


def fill(cache, table, rows):
    return list(cache.fill(table, np.asarray(rows)))


def test_the_cache_holds_what_preprocessing_makes(tmp_path):
    table = table_of_file(make_file(tmp_path / "s.h5", 12, size=100))
    cache = ShotCache.open(tmp_path / "c", SMALL, table)
    fill(cache, table, range(12))
    rows = np.array([7, 2, 11])
    expected = {r: SMALL.reduce(c, m) for r, c, m in table.iter_shots(rows)}
    for found, row in zip(cache.read(table, rows), rows, strict=True):
        np.testing.assert_allclose(found, expected[row], rtol=1e-3)
    assert cache.dtype == np.float16
    assert isinstance(cache.mapped(), np.memmap)


def test_only_missing_shots_are_made(tmp_path):
    table = table_of_file(make_file(tmp_path / "s.h5", 12))
    fill(ShotCache.open(tmp_path / "c", SMALL, table), table, [0, 5])
    again = ShotCache.open(tmp_path / "c", SMALL, table)
    assert fill(again, table, [0, 5, 6]) == [3]
    other = ShotCache.open(tmp_path / "c", Preprocessing(size=70), table)
    assert not other.holds(table, np.array([0])).any()


def test_what_was_half_written_is_made_again(tmp_path):
    table = table_of_file(make_file(tmp_path / "s.h5", 12))
    cache = ShotCache.open(tmp_path / "c", SMALL, table)
    fill(cache, table, range(6))
    data = cache.folder / "shots.bin"
    good = data.read_bytes()
    data.write_bytes(good + b"half a shot")
    again = ShotCache.open(tmp_path / "c", SMALL, table)
    fill(again, table, range(12))
    assert data.read_bytes()[: len(good)] == good
    assert len(again.mapped()) == 12
    data.write_bytes(good[:-100])  # lost: everything is made again
    third = ShotCache.open(tmp_path / "c", SMALL, table)
    assert fill(third, table, range(12))[-1] == 12


def test_nothing_is_written_through_a_link_that_a_stranger_put_in_the_cache(tmp_path):
    """A project that someone sent may have one there, to any file of whoever trains in it."""
    table = table_of_file(make_file(tmp_path / "s.h5", 8))
    cache = ShotCache.open(tmp_path / "c", SMALL, table)
    mine = tmp_path / "thesis.tex"
    mine.write_text("a year of work")
    cache.folder.mkdir(parents=True)
    cache._data_path.symlink_to(mine)
    with pytest.raises(InputError, match="there is a link"):
        fill(cache, table, [0, 5])
    assert mine.read_text() == "a year of work"


@pytest.mark.parametrize("index", ["[]", '{"x": 3}', '{"x": [[0, 1e9]]}', '{"x": [[0, "a"]]}', "7"])
def test_an_index_of_the_cache_that_makes_no_sense_is_made_again(tmp_path, index):
    table = table_of_file(make_file(tmp_path / "s.h5", 8))
    cache = ShotCache.open(tmp_path / "c", SMALL, table)
    fill(cache, table, [0, 5])
    cache._index_path.write_text(index)
    again = ShotCache.open(tmp_path / "c", SMALL, table)
    assert len(fill(again, table, [0, 5])) == 2


def test_large_counts_keep_full_precision(tmp_path):
    images, labels = make_shots(12)
    images = images.astype(np.float32) * 1e5
    table = table_of_file(write_file(tmp_path / "s.h5", images, labels))
    cache = ShotCache.open(tmp_path / "c", SMALL, table)
    fill(cache, table, range(12))
    np.testing.assert_allclose(cache.read(table, np.array([3]))[0], images[3], rtol=1e-6)


def test_two_trainings_that_write_at_once_are_noticed(tmp_path):
    table = table_of_file(make_file(tmp_path / "s.h5", 12))
    cache = ShotCache.open(tmp_path / "c", SMALL, table)
    filling = cache.fill(table, np.arange(12))
    next(filling)
    with (cache.folder / "shots.bin").open("ab") as other:
        other.write(b"x" * 64 * 64 * 2)
    with pytest.raises(InputError, match="same time"):
        list(filling)


# -- the split at its edges ------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 4, 7, 10])
def test_a_choice_that_misses_its_count_gains_or_loses_rows_and_stays_sorted(count):
    chosen, exactly = np.array([1, 5, 8]), split._exactly
    found = exactly(chosen, count, 10, 0)
    assert len(set(found.tolist())) == count
    assert found.tolist() == sorted(found.tolist())
    assert set(found) <= set(range(10))
    assert set(found) <= set(chosen) if count < 3 else set(found) >= set(chosen)
    assert found.tolist() == exactly(chosen, count, 10, 0).tolist()
    others = [exactly(chosen, count, 10, seed).tolist() for seed in range(9)]
    assert (len({tuple(o) for o in others}) == 1) == (count in (3, 10))


def test_none_all_or_one_of_the_rows_can_be_chosen():
    labels = np.eye(4, dtype=np.uint8)[np.arange(12) % 4]
    for nothing in (stratified_choice(labels, 0, 0), stratified_choice(labels[:0], 3, 0),
                    stratified_choice(labels, -1, 0)):  # fmt: skip
        assert (nothing.tolist(), nothing.dtype) == ([], np.intp)
    for count in (12, 99):
        assert stratified_choice(labels, count, 0).tolist() == list(range(12))
    assert len(stratified_choice(labels, 1, 0)) == 1
    assert len(stratified_choice(labels[:1], 1, 0)) == 1
    assert len(stratified_choice(labels, 11, 0)) == 11


def test_roles_are_given_to_a_copy_and_repeat_with_the_seed():
    labels = np.eye(4, dtype=np.uint8)[np.arange(40) % 4]
    before = np.zeros(40, np.int64)
    given = stratified_roles(labels, [1] * 40, before)
    assert (given.dtype, before.any()) == (np.uint8, False)
    same = np.zeros(40, np.uint8)
    assert stratified_roles(labels, np.ones(40, bool), same).tolist() == given.tolist()
    assert not same.any()
    assert stratified_roles(labels, np.ones(40, bool), same, seed=0).tolist() == given.tolist()
    assert stratified_roles(labels, np.ones(40, bool), same, seed=1).tolist() != given.tolist()


def test_no_shot_becomes_an_evaluation_shot_where_there_are_enough():
    labels = np.eye(4, dtype=np.uint8)[np.arange(40) % 4]
    role = np.where(np.arange(40) < 10, EVALUATION, 0).astype(np.uint8)
    given = stratified_roles(labels, np.ones(40, bool), role)
    assert (given == EVALUATION).sum() == 10
    assert (given == TRAINING).sum() == 30
    unlabelled = stratified_roles(
        labels, np.arange(40) < 20, np.where(np.arange(40) < 20, 0, TRAINING)
    )
    assert (unlabelled[:20] == EVALUATION).sum() == 3  # roles of unlabelled shots count for nothing


def test_too_few_shots_or_none_left_to_train_on_are_refused_in_words():
    labels = np.eye(4, dtype=np.uint8)[np.arange(40) % 4]
    with pytest.raises(InputError) as refused:
        stratified_roles(labels, np.arange(40) < 9, np.zeros(40, np.uint8))
    assert str(refused.value) == (
        "9 labelled shots are too few to train and to judge a network."
        " Label at least 10, better 100."
    )
    stratified_roles(labels, np.arange(40) < 10, np.zeros(40, np.uint8))
    everything = np.full(40, EVALUATION, np.uint8)
    everything[30:] = TRAINING  # but these are not labelled
    with pytest.raises(InputError) as refused:
        stratified_roles(labels, np.arange(40) < 30, everything)
    assert str(refused.value) == (
        "every labelled shot is an evaluation shot, none is left to train on. Label more shots."
    )
