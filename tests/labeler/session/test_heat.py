"""Heat on demand: asked of a child for what is shown, and no other form's meanwhile."""

import json
import threading
from dataclasses import replace

import numpy as np
import psutil
import pytest
import torch

from labeler.project import classes
from labeler.runs import heat_child
from labeler.runs.heat_child import HeatAnswer, HeatChild, HeatRequest, HeatServer, HeatSource
from labeler.session import heat
from labeler.session.heat import ON_ITS_WAY, Asked
from labeler.session.session import Session
from model import processes
from model.errors import InputError
from model.heatmaps.forms import HEAT_FORMS
from model.heatmaps.geometry import EVEN
from model.heatmaps.truth_table import NO_MORE, RESULT, TruthTable
from model.inspection.heat import AXES, SECTORS
from model.runs import checkpoint, recipes
from model.runs.checkpoint import Checkpoint
from model.taxonomy.taxonomy import Class, Taxonomy
from tests.helpers.runs import make_project, make_run
from tests.helpers.waiting import PATIENCE_S

ROUND, STREAK, BENT, EMPTY = 1, 4, 5, 10
FINE, OTHER = "directions", "repeated"


class ToldChild:
    """Keeps what it is asked; the test answers."""

    def __init__(self, source, on_answer):
        self.source, self.asked, self.on_answer, self.closed = source, [], on_answer, False

    def ask(self, request):
        self.asked.append(request)

    def answer(self, request, says="", assumed=False):
        cells = np.zeros((11, 28, 28), np.float16)
        cells[:, 3, 20] = 1
        self.on_answer(HeatAnswer(request, (says,) * 11, cells, assumed=assumed))

    def close(self):
        self.closed = True


@pytest.fixture
def session(qapp, tmp_path, monkeypatch):
    """A project whose run could compute heat, by a child that the test plays."""
    monkeypatch.setattr(heat, "HeatChild", ToldChild)
    with make_project(tmp_path) as project:
        project.current_run = make_run(project, 0.7)
        run = project.run_folder(project.current_run)
    (run / "model.safetensors").write_bytes(b"")
    session = Session()
    session.open(tmp_path / "week")
    session.predictions.of_run.probabilities[:] = 0.9
    session.predictions.of_run.decided[:] = True
    yield session
    session.close()


def test_where_a_run_is_made_and_none_is_in_use_it_is_named_with_the_ways_to_use_it(session, qtbot):
    session.predictions.use_run(None)
    for key, ways in (("F6", "F6 or Learn"), ("", "Learn")):
        session.heat.use_key = key
        with qtbot.waitSignal(session.noted) as said:
            session.heat.toggle()
        assert said.args[1] == f"No heatmaps yet: run 1 is not in use; {ways} uses it."
    session.heat.show(STREAK)
    assert session.heat.caption() == "Heatmap of Streak · no run in use"


def test_what_is_not_stored_is_asked_for_once_and_shown_when_it_comes(session, qtbot):
    session.display.change(form=FINE)
    session.heat.show(STREAK)
    assert session.heat.on_pattern((64, 64)) is None
    assert ON_ITS_WAY in session.heat.caption()
    child, request = session.heat._child, HeatRequest(0, FINE)
    assert child.asked[0] == request
    with qtbot.waitSignals([session.heat.heat_ready, session.heat.heat_changed]):
        child.answer(request)
    shown = session.heat.on_pattern((64, 64))
    assert np.unravel_index(shown.argmax(), shown.shape) == pytest.approx((8, 46), abs=1.5)
    asked = len(child.asked)
    session.heat.of(Asked(0, BENT, FINE), (64, 64))
    assert len(child.asked) == asked  # one answer has all classes


def test_a_sentence_comes_in_place_of_heat_where_there_is_none(session, qtbot):
    session.display.change(form=FINE)
    session.heat.show(STREAK)
    assert session.heat.on_pattern((8, 8)) is None
    with qtbot.waitSignal(session.heat.heat_ready):
        session.heat._child.answer(HeatRequest(0, FINE), "nothing to look at.")
    assert session.heat.on_pattern((8, 8)) is None
    assert session.heat.caption() == "nothing to look at."
    session.predictions.of_run.probabilities[0, BENT] = 0.001
    session.predictions.of_run.decided[0, BENT] = False
    assert "sees no Bent" in session.heat.why_none(Asked(0, BENT, "paper"))
    session.predictions.of_run.readable[0] = False
    assert "could not read this shot" in session.heat.why_none(Asked(0, STREAK, "paper"))


def test_a_beam_that_was_only_assumed_is_called_so(session, qtbot):
    session.display.change(form=FINE)
    session.heat.show(STREAK)
    session.heat.on_pattern((8, 8))
    with qtbot.waitSignal(session.heat.heat_changed):
        session.heat._child.answer(HeatRequest(0, FINE), assumed=True)
    assert session.heat.caption().endswith(" · beam taken as the middle of the picture")
    session.display.change(form="paper")  # which has no directions
    assert "beam" not in session.heat.caption()


def test_one_class_against_another_is_never_shown_by_a_form_that_cannot_tell(session):
    session.display.change(form="paper")
    session.heat.show(BENT, against=STREAK)
    assert session.heat.on_pattern((8, 8)) is None
    assert session.heat._child.asked[-1].against == STREAK
    assert "Bent, not Streak" in session.heat.caption()


def test_the_form_that_did_best_for_a_class_is_the_one_shown(session):
    scores = {form: {"mean": 3.0, "share": 0.7} for form in ("paper", FINE)}
    found = {
        "classes": {"Streak": {"axis": {"cases": 30, "scores": scores}}},
        "best": {"Streak": FINE}, "unseen": [], "forms": ["paper", FINE],
    }  # fmt: skip
    run = session.predictions.run_folder
    (run / RESULT).write_text(json.dumps(found))
    session.heat.look_at_truth()
    assert session.heat.form_of(Asked(0, STREAK)) == FINE
    assert session.heat.form_of(Asked(0, ROUND)) == "paper"
    assert "70 % of this heat" in session.heat.about(Asked(0, STREAK, FINE))
    assert "gone" not in session.heat.about(Asked(0, STREAK))
    (run / "model.safetensors").unlink()  # only what is stored can be shown
    assert session.heat.form_of(Asked(0, STREAK)) == "paper"
    gone = "Directions shown alone did best, but the network of run 1 is gone."
    assert session.heat.about(Asked(0, STREAK)).endswith(gone)
    assert "gone" not in session.heat.about(Asked(0, STREAK, "paper"))
    assert "gone" not in session.heat.about(Asked(0, ROUND))


def test_where_the_best_form_finds_nothing_another_one_is_asked_unless_it_was_named(session, qtbot):
    session.heat.truth = TruthTable({"best": {"Streak": FINE}})
    session.heat.show(STREAK)
    assert session.heat.on_pattern((8, 8)) is None
    child = session.heat._child
    with qtbot.waitSignal(session.heat.heat_changed):  # who draws asks again
        child.answer(HeatRequest(0, FINE), "no direction speaks for it.")
    assert session.heat.on_pattern((8, 8)) is None
    assert child.asked[-1] == HeatRequest(0, OTHER)
    with qtbot.waitSignal(session.heat.heat_changed):
        child.answer(HeatRequest(0, OTHER))
    assert session.heat.on_pattern((8, 8)) is not None
    assert session.heat.caption() == f"Streak · {HEAT_FORMS[OTHER].short}"
    session.display.change(form=FINE)  # named: its own answer counts
    assert session.heat.on_pattern((8, 8)) is None
    session.display.change(form="")
    session.heat._known[HeatRequest(0, OTHER)] = replace(
        session.heat._known[HeatRequest(0, OTHER)], says=("alike everywhere.",) * 11
    )
    assert session.heat.caption() == "no direction speaks for it."


Y, X = np.indices((64, 64)) - 31.5
HOT = np.zeros((64, 64), np.uint16)
HOT[20, 30] = 9000
DISC = np.where(np.hypot(Y, X) < 32, 65535, 0)


@pytest.mark.parametrize("counts", [HOT * 0, HOT * 0 + 100, HOT, DISC])
def test_no_form_of_heat_explains_a_shot_that_holds_nothing(session, monkeypatch, counts):
    monkeypatch.setattr(session.shots, "counts", lambda row: counts)
    for form in ("", "paper", FINE):
        assert session.heat.why_none(Asked(0, STREAK, form)) == EVEN
        assert session.heat.of(Asked(0, STREAK, form), (64, 64)) is None
    session.heat.show(STREAK)
    assert session.heat.caption() == EVEN


def test_a_few_counts_are_no_empty_shot(session, monkeypatch):
    few = np.random.default_rng(1).poisson(20 * np.exp(-np.hypot(Y, X) / 8))
    monkeypatch.setattr(session.shots, "counts", lambda row: few)
    assert session.heat.why_none(Asked(0, STREAK, "paper")) == ""
    assert session.heat.of(Asked(0, STREAK, "paper"), (64, 64)).max() > 0.9


def test_stored_heat_that_is_zero_everywhere_is_a_sentence(session, monkeypatch):
    nothing = np.full((7, 7), -1, np.float32)
    monkeypatch.setattr(session.predictions.of_run, "cells", lambda *asked: nothing)
    assert session.heat.why_none(Asked(0, STREAK, "paper")) == HEAT_FORMS["paper"].none
    assert session.heat.of(Asked(0, STREAK, "paper"), (64, 64)) is None


def test_a_class_that_nothing_on_the_detector_makes_has_a_sentence_and_no_heat(session):
    for form in ("", "paper", FINE):
        asked = Asked(0, EMPTY, form)
        assert session.heat.why_none(asked).startswith("Empty is the lack of every feature")
        assert session.heat.of(asked, (64, 64)) is None
    session.heat.show(EMPTY)
    assert session.heat.caption() == session.heat.why_none(Asked(0, EMPTY))
    assert session.predictions.of_run.cells(0, EMPTY).any()  # what is stored stays


def test_where_no_form_tells_more_than_the_shot_the_line_on_the_pattern_says_so(session):
    session.heat.truth = TruthTable({"unseen": [f"Round: {NO_MORE}"]})
    session.heat.show(ROUND)
    assert session.heat.on_pattern((64, 64)) is not None
    assert session.heat.caption() == "Round · heat shows only the shot · Grad-CAM++"
    session.heat.show(STREAK)
    assert "only the shot" not in session.heat.caption()


def scored(**best):
    """What the truth benchmark leaves, with the best form of each class; OTHER comes second."""
    scores = {form: {"mean": mean, "share": 0.7} for form, mean in (
        ("paper", 4.0), (FINE, 2.0), (OTHER, 3.0))}  # fmt: skip
    question = {"axis": {"cases": 30, "scores": scores}}
    classes = dict.fromkeys(best, question)
    return {"classes": classes, "best": best, "unseen": [], "forms": list(scores)}


def test_a_comparison_takes_the_best_computed_form_and_no_score_of_a_class_alone(session):
    (session.predictions.run_folder / RESULT).write_text(
        json.dumps(scored(Streak=FINE, Bent="paper"))
    )
    session.heat.look_at_truth()
    assert session.heat.form_of(Asked(0, STREAK, "", BENT)) == FINE
    assert session.heat.form_of(Asked(0, STREAK, "paper", BENT)) == OTHER  # it scored more
    assert session.heat.form_of(Asked(0, BENT, "", STREAK)) == OTHER
    assert "simulated" in session.heat.about(Asked(0, STREAK, ""))
    about = session.heat.about(Asked(0, STREAK, "paper", BENT))
    assert "simulated" not in about
    assert "not measured for a comparison" in about
    assert "Grad-CAM++ is kept of single classes only" in about


def test_heat_of_a_class_that_is_not_predicted_says_so(session):
    session.display.change(form="paper")
    session.heat.show(STREAK)
    assert "not predicted" not in session.heat.caption()
    session.predictions.of_run.probabilities[0, STREAK] = 0.03
    session.predictions.of_run.decided[0, STREAK] = False
    assert "Streak · not predicted by run 1 (p 0.03) · " in session.heat.caption()


def test_the_answer_of_a_child_that_was_let_go_is_never_shown(session, qtbot):
    """It may be on its way from another thread while the next run is asked already."""
    session.display.change(form=FINE)
    request = HeatRequest(0, FINE)
    session.heat.of(Asked(0, STREAK, FINE), (8, 8))
    before = session.heat._child
    session.heat.follow()
    session.heat.of(Asked(0, STREAK, FINE), (8, 8))
    before.answer(request)
    assert session.heat.why_none(Asked(0, STREAK, FINE)) == ON_ITS_WAY
    session.heat._child.answer(request)
    assert session.heat.why_none(Asked(0, STREAK, FINE)) == ""


def test_a_class_that_was_renamed_is_still_the_one_that_nothing_makes(session):
    classes.rename(session.opened.project, "Empty", "Leer")
    session.reopen()
    session.predictions.of_run.probabilities[:] = 0.9
    why = session.heat.why_none(Asked(0, EMPTY, "paper"))
    assert why.startswith("Leer is the lack of every feature")


def test_heat_that_could_not_be_computed_is_asked_for_again_when_it_is_shown_again(session, qtbot):
    session.display.change(form=FINE)
    session.heat.show(STREAK)
    assert session.heat.caption().endswith(ON_ITS_WAY)
    request = session.heat._child.asked[0]
    lost = HeatAnswer(request, ("The process that computes heat ended.",) * 11)
    session.heat._child.on_answer(lost)
    qtbot.waitUntil(lambda: "ended" in session.heat.caption())
    assert len(session.heat._child.asked) == 1, "not by itself: a shot may end each process"
    assert session.heat.failure == "The process that computes heat ended."
    session.heat.toggle()
    session.heat.toggle()
    assert session.heat.failure == ""
    assert session.heat.caption().endswith(ON_ITS_WAY)
    assert session.heat._child.asked == [request, request]
    session.heat._child.answer(request)
    qtbot.waitUntil(lambda: session.heat.on_pattern((40, 40)) is not None)


def test_another_run_forgets_what_was_computed(session, qtbot):
    session.heat.of(Asked(0, STREAK, FINE), (8, 8))
    child = session.heat._child
    with qtbot.waitSignal(session.heat.heat_ready):
        child.answer(HeatRequest(0, FINE))
    session.predictions.use_run(1)
    assert child.closed
    session.predictions.of_run.probabilities[:] = 0.9
    assert session.heat.why_none(Asked(0, STREAK, FINE)) == ON_ITS_WAY


# -- in the child ----------------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path):
    names = ("Streak", "Bent", "Round")
    folder = tmp_path / "run"
    folder.mkdir()
    torch.manual_seed(3)
    recipe = replace(recipes.named("quick"), size=64, fine_maps=False, count_scale=False)
    about = Checkpoint(names, recipe, recipe.preprocessing())
    checkpoint.save(folder, checkpoint.build(about, "he"), about)
    with make_project(tmp_path) as project:
        yield HeatServer(HeatSource(folder, project.shot_table(), project.taxonomy))


def test_the_child_answers_by_the_projects_classes(desk):
    answer = desk.answer(HeatRequest(2, "paper"))
    assert answer.cells.shape[0] == len(answer.says) == 11
    assert answer.cells.max() <= 1
    assert "never learnt" in answer.says[ROUND + 1]
    assert not answer.cells[ROUND + 1].any()
    with pytest.raises(InputError, match="never learnt the class to compare with"):
        desk.answer(HeatRequest(2, FINE, against=3))


def test_a_network_is_asked_for_a_class_by_its_name_of_today(desk):
    taxonomy = Taxonomy("t", [Class("Streifen", was="Streak"), Class("Round")], [])
    assert desk.reader.index("Streifen", taxonomy) == desk.reader.index("streak", taxonomy) == 0
    with pytest.raises(InputError, match="no class 'Streifen'"):
        desk.reader.index("Streifen")


def test_heat_of_a_renamed_class_is_not_that_of_a_new_one_of_its_name(desk):
    now = Taxonomy.of_names(["Line", "Streak", "Bent"], ["Streak", "", ""])
    answer = HeatServer(replace(desk.source, taxonomy=now)).answer(HeatRequest(2, "paper"))
    before = desk.answer(HeatRequest(2, "paper"))
    assert np.array_equal(answer.cells[0], before.cells[STREAK])
    assert answer.says[0] == before.says[STREAK]
    assert "never learnt" in answer.says[1]
    assert not answer.cells[1].any()


def test_a_class_that_was_taken_back_since_leaves_heat_of_the_others(desk):
    now = Taxonomy.of_names(["Round", "Bent"])
    answer = HeatServer(replace(desk.source, taxonomy=now)).answer(HeatRequest(2, "paper"))
    assert np.array_equal(answer.cells[1], desk.answer(HeatRequest(2, "paper")).cells[BENT])


def test_a_shot_is_read_once_and_another_class_to_compare_with_needs_no_reading(desk, monkeypatch):
    asked = []
    real = type(desk.explainer)._features

    def counted(self, logs):
        asked.append(len(logs))
        return real(self, logs)

    monkeypatch.setattr(type(desk.explainer), "_features", counted)
    desk.answer(HeatRequest(0, FINE))
    assert asked == [1 + 1 + AXES]  # the shot, its twin, the lines
    desk.answer(HeatRequest(0, FINE, against=STREAK))
    assert len(asked) == 1
    desk.answer(HeatRequest(0, OTHER))
    assert asked[1:] == [SECTORS]
    desk.answer(HeatRequest(0, "paper"))
    assert len(asked) == 2
    desk.answer(HeatRequest(1, OTHER))
    assert asked[2:] == [1 + SECTORS]
    with pytest.raises(InputError, match="no form of heat 'sunny'"):
        desk.answer(HeatRequest(1, "sunny"))


class Pipe:
    """The child's end of a pipe: what comes in, what went out; then the other end is closed."""

    def __init__(self, *messages):
        self.messages, self.sent = list(messages), []

    def recv(self):
        if not self.messages:
            raise EOFError
        return self.messages.pop(0)

    def send(self, answer):
        self.sent.append(answer)


def test_what_cannot_be_read_or_asked_is_a_sentence_and_the_child_goes_on(desk, monkeypatch):
    monkeypatch.setattr(psutil.Process, "nice", lambda self, value: None)
    gone = replace(desk.source, run=desk.source.run.parent / "gone")
    pipe = Pipe(
        gone, HeatRequest(0, FINE), desk.source, HeatRequest(0, "sunny"), HeatRequest(0, FINE)
    )
    with pytest.raises(EOFError):
        heat_child._serve(pipe)
    missing, waited, sound, unknown, answer = pipe.sent
    assert missing is sound is None
    assert "gone" in waited.says[0]
    assert "no form of heat 'sunny'" in unknown.says[0]
    assert answer.cells.shape == (11, 16, 16)
    learnt = [answer.says[c] for c in (ROUND, STREAK, BENT)]
    assert learnt == [HEAT_FORMS[FINE].none] * 3  # a network that learnt nothing


def test_the_newest_wish_is_answered_first_and_old_ones_are_forgotten(desk, monkeypatch, qtbot):
    begun, answers = threading.Event(), []

    class Slow:
        def __init__(self, serve, name):
            self.name = name
            self.said = []

        def start(self):
            begun.wait(PATIENCE_S)

        def ask(self, message):
            self.said.append(message)
            known = isinstance(message, HeatRequest)
            return HeatAnswer(message, ("",) * 11) if known else None

        def forbid(self):
            begun.set()

        def end(self):
            pass

    monkeypatch.setattr(processes, "Child", Slow)
    child = HeatChild(desk.source, answers.append)
    for row in range(heat_child.WAITING + 5):
        child.ask(HeatRequest(row, FINE))
    assert child.is_busy
    begun.set()
    qtbot.waitUntil(lambda: not child.is_busy)
    rows = [answer.request.row for answer in answers]
    child.close()
    assert rows == list(range(heat_child.WAITING + 4, 4, -1))
