"""Instant learning: a child that refits after each label, and a window that never waits for it."""

import queue

import numpy as np
import psutil
import pytest

from labeler.active.instant import Instant, InstantPredictions
from labeler.active.instant_child import InstantServer
from labeler.active.messages import EmbeddingSource, FitRequest, FitResult, Layout, Neighbours
from model.active import neighbours
from model.errors import InputError
from model.prediction import embedding_file as embedding_parts
from model.prediction.embedding_file import Part
from model.runs.folder import backbone_folder
from model.taxonomy.toml import load, shipped
from tests.helpers.embeddings import made_up_truth
from tests.helpers.imports import loaded_by
from tests.helpers.waiting import PATIENCE_S

HELIUM = load(shipped("helium"))
NETWORK = backbone_folder("helium-resnet18")
N = 600


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    """(source, truth (N, C)); the last shot was never read."""
    truth = made_up_truth(HELIUM, N)
    rng = np.random.default_rng(2)
    x = truth @ rng.normal(size=(len(HELIUM), 512)) * 0.3 + 0.6 * rng.normal(size=(N, 512))
    x[-1] = np.nan
    part = Part(0, N, tmp_path_factory.mktemp("parts") / "part.npy")
    embedding_parts.write(part, x)
    return EmbeddingSource(1, HELIUM, N, NETWORK, None, (part,)), truth


@pytest.fixture(scope="module")
def desk(shots):
    """(Instant on these shots, what it said)."""
    said = queue.Queue()
    instant = Instant(said.put)
    instant.use(shots[0])
    instant.like(0, 1)
    said.get(timeout=PATIENCE_S)
    yield instant, said
    instant.close()


def fit_request(truth, rows, leave=()):
    rows = np.asarray(rows, np.int64)
    return FitRequest(1, rows, HELIUM.pack(truth[rows]), np.array(leave, np.int64))


def heard(desk, kind):
    answer = desk[1].get(timeout=PATIENCE_S)
    assert isinstance(answer, kind), answer
    return answer


def test_suggestions_sharpen_from_the_first_twenty_labels_on(desk, shots):
    surprise, right = [], []
    for n in (1, 20, 150):
        desk[0].learn(fit_request(shots[1], np.arange(n)))
        found = heard(desk, FitResult)
        right.append((found.decided == shots[1]).all(1)[150:-1].mean())
        p = np.clip(found.probabilities, 1e-6, 1 - 1e-6)
        surprise.append(-np.log(np.where(shots[1], p, 1 - p))[150:-1].mean())
        assert not HELIUM.contradictions(found.decided).any()
        assert found.labels == n
        assert found.seconds < 5
    assert surprise[0] > surprise[1] > surprise[2]
    assert right[2] > 0.9


def test_sureness_is_calibrated_enough_to_tell_how_many_are_wrong(desk, shots):
    desk[0].learn(fit_request(shots[1], np.arange(100)))
    found = heard(desk, FitResult)
    sure = (found.sure > 0.5) & (np.arange(N) >= 100)
    expected = (1 - found.sure[sure]).sum()
    wrong = (found.decided != shots[1]).any(1)[sure].sum()
    assert wrong <= 2 * expected + 5
    assert expected <= 3 * wrong + 0.15 * sure.sum()


def test_asked_shots_are_open_ones_with_reasons_and_random_checks(desk, shots):
    labelled, left = np.arange(60), np.arange(60, 200)
    desk[0].learn(fit_request(shots[1], labelled, left))
    found = heard(desk, FitResult)
    assert len(found.rows) == 10
    assert len(set(found.rows.tolist())) == 10
    assert found.rows.min() >= 200
    assert N - 1 not in found.rows  # never read: nothing to say of it
    assert found.reasons.count("random check") == 1
    predictions = InstantPredictions(HELIUM, found, {5: "earlier"})
    assert predictions.why[5] == "earlier"
    assert predictions.why[int(found.rows[0])] == found.reasons[0]
    assert predictions.name == "instant model, 60 labels"


def test_labels_one_by_one_and_all_at_once_end_in_the_same_suggestions(shots):
    one_by_one, at_once = InstantServer(), InstantServer()
    for server in (one_by_one, at_once):
        assert server.answer(shots[0]) is None
    for n in (*range(100, 116), 130):
        learnt = one_by_one.answer(fit_request(shots[1], np.arange(n)))
    found = at_once.answer(fit_request(shots[1], np.arange(n)))
    np.testing.assert_array_equal(learnt.decided, found.decided)
    np.testing.assert_array_equal(learnt.probabilities, found.probabilities)


def test_a_shot_that_was_never_read_has_no_suggestion(desk, shots):
    desk[0].learn(fit_request(shots[1], [*range(30), N - 1]))
    found = heard(desk, FitResult)
    assert found.readable.tolist() == [True] * (N - 1) + [False]
    assert found.sure[-1] == 0
    assert not found.decided[-1].any()


def test_requests_made_meanwhile_are_answered_once(desk, shots):
    for n in range(2, 42):
        desk[0].learn(fit_request(shots[1], np.arange(n)))
    answers = [heard(desk, FitResult)]
    while answers[-1].labels != 41:
        answers.append(heard(desk, FitResult))
    assert len(answers) < 40
    assert desk[1].empty()


def test_alike_shots_come_from_the_child(desk, shots):
    desk[0].like(3, 12)
    found = heard(desk, Neighbours)
    x = embedding_parts.read(list(shots[0].parts), N)
    np.testing.assert_array_equal(found.rows, neighbours.like(x, 3, 12))


def test_the_map_has_a_place_for_every_shot_that_was_read(desk):
    desk[0].layout()
    places = heard(desk, Layout).places
    assert places.shape == (N, 2)
    assert np.isfinite(places[:-1]).all()
    assert np.isnan(places[-1]).all()


def test_a_child_that_is_killed_is_started_again_and_knows_where_it_was(shots):
    said = queue.Queue()
    instant = Instant(said.put)
    instant.use(shots[0])
    instant.like(0, 1)
    heard((instant, said), Neighbours)
    psutil.Process(instant._child._process.pid).kill()
    instant.learn(fit_request(shots[1], np.arange(25)))
    assert heard((instant, said), FitResult).labels == 25
    instant.close()


def test_missing_embeddings_are_said_in_words(desk, shots, tmp_path):
    missing = EmbeddingSource(2, HELIUM, N, NETWORK, None, (Part(0, N, tmp_path / "none.npy"),))
    desk[0].use(missing)
    assert "read by a network" in str(heard(desk, InputError))
    desk[0].use(shots[0])
    desk[0].like(3, 2)
    heard(desk, Neighbours)


def test_nothing_that_fits_is_loaded_beside_the_window():
    """The parent's module must not drag in what only the child needs."""
    code = "import labeler.session.background.instant_learning"
    assert not loaded_by(code, "torch", "scipy", "sklearn")


def test_the_child_starts_without_the_database_and_the_whole_of_statistics():
    """Half of the time until it answers went into loading them."""
    code = "import labeler.active.instant_child"
    assert not loaded_by(code, "torch", "PyQt6", "sqlalchemy", "scipy.stats")


def test_closing_leaves_neither_thread_nor_process(shots):
    instant = Instant(lambda answer: None)
    instant.use(shots[0])
    instant.close()
    assert not instant._thread.is_alive()
