"""Files of one class each: from the command line, in the window, and through a training."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QWidget

from labeler.cli import main
from labeler.project.project import Project
from labeler.window.dialogs.new_project import BY_FILES, NewProject
from labeler.window.main_window import MainWindow
from labeler.window.widgets import theme
from tests.helpers.commands import call
from tests.helpers.shots import make_file, write_cxi
from tests.helpers.window_parts import make_session

pytestmark = pytest.mark.usefixtures("narrow_network", "without_openvino")


@pytest.fixture
def files(tmp_path):
    """Five shots of nanorice and four of T4."""
    return [write_cxi(tmp_path / "nanorice.cxi", 0, 5), write_cxi(tmp_path / "t4.cxi", 1, 4)]


@pytest.fixture
def reference(files, tmp_path):
    """The project of these files."""
    words = ["create", tmp_path / "reference", *files, "--one-class-per-file"]
    assert main([str(w) for w in words]) == 0
    return tmp_path / "reference"


def test_each_file_becomes_an_annotator_of_its_own_with_its_class(reference, capsys):
    _, said = call(capsys, "info", reference, "--json")
    found = json.loads(said.out)
    assert found["classes"] == ["Nanorice", "Magnetosomes", "TMV", "T4", "PBCV-1"]
    assert found["labels"]["imported"] == {
        "Nanorice": 5, "Magnetosomes": 0, "TMV": 0, "T4": 4, "PBCV-1": 0,
    }  # fmt: skip
    people = [a["name"] for a in found["annotators"] if a["kind"] == "import"]
    assert people == ["labels of nanorice.cxi", "labels of t4.cxi"]
    assert not [v for v in found["violations"] if v["shots"]]


def test_classes_may_be_named_and_then_make_the_projects_own_taxonomy(files, tmp_path, capsys):
    words = ["create", tmp_path / "own", *files, "--names", "rice", "phage", "--json"]
    status, said = call(capsys, *words)
    assert status == 0, said.err
    assert json.loads(said.out)["classes"] == ["rice", "phage"]
    with Project.open(tmp_path / "own") as project:
        assert project.taxonomy.exclusive
    status, said = call(capsys, *words[:1], tmp_path / "no", *words[2:], "--without-labels")
    assert status == 1
    assert "--without-labels" in said.err
    assert not (tmp_path / "no").exists()


def test_picking_a_class_in_the_window_replaces_the_other(reference, qapp):
    theme.apply(qapp, "dark")
    session = make_session(reference)
    session.labelling.auto_advance = False
    window = MainWindow(session)
    window.show()
    QTest.qWaitForWindowActive(window)

    def names():
        return {
            session.labels.taxonomy.names[c]
            for c in np.flatnonzero(session.labelling.shown_labels())
        }

    def press(key):
        QTest.keyClick(window.focusWidget() or window, key)

    try:
        assert names() == {"Nanorice"}
        for key, name in ((Qt.Key.Key_3, "TMV"), (Qt.Key.Key_5, "PBCV-1"), (Qt.Key.Key_1, None)):
            press(key)
            assert names() == {name or "Nanorice"}
            assert session.labelling.is_decided()
            assert session.labelling.offered_fix() is None
        session.labelling.undo()
        assert names() == {"PBCV-1"}
    finally:
        window.close()
        window.deleteLater()


def test_the_dialog_makes_a_project_of_one_class_a_file(files, qtbot, tmp_path):
    parent = QWidget()
    qtbot.addWidget(parent)
    assert NewProject(files[:1], parent).one_each.parent() is None
    dialog = NewProject(files, parent)
    dialog.place.setText(str(tmp_path / "made"))
    dialog.one_each.setChecked(True)
    assert dialog.taxonomy.currentText() == BY_FILES
    dialog.one_each.setChecked(False)
    assert dialog.taxonomy.currentText() == "helium"
    dialog.one_each.setChecked(True)
    with qtbot.waitSignal(dialog.accepted):
        dialog.start()
    with Project.open(tmp_path / "made") as project:
        assert project.taxonomy.names[0] == "Nanorice"
        assert project.merged_state().labelled.all()


def test_several_files_of_one_class_each_are_judged_and_trained_on(files, tmp_path, capsys):
    more = [write_cxi(tmp_path / "tmv.cxi", 2, 9)]
    status, said = call(capsys, "baselines", *files, *more, "--one-class-per-file", "--training",
                        9, "--only", "constant", "svm", "--json")  # fmt: skip
    assert status == 0, said.err
    found = json.loads(said.out)
    assert (found["training"], found["evaluation"]) == (9, 9)
    assert found["constant_labels"] == ["TMV"]
    assert found["results"]["svm"]["contradiction_rate"] == 0
    status, said = call(capsys, "train", *files, *more)
    assert status == 1
    assert "labelled shots are too few" in said.err


def test_a_project_goes_with_nothing_else(reference, files, capsys):
    status, said = call(capsys, "baselines", reference, files[0])
    assert status == 1
    assert "cannot go with others" in said.err
    status, said = call(capsys, "train", files[0], reference)
    assert status == 1
    assert "Name one project" in said.err


def test_baselines_are_printed_as_a_table(tmp_path, capsys):
    path = make_file(tmp_path / "shots.h5", 36)
    status, said = call(capsys, "baselines", path, "--training", 24, "--only", "prevalence",
                        "constant")  # fmt: skip
    assert status == 0, said.err
    assert "24 shots to train, 12 to judge" in said.out
    assert "each class at its frequency" in said.out
    assert "The constant is " in said.out
    status, said = call(capsys, "baselines", path, "--only", "svn")
    assert status == 1
    assert "svm" in said.err
