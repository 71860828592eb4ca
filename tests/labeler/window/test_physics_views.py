"""The panes of physics beside the pattern: what they show, when they compute, one cursor."""

from __future__ import annotations

import math

import h5py
import numpy as np
import pytest
from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtTest import QTest

from labeler.project.project import Project
from labeler.session.session import Session
from labeler.window.label.physics import view
from labeler.window.label.physics.cursor import PhysicsPointer, Spot
from labeler.window.label.physics.pane import TEXT_WIDTH, Shown
from labeler.window.label.physics.profile import ProfilePane, _round_steps
from labeler.window.label.physics.view import KINDS, PhysicsPanes
from labeler.window.main_window import MainWindow
from labeler.window.settings import Settings
from labeler.window.widgets import theme
from model.physics import profiles
from model.preprocessing.display import Overlay, Screen
from model.shots.layouts import Geometry
from tests.helpers.waiting import serve_events, until
from tests.helpers.window_parts import (
    InlineReader,
    dark_window,
    make_project,
    make_session,
    use_made_up_run,
)

ALL = {"profile": True, "unwrap": True, "symmetry": True, "correlation": True}
KNOWN = Geometry(wavelength_m=50e-9, distance_m=0.065, pixel_m=0.335e-3)


@pytest.fixture
def window(qapp, tmp_path):
    with dark_window(qapp, make_project(tmp_path)) as window:
        yield window


def settle(window: MainWindow) -> PhysicsPanes:
    """Everything painted, all panes up to date."""
    serve_events()
    window.label.physics.settle()
    serve_events()
    return window.label.physics


def sphere(radius_m: float, size: int = 224) -> np.ndarray:
    y, x = np.ogrid[:size, :size]
    q = profiles.transfer(np.hypot(y - (size - 1) / 2, x - (size - 1) / 2), KNOWN)
    phase = np.maximum(q * radius_m, 1e-3)
    form = (3 * (np.sin(phase) - phase * np.cos(phase)) / phase**3) ** 2
    return np.random.default_rng(0).poisson(6e4 * form + 1).astype(np.uint16)


def pane_of(kind, counts, mask=None, geometry=Geometry()):  # noqa: B008
    pane = kind(PhysicsPointer())
    small = profiles.reduced(counts, mask, geometry.centre)
    pane.take(Shown(small, geometry, Screen(), Overlay()))
    pane.resize(320, 140)
    pane.grab()
    return pane


# -- the strip -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_the_drawn_pattern_takes_all_the_height_that_the_panes_leave(window, size):
    window.session.display.change(**ALL)
    window.resize(*size)
    settle(window)
    pattern = window.label.pattern
    target = pattern.target()
    assert target.height() == pattern.height() >= 0.79 * size[1]
    assert window.label.physics.isVisible()


@pytest.mark.parametrize("size", [(1000, 640), (1280, 800), (1920, 1080)])
def test_titles_of_squares_stand_beside_them_in_every_window(window, size):
    window.session.display.change(**ALL)
    window.resize(*size)
    panes = settle(window).panes
    for pane in (panes["symmetry"], panes["correlation"]):
        assert pane.target(pane.area()).left() - pane.area().left() >= TEXT_WIDTH


def test_each_pane_has_a_key(window):
    panes = window.label.physics.panes
    for key, name in (("R", "profile"), ("W", "unwrap"), ("T", "symmetry"), ("V", "correlation")):
        before = panes[name].isVisible()
        QTest.keyClick(window, key)
        assert panes[name].isVisible() != before
        assert window.actions_.by_id[f"physics_{name}"].isChecked() != before


def test_without_a_pane_the_strip_takes_no_room(window):
    window.resize(1280, 800)
    settle(window)
    before = window.label.pattern.height()
    window.session.display.change(profile=False)
    settle(window)
    assert window.label.physics.isHidden()
    assert window.label.pattern.height() > before


def test_the_panes_stand_beside_the_pattern_where_that_is_wanted(window):
    window.session.display.change(**ALL, beside=True)
    settle(window)
    physics, pattern = window.label.physics, window.label.pattern
    assert physics.height() == pattern.height()
    assert physics.mapTo(window, physics.rect().topLeft()).x() > pattern.width()
    window.session.display.change(beside=False)
    settle(window)
    assert physics.width() == window.label.pattern.width()


def test_the_choice_of_panes_is_remembered(qapp, tmp_path):
    path = tmp_path / "settings.toml"
    project = make_project(tmp_path)
    for chosen in ({"symmetry", "beside"}, {"profile", "correlation"}):
        window = MainWindow(make_session(project), Settings(path))
        window.session.display.change(**{name: name in chosen for name in (*ALL, "beside")})
        window.close()
        window.deleteLater()
        again = MainWindow(make_session(project), Settings(path))
        panes = again.session.display.panes
        assert {n for n in (*ALL, "beside") if getattr(panes, n)} == chosen
        again.close()
        again.deleteLater()


def test_a_look_that_there_is_not_is_refused(qapp):
    with pytest.raises(TypeError, match="sparkle"):
        Session(make_reader=InlineReader).display.change(sparkle=True)


# -- when they compute -----------------------------------------------------------------------------


def test_panes_compute_after_the_pattern_is_painted_and_once(window, monkeypatch):
    settle(window)
    order = []
    window.session.cursor.painted.connect(lambda row: order.append(("painted", row)))
    pane = window.label.physics.panes["profile"]
    compute = pane.compute

    def counted(shown):
        order.append(("pane", window.session.cursor.row))
        compute(shown)

    monkeypatch.setattr(pane, "compute", counted)
    order.clear()
    window.session.cursor.next()
    until(lambda: ("pane", 1) in order)
    assert order[0] == ("painted", 1)
    assert [o for o in order if o[0] == "pane"] == [("pane", 1)]
    order.clear()
    window.label.pattern.update()
    until(lambda: order == [("painted", 1)])
    assert not window.label.physics._timer.isActive()


def test_rushing_through_shots_computes_only_the_last(window, monkeypatch):
    settle(window)
    seen = []
    pane = window.label.physics.panes["profile"]
    monkeypatch.setattr(pane, "compute", lambda shown: seen.append(window.session.cursor.row))
    monkeypatch.setattr(view, "RUSH_S", 3600.0)  # however slowly this machine rushes
    monkeypatch.setattr(view, "PAUSE_MS", 3_600_000)
    painted = []
    window.session.cursor.painted.connect(painted.append)
    for row in range(1, 9):
        window.session.cursor.next()
        until(lambda row=row: row in painted)
    assert seen == []
    window.label.physics._timer.start(0)  # the pause is over
    until(lambda: seen)
    assert seen == [8]


def test_another_project_leaves_nothing_of_the_last_one(window):
    window.session.display.change(**ALL)
    settle(window)
    assert all(p.shown is not None for p in window.label.physics.panes.values())
    window.session.close()
    assert all(p.shown is None for p in window.label.physics.panes.values())


def test_an_unreadable_shot_has_no_physics_and_says_so(qapp, tmp_path):
    project = make_project(tmp_path)
    with h5py.File(tmp_path / "shots.h5", "r+") as file:
        del file["images"]
    window = MainWindow(make_session(project))
    window.show()
    settle(window)
    pane = window.label.physics.panes["profile"]
    assert pane.shown is None
    assert "cannot be read" in pane.trouble
    assert pane.accessibleDescription() == pane.trouble
    window.close()
    window.deleteLater()


def test_a_centre_outside_the_shot_is_told_in_the_pane(window, monkeypatch):
    monkeypatch.setattr(window.session.cursor, "geometry", lambda: Geometry(centre=(500.0, 3.0)))
    window.session.cursor.next()
    settle(window)
    assert "outside" in window.label.physics.panes["profile"].trouble


def test_the_theme_reaches_the_panes(window):
    window.session.display.change(**ALL)
    pane = settle(window).panes["symmetry"]
    before = pane.grab().toImage().pixelColor(0, 0)
    window.flip_theme()
    settle(window)
    assert pane.grab().toImage().pixelColor(0, 0) != before
    window.flip_theme()


# -- one cursor ------------------------------------------------------------------------------------


def test_the_pointer_on_the_pattern_marks_the_same_place_in_every_pane(window):
    window.session.display.change(**ALL)
    physics = settle(window)
    y, x = window.label.pattern.centre()
    pixel = (int(y + 6), int(x - 3))
    window.label.pattern.pointed.emit(pixel)
    spot = physics.pointer.spot
    assert spot.radii[0] == pytest.approx(math.hypot(pixel[0] - y, pixel[1] - x))
    assert spot.place() == pytest.approx((pixel[0] - y, pixel[1] - x))
    window.label.pattern.pointed.emit(None)
    assert physics.pointer.spot is None


@pytest.mark.parametrize("name", list(ALL))
def test_the_pointer_on_a_pane_marks_the_pattern(window, name):
    window.session.display.change(**ALL)
    physics = settle(window)
    pane, pattern = physics.panes[name], window.label.pattern
    pattern.pointed.emit(None)
    clean = pattern.grab().toImage()
    point = QPointF(pane.width() * 0.75, pane.height() * 0.6)
    QTest.mouseMove(pane, point.toPoint())
    assert physics.pointer.owner is pane
    assert pattern.grab().toImage() != clean
    pane.leaveEvent(None)
    assert physics.pointer.spot is None
    assert pattern.grab().toImage() == clean


@pytest.mark.parametrize("name", ["unwrap", "symmetry"])
def test_a_place_in_a_pane_and_on_the_shot_are_the_same(window, name):
    """What the pane draws for a spot lies where the pane would read that spot."""
    window.session.display.change(**ALL)
    physics = settle(window)
    pane = physics.panes[name]
    found = []
    for share in ((0.3, 0.4), (0.7, 0.8)):
        target = pane.target(pane.area())
        point = QPointF(
            target.left() + share[1] * target.width(), target.top() + share[0] * target.height()
        )
        found.append(pane.spot_at(point))
    first, second = (np.array(s.place()) for s in found)
    assert np.hypot(*(first - second)) > 1
    if name == "symmetry":  # the picture is the shot itself, so distances keep their scale
        apart = (0.4 * 32, 0.4 * 32)
        assert second - first == pytest.approx(apart, abs=0.01)


def test_a_place_on_the_map_is_a_pair_of_rings(window):
    window.session.display.change(**ALL)
    pane = settle(window).panes["correlation"]
    target = pane.target(pane.area())
    spot = pane.spot_at(target.center())
    assert spot == Spot((8.0, 8.0))
    assert pane.spot_at(QPointF(-5, -5)) is None


# -- what they show --------------------------------------------------------------------------------


def test_the_radius_is_in_nanometres_only_where_the_wavelength_is_known(qapp):
    words = pane_of(ProfilePane, sphere(300e-9), geometry=KNOWN).words()
    nanometres = float(words.rpartition("radius ")[2].removesuffix(" nm"))
    assert nanometres == pytest.approx(300, rel=0.05)
    half_known = Geometry(distance_m=KNOWN.distance_m, pixel_m=KNOWN.pixel_m)
    words = pane_of(ProfilePane, sphere(300e-9), geometry=half_known).words()
    assert words.endswith("λ")
    assert float(words.split()[-2]) == pytest.approx(6.0, rel=0.05)
    words = pane_of(ProfilePane, sphere(300e-9)).words()
    assert "px" in words
    assert "radius" not in words


def test_the_lines_of_the_rings_stand_on_bright_rings(qapp):
    counts = sphere(300e-9)
    pane = pane_of(ProfilePane, counts, geometry=KNOWN)
    profile = profiles.radial_profile(counts)
    inner = pane._marks[1:5]
    bright = np.interp(inner, profile.radius, np.log(profile.mean))
    between = np.interp((inner[:-1] + inner[1:]) / 2, profile.radius, np.log(profile.mean))
    assert (bright[:-1] > between + 0.5).all()


def test_the_wavelength_of_a_shot_comes_from_the_numbers_of_its_file(qapp, qtbot, tmp_path):
    path = tmp_path / "energies.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.stack([sphere(300e-9, 64)] * 3)
        file["photon_energy_eV"] = np.array([24.8, 12.4, np.nan])
        file.attrs["distance_m"], file.attrs["pixel_m"] = 0.065, 1.17e-3
    Project.create(tmp_path / "week", [path]).close()
    theme.apply(qapp, "dark")
    window = MainWindow(make_session(tmp_path / "week"))
    window.show()
    with qtbot.waitSignal(window.session.queue.numbers_changed):
        settle(window)
    told = []
    for row in range(3):
        window.session.cursor.show(row)
        told.append(window.session.cursor.geometry().wavelength_m)
    assert told[:2] == pytest.approx([50e-9, 100e-9], rel=1e-3)
    assert told[2] is None
    window.session.cursor.show(0)
    words = settle(window).panes["profile"].words()
    assert words.endswith("nm") or "No ring spacing found" in words
    window.close()
    window.deleteLater()


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
@pytest.mark.parametrize("shot", ["dark", "constant", "nan", "masked", "large", "oblong"])
def test_every_pane_draws_every_kind_of_shot(qapp, kind, shot):
    counts, mask = sphere(300e-9, 64), None
    if shot == "dark":
        counts = np.zeros((48, 48), np.uint16)
    elif shot == "constant":
        counts = np.full((48, 48), 7.0)
    elif shot == "nan":
        counts = np.full((48, 48), np.nan)
    elif shot == "masked":
        mask = np.zeros((64, 64), bool)
    elif shot == "large":
        counts = np.random.default_rng(1).poisson(3, (600, 700)).astype(np.float32)
        counts[:40] = np.nan
    elif shot == "oblong":
        counts = counts[:30]
    pane = pane_of(kind, counts, mask)
    pane.pointer.put(Spot((5.0,), 1.0), None)
    assert not pane.grab().isNull()


def test_heat_of_a_network_that_reads_maps_lies_on_the_map_and_not_on_the_pattern(window):
    session = window.session
    use_made_up_run(session)
    session.display.change(correlation=True)
    session.heat.show(session.labels.taxonomy.index("Round"))
    assert session.heat.on_pattern((32, 32)) is not None
    assert session.heat.on_map((32, 32)) is None
    session.predictions.run.input = "correlation"
    session.heat.heat_changed.emit()
    physics = settle(window)
    assert session.heat.on_pattern((32, 32)) is None
    assert physics.panes["correlation"].shown.heat.max() > 0
    assert not window.label.pattern._contours


def test_a_heatmap_on_the_map_brings_its_pane(window):
    use_made_up_run(window.session)
    window.session.predictions.run.input = "correlation"
    assert not window.session.display.panes.correlation
    QTest.keyClick(window, "H")
    assert window.session.display.panes.correlation


@pytest.mark.parametrize("end", [0.5, 3.0, 29.9, 112.0, 518.0])
def test_the_ticks_of_an_axis_are_round_and_not_too_many(end):
    steps = _round_steps(end, 6)
    assert steps[0] == 0
    assert 2 <= len(steps) <= 8
    assert steps[-1] <= end


def test_the_panes_are_measured(qapp):
    from labeler.cli.bench import physics as physics_timing

    physics_timing.REPEATS, kept = 1, physics_timing.REPEATS
    try:
        assert set(physics_timing.panes(48)) == {kind.name for kind in KINDS}
    finally:
        physics_timing.REPEATS = kept


def test_panes_never_take_the_keys(window):
    window.session.display.change(**ALL)
    settle(window)
    for pane in window.label.physics.panes.values():
        assert pane.focusPolicy() == Qt.FocusPolicy.NoFocus
