"""Files of shots that changed: said, withheld where labels would lie on other shots, and chosen."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

import h5py
import numpy as np
import pytest

from labeler.project.project import Project
from labeler.session.background import sources
from labeler.session.labels import DOUBTED
from labeler.shots.reader_child import PARTS
from labeler.window.dialogs.exchange import export_labels
from labeler.window.dialogs.sources import SourcesDialog, choices, choose
from labeler.window.main_window import MainWindow
from model.errors import InputError
from tests.helpers.waiting import until
from tests.helpers.window_parts import make_project, make_session, write_shots


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


@pytest.fixture
def open_window(qtbot):
    made = []

    def window_on(project):
        window = MainWindow(make_session(project))
        qtbot.addWidget(window)
        window.show()
        made.append(window)
        until(lambda: not window.session.sources.is_comparing)
        return window

    yield window_on
    for window in made:
        window.close()


def other_shots(path, n=12):
    """Another file of the same shape in the place of the labelled one."""
    with h5py.File(path, "w") as file:
        file["images"] = np.random.default_rng(9).poisson(40, (n, 32, 32)).astype(np.uint16)


def go_on(qtbot, window, verb, path=None):
    session = window.session
    source = session.sources.found[0][0]
    with qtbot.waitSignal(session.project_changed):
        choose(session, window, source, verb, path)


def test_a_missing_file_is_asked_for_and_found_again(qtbot, project, tmp_path, open_window):
    (tmp_path / "moved").mkdir()
    (tmp_path / "shots.h5").rename(tmp_path / "moved" / "elsewhere.h5")
    window = open_window(project)
    banner = window.changed_files
    assert banner.isVisible()
    assert "shots.h5 is not in" in banner.words.text()
    wrong = write_shots(tmp_path / "wrong.h5", n=12, side=16)
    source = window.session.sources.found[0][0]
    with qtbot.waitSignal(window.session.noted) as said:
        choose(window.session, window, source, "locate", wrong)
    assert "is not the file that shots.h5 was" in said.args[1]
    assert banner.isVisible()
    go_on(qtbot, window, "locate", tmp_path / "moved" / "elsewhere.h5")
    assert not banner.isVisible()
    assert isinstance(window.session.cursor.counts(), np.ndarray)


def test_one_may_go_on_without_a_file_and_is_not_asked_again(qtbot, project, tmp_path, open_window):
    (tmp_path / "shots.h5").rename(tmp_path / "elsewhere.bin")
    window = open_window(project)
    go_on(qtbot, window, "go_without")
    assert not window.changed_files.isVisible()
    window.session.reopen()
    assert not window.changed_files.isVisible()


def test_shots_of_a_replaced_file_are_withheld_and_not_labelled_until_it_is_chosen(
    qtbot, project, tmp_path, open_window
):
    other_shots(tmp_path / "shots.h5")
    window = open_window(project)
    session = window.session
    assert "was replaced" in window.changed_files.words.text()
    assert isinstance(session.cursor.counts(), InputError)
    session.labelling.toggle(0)
    assert not session.labels.status.any()
    window.label.pattern.grab()
    go_on(qtbot, window, "take_over")
    assert session.labels.n_shots == 24
    assert not window.changed_files.isVisible()
    session.cursor.show(12)
    assert isinstance(session.cursor.counts(), np.ndarray)
    session.labelling.toggle(0)
    assert session.labels.status[12]


def test_labels_can_be_kept_on_a_file_that_was_processed_again(
    qtbot, project, tmp_path, open_window
):
    other_shots(tmp_path / "shots.h5")
    window = open_window(project)
    go_on(qtbot, window, "keep_labels")
    assert window.session.labels.n_shots == 12
    assert isinstance(window.session.cursor.counts(), np.ndarray)


@pytest.mark.parametrize("verb", ["keep_labels", "locate", "go_without"])
def test_the_banner_goes_once_another_window_or_the_terminal_has_chosen(
    qtbot, project, tmp_path, open_window, verb
):
    shots, away = tmp_path / "shots.h5", tmp_path / "away.h5"
    if verb == "keep_labels":
        other_shots(shots)
    else:
        shots.rename(away)
    window = open_window(project)
    assert window.changed_files.isVisible()
    with Project.open(project) as other:
        ways = {"locate": lambda: other.relocate(1, away)}
        ways.get(verb, lambda: getattr(other, verb)(1))()
    window.session.sources.look_aside()
    qtbot.waitUntil(lambda: not window.changed_files.isVisible())
    if verb != "go_without":
        assert isinstance(window.session.cursor.counts(), np.ndarray)
        window.session.labelling.toggle(0)
        assert window.session.labels.status[0]


def test_a_file_replaced_while_the_project_is_open_is_noticed(
    qtbot, project, tmp_path, open_window
):
    window = open_window(project)
    assert not window.changed_files.isVisible()
    other_shots(tmp_path / "shots.h5")
    with qtbot.waitSignal(window.session.sources.changed):
        window.session.sources.look_aside()
    assert window.changed_files.isVisible()
    assert isinstance(window.session.cursor.counts(), InputError)


def test_no_label_is_taken_on_a_shot_of_a_file_that_was_replaced_a_moment_ago(
    qtbot, project, tmp_path, open_window, monkeypatch
):
    """The file is looked at every few seconds only; until then its new shots would be labelled."""
    window = open_window(project)
    session, said = window.session, []
    session.noted.connect(lambda level, text: said.append(text))
    looks = []
    monkeypatch.setattr(session.sources, "look_aside", lambda: looks.append(1))
    session.labelling.toggle(0)
    assert session.labels.status[0], "all is well before"
    other_shots(tmp_path / "shots.h5")
    session.shots.feed.reader.clear()
    session.cursor.show(5)
    assert looks, "a shot of a file in an unknown state has it looked at"
    before = session.labels.gestures
    session.labelling.toggle(0)
    session.labels.decide([4, 6], 1, 1, "bulk")
    assert session.labels.gestures == before
    assert said.count(DOUBTED) == 2
    feed = session.shots.feed
    feed.reader.request_thumbnail(11, *feed.place(11))
    made, kept = feed.reader.thumbnail(11), feed.kept.get(0, 11)
    assert kept is None or not np.array_equal(made, kept), "kept as one of the old file"
    session.labelling.skip()
    assert session.labels.gestures == before + 1, "to leave it undecided is never wrong"
    monkeypatch.undo()
    with qtbot.waitSignal(session.sources.changed):
        session.sources.look_aside()
    assert window.changed_files.isVisible()
    assert isinstance(session.cursor.counts(), InputError)


def test_a_look_at_the_files_of_a_project_that_went_away_changes_nothing(project, tmp_path, caplog):
    """Its files seem to lie elsewhere then; it is said by who asks for the project itself."""
    session = make_session(project)
    until(lambda: not session.sources.is_comparing)
    with Project.open(project) as other:
        (tmp_path / "shots.h5").rename(tmp_path / "away.h5")
        other.relocate(1, tmp_path / "away.h5")
    project.rename(tmp_path / "moved")
    session.sources.look_aside()
    until(lambda: "what became of the files was not taken over" in caplog.text)
    assert session.opened is not None
    (tmp_path / "moved").rename(project)
    session.sources.look_aside()
    until(lambda: session.opened.project.stored_sources[0].info.path.name == "away.h5")
    session.close()


def test_no_look_is_lost_to_the_next_one(project, tmp_path, open_window):
    """Thumbnails arrive faster than the answer of a look is taken over."""
    sources = open_window(project).session.sources
    sources._timer.stop()
    other_shots(tmp_path / "shots.h5")
    sources.look_aside()
    looking = sources._thread
    looking.join()
    sources.look_aside()  # before the answer was taken over
    assert sources._thread is looking
    until(lambda: sources.found, "the answer is taken over")


def test_a_file_that_was_copied_over_itself_is_labelled_on_once_it_was_looked_at(
    project, tmp_path, open_window
):
    window = open_window(project)
    session = window.session
    copied = (tmp_path / "shots.h5").read_bytes()
    (tmp_path / "shots.h5").unlink()
    (tmp_path / "shots.h5").write_bytes(copied)
    session.shots.feed.reader.clear()
    session.cursor.show(5)
    until(lambda: not session.labels.is_doubted(np.array([5])))
    session.labelling.toggle(0)
    assert session.labels.status[5]
    assert not session.sources.found


def test_a_file_that_another_program_goes_on_writing_to_is_labelled_all_along(
    project, tmp_path, open_window
):
    window = open_window(project)
    session, file = window.session, tmp_path / "shots.h5"
    session.sources._timer.stop()

    def write(k):
        os.utime(file, ns=(10**18 + k, 10**18 + k))
        session.shots.feed.reader.clear()
        session.cursor.show(k)

    write(1)
    until(lambda: not session.labels.is_doubted(np.array([1])))
    write(2)
    session.labelling.toggle(0)
    assert session.labels.status[2]


def test_shots_that_were_labelled_while_a_written_file_was_replaced_are_named(
    qtbot, project, tmp_path, open_window
):
    """A file that is written to is labelled all along; only the next look tells that it is gone."""
    window = open_window(project)
    session, file, said = window.session, tmp_path / "shots.h5", []
    session.sources._timer.stop()
    session.noted.connect(lambda level, text: said.append(text))
    session.cursor.show(0)
    session.labelling.toggle(0)
    os.utime(file, ns=(10**18, 10**18))
    session.shots.feed.reader.clear()
    session.cursor.show(1)
    until(lambda: not session.labels.is_doubted(np.array([1])))
    other_shots(file)
    session.shots.feed.reader.clear()
    session.cursor.show(5)
    session.labelling.toggle(0)
    assert session.labels.status[5], "taken on trust"
    with qtbot.waitSignal(session.sources.changed):
        session.sources.look_aside()
    assert [text for text in said if "while the file was being replaced" in text] == [
        "Shot 6 was labelled while the file was being replaced: perhaps by what is in the new "
        "file. Look at them again."
    ]


def test_shots_labelled_while_one_of_very_many_parts_was_replaced_are_named(
    qtbot, tmp_path, open_window
):
    """With every shot only so many parts of its file are looked at."""
    layout = h5py.VirtualLayout((PARTS + 4, 32, 32), "u2")
    for k in range(PARTS + 4):
        other_shots(tmp_path / f"part{k}.h5", 1)
        layout[k] = h5py.VirtualSource(tmp_path / f"part{k}.h5", "images", (1, 32, 32))[0]
    with h5py.File(tmp_path / "shots.h5", "w") as file:
        file.create_virtual_dataset("images", layout)
    Project.create(tmp_path / "week", [tmp_path / "shots.h5"]).close()
    session, said = open_window(tmp_path / "week").session, []
    session.noted.connect(lambda level, text: said.append(text))
    session.sources._timer.stop()
    last = PARTS + 3
    with h5py.File(tmp_path / f"part{last}.h5", "w") as file:
        file["images"] = np.ones((1, 32, 32), np.uint16)
    session.cursor.show(last)
    session.labelling.toggle(0)
    assert session.labels.status[last]
    with qtbot.waitSignal(session.sources.changed):
        session.sources.look_aside()
    assert any(text.startswith(f"Shot {last + 1} was labelled while") for text in said), said


def test_a_file_that_comes_back_is_read_again(qtbot, project, tmp_path, open_window):
    (tmp_path / "shots.h5").rename(tmp_path / "away.h5")
    window = open_window(project)
    assert window.changed_files.isVisible()
    (tmp_path / "away.h5").rename(tmp_path / "shots.h5")
    with qtbot.waitSignal(window.session.project_changed):
        window.session.sources.look_aside()
    assert not window.changed_files.isVisible()
    assert isinstance(window.session.cursor.counts(), np.ndarray)


def test_new_shots_of_a_file_that_grew_are_offered(qtbot, project, tmp_path, open_window):
    with h5py.File(tmp_path / "shots.h5", "r+") as file:
        data = file["images"][()]
        del file["images"]
        file["images"] = np.concatenate([data, data[:3] + 1])
    window = open_window(project)
    assert "grown from 12 to 15 shots" in window.changed_files.words.text()
    assert isinstance(window.session.cursor.counts(), np.ndarray), "known shots stay in use"
    go_on(qtbot, window, "take_over")
    assert window.session.labels.n_shots == 15


@pytest.mark.parametrize("work", ["training", "predicting", "export"])
def test_work_asks_before_it_reads_a_file_that_was_replaced(
    project, tmp_path, open_window, monkeypatch, work
):
    window = open_window(project)
    session, asked = window.session, []
    monkeypatch.setattr(session.training, "lacking", lambda: "")
    session.training.make_job = lambda *_: pytest.fail("nothing may begin")
    session.sources.ask = lambda what: bool(asked.append(what))
    other_shots(tmp_path / "shots.h5")
    if work == "training":
        session.training.start()
    elif work == "predicting":
        session.opened.project.new_run_folder()
        session.training.use(1)
    else:
        export_labels(session, window)
    assert len(asked) == 1


@pytest.mark.parametrize("answer", [True, False])
def test_on_a_slow_disk_labelling_goes_on_until_the_training_asks_and_begins(
    qtbot, project, tmp_path, open_window, monkeypatch, answer
):
    window = open_window(project)
    session, begun, asked, said = window.session, [], [], []
    monkeypatch.setattr(session.training, "lacking", lambda: "")
    monkeypatch.setattr(session.training, "_launch", lambda *words: begun.append(words))
    session.sources.ask = lambda what: bool(asked.append(what)) or answer
    session.noted.connect(lambda level, text: said.append(text))
    goes_on, real = threading.Event(), sources.change_of
    monkeypatch.setattr(sources, "change_of", lambda info: goes_on.wait() and real(info))
    monkeypatch.setattr(sources, "PROMPT_S", 0.0)
    other_shots(tmp_path / "shots.h5")
    session.training.start()
    session.training.start()  # pressed again: one training, one question
    assert "training begins then" in said[-1]
    session.labelling.toggle(0)
    assert session.labelling.is_decided()
    assert not begun
    assert not asked
    goes_on.set()
    until(lambda: asked)
    assert asked == ["training"]
    assert len(begun) == answer


def test_the_question_lets_labels_alone_leave_and_holds_back_a_training(
    qtbot, project, tmp_path, open_window
):
    other_shots(tmp_path / "shots.h5")
    window = open_window(project)
    for work, may in (("training", False), ("exporting labels", True)):
        dialog = SourcesDialog(window.session, window, work)
        qtbot.addWidget(dialog)
        assert dialog.go_on.isEnabled() is may
        assert {v for _, v in dialog.buttons} == {"take_over", "locate", "keep_labels"}
    go_on(qtbot, window, "keep_labels")
    assert SourcesDialog(window.session, window, "training").go_on.isEnabled()


def test_labels_are_not_kept_on_shots_that_are_not_there(project, tmp_path, open_window):
    other_shots(tmp_path / "shots.h5", n=7)
    window = open_window(project)
    ((_, change),) = window.session.sources.found
    assert "keep_labels" not in {c.verb for c in choices(change)}
    assert [c.verb for c in choices(replace(change, now=None))] == ["locate", "go_without"]


def test_a_slow_disk_holds_back_shots_and_labels_while_the_window_lives(
    qtbot, project, monkeypatch
):
    goes_on = threading.Event()
    real = sources.change_of
    monkeypatch.setattr(sources, "change_of", lambda info: goes_on.wait() and real(info))
    monkeypatch.setattr(sources, "AT_ONCE_S", 0.0)
    session = make_session(project)
    window = MainWindow(session)
    qtbot.addWidget(window)
    window.show()
    said = []
    session.noted.connect(lambda level, text: said.append(text))
    session.labelling.toggle(0)
    assert "still being compared" in said[-1]
    assert not session.labelling.is_decided()
    assert "being compared" in str(session.cursor.counts())
    assert not window.changed_files.isVisible()
    assert session.shots.feed.thumbnail(0) is None, "it is still to come, and no error"
    assert not session.shots.feed.reader.small
    goes_on.set()
    until(lambda: not session.sources.is_comparing)
    until(lambda: isinstance(session.cursor.counts(), np.ndarray))
    until(lambda: session.shots.feed.reader.small, "the list asks for its thumbnails")
    session.labelling.toggle(0)
    assert session.labelling.is_decided()
    window.close()
