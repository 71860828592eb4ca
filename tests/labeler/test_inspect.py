"""Inspect: all heatmaps of a shot, galleries of a class, and the way back to labelling."""

import numpy as np
import pytest
from making_runs import give_roles, make_project, make_run
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QImage, QPainter
from PyQt6.QtWidgets import QStyleOptionViewItem

from labeler.session import Session
from labeler.views import theme
from labeler.views.inspect import InspectView
from labeler.views.tiles import PLAIN, TILE, Tile, spoken
from labeler.window import MainWindow


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
        qtbot.waitUntil(lambda: isinstance(session.counts(), np.ndarray), timeout=20_000)
        session.auto_levels()
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


def test_without_labels_it_says_how_many_are_needed(shown):
    _, view = shown(run=False, labelled=False)
    assert "Label 10 more shots" in view.empty.text.text()
    assert not view.empty.button.isVisible()


def test_all_classes_of_the_shot_stand_side_by_side_without_scrolling(shown):
    session, view = shown()
    kinds = [tile.kind for tile in tiles(view.shot.tiles)]
    assert kinds == [PLAIN, *range(11)]
    assert view.shot.tiles.verticalScrollBar().maximum() == 0
    assert view.shot.tiles.delegate.side > 150
    assert view.shot.title.text() == "Shot 1 · labelled Spherical/Oblate, Round"
    session.show(2)
    assert {tile.row for tile in tiles(view.shot.tiles)} == {2}
    assert "Prolate, Streak" in view.shot.title.text()


def test_the_coarse_grid_is_said(shown):
    _, view = shown()
    assert "7 × 7 cells" in view.note.text()
    assert "run 1" in view.note.text()


def test_a_tile_is_the_pattern_dimmed_where_the_network_did_not_look(shown):
    session, view = shown()
    session.look(contours=False, strength=1.0)
    plain, hot = drawn(view.shot.tiles, 0), drawn(view.shot.tiles, 2)
    side = view.shot.tiles.delegate.side
    bright = np.array([(picture & 0xFF)[5 : side + 5, 5 : side + 5] for picture in (plain, hot)])
    heat = session.predictions.heatmap(0, 1, bright[0].shape)
    assert bright[1].mean() < bright[0].mean()
    seen = bright[0] > 40
    ratio = bright[1][seen] / bright[0][seen]
    assert np.corrcoef(ratio, heat[seen])[0, 1] > 0.9
    session.look(strength=0.0)
    same = drawn(view.shot.tiles, 2)[5 : side + 5, 5 : side + 5]
    assert np.abs((same & 0xFF).astype(int) - bright[0]).max() <= 1


def test_contours_can_be_switched(shown, qtbot):
    session, view = shown()
    assert view.contours.isChecked()
    with_lines = drawn(view.shot.tiles, 2)
    view.contours.setChecked(False)
    assert not session.overlay.contours
    assert (drawn(view.shot.tiles, 2) != with_lines).any()
    view.strength.setValue(30)
    assert session.overlay.strength == pytest.approx(0.3)


def test_a_click_on_a_class_puts_its_heatmap_on_the_pattern(shown, qtbot):
    session, view = shown()
    with qtbot.waitSignal(view.label_requested):
        view.shot.tiles.clicked.emit(view.shot.tiles.model().index(5, 0))
    assert session.heat_on
    assert session.heat_class == 4
    view.shot.tiles.clicked.emit(view.shot.tiles.model().index(5, 0))
    assert session.heat_on  # going there twice does not switch it off
    view.shot.tiles.clicked.emit(view.shot.tiles.model().index(0, 0))
    assert not session.heat_on


def test_the_gallery_begins_with_streak(shown):
    session, view = shown()
    view.show_gallery()
    assert view.gallery.classes.item(0).text() == "Streak"
    assert view.gallery.classes.item(1).text() == "Bent"
    streak = session.taxonomy.index("Streak")
    found = tiles(view.gallery.tiles)
    expected = session.predictions.gallery(streak, "certain", session.present, session.status)
    assert [tile.row for tile in found] == expected.tolist()
    assert {tile.kind for tile in found} == {streak}


def test_the_gallery_tells_hits_from_misses(shown):
    session, view = shown()
    view.show_gallery(session.taxonomy.index("Round"))
    for choice in ("unsure", "missed", "false", "labelled"):
        view.gallery.choose(view.gallery.kind, choice)
        expected = session.predictions.gallery(
            view.gallery.kind, choice, session.present, session.status
        )
        assert view.gallery.empty.isVisible() == (len(expected) == 0)
        if len(expected):
            assert [tile.row for tile in tiles(view.gallery.tiles)] == expected.tolist()
    assert view.gallery.buttons.button(4).text() == "As labelled 10"


def test_nothing_to_show_is_said(shown):
    session, view = shown()
    view.show_gallery(session.taxonomy.index("Bent"))
    view.gallery.choose(session.taxonomy.index("Bent"), "labelled")
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
    assert session.row == tile.row
    assert session.heat_class == tile.kind
    assert session.heat_on


def test_labels_made_elsewhere_change_the_gallery(shown):
    session, view = shown()
    empty = session.taxonomy.index("Empty")
    view.show_gallery(empty)
    view.gallery.choose(empty, "labelled")
    before = len(tiles(view.gallery.tiles))
    session.toggle(empty)
    assert len(tiles(view.gallery.tiles)) == before + 1


def test_shots_that_arrive_are_painted(shown, qtbot):
    session, view = shown()
    view.show_gallery()
    row = tiles(view.gallery.tiles)[-1].row
    place = len(tiles(view.gallery.tiles)) - 1
    drawn(view.gallery.tiles, place)  # asks for it
    qtbot.waitUntil(lambda: isinstance(session.counts(row), np.ndarray), timeout=20_000)
    assert len(np.unique(drawn(view.gallery.tiles, place))) > 50


def test_a_screen_reader_hears_shot_class_probability_and_label(shown):
    session, view = shown()
    said = spoken(session, Tile(0, session.taxonomy.index("Round")))
    assert said.startswith("shot 1, Round, model ")
    assert said.endswith("labelled")
    assert view.shot.tiles.model().index(0, 0).data() == "shot 1"


def test_another_run_changes_what_is_shown(shown):
    session, view = shown()
    session.use_run(None)
    assert view.empty.isVisible()
    session.use_run(1)
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
    assert session.row == tiles(view.gallery.tiles)[1].row
    window.close()
