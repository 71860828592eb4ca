"""Inspect: all heatmaps of a shot, galleries of a class, and the way back to labelling."""

import json
from itertools import pairwise
from typing import ClassVar

import h5py
import numpy as np
import pytest
from PyQt6.QtCore import QObject, Qt, pyqtSignal
from PyQt6.QtGui import QFontMetrics, QImage, QPainter
from PyQt6.QtWidgets import QStyleOptionViewItem

from labeler.session import heat
from labeler.session.session import Session
from labeler.window.inspect.tiles import GAP, PART, PLAIN, TILE, WORDS, Tile, spoken
from labeler.window.inspect.view import InspectView
from labeler.window.label.pattern.pattern import contours_of
from labeler.window.main_window import MainWindow
from labeler.window.quality.suspicious import SuspiciousPage
from labeler.window.widgets import theme
from labeler.window.widgets.fields import DETAIL
from model.heatmaps.truth_table import NO_MORE, TruthTable
from tests.helpers.runs import give_roles, make_project, make_run
from tests.helpers.waiting import serve_events


@pytest.fixture
def shown(qtbot, tmp_path, qapp):
    """Shows Inspect on a made-up project."""
    theme.apply(qapp, "dark")
    sessions = []

    def make(run=True, labelled=True, size=(1280, 690)):
        with make_project(tmp_path, labelled=labelled) as project:
            give_roles(project)
            if run:
                project.current_run = make_run(project, 0.7)
        session = Session()
        sessions.append(session)
        session.open(tmp_path / "week")
        view = InspectView(session)
        qtbot.addWidget(view)
        view.resize(*size)
        view.show()
        qtbot.waitUntil(lambda: isinstance(session.cursor.counts(), np.ndarray))
        session.display.auto_levels()
        return session, view

    yield make
    for session in sessions:
        session.close()


def tiles(view_list):
    """The tiles of a list in order."""
    return list(view_list.tiles.tiles)


def drawn(view_list, place=0):
    """A tile as it is painted."""
    model, delegate = view_list.model(), view_list.delegate
    option = QStyleOptionViewItem()
    option.rect.setSize(delegate.sizeHint(option, model.index(place, 0)))
    image = QImage(option.rect.size(), QImage.Format.Format_RGB32)
    image.fill(theme.colour("window"))
    painter = QPainter(image)
    delegate.paint(painter, option, model.index(place, 0))
    painter.end()
    data = image.constBits().asarray(image.sizeInBytes())
    return np.frombuffer(data, np.uint32).reshape(image.height(), -1).copy()


def test_empty_it_says_what_will_be_here_and_how_to_get_it(shown):
    _, view = shown(run=False)
    assert view.empty.isVisible()
    assert "No heatmaps yet" in view.empty.title.text()
    assert view.empty.button.text() == "Train a network"


def test_where_a_run_is_made_and_none_is_in_use_it_is_named_and_offered(shown):
    session, view = shown()
    session.predictions.use_run(None)
    assert view.empty.isVisible()
    assert "Run 1 has heatmaps, but is not in use." in view.empty.text.text()
    assert view.empty.button.text() == "Use it"
    view.empty.button.click()
    assert session.require().project.current_run == 1
    assert not view.empty.isVisible()


def test_without_labels_it_says_how_many_are_needed(shown):
    _, view = shown(run=False, labelled=False)
    assert "Label 10 more shots" in view.empty.text.text()
    assert not view.empty.button.isVisible()


def test_all_classes_of_the_shot_stand_side_by_side_without_scrolling(shown):
    session, view = shown()
    kinds = [tile.kind for tile in tiles(view.shot.tiles)]
    assert kinds == [PLAIN, *session.labels.taxonomy.order]
    assert view.shot.tiles.verticalScrollBar().maximum() == 0
    assert view.shot.tiles.delegate.side > 150
    assert view.shot.title.text() == "Shot 1 · labelled Spherical/Oblate, Round"
    session.cursor.show(2)
    assert {tile.row for tile in tiles(view.shot.tiles)} == {2}
    assert "Prolate, Streak" in view.shot.title.text()


def test_every_page_says_that_it_shows_the_run_by_itself(shown):
    _, view = shown()
    for tab in view.tabs.buttons():
        tab.click()
        assert view.note.isVisible()
        assert view.note.text().endswith(
            "Predictions and heat of run 1 by itself, without labels given since."
        )


def test_the_coarse_grid_is_said(shown):
    _, view = shown()
    assert "7 × 7 cells" in view.note.text()
    assert "run 1" in view.note.text()


def test_a_tile_is_the_pattern_dimmed_where_the_network_did_not_look(shown):
    session, view = shown()
    session.display.change(contours=False, strength=1.0)
    plain, hot = drawn(view.shot.tiles, 0), drawn(view.shot.tiles, 2)
    side = view.shot.tiles.delegate.side
    bright = np.array([(picture & 0xFF)[5 : side + 5, 5 : side + 5] for picture in (plain, hot)])
    hot_places = session.predictions.run.heatmap(0, 1, bright[0].shape)
    assert bright[1].mean() < bright[0].mean()
    seen = bright[0] > 40
    ratio = bright[1][seen] / bright[0][seen]
    assert np.corrcoef(ratio, hot_places[seen])[0, 1] > 0.9
    session.display.change(strength=0.0)
    same = drawn(view.shot.tiles, 2)[5 : side + 5, 5 : side + 5]
    assert np.abs((same & 0xFF).astype(int) - bright[0]).max() <= 1


def test_contours_can_be_switched(shown, qtbot):
    session, view = shown()
    assert view.contours.isChecked()
    with_lines = drawn(view.shot.tiles, 2)
    view.contours.setChecked(False)
    assert not session.display.overlay.contours
    assert (drawn(view.shot.tiles, 2) != with_lines).any()
    view.strength.setValue(30)
    assert session.display.overlay.strength == pytest.approx(0.3)


def test_a_click_on_a_class_puts_its_heatmap_on_the_pattern(shown, qtbot):
    session, view = shown()
    with qtbot.waitSignal(view.label_requested):
        view.shot.tiles.clicked.emit(view.shot.tiles.model().index(5, 0))
    assert session.heat.on
    assert session.labels.taxonomy.names[session.heat.class_index] == "Prolate"
    view.shot.tiles.clicked.emit(view.shot.tiles.model().index(5, 0))
    assert session.heat.on  # going there twice does not switch it off
    view.shot.tiles.clicked.emit(view.shot.tiles.model().index(0, 0))
    assert not session.heat.on


def test_the_gallery_begins_with_streak(shown):
    session, view = shown()
    view.show_gallery()
    assert view.gallery.classes.currentItem().text() == "Streak"
    streak = session.labels.taxonomy.index("Streak")
    found = tiles(view.gallery.tiles)
    expected = session.predictions.run.gallery(
        streak, "hits", session.labels.present, session.labels.status
    )
    assert [tile.row for tile in found] == expected.tolist()
    assert {tile.kind for tile in found} == {streak}


def test_the_gallery_tells_hits_from_misses(shown):
    session, view = shown()
    view.show_gallery(session.labels.taxonomy.index("Round"))
    for choice in ("certain", "unsure", "missed", "false", "labelled", "hits"):
        view.gallery.choose(view.gallery.kind, choice)
        expected = session.predictions.run.gallery(
            view.gallery.kind, choice, session.labels.present, session.labels.status
        )
        assert view.gallery.empty.isVisible() == (len(expected) == 0)
        if len(expected):
            assert [tile.row for tile in tiles(view.gallery.tiles)] == expected.tolist()
    assert view.gallery.buttons.button(5).text() == "As labelled 10"


def test_nothing_to_show_is_said(shown):
    session, view = shown()
    view.show_gallery(session.labels.taxonomy.index("Bent"))
    view.gallery.choose(session.labels.taxonomy.index("Bent"), "labelled")
    assert view.gallery.empty.isVisible()
    assert view.gallery.empty.title.text() == "No shot is labelled Bent yet"


def test_a_shot_of_the_gallery_becomes_the_current_one(shown, qtbot):
    session, view = shown()
    view.show_gallery()
    index = view.gallery.tiles.model().index(3, 0)
    tile = index.data(TILE)
    view.gallery.tiles.setCurrentIndex(index)
    with qtbot.waitSignal(view.label_requested):
        qtbot.keyClick(view.gallery.tiles, Qt.Key.Key_Return)
    assert session.cursor.row == tile.row
    assert session.heat.class_index == tile.kind
    assert session.heat.on


def test_labels_made_elsewhere_change_the_gallery(shown):
    session, view = shown()
    empty = session.labels.taxonomy.index("Empty")
    view.show_gallery(empty)
    view.gallery.choose(empty, "labelled")
    before = len(tiles(view.gallery.tiles))
    session.labelling.toggle(empty)
    assert len(tiles(view.gallery.tiles)) == before + 1


def test_shots_that_arrive_are_painted(shown, qtbot):
    session, view = shown()
    view.show_gallery()
    row = tiles(view.gallery.tiles)[-1].row
    place = len(tiles(view.gallery.tiles)) - 1
    drawn(view.gallery.tiles, place)  # asks for it
    qtbot.waitUntil(lambda: isinstance(session.shots.counts(row), np.ndarray))
    assert len(np.unique(drawn(view.gallery.tiles, place))) > 50


def test_a_screen_reader_hears_shot_class_probability_and_label(shown):
    session, view = shown()
    said = spoken(session, Tile(0, session.labels.taxonomy.index("Round")))
    assert said.startswith("shot 1, Round, model ")
    assert said.endswith("labelled")
    assert view.shot.tiles.model().index(0, 0).data() == "shot 1"


def test_another_run_changes_what_is_shown(shown):
    session, view = shown()
    session.predictions.use_run(None)
    assert view.empty.isVisible()
    session.predictions.use_run(1)
    assert not view.empty.isVisible()


def test_in_the_window_a_chosen_shot_is_shown_in_label(qtbot, qapp, tmp_path):
    with make_project(tmp_path) as project:
        project.current_run = make_run(project, 0.7)
    theme.apply(qapp, "dark")
    session = Session()
    session.open(tmp_path / "week")
    window = MainWindow(session)
    qtbot.addWidget(window)
    window.show()
    window.show_tab("Inspect")
    view = window.views["Inspect"]
    view.show_gallery()
    view.gallery.tiles.clicked.emit(view.gallery.tiles.model().index(1, 0))
    assert window.tab == "Label"
    assert session.cursor.row == tiles(view.gallery.tiles)[1].row
    window.close()


class ToldJob(QObject):
    """A job that ends when the test says so, with what the test makes it say."""

    event_received = pyqtSignal(dict)
    finished = pyqtSignal(bool, str)
    made: ClassVar[list] = []

    def __init__(self, arguments, stderr, parent):
        super().__init__(parent)
        self.arguments, self.last_event = arguments, {}
        self.made.append(self)

    def start(self):
        """Nothing happens yet."""

    def stop(self, patience=0.0):
        """It was not wanted any more."""

    def end(self, **what):
        self.last_event = {"event": "finished", **what}
        self.finished.emit(True, "")


def keep_second_form(session):
    """Let the run in use have kept another form of heat."""
    with h5py.File(session.predictions.run.path, "a") as file:
        file["heatmaps_chattopadhay"] = 1 - file["heatmaps"][()]
        file["heatmap_scale_chattopadhay"] = np.ones(file["heatmaps"].shape[:2], np.float32)
    session.predictions.use_run(1)


def test_the_other_form_is_shown_where_the_run_kept_it(shown, tmp_path):
    session, view = shown()
    assert not view.form.isEnabled()
    assert "predict again" in view.note.text()
    keep_second_form(session)
    assert view.form.isEnabled()
    before = drawn(view.shot.tiles, 2)
    session.display.change(form="chattopadhay")
    assert view.form.currentText() == "Grad-CAM++, Chattopadhay's form"
    assert (drawn(view.shot.tiles, 2) != before).any()
    session.heat.show(1)
    expected = session.predictions.run.heatmap(0, 1, (64, 64), "chattopadhay")
    np.testing.assert_array_equal(session.heat.on_pattern((64, 64)), expected)


def test_two_forms_stand_side_by_side_for_what_the_network_sees(shown):
    session, view = shown()
    view.shot.other = view.gallery.other = "chattopadhay"
    view.refresh()
    shown_tiles = tiles(view.shot.tiles)
    assert shown_tiles[-1].kind == PLAIN
    likely = session.predictions.run.probabilities[0].argmax()
    assert [(t.kind, t.form) for t in shown_tiles[:2]] == [
        (likely, "paper"), (likely, "chattopadhay"),
    ]  # fmt: skip
    view.shot.other = "paper"  # the form that is shown already
    view.refresh()
    assert tiles(view.shot.tiles)[1].kind != likely
    view.show_gallery()
    forms = [tile.form for tile in tiles(view.gallery.tiles)[:2]]
    assert forms == ["paper", "chattopadhay"]
    assert len(view.gallery.rows) == len(tiles(view.gallery.tiles)) / 2


def test_pairs_of_forms_stay_together_and_no_picture_comes_twice(shown):
    _, view = shown()
    view.show_gallery()
    view.gallery.other = "chattopadhay"
    for width in (1280, 1400, 1500):
        view.resize(width, 690)
        view.refresh()
        side = view.gallery.tiles.delegate.side + GAP
        assert view.gallery.tiles.room().width() // side % 2 == 0
    view.gallery.other = "paper"
    view.refresh()
    found = tiles(view.gallery.tiles)
    assert len({tile.row for tile in found}) == len(found)


@pytest.mark.parametrize("size", [(1280, 690), (1000, 690), (1500, 500), (800, 900)])
def test_pairs_of_forms_stand_side_by_side_on_the_page_of_a_shot(shown, size, qtbot):
    session, view = shown(size=size)
    view.shot.other = "chattopadhay"
    for row in (0, 2, 3):
        session.cursor.show(row)
        view.refresh()
        found, tile_list = tiles(view.shot.tiles), view.shot.tiles
        pairs = [place for place in range(0, len(found) - 1, 2) if found[place].kind != PLAIN]
        assert len(pairs) >= 2

        def tops(place, tile_list=tile_list):
            index = tile_list.model().index
            return {tile_list.visualRect(index(at, 0)).top() for at in (place, place + 1)}

        qtbot.waitUntil(lambda: all(len(tops(place)) == 1 for place in pairs))  # noqa: B023


def test_two_forms_side_by_side_still_say_where_the_run_is_wrong(shown):
    session, view = shown()
    streak = session.labels.taxonomy.index("Streak")
    run, words = session.predictions.of_run, view.shot.tiles.delegate.words
    run.probabilities[:, streak] = 0.4
    hit = Tile(2, streak, form="paper")  # labelled Prolate, Streak
    for tile, predicted, word in ((Tile(0, streak, form="paper"), True, "false alarm"),
                                  (hit, False, "missed")):  # fmt: skip
        run.decided[:, streak] = predicted
        assert words(tile) == (f"{word} · Grad-CAM++", True)
    run.decided[:, streak] = True
    assert words(hit) == ("Grad-CAM++", False)
    session.heat.truth = TruthTable({"unseen": [f"Streak: {NO_MORE}"]})
    assert words(hit)[0] == "Grad-CAM++ · only the shot"


class AskedChild:
    """Only hears what it is asked."""

    made: ClassVar[list] = []
    is_busy = True

    def __init__(self, ground, on_answer):
        self.asked = []
        self.made.append(self)

    def ask(self, wish):
        self.asked.append(wish)

    def close(self):
        """Nothing to end."""


def test_heat_of_the_first_tiles_is_computed_first(shown, monkeypatch, qtbot):
    monkeypatch.setattr(heat, "HeatChild", AskedChild)
    session, view = shown()
    (session.predictions.run.path.parent / "model.safetensors").write_bytes(b"")
    session.display.change(form="directions")
    view.show_gallery()
    rows = view.gallery.rows
    view.gallery.tiles.grab()
    asked = [wish.row for wish in AskedChild.made[-1].asked]
    in_turn = list(dict.fromkeys(reversed(asked)))  # the newest wish is answered first
    assert len(in_turn) > 3
    assert in_turn[:4] == rows[:4]


def test_the_rule_check_has_no_controls_of_pictures_and_says_what_is_not_there(shown):
    session, view = shown()
    controls = (view.other, view.contours, view.strength)
    assert all(control.isVisible() for control in controls)
    view.tabs.button(2).click()
    assert not any(control.isVisible() for control in controls)
    assert view.note.text().startswith("Predictions and heat of run 1")
    assert not view.claims.faith.isVisible()
    assert "Not measured yet" in view.claims.no_faith.text()
    assert not view.claims.rules.isColumnHidden(2)
    session.predictions.of_run.by_rules = True  # it learnt the rules
    view.refresh()
    assert view.claims.rules.isColumnHidden(2)
    assert "thresholded separately" not in view.claims.title.text()
    view.show_shot_page()
    assert all(control.isVisible() for control in controls)


def test_each_form_in_the_list_tells_what_it_asks_and_how_well_it_did(shown):
    session, view = shown()
    scores = {"paper": {"mean": 3.2, "share": 0.71}}
    question = {"axis": {"cases": 30, "scores": scores}}
    session.heat.truth = TruthTable(
        {"classes": {"Streak": question}, "best": {"Streak": "paper"}, "forms": ["paper"]}
    )
    view.show_gallery(session.labels.taxonomy.index("Streak"))
    for field, place in ((view.form, 0), (view.form, 1), (view.other, 1)):
        words = field.itemData(place, DETAIL)
        assert words.startswith("Which of the last, coarse cells speak for the class?")
        assert "of Streak, 71 % of this heat lies near the ridge" in words
    row = view.form.view().sizeHintForRow(1)
    assert row > 2 * view.form.fontMetrics().height()


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (None, "and each sees more than its own place: it"),
        (1.0, "and each sees the whole shot: it"),
        (0.85, "and each sees .85 of the shot's width: it"),
    ],
)
def test_the_note_says_how_far_the_cells_of_grad_cam_see(shown, seen, says):
    session, view = shown()
    session.predictions.of_run.seen_by_a_cell = seen
    session.display.change(form="paper")
    view.refresh()
    assert says in view.note.text()


def test_a_run_that_was_not_tested_says_that_no_best_form_is_known(shown):
    session, view = shown()
    (session.predictions.run.path.parent / "model.safetensors").write_bytes(b"")
    session.display.change(form="")
    assert not session.heat.truth.found
    view.refresh()
    assert "Rule check → Test on simulated shots finds out" in view.note.text()
    session.display.change(form="paper")
    view.refresh()
    assert "finds out" not in view.note.text()


def test_the_note_speaks_of_both_forms_that_stand_side_by_side(shown):
    session, view = shown()
    keep_second_form(session)
    assert "Beside it" not in view.note.text()
    view.other.activated.emit(view.other.findData("chattopadhay"))
    assert "Grad-CAM++, the paper's form: Which" in view.note.text()
    assert "Beside it: Grad-CAM++, Chattopadhay's form: The same" in view.note.text()


def test_the_note_speaks_of_the_class_that_is_chosen(shown):
    session, view = shown()
    names = session.labels.taxonomy.names
    for row in (0, 2, 3):
        session.cursor.show(row)
        likeliest = names[session.predictions.of_run.probabilities[row].argmax()]
        assert view.shot.kinds.currentText() == likeliest
        assert view.note.text().startswith(f"{likeliest}: ")
    view.show_gallery()
    view.gallery.choose(names.index("Round"))
    assert view.note.text().startswith("Round: ")
    view.show_shot_page()
    assert view.note.text().startswith(f"{likeliest}: ")
    session.predictions.of_run.readable[session.cursor.row] = False
    view.refresh()
    assert view.note.text() == f"{likeliest}: The network could not read this shot."


def test_a_class_is_held_against_another_one(shown, qtbot):
    session, view = shown()
    view.shot.kinds.setCurrentText("Bent")
    view.shot.rivals.setCurrentText("not Streak")
    view.refresh()
    last = tiles(view.shot.tiles)[-1]
    bent, streak = (session.labels.taxonomy.index(name) for name in ("Bent", "Streak"))
    assert (last.kind, last.against) == (bent, streak)
    place = len(tiles(view.shot.tiles)) - 1
    with qtbot.waitSignal(view.label_requested):
        view.shot.tiles.clicked.emit(view.shot.tiles.model().index(place, 0))
    assert (session.heat.class_index, session.heat.against) == (bent, streak)
    view.shot.rivals.setCurrentText("not Bent")
    view.refresh()
    assert tiles(view.shot.tiles)[-1].against is None


def test_contours_keep_off_what_is_masked():
    y, x = np.mgrid[:64, :64]
    hot = np.exp(-((y - 32) ** 2 + (x - 60) ** 2) / 300).astype(np.float32)
    good = np.hypot(y - 31.5, x - 31.5) < 25
    good[32, 20] = False  # a single bad pixel cuts nothing
    everywhere = [path.boundingRect().right() for _, path in contours_of(hot)]
    kept = [path.boundingRect().right() for _, path in contours_of(hot, good)]
    assert max(everywhere) > 0.95
    assert max(kept) < 0.92


def test_occlusion_stands_beside_the_heat_once_it_is_there(shown):
    session, view = shown()
    view.short_job.make_job = ToldJob
    view.shot.kinds.setCurrentText("Round")
    view.shot.check.click()
    job = ToldJob.made[-1]
    assert job.arguments[0] == "occlusion"
    assert job.arguments[-3:] == ["1", "--class", "Round"]
    assert not view.shot.check.isEnabled()
    job.end(cells=np.eye(8).tolist())
    assert tiles(view.shot.tiles)[-1] == Tile(0, 1, covered=True)
    assert len(np.unique(drawn(view.shot.tiles, 12))) > 20
    session.cursor.show(1)
    assert len(tiles(view.shot.tiles)) == 12


def test_a_broken_rule_opens_the_shots_that_break_it(shown, qtbot):
    session, view = shown()
    view.tabs.button(2).click()
    broken = session.predictions.run.broken()
    hard = session.labels.taxonomy.hard
    assert view.claims.title.text().startswith(f"{(broken & hard).any(1).sum()} of 40 predictions")
    rows, text = view.claims._lines[0]
    rule = [r.text for r in session.labels.taxonomy.rules].index(text)
    np.testing.assert_array_equal(rows, np.flatnonzero(broken[:, rule]))
    with qtbot.waitSignal(view.label_requested):
        view.claims.rules.opened.emit(0)
    np.testing.assert_array_equal(session.queue.rows, rows)


def test_measured_faithfulness_is_shown_for_its_class(shown):
    session, view = shown()
    view.tabs.button(2).click()
    view.short_job.make_job = ToldJob
    view.claims.measure.click()
    assert ToldJob.made[-1].arguments[0] == "faithfulness"
    assert forms_of(ToldJob.made[-1].arguments) == ["best"]
    numbers = {"gap": 0.17, "low": 0.11, "high": 0.21}
    found = {
        "shots": 8, "heat": numbers, "occlusion": None, "on_masked": 0.1, "outside": 0.3,
        "alarm": True,
    }  # fmt: skip
    folder = session.opened.project.run_folder(1)
    fine = found | {"form": "directions"}  # which is not the one on screen
    report = {"form": "paper", "classes": {"streak": found, "Bent": fine}}
    (folder / "faithfulness.json").write_text(json.dumps(report))
    ToldJob.made[-1].end(classes={})
    (line,) = view.claims.faith.lines.lines
    assert line[:5] == ("Streak", "Grad-CAM++", "8", "+.17", "+.11 … +.21")
    view.show_gallery(session.labels.taxonomy.index("Streak"))
    assert "Heat (Grad-CAM++) tells more than chance" in view.gallery.faith.text()
    assert "40 % of it lies off the detector" in view.gallery.faith.text()
    view.show_gallery(session.labels.taxonomy.index("Bent"))
    assert view.gallery.faith.text() == "Faithfulness of this heat (Grad-CAM++) not measured yet."
    view.show_gallery(session.labels.taxonomy.index("Empty"))
    assert view.gallery.faith.text().startswith("Empty is the lack of every feature")
    assert view.note.text().startswith("Empty: Empty is the lack of every feature")


def test_a_run_whose_classes_the_simulator_does_not_know_is_sent_to_no_test(shown, monkeypatch):
    session, view = shown()
    (session.predictions.run_folder / "model.safetensors").write_bytes(b"")  # more forms to choose
    monkeypatch.setattr("labeler.session.heat.TESTED", ("streak",))
    view.refresh()
    assert "Test on simulated shots finds out" in view.note.text()
    session.predictions.of_run.known[session.labels.taxonomy.index("Streak")] = False
    view.refresh()
    assert "cannot be tested: the simulator knows no cause of its classes" in view.note.text()
    assert "finds out" not in view.note.text()
    view.tabs.button(2).click()
    assert not view.claims.place.isEnabled()
    assert "knows no place" in view.claims.place.toolTip()


def test_a_class_that_the_run_never_learnt_is_neither_missed_nor_improbable(shown):
    session, view = shown()
    kind = session.labels.taxonomy.index("Round")
    session.predictions.of_run.known[kind] = False
    session.predictions.of_run.probabilities[:, kind] = 0
    session.predictions.of_run.decided[:, kind] = False
    view.show_shot_page()
    place = [tile.kind for tile in tiles(view.shot.tiles)].index(kind)
    assert view.shot.tiles.delegate.words(tiles(view.shot.tiles)[place])[0].endswith("never learnt")
    assert "model" not in spoken(session, Tile(0, kind))
    assert "model" in spoken(session, Tile(0, kind + 1))
    view.show_gallery(kind)
    for place in (0, 1, 2, 3, 4):
        view.gallery.buttons.button(place).click()
        assert view.gallery.rows == []
        assert view.gallery.empty.title.text() == "The network never learnt Round."
    assert view.gallery.buttons.button(2).text() == "Missed"
    assert view.gallery.faith.text() == "The network never learnt Round."
    assert view.note.text().startswith("Round: The network never learnt Round.")
    view.gallery.buttons.button(5).click()
    assert view.gallery.rows, "what people said is there"
    words, wrong = view.gallery.tiles.delegate.words(tiles(view.gallery.tiles)[0])
    assert (words, wrong) == ("labelled · never learnt", False)


def forms_of(arguments):
    return [word for before, word in pairwise(arguments) if before == "--form"]


def test_the_figure_button_draws_what_the_gallery_shows(shown, tmp_path):
    session, view = shown()
    view.show_gallery(session.labels.taxonomy.index("Round"))
    view.short_job.make_job = ToldJob
    view.save.draw(tmp_path / "round.pdf")
    arguments = ToldJob.made[-1].arguments
    wanted = ",".join(str(row + 1) for row in view.gallery.rows[:5])
    assert arguments[arguments.index("--shots") + 1] == wanted
    assert forms_of(arguments) == ["best"]  # another one where that finds nothing, as on screen
    said = []
    session.noted.connect(lambda level, text: said.append(text))
    ToldJob.made[-1].end(out="x")
    assert "round.pdf" in said[-1]
    session.display.change(form="paper")
    view.gallery.other = "chattopadhay"
    view.save.draw(tmp_path / "round.pdf")
    assert forms_of(ToldJob.made[-1].arguments) == ["paper", "chattopadhay"]


def test_suspicious_labels_become_a_queue_with_reasons(shown, qtbot):
    session, _ = shown()
    page = SuspiciousPage(session)
    qtbot.addWidget(page)
    page.resize(1000, 600)
    page.show()
    assert "Add a file of shots: 60 are needed" in page.empty.text.text()
    page.short_job.make_job = ToldJob
    page.search()
    suspects = [
        {"shot": n, "quality": 0.01 * n, "class": "Round", "labels": ["Round"],
         "suggested": ["Streak"], "reason": "labelled Round: its 8 nearest are all Streak"}
        for n in (7, 3)
    ]  # fmt: skip
    ToldJob.made[-1].end(suspects=suspects, text="2 of 40 labelled shots are suspicious.")
    assert [line[0] for line in page.table.lines.lines] == ["7", "3"]
    said = []
    session.noted.connect(lambda level, text: said.append(text))
    with qtbot.waitSignal(page.label_requested):
        page.table.opened.emit(1)
    assert session.queue.rows.tolist() == [6, 2]
    assert session.cursor.row == 2
    assert said == ["Shot 3 labelled Round: its 8 nearest are all Streak."]
    session.labelling.toggle(session.labels.taxonomy.index("Bent"))
    assert [line[0] for line in page.table.lines.lines] == ["7"]
    assert "1 of them you have relabelled" in page.said.text()


def test_the_reason_of_a_suspicious_label_has_most_of_the_room(shown, qtbot):
    session, _ = shown()
    page = SuspiciousPage(session)
    qtbot.addWidget(page)
    page.resize(1030, 600)
    page.show()
    page.short_job.make_job = ToldJob
    page.search()
    held = ["Spherical/Oblate", "Elliptical", "Asymmetric", "Newton Rings", "Double Rings"]
    found = {"shot": 7, "quality": 0.01, "labels": held, "suggested": held, "reason": "because"}
    ToldJob.made[-1].end(suspects=[found], text="1 of 40 labelled shots is suspicious.")
    labels = page.table.lines.lines[0][2]
    assert set(labels.split(", ")) == {*held} - {"Spherical/Oblate"}
    widths = [page.table.columnWidth(k) for k in range(5)]
    assert widths[4] > max(widths[2:4])
    assert page.table.lines.data(page.table.lines.index(0, 2)) == labels  # and in its tooltip


@pytest.mark.parametrize("height", [600, 618, 636, 700])
def test_all_classes_of_a_shot_never_scroll_with_one_form_or_two(shown, height):
    session, view = shown(size=(1280, height))
    keep_second_form(session)
    for form in ("chattopadhay", "best", "chattopadhay"):
        view.other.activated.emit(max(view.other.findData(form), 0))
        serve_events()
        assert view.shot.tiles.verticalScrollBar().maximum() == 0


def test_words_below_pairs_take_the_room_that_pictures_leave(shown):
    session, view = shown(size=(1280, 700))
    keep_second_form(session)
    session.predictions.of_run.probabilities[0, 2:] = 0  # few pairs: the height is what is short
    view.other.activated.emit(view.other.findData("chattopadhay"))
    serve_events()
    found = view.shot.tiles
    places = [found.visualRect(found.model().index(k, 0)) for k in range(len(tiles(found)))]
    columns = sum(place.top() == places[0].top() for place in places)
    assert places[0].width() - GAP == min(WORDS, found.room().width() // columns - GAP)
    assert places[0].width() - GAP > found.delegate.side + 50


@pytest.mark.parametrize("size", [(1280, 700), (1920, 980)])
@pytest.mark.parametrize("other", ["", "chattopadhay"])
def test_words_below_a_tile_are_never_cut_where_two_lines_hold_them(shown, size, other):
    session, view = shown(size=size)
    keep_second_form(session)
    unseen = [f"{name}: {NO_MORE}" for name in session.labels.taxonomy.names]
    session.heat.truth = TruthTable({"unseen": unseen})
    session.predictions.of_run.decided[:] = True
    session.predictions.of_run.probabilities[:] = 0.4
    view.other.activated.emit(max(view.other.findData(other), 0))
    serve_events()
    for found in (view.shot.tiles, view.gallery.tiles):
        if found is view.gallery.tiles:
            view.show_gallery()
            serve_events()
        metrics, delegate = (
            QFontMetrics(theme.font(found.font().pointSizeF() * 0.92)),
            found.delegate,
        )
        for place, tile in enumerate(tiles(found)):
            if tile.kind != PLAIN:
                text, width = (
                    delegate.words(tile)[0],
                    found.visualRect(found.model().index(place, 0)).width() - GAP,
                )
                assert "only the shot" in text or "no heat" in text
                lines = delegate._lines(text, metrics, width - 2, width - 2)
                assert PART.join(lines).replace("…", "") == text, (found.delegate.side, width)
        assert found.verticalScrollBar().maximum() == 0 or found is view.gallery.tiles
