"""Geometry is typed or picked on a ring, kept with the project, and used by all that reads it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt

from labeler.project.project import Project
from labeler.window.label.pattern.geometry_dialog import GeometryDialog
from labeler.window.label.status_line import angle
from labeler.window.main_window import MainWindow
from model.shots.table import Geometry
from tests.helpers.data import needed
from tests.helpers.window_parts import make_project, make_session, write_shots


@pytest.fixture
def window(qtbot, tmp_path):
    window = MainWindow(make_session(make_project(tmp_path)))
    qtbot.addWidget(window)
    window.resize(1000, 700)
    window.show()
    qtbot.waitExposed(window)
    yield window
    window.close()


@pytest.fixture
def dialog(qtbot, window):
    dialog = GeometryDialog(window.session, window.label.pattern, window)
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def fill(dialog, **values):
    for name, value in values.items():
        dialog.fields[name].setText(str(value))
        dialog.fields[name].textEdited.emit(str(value))


def test_what_is_typed_is_kept_with_the_project_and_gives_angles(dialog, window):
    fill(dialog, distance=370, pixel=75, energy="64.6", y=15, x="16,5")
    assert float(dialog.fields["wavelength"].text()) == pytest.approx(19.19, abs=0.01)
    dialog.save.click()
    geometry = window.session.cursor.geometry()
    assert geometry.centre == (15, 16.5)
    assert angle(geometry, 100)[0] == f"{math.degrees(math.atan2(100 * 75e-6, 0.37)):.1f}°"
    with Project.open(window.session.opened.folder) as project:
        assert project.sources[0].geometry == geometry
    assert window.label.pattern.centre() == (15, 16.5)
    assert dialog.fields["distance"].text() == "370"


def test_an_energy_that_every_shot_has_is_not_called_unknown(dialog, window, monkeypatch):
    assert dialog.fields["energy"].placeholderText() == "not known"
    own = Geometry(wavelength_m=19e-9)
    monkeypatch.setattr(window.session.cursor, "geometry", lambda: own)
    dialog.refresh()
    for name in ("energy", "wavelength"):
        assert dialog.fields[name].placeholderText() == "each shot's own"


def test_a_ring_that_is_clicked_gives_the_centre_and_stands_on_the_shot(qtbot, dialog, window):
    pattern = window.label.pattern
    dialog.pick.click()
    for turn in np.linspace(0, 2 * np.pi, 6, endpoint=False):
        y, x = 14 + 9 * math.sin(turn), 17 + 9 * math.cos(turn)
        at = pattern._on_widget(y, x).toPoint()
        qtbot.mouseClick(pattern, Qt.MouseButton.LeftButton, pos=at)
    assert dialog.circle.centre == pytest.approx((14, 17), abs=0.1)
    assert dialog.circle.radius == pytest.approx(9, abs=0.1)
    assert float(dialog.fields["y"].text()) == pytest.approx(14, abs=0.1)
    assert "radius 9.0 pixels" in dialog.said.text()
    before = pattern.grab().toImage()
    qtbot.mouseClick(pattern, Qt.MouseButton.RightButton, pos=QPoint(5, 5))
    assert len(pattern.points) == 5
    dialog.reject()
    assert not pattern.points
    assert pattern.grab().toImage() != before
    assert pattern.pixel_at(QPointF(pattern.target().center())) is not None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"distance": "far"}, "no number"),
        ({"pixel": "-3"}, "pixel size of -3.0 cannot be"),
        ({"y": "7"}, "both y and x"),
        ({"distance": "inf"}, "cannot be"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_kept(dialog, window, values, words):
    before = window.session.cursor.geometry()
    fill(dialog, **values)
    dialog.save.click()
    assert words in dialog.trouble.text()
    assert window.session.cursor.geometry() == before


def test_the_shot_on_screen_is_prepared_with_the_geometry_of_the_project(dialog, window):
    fill(dialog, distance=100, pixel=75)
    dialog.save.click()
    feed = window.session.shots.feed
    feed.prepare(None)
    assert [g.distance_m for g in feed.reader.geometries.values()] == [0.1]


def test_what_is_typed_belongs_to_the_file_of_the_heading(dialog, window, tmp_path):
    window.project_files.add_source(write_shots(tmp_path / "b.h5", n=6))
    session = window.session
    session.cursor.show(0)
    assert dialog.about.text().startswith("shots.h5")
    fill(dialog, distance=370)
    session.cursor.show(12)
    assert dialog.about.text().startswith("shots.h5")
    assert dialog.fields["distance"].text() == "370"
    dialog.save.click()
    assert [s.geometry.distance_m for s in session.require().project.sources] == [0.37, None]
    assert dialog.about.text().startswith("b.h5")  # nothing is typed: it follows the shot
    assert dialog.fields["distance"].text() == ""
    fill(dialog, distance=90)
    dialog.save.click()  # and once more
    assert [s.geometry.distance_m for s in session.require().project.sources] == [0.37, 0.09]
    session.cursor.show(0)
    assert dialog.fields["distance"].text() == "370"


def test_the_published_layout_has_angles_and_radii(tmp_path, qtbot):
    Project.create(tmp_path / "week", [needed("cxidb94_layout.cxi")]).close()
    session = make_session(tmp_path / "week")
    session.cursor.geometry()
    qtbot.waitUntil(lambda: "photon_energy_ev" in session.queue.numbers)
    degrees, transfer = angle(session.cursor.geometry(), 100)
    assert degrees == f"{math.degrees(math.atan2(100 * 72.5e-6, 0.065)):.1f}°"
    assert transfer.startswith("q ")
    session.close()
