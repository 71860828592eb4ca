"""Which run comes into use by itself, held against what is in use until then."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

from labeler.cli import main
from labeler.cli.training import _say_outcome
from labeler.project.store.records import LABELLED
from labeler.runs import before_first_run, train_project
from labeler.runs.before_first_run import CONSTANT, INSTANT, answers_before
from model.events import event, never
from model.prediction import embedding_file as embedding_parts
from model.preprocessing.preparation import Preparation
from model.runs import learned_shots
from model.runs.folder import PREDICTIONS
from model.runs.promotion import Answers
from model.runs.recipes import shipped_network
from tests.helpers.runs import give_roles, make_project, make_run

N = 60


@pytest.fixture
def project(tmp_path):
    """A project of 60 labelled shots in four kinds, every third an evaluation shot."""
    with make_project(tmp_path, N) as made:
        give_roles(made)
        yield made


def put(project, number, promote=False, cancelled=False):
    """What becomes of a run at the end of its training, and what is said meanwhile."""
    said, table = [], replace(project.shot_table(), together=project.labelled_together())
    going = train_project._put_to_use(
        project.folder, table, project.run_folder(number), promote, never, cancelled
    )
    while True:
        try:
            said.append(next(going))
        except StopIteration as end:
            return end.value, said


def shipped_has_read(project, spread=0.1):
    """Embeddings of the shipped network in the project's cache, by which kinds lie apart."""
    table, cache = project.shot_table(), project.folder / "cache"
    random = np.random.default_rng(2)
    places = random.normal(size=(4, 512))
    found = places[np.arange(N) % 4] + spread * random.normal(size=(N, 512))
    for part in embedding_parts.parts_of(table, shipped_network(), cache):
        embedding_parts.write(part, found[part.first : part.stop])


@pytest.mark.parametrize(("quality", "used"), [(0.05, False), (1.0, True)])
def test_a_first_run_replaces_the_instant_model_unless_it_is_significantly_worse(
    project, quality, used, capsys
):
    shipped_has_read(project)
    number = make_run(project, quality)
    made, said = put(project, number)
    assert said == []
    assert made["current"] is used
    assert project.current_run == (number if used else None)
    found = made["comparison"]
    assert found["evaluation_shots"] == 20
    assert found["macro_f1_old"] == 1.0
    assert f"{found['macro_f1_new']:.2f}, the instant model 1.00 (20 " in made["decision"]
    why = "is in use: " if used else "is not in use, because it scores lower: "
    assert made["decision"].startswith(f"Run {number} {why}macro F1 ")
    assert made["decision"].endswith("kept aside)."), "how to use it is for who shows it to say"
    _say_outcome(made | {"run": str(project.run_folder(number))})
    assert (f"airylabel use PROJECT {number}\n" in capsys.readouterr().out) is not used


def test_the_instant_model_learns_from_no_shot_that_judges(project):
    shipped_has_read(project)
    table, judging = project.shot_table(), np.flatnonzero(np.arange(N) % 4 == 0)
    name, answers = ended(answers_before(
        table, judging, project.folder / "cache", Preparation(), never
    ))  # fmt: skip
    assert name == INSTANT
    truth = table.labels.astype(bool)
    assert not (answers.decided[judging] == truth[judging]).all(1).any(), "a kind it never saw"


def ended(going):
    """What a generator returns in the end."""
    try:
        while True:
            next(going)
    except StopIteration as end:
        return end.value


def test_labelled_shots_that_were_not_read_yet_are_read_at_the_end_of_a_training(
    project, monkeypatch
):
    asked = []

    def embed(table, network, cache, **how):
        asked.append(len(table))
        random = np.random.default_rng(1)
        for part in embedding_parts.parts_of(table, network, cache):
            embedding_parts.write(part, random.normal(size=(part.stop - part.first, 512)))
        yield event("progress", what="predicting all shots", done=1, total=N)
        yield event("finished")

    monkeypatch.setattr(before_first_run, "embed", embed)
    made, said = put(project, make_run(project, 1.0))
    assert asked == [N]
    assert [item["what"] for item in said] == ["predicting labelled shots by the shipped network"]
    assert made["current"]
    assert made["comparison"]["macro_f1_old"] < 1


def test_where_the_shipped_network_reads_nothing_a_first_run_must_beat_a_constant_answer(
    project, monkeypatch
):
    monkeypatch.setattr(before_first_run, "embed", lambda *_, **__: iter(
        [event("failed", text="these are correlation maps")]
    ))  # fmt: skip
    made, said = put(project, make_run(project, 0.9))
    assert "cannot be asked: these are correlation maps" in said[0]["text"]
    assert CONSTANT in made["decision"]
    found = made["comparison"]
    assert found["macro_f1_old"] == found["macro_f1_constant"]
    assert made["current"]


def test_a_first_run_that_too_few_shots_judge_is_offered_and_not_in_use(project):
    shipped_has_read(project)
    number, nothing = make_run(project, 1.0), np.zeros(0, np.uint64)
    learned_shots.keep(project.run_folder(number), nothing, nothing, np.arange(4))
    made, _ = put(project, number)
    assert (made["current"], project.current_run) == (False, None)
    assert made["decision"].startswith(
        f"Run {number} is not in use, because only 4 shots judged: macro F1 1.00, the instant model"
    )


def test_a_first_run_below_a_constant_answer_is_not_in_use(project, monkeypatch):
    """However bad what it is compared with may be."""
    nothing = Answers(np.zeros((N, len(project.taxonomy)), bool), np.ones(N, bool))

    def bad(*_):
        yield from ()
        return INSTANT, nothing

    monkeypatch.setattr(train_project, "answers_before", bad)
    number = make_run(project, 1.0)
    path = project.run_folder(number) / PREDICTIONS
    with h5py.File(path, "r+") as file:
        file["probabilities"][:] = 0.01
        if "decided" in file:
            file["decided"][:] = 0
    made, _ = put(project, number)
    assert not made["current"]
    assert "because it scores lower than a constant answer: " in made["decision"]


def test_a_cancelled_run_is_offered_and_not_put_to_use(project):
    shipped_has_read(project)
    number = make_run(project, 1.0)
    made, _ = put(project, number, cancelled=True)
    assert (made["current"], project.current_run) == (False, None)
    assert made["decision"].startswith(
        f"Run {number} is not in use, because its training was cancelled: macro F1 1.00"
    )


def test_shots_that_were_labelled_together_since_judge_no_run(project, tmp_path):
    came = project.merged_state().present
    with make_project(tmp_path / "unlabelled", N, labelled=False) as bare:
        give_roles(bare)
        every = np.arange(N)
        bare.store.record(bare.annotator, every, came, LABELLED, origin="grid")
        bare.current_run = make_run(bare, 0.5)
        number = make_run(bare, 1.0)
        bare.store.record(bare.annotator, every[:30:3], 1, LABELLED, origin="bulk")
        made, _ = put(bare, number)
        assert made["comparison"]["evaluation_shots"] == 10
        assert made["comparison"]["judged_on"] == "kept aside, 10 labelled together left out"


def test_a_comparison_that_was_stopped_is_called_so_and_the_person_decides(project, monkeypatch):
    monkeypatch.setattr(before_first_run, "embed", lambda *_, **__: iter([event("cancelled")]))
    made, _ = put(project, make_run(project, 1.0))
    assert (made["current"], made["comparison"], project.current_run) == (False, None, None)
    why = "the comparison with the instant model was stopped"
    assert made["decision"] == f"Run 1 is not in use, because {why}."


def test_the_command_line_puts_any_run_to_use_that_predicted_the_shots(project, capsys):
    number = make_run(project, 0.5)
    assert main(["use", str(project.folder), str(number + 1)]) == 1
    assert f"There are: {number}." in capsys.readouterr().err
    assert project.current_run is None
    assert main(["use", str(project.folder), str(number)]) == 0
    assert project.current_run == number
    other = make_run(project, 0.9)
    path = project.run_folder(other) / PREDICTIONS
    whole = path.read_bytes()
    path.write_bytes(b"junk")
    assert main(["use", str(project.folder), str(other)]) == 1
    assert project.current_run == number
    path.write_bytes(whole)
    assert main(["use", str(project.folder), str(other)]) == 0
    assert project.run_before == number, "to go back to"


@pytest.mark.parametrize("promote", [False, True])
def test_a_later_run_takes_over_only_where_that_was_asked_for_and_it_is_no_worse(project, promote):
    project.current_run = make_run(project, 0.5)
    made, said = put(project, make_run(project, 1.0), promote)
    assert (made["current"], said) == (promote, [])
    assert project.current_run == (2 if promote else 1)
    assert not put(project, make_run(project, 0.1), promote)[0]["current"]
    assert project.current_run == (2 if promote else 1)


def test_a_run_is_judged_on_its_own_judging_shots_and_says_which(project):
    project.current_run = make_run(project, 0.5)
    number, nothing = make_run(project, 1.0), np.zeros(0, np.uint64)
    folder = project.run_folder(number)
    learned_shots.keep(folder, nothing, nothing, np.arange(3, 24, 3))
    path = folder / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"judged_on": "random checks"}))
    made, _ = put(project, number)
    assert made["comparison"]["evaluation_shots"] == 7
    assert "(7 evaluation shots, random checks, 95 %: " in made["comparison"]["text"]


def test_too_few_judging_shots_put_no_run_to_use(project):
    project.current_run = make_run(project, 0.1)
    number, nothing = make_run(project, 1.0), np.zeros(0, np.uint64)
    learned_shots.keep(project.run_folder(number), nothing, nothing, np.arange(5))
    made, _ = put(project, number, promote=True)
    assert not made["current"]
    why = "because only 5 shots judged"
    assert f"Run 2 is not in use, {why}: macro F1 1.00, run 1 0." in made["decision"]
