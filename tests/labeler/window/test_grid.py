"""The grid: where thumbnails lie, what hands select, and one key for all that are selected."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PyQt6.QtCore import QPoint, QRect, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QMenu, QMessageBox

from labeler.active import map as map_file
from labeler.project import classes
from labeler.project.project import Project
from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED
from labeler.session.session import Session
from labeler.window.grid import view as grid_module
from labeler.window.grid.badges import Badges, BadgeState
from labeler.window.grid.head import Filler
from labeler.window.grid.plan import GridPlan, GridRow, Heading
from labeler.window.grid.tags import TagButton
from labeler.window.label.queue.fields import fill_conditions
from labeler.window.main_window import MainWindow
from labeler.window.settings import Settings
from labeler.window.widgets import theme
from model.taxonomy.taxonomy import Class, Taxonomy
from model.taxonomy.toml import load, shipped
from tests.helpers.waiting import serve_events, until
from tests.helpers.window_parts import (
    InlineReader,
    learnt,
    make_project,
    make_session,
    use_made_up_run,
)

N = 40
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


# -- where everything lies -------------------------------------------------------------------------

plans = st.builds(
    GridPlan,
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
    st.integers(60, 700),
    st.integers(20, 120),
    headed=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(plan=plans)
def test_every_cell_is_found_where_it_is_said_to_be(plan):
    for place in range(len(plan)):
        x, y = plan.corner(place)
        assert plan.at(x + 1, y + 1) == place
        assert plan.at(x + plan.pitch - 1, y + plan.pitch - 1) == place
        start = plan.line_start(place)
        assert plan.corner(start)[1] == y
        assert 0 <= place - start < plan.columns


@settings(max_examples=60, deadline=None)
@given(plan=plans, a=st.floats(0, 1), b=st.floats(0, 1))
def test_what_is_in_sight_is_every_line_that_touches_it_once_and_in_order(plan, a, b):
    start, end = sorted((int(a * plan.height), int(b * plan.height)))
    shown = [x for x in plan.between(start, end) if isinstance(x, GridRow)]
    places = [p for line in shown for p in range(line.first, line.first + line.count)]
    wanted = [p for p in range(len(plan)) if start - plan.pitch < plan.corner(p)[1] < end]
    assert places == wanted
    headings = [x for x in plan.between(0, plan.height) if isinstance(x, Heading)]
    assert len(headings) == (len(plan.first) - 1 if plan.heading else 0)


@settings(max_examples=60, deadline=None)
@given(plan=plans, corners=st.tuples(*[st.floats(0, 1)] * 4))
def test_a_rubber_band_takes_the_cells_that_it_touches(plan, corners):
    width = plan.left * 2 + plan.columns * plan.pitch
    x0, x1 = sorted(int(c * width) for c in corners[:2])
    y0, y1 = sorted(int(c * plan.height) for c in corners[2:])
    wanted = [
        p
        for p in range(len(plan))
        if (x := plan.corner(p)[0]) <= x1
        and x + plan.pitch > x0
        and (y := plan.corner(p)[1]) <= y1
        and y + plan.pitch > y0
    ]
    assert plan.within(x0, y0, x1, y1).tolist() == wanted


# -- in the window ---------------------------------------------------------------------------------


@pytest.fixture
def window(qapp, tmp_path):
    theme.apply(qapp, "dark")
    window = MainWindow(Session(make_reader=InlineReader), Settings(tmp_path / "s.toml"))
    window.resize(1280, 800)
    window.show()
    window.project_files.open_folder(make_project(tmp_path, N))
    window.show_tab("Grid")
    qapp.processEvents()
    yield window
    window.close()
    window.deleteLater()


@pytest.fixture
def grid(window):
    return window.views["Grid"]


def click(grid, place, held=Qt.KeyboardModifier.NoModifier):
    x, y = grid.canvas.plan.corner(place)
    at = QPoint(x + 10, y + 10 - grid.canvas.top)
    QTest.mouseClick(grid.canvas.port, Qt.MouseButton.LeftButton, held, at)


def chosen(grid):
    return np.flatnonzero(grid.canvas.chosen.selected).tolist()


def press(window, key, held=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(window.views["Grid"].canvas, key, held)


def test_click_ctrl_shift_and_the_keyboard_select(window, grid):
    click(grid, 3)
    assert chosen(grid) == [3]
    click(grid, 7, CTRL)
    assert chosen(grid) == [3, 7]
    click(grid, 9, SHIFT)
    assert chosen(grid) == [7, 8, 9]
    press(window, Qt.Key.Key_Right)
    assert chosen(grid) == [10]
    press(window, Qt.Key.Key_Right, SHIFT)
    assert chosen(grid) == [10, 11]
    press(window, Qt.Key.Key_A, CTRL)
    assert len(chosen(grid)) == N
    press(window, Qt.Key.Key_Escape)
    assert chosen(grid) == []


def test_a_stretch_begins_where_the_keyboard_is(window, grid):
    window.session.cursor.show(20)
    press(window, Qt.Key.Key_Right, SHIFT)
    assert chosen(grid) == [20, 21]
    click(grid, 30)
    click(grid, 33, SHIFT)
    window.session.queue.choose()
    assert chosen(grid) == [30, 31, 32, 33]
    press(window, Qt.Key.Key_Right, SHIFT)
    assert chosen(grid) == [30, 31, 32, 33, 34]
    window.session.cursor.show(7)
    press(window, Qt.Key.Key_Right, SHIFT)
    assert chosen(grid) == [7, 8]


def test_what_is_learnt_anew_is_drawn_anew(window, grid, qapp):
    session = window.session
    session.suggestions.take(learnt(session))
    grid.canvas.port.grab()
    before = grid.canvas.strips.of(0, grid.canvas.chosen.shown[:3], np.inf).image.copy()
    streak = learnt(session)
    streak.decided[:] = False
    streak.decided[:, session.labels.taxonomy.index("Streak")] = True
    session.suggestions.take(streak)
    grid.canvas.port.grab()
    after = grid.canvas.strips.of(0, grid.canvas.chosen.shown[:3], np.inf).image
    assert before != after


def test_shots_are_selected_by_what_was_decided_until_now(window, grid):
    window.session.queue.choose()
    grid.select("time:the last hour")
    assert chosen(grid) == []
    for place in range(5):
        click(grid, place)
        press(window, Qt.Key.Key_1)
    grid.select("time:the last hour")
    assert chosen(grid) == [0, 1, 2, 3, 4]


def test_a_right_click_is_about_the_shot_under_the_mouse_or_the_selection_it_is_in(window, grid):
    def right_click(place):
        x, y = grid.canvas.plan.corner(place)
        QTest.mouseClick(
            grid.canvas.port, Qt.MouseButton.RightButton,
            pos=QPoint(x + 10, y + 10 - grid.canvas.top),
        )  # fmt: skip

    right_click(4)
    assert chosen(grid) == [4]
    texts = [a.text() for a in window.actions_.context_menu(grid).actions()]
    for text in (
        "Accept what is shown on all selected",
        "Flag with a note…",
        "Select all shown",
        "Invert selection",
    ):
        assert text in texts
    click(grid, 6, SHIFT)
    assert chosen(grid) == [4, 5, 6]
    right_click(5)
    assert chosen(grid) == [4, 5, 6]
    right_click(9)
    assert chosen(grid) == [9]


def test_the_grid_stands_while_its_project_is_closed_and_another_width_needs_other_lines(
    window, grid
):
    places = {b.y() for b in grid.tags.buttons.values()}
    assert len(places) == 1
    grid.tags.resize(500, grid.tags.height())
    assert grid.tags._each < len(grid.tags.buttons)
    window.session.close()
    assert grid.tags.buttons == {}


def test_the_name_of_a_class_stays_whole_beside_the_number_of_many_shots(window, grid):
    shown = next(iter(grid.tags.buttons.values()))
    button = TagButton(replace(shown.kind, name="Round"), 490)
    button.key = "1"
    button.set_counts(490, 490)

    def name(more):
        """The left part of a button that is so much wider than needed."""
        button.resize(button.needed_width() + more, button.height())
        number = button.fontMetrics().horizontalAdvance("490") + 4
        return button.grab(QRect(0, 0, button.needed_width() - number, button.height())).toImage()

    assert name(0) == name(60)
    for kept in grid.tags.buttons.values():
        assert kept.width() >= kept.needed_width()


@pytest.mark.parametrize("side", [40, 96])
def test_a_shot_decided_to_have_no_class_looks_other_than_an_undecided_one(qapp, side):
    badges = Badges(load(shipped("helium")))
    assert badges.of(BadgeState(0, 0), side, 1.0) is None
    none = badges.of(BadgeState(0, LABELLED), side, 1.0)
    assert any(none.pixelColor(x, side - 2).alpha() or none.pixelColor(x, side - 6).alpha()
               for x in range(side))  # fmt: skip
    skipped = badges.of(BadgeState(0, SKIPPED), side, 1.0)
    assert not any(skipped.pixelColor(x, side - 2).alpha() for x in range(side))


def test_where_names_have_no_room_the_long_ones_give_way(window, grid):
    tags, labels = grid.tags, window.session.labels
    names = [f"Kind {i}" if i % 7 else f"Class number {i} of a very long name" for i in range(60)]
    labels.taxonomy = Taxonomy("many", [Class(name) for name in names], [])
    tags.resize(1270, tags.height())
    tags.rebuild()
    tags._layout.activate()
    until(lambda: all(b.width() >= b.sizeHint().width() for b in tags.buttons.values()))
    for button in tags.buttons.values():
        assert button.kind.name.startswith("Class") or button.width() >= button.needed_width()


DRAW_A_BADGE = """
import hashlib, sys
from PyQt6.QtWidgets import QApplication
app = QApplication([])
from labeler.window.grid.badges import Badges, BadgeState
from labeler.window.widgets import theme
from model.taxonomy.toml import load, shipped
theme.apply(app, "dark")
image = Badges(load(shipped("helium"))).of(BadgeState(2, 1), 56, 1.0)
print(theme.grown(100), hashlib.sha256(image.constBits().asstring(image.sizeInBytes())).hexdigest())
"""


def test_the_keys_on_a_thumbnail_fit_their_chips_at_every_resolution_of_letters(tmp_path):
    found = []
    for dots in (96, 192):
        screen = {"x": 0, "y": 0, "width": 1280, "height": 800, "dpr": 1}
        screen |= {"name": "screen", "logicalDpi": dots, "logicalBaseDpi": dots}
        file = tmp_path / f"{dots}.json"
        file.write_text(json.dumps({"screens": [screen]}))
        env = os.environ | {"QT_QPA_PLATFORM": f"offscreen:configfile={file}"}
        command = [sys.executable, "-c", DRAW_A_BADGE]
        run = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        found.append(run.stdout.split())
    (small, one), (large, other) = found
    assert int(large) > 1.5 * int(small)
    assert one == other, "chips of small thumbnails cannot grow, nor may their keys"


def test_a_rubber_band_selects_and_ctrl_keeps_what_was_selected(grid):
    plan, port = grid.canvas.plan, grid.canvas.port
    click(grid, 30)
    (x0, y0), (x1, y1) = plan.corner(1), plan.corner(plan.columns + 2)
    begin, end = QPoint(x0 + 5, y0 + 5), QPoint(x1 + 20, y1 + 20)
    QTest.mousePress(port, Qt.MouseButton.LeftButton, CTRL, begin)
    QTest.mouseMove(port, end)
    QTest.mouseRelease(port, Qt.MouseButton.LeftButton, CTRL, end)
    c = plan.columns
    assert chosen(grid) == sorted([1, 2, c + 1, c + 2, 30])


def test_one_key_tags_all_selected_and_one_undo_takes_it_back(window, grid):
    session = window.session
    bent, prolate = session.labels.taxonomy.index("Bent"), session.labels.taxonomy.index("Prolate")
    click(grid, 2)
    press(window, Qt.Key.Key_1)  # Round on one of them: it cannot stay beside Prolate
    click(grid, 9, SHIFT)
    press(window, Qt.Key.Key_5)
    wanted = session.labels.taxonomy.pack(
        session.labels.taxonomy.complete(session.labels.taxonomy.mask(["Bent"]))
    )
    assert session.labels.present[2:10].tolist() == [wanted] * 8
    assert (session.labels.present[2:10] >> prolate & 1).all()
    assert (session.labels.status[2:10] & LABELLED).all()
    assert not session.labels.status[[1, 10]].any()
    press(window, Qt.Key.Key_Z, CTRL)
    assert session.labelling.shown_labels(2)[session.labels.taxonomy.index("Round")]
    assert not session.labels.status[3:10].any()
    press(window, Qt.Key.Key_Z, CTRL | SHIFT)
    assert (session.labels.present[2:10] >> bent & 1).all()
    press(window, Qt.Key.Key_5)  # all have it: take it from all
    assert not session.labels.status[2:10].any()
    with Project.open(session.opened.folder) as project:
        state = project.store.load_state(session.opened.annotator)
    np.testing.assert_array_equal(state.present, session.labels.present)


def test_a_key_on_many_is_as_on_each(window, grid):
    """Whatever the shots carry before: adding a class in bulk is adding it one by one."""
    session = window.session
    taxonomy = session.labels.taxonomy
    rng = np.random.default_rng(3)
    legal = taxonomy.pack(taxonomy.legal_sets)
    legal = legal[legal > 0]
    session.labels.decide(np.arange(N), rng.choice(legal, N), LABELLED, "bulk")
    grid.select("select:all")
    for c in range(len(taxonomy)):
        before = session.labels.present.copy()
        has = (before >> c & 1).astype(bool)
        wanted = [
            int(p)
            if h and not has.all()
            else int(taxonomy.pack(taxonomy.toggle(taxonomy.unpack(p), c)))
            for p, h in zip(before, has, strict=True)
        ]
        grid.selection.toggle(c)
        assert session.labels.present.tolist() == wanted, taxonomy.names[c]
        session.labelling.undo()
        np.testing.assert_array_equal(session.labels.present, before)


def test_above_two_hundred_shots_it_asks_once(window, grid, monkeypatch):
    asked = []
    monkeypatch.setattr("labeler.session.selection.ASK_ABOVE", 10)
    answers = iter([QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Yes])
    monkeypatch.setattr(
        grid_module.QMessageBox, "question", lambda *a: asked.append(a[2]) or next(answers)
    )
    press(window, Qt.Key.Key_A, CTRL)
    press(window, Qt.Key.Key_0)
    assert not window.session.labels.status.any()
    press(window, Qt.Key.Key_0)
    assert (window.session.labels.status & LABELLED).all()
    assert asked == [f"Give Empty to {N} shots?\nUndo takes it back."] * 2


def test_flag_skip_fix_and_accept_work_on_all_selected(window, grid):
    session, taxonomy = window.session, window.session.labels.taxonomy
    click(grid, 0)
    click(grid, 4, SHIFT)
    press(window, Qt.Key.Key_M, SHIFT)
    assert (session.labels.status[:5] & FLAGGED).all()
    press(window, Qt.Key.Key_M, SHIFT)
    assert not (session.labels.status & FLAGGED).any()
    press(window, Qt.Key.Key_S)
    assert (session.labels.status[:5] & SKIPPED).all()
    broken = taxonomy.pack(taxonomy.mask(["Round", "Empty"]))
    session.labels.decide(np.arange(3), broken, LABELLED, "bulk")
    press(window, Qt.Key.Key_F)
    assert not taxonomy.contradictions(taxonomy.unpack(session.labels.present[:3])).any()
    use_made_up_run(session)
    grid.select("select:all")
    press(window, Qt.Key.Key_Return, CTRL)
    likely = session.predictions.run.likely()[5:].any(1)
    assert (session.labels.status[5:][likely] & LABELLED).all()
    assert session.labelling.shown_labels(7)[taxonomy.index("Round")]


def test_select_what_matches_and_group_by_label_set(window, grid, qtbot):
    session = window.session
    session.labels.decide(
        [1, 5, 9], session.labels.taxonomy.pack(session.labels.taxonomy.mask(["Empty"])), 1, "bulk"
    )
    grid.select("class:Empty")
    assert chosen(grid) == [1, 5, 9]
    grid.set_group("labels")
    assert [(s.title, s.count) for s in grid.canvas.sections] == [("Empty", 3), ("undecided", 37)]
    assert grid.canvas.chosen.shown[:3].tolist() == [1, 5, 9]
    assert chosen(grid) == [0, 1, 2], "the same shots stay selected"
    session.queue.choose(filter="unlabelled")
    assert len(grid.canvas.chosen.shown) == 37
    session.queue.set_filters(("unlabelled", "flagged"))
    assert grid.empty.isVisible()
    grid.empty.button.click()
    assert len(grid.canvas.chosen.shown) == N


def test_enter_and_double_click_open_the_pattern_in_label(window, grid):
    click(grid, 6)
    press(window, Qt.Key.Key_Return)
    assert (window.tab, window.session.cursor.row) == ("Label", 6)
    window.show_tab("Grid")
    x, y = grid.canvas.plan.corner(11)
    QTest.mouseDClick(grid.canvas.port, Qt.MouseButton.LeftButton, pos=QPoint(x + 9, y + 9))
    assert (window.tab, window.session.cursor.row) == ("Label", 11)


def test_class_keys_need_a_selection_and_the_tags_count_it(window, grid):
    press(window, Qt.Key.Key_1)
    assert not window.session.labels.status.any()
    assert not window.actions_.by_id["class.Round"].isEnabled()
    click(grid, 0)
    click(grid, 1, CTRL)
    press(window, Qt.Key.Key_1)
    click(grid, 2, CTRL)
    button = grid.tags.buttons[window.session.labels.taxonomy.index("Round")]
    assert (button.have, button.of) == (2, 3)
    button.click()
    assert (button.have, button.of) == (3, 3)
    assert "3 of 3" in button.accessibleName()


def test_thumbnails_that_gave_way_to_others_are_made_after_all(qapp, tmp_path, monkeypatch):
    session = make_session(make_project(tmp_path))
    reader, filler = session.shots.feed.reader, Filler(session)
    filler.show()
    request, given_way = reader.request_thumbnail, set()

    def ask(key, *place):
        if key % 3 or key in given_way:
            request(key, *place)
        given_way.add(key)

    monkeypatch.setattr(reader, "request_thumbnail", ask)
    filler.start()
    until(filler.isHidden, "every thumbnail is made")
    assert len(session.shots.feed.without_thumbnail()) == 0
    session.close()


def test_thumbnails_get_larger_and_the_size_is_remembered(window, grid, tmp_path):
    side = grid.canvas.side
    press(window, Qt.Key.Key_Plus)
    assert grid.canvas.side > side
    window.show_tab("Label")
    assert window.session.opened.project.store.get_meta("window.grid")["side"] == grid.canvas.side


@pytest.mark.parametrize("name", ["dark", "light"])
def test_the_grid_paints_shots_marks_and_selection(window, grid, qapp, qtbot, name):
    theme.apply(qapp, name)
    grid.apply_theme()
    click(grid, 0)
    press(window, Qt.Key.Key_4)
    x, y = grid.canvas.plan.corner(1)

    def shades():  # a frame draws no longer than it may: on a busy machine it takes several
        picture = grid.canvas.port.grab().toImage()
        return {picture.pixel(x + i, y + i) for i in range(20, 80)}

    qtbot.waitUntil(lambda: len(shades()) > 20)
    picture = grid.canvas.port.grab().toImage()
    corner = picture.pixelColor(*(v + 1 for v in grid.canvas.plan.corner(0)))
    assert corner.blue() > corner.red(), "the selection is seen"


def test_clusters_of_the_map_are_found_where_it_was_made_and_forgotten_with_the_run(window, grid):
    session = window.session
    names = lambda: [a.text() for a in grid.head.group.list.actions() if a.isEnabled()]  # noqa: E731
    grid.head._fill_groups()
    assert "By cluster" not in names()
    cluster = np.array([-1, 1, 0, 0] * (N // 4), np.int16)
    chance = np.random.default_rng(1)
    typical = (np.flatnonzero(cluster == 0)[:5], np.flatnonzero(cluster == 1)[:5])
    made = map_file.ShotMap(chance.random((N, 2), np.float32), cluster, typical)
    path = map_file.path_of(session.opened.folder, session.learning.stands_on())
    map_file.save(path, made)
    grid.head._fill_groups()
    assert "By cluster" in names()
    grid.set_group("cluster")
    assert [(s.title, s.count) for s in grid.canvas.sections] == [
        ("cluster 1", N // 2), ("cluster 2", N // 4), ("in no cluster", N // 4)
    ]  # fmt: skip
    path.unlink()
    session.predictions.run_changed.emit()
    assert [s.count for s in grid.canvas.sections] == [N]


def test_thirty_classes_with_long_names_have_room_in_grid_panel_and_menus(tmp_path, qtbot):
    week, long = make_project(tmp_path, 6), "Something that takes long to be said on any screen"
    with Project.open(week) as project:
        for k in range(19):
            classes.add(project, f"{long}, of kind number {k}")
    session = make_session(week)
    window = MainWindow(session)
    qtbot.addWidget(window)
    window.resize(1280, 800)
    window.show()
    assert (window.width(), window.height()) == (1280, 800)
    rows = window.label.classes.rows
    assert len(rows) == 30
    assert {row.height() >= 30 for row in rows.values()} == {True}
    assert all(row.kind.name in row.toolTip() for row in rows.values())
    menu = QMenu()
    fill_conditions(menu, session, lambda condition: None)
    inner = next(a.menu() for a in menu.actions() if a.text() == "With the class")
    inner.aboutToShow.emit()
    assert inner.sizeHint().width() < 640
    assert inner.actions()[-1].toolTip().endswith("of kind number 18")
    window.show_tab("Grid")
    tags = window.views["Grid"].tags
    serve_events()
    places = [b.geometry() for b in tags.buttons.values()]
    assert all(tags.rect().contains(place) for place in places)
    assert not any(a.intersects(b) for a, b in itertools.combinations(places, 2))
    window.close()


def test_what_a_key_did_is_not_said_any_more_once_it_is_taken_back(window, grid):
    click(grid, 2)
    press(window, Qt.Key.Key_1)
    assert "Round given to 1 shot" in grid.head.said.whole
    press(window, Qt.Key.Key_Z, CTRL)
    assert "given to" not in grid.head.said.whole
    assert grid.head.said.whole == window.session.labels.reported
    assert grid.head.said.whole.startswith("Undo on shot 3")


def test_other_shots_are_shown_from_the_one_that_is_current(window, grid):
    window.session.labels.decide(np.arange(N - 6, N), 1, LABELLED, "bulk")
    grid.zoom(4)
    press(window, Qt.Key.Key_End)
    assert grid.canvas.bar.value() > 0
    window.session.queue.choose(filter="unlabelled")
    assert grid.canvas.chosen.current == 0
    assert grid.canvas._in_sight(0)
    press(window, Qt.Key.Key_End)
    below = grid.canvas.bar.value()
    window.session.queue.queue_changed.emit()  # with the same shots: nothing is scrolled
    assert grid.canvas.bar.value() == below
