"""The map: dots where they belong, a lasso to the pixel, one key for all selected, clusters."""

import time

import numpy as np
import pytest
from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtGui import QColor
from PyQt6.QtTest import QTest

from labeler.active import map as map_file
from labeler.active.map import ShotMap
from labeler.project.store.records import FLAGGED, LABELLED
from labeler.window.map import colours as map_colours
from labeler.window.map import dots as map_dots
from labeler.window.map.canvas import MapCanvas
from labeler.window.map.view import MapView
from labeler.window.widgets import theme
from labeler.window.widgets.parts import image_of
from tests.helpers.embeddings import CHOICES, project_with_embeddings
from tests.helpers.window_parts import make_project, make_session

N = 12


@pytest.fixture
def canvas(qtbot):
    canvas = MapCanvas()
    qtbot.addWidget(canvas)
    canvas.resize(400, 400)
    y, x = np.mgrid[-1:1:11j, -1:1:11j]
    canvas.show_map(map_file.plain(np.stack([x.ravel(), y.ravel()], 1).astype(np.float32)))
    canvas.show()
    return canvas


@pytest.fixture
def view(qtbot, tmp_path):
    """The map of twelve shots in two clusters, laid out before."""
    session = make_session(make_project(tmp_path, N))
    rng = np.random.default_rng(0)
    places = rng.normal(scale=0.05, size=(N, 2)).astype(np.float32)
    places[:6] += 0.6
    places[-1] = np.nan
    ring = np.array([[0.4, 0.4], [0.8, 0.4], [0.8, 0.8], [0.4, 0.4]], np.float32)
    cluster = np.array([0] * 6 + [1] * 5 + [-1], np.int16)
    made = ShotMap(places, cluster, (np.arange(3), np.arange(6, 9)), ((0, ring),))
    path = map_file.path_of(session.opened.folder, session.learning.stands_on())
    map_file.save(path, made)
    view = MapView(session)
    qtbot.addWidget(view)
    view.resize(1000, 700)
    view.show()
    yield view
    session.close()


def test_dots_are_drawn_where_they_are_and_not_beyond_the_edge():
    pixels = map_dots.blank(40, 30, QColor("black"))
    red = np.array([0xFFFF0000] * 4, np.uint32)
    map_dots.draw(pixels, np.array([10, 39, -90, 20]), np.array([5, 29, 4, 900]), red, 2.0)
    assert pixels[5, 10] == 0xFFFF0000
    assert pixels[29, 39] == 0xFFFF0000
    assert (pixels != 0xFF000000).sum() == pytest.approx(13 + 4 + 8, abs=8)
    assert image_of(pixels).pixelColor(10, 5) == QColor("red")


def test_a_hundred_thousand_dots_take_milliseconds():
    rng = np.random.default_rng(0)
    pixels = map_dots.blank(1600, 900, QColor("black"))
    x, y = rng.uniform(0, 1600, 100_000), rng.uniform(0, 900, 100_000)
    ink = np.full(100_000, 0xFF00FF00, np.uint32)
    begun = time.process_time()
    map_dots.draw(pixels, x, y, ink, 1.5)
    assert time.process_time() - begun < 0.25


def test_arrows_go_to_the_nearest_dot_that_way_and_keys_select_open_and_zoom(canvas, qtbot):
    opened = []
    canvas.clicked.connect(opened.append)
    canvas.current = 60  # in the middle of 11 x 11
    canvas.setFocus()
    steps = ((Qt.Key.Key_Right, 60), (Qt.Key.Key_Right, 61), (Qt.Key.Key_Up, 72),
             (Qt.Key.Key_Left, 71), (Qt.Key.Key_Down, 60))  # fmt: skip
    for key, row in steps:
        QTest.keyClick(canvas, key)
        assert canvas.under == row
    QTest.keyClick(canvas, Qt.Key.Key_Space)
    assert canvas.rows.tolist() == [60]
    QTest.keyClick(canvas, Qt.Key.Key_Space)
    assert canvas.rows.tolist() == []
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    assert opened == [60]
    whole = canvas.spots()[0]
    QTest.keyClick(canvas, Qt.Key.Key_Plus)
    assert np.ptp(canvas.spots()[0]) == pytest.approx(1.25 * np.ptp(whole), rel=1e-5)
    for _ in range(8):
        QTest.keyClick(canvas, Qt.Key.Key_Plus)
    QTest.keyClick(canvas, Qt.Key.Key_Right)
    assert canvas.rect().contains(canvas.spot(canvas.under).toPoint()), "it comes into sight"
    QTest.keyClick(canvas, Qt.Key.Key_Minus)
    QTest.keyClick(canvas, Qt.Key.Key_Backspace)
    assert np.array_equal(canvas.spots()[0], whole)


def test_the_map_its_legend_and_its_clusters_show_that_they_have_the_keys(view, qtbot):
    view.activateWindow()
    qtbot.waitUntil(view.isActiveWindow)
    for widget in (view.canvas, view.legend._lines[0], view.clusters.cards[0]):
        view.field.setFocus()
        before = widget.grab().toImage()
        widget.setFocus(Qt.FocusReason.TabFocusReason)
        assert widget.hasFocus()
        assert widget.grab().toImage() != before


def test_the_map_says_the_shot_that_the_keys_point_to(view, qtbot):
    view.activateWindow()
    qtbot.waitUntil(view.isActiveWindow)
    view.session.cursor.show(2)
    view.canvas.setFocus()
    QTest.keyClick(view.canvas, Qt.Key.Key_Right)
    assert view.canvas.accessibleDescription().startswith("shot 3, ")
    assert view.canvas.accessibleDescription().endswith("; 0 selected")
    QTest.keyClick(view.canvas, Qt.Key.Key_Space)
    assert view.canvas.accessibleDescription().endswith(", selected; 1 selected")


def test_the_lasso_takes_the_dots_within_it(canvas):
    x, y = canvas.spots()
    inside = canvas.inside([QPointF(90, 90), QPointF(310, 90), QPointF(310, 310), QPointF(90, 310)])
    expected = np.flatnonzero((x >= 90) & (x < 310) & (y >= 90) & (y < 310))
    assert inside.tolist() == expected.tolist()


def test_a_drag_selects_a_click_goes_there_and_escape_lets_go(canvas, qtbot):
    press, release = QTest.mousePress, QTest.mouseRelease
    left, shift = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier
    start, end = QPointF(5, 5).toPoint(), QPointF(195, 195).toPoint()
    press(canvas, left, shift, start)
    canvas._pull(QPointF(end), rectangle=True)
    release(canvas, left, shift, end)
    assert len(canvas.rows) == 25
    found = []
    canvas.clicked.connect(found.append)
    at = canvas.spot(60)
    QTest.mouseClick(canvas, left, pos=at.toPoint())
    assert found == [60]
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    assert not len(canvas.rows)


def test_zooming_keeps_the_dot_under_the_cursor(canvas):
    before = canvas.spot(37)
    canvas.zoom(3.0, before)
    assert (canvas.spot(37) - before).manhattanLength() < 0.01
    canvas.grab()
    canvas.fit()
    assert (canvas.spot(37) - before).manhattanLength() < 0.01


def test_a_map_comes_back_from_the_disk_as_it_was(tmp_path):
    rings = ((0, np.ones((4, 2), np.float32)), (1, np.zeros((3, 2), np.float32)))
    made = ShotMap(
        np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32),
        np.array([0, 0, 1, 1, -1], np.int16), (np.array([1, 0]), np.array([3])), rings,
    )  # fmt: skip
    map_file.save(tmp_path / "map.npz", made)
    back = map_file.load(tmp_path / "map.npz", 5)
    np.testing.assert_array_equal(back.places, made.places)
    assert [t.tolist() for t in back.typical] == [[1, 0], [3]]
    assert [(k, r.tolist()) for k, r in back.rings] == [(k, r.tolist()) for k, r in rings]
    assert map_file.load(tmp_path / "map.npz", 6) is None
    (tmp_path / "map.npz").write_bytes(b"nonsense")
    assert map_file.load(tmp_path / "map.npz", 5) is None


def test_a_cluster_is_selected_and_gets_a_class_by_one_key(view):
    session = view.session
    assert view.heading.text() == "2 clusters, found without labels"
    view.clusters.cards[0].click()
    assert view.canvas.rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert view.chosen.text() == "6 selected, 6 undecided"
    view.selection.toggle(session.labels.taxonomy.index("Streak"))
    assert (session.labels.status[:6] & LABELLED).all()
    assert not (session.labels.status[6:] & LABELLED).any()
    session.labelling.undo()
    assert not (session.labels.status & LABELLED).any()


def test_selected_shots_become_a_queue(view):
    asked = []
    view.label_requested.connect(lambda: asked.append(True))
    view.canvas.select([7, 2])
    view.queue.click()
    assert view.session.queue.rows.tolist() == [2, 7]
    assert view.session.queue.choice.title == "2 from the map"
    assert asked


def test_every_colouring_names_every_point_or_leaves_it_quiet(view):
    session = view.session
    session.cursor.show(2)
    session.labelling.toggle(session.labels.taxonomy.index("Streak"))
    session.cursor.show(3)
    session.labelling.flag()
    for name, (_, colour) in map_colours.MODES.items():
        found = colour(session)
        assert found.codes.shape == (N,), name
        assert found.codes.max(initial=-1) < len(found.legend)
        assert sum(e.count for e in found.legend) == N, name
        quiet = [e for e in found.legend if e.colour == map_colours.QUIET]
        assert sum(e.count for e in quiet) == (found.codes < 0).sum(), name
        assert all(e.text for e in quiet)
    by_class = map_colours.by_class(session)
    assert by_class.legend[by_class.codes[2]].text == "Streak"  # and not its parent
    state = map_colours.by_state(session)
    assert [state.legend[k].text for k in state.codes[[2, 3]]] == ["Labelled", "Flagged"]
    assert session.labels.status[3] & FLAGGED


def test_the_legend_of_classes_says_that_each_shot_counts_once(view):
    tips = [line.toolTip() for line in view.legend._lines]
    assert "0 shots in this colour; each shot has the colour of its rarest class" in tips[0]
    assert map_colours.MODES["class"][0] == "Rarest label (or suggestion)"


def test_the_shot_under_the_cursor_is_shown(view):
    view._hover(3)
    assert view.hover.title.text() == "Shot 4"
    assert view.hover.text.text() == "undecided"
    view._hover(-1)
    assert not view.hover.isVisible()
    view._hover(N - 1)  # it has no place
    assert not view.hover.isVisible()


def test_an_empty_map_says_what_will_be_here_and_what_to_do(qtbot, tmp_path):
    session = make_session(make_project(tmp_path, N))
    view = MapView(session)
    qtbot.addWidget(view)
    view.show()
    assert "islands of shots" in view.empty.text.text()
    assert view.empty.button.text() == "Lay out all shots"
    session.close()


def test_principal_components_are_there_at_once(qtbot, tmp_path):
    folder, _ = project_with_embeddings(tmp_path, 60)
    session = make_session()
    session.learning.turn_on(CHOICES)
    session.open(folder)
    view = MapView(session)
    qtbot.addWidget(view)
    view.show()
    qtbot.waitUntil(lambda: view._pca is not None)
    assert view._stack.currentWidget() is view.page
    assert np.isfinite(view.canvas.shot_map.places).all()
    session.close()


def test_dark_dots_are_named_in_the_legend_and_lit_by_it(view):
    line = view.legend._lines[-1]
    assert line.entry.text == "No label or suggestion"
    assert line.entry.count == N
    line.click()
    assert view.canvas.lit == -1
    _, ink = view.canvas._inks(theme.colour("stage"))
    assert set(ink.tolist()) == {theme.colour("text").rgb()}
    line.click()
    assert view.canvas.lit is None
