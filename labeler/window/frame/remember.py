"""Between settings and session: the look, how far each recent project is, where the window was."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QByteArray, QDataStream, QRect, Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QWidget

from labeler.project.store.records import LABELLED
from labeler.session.display import PANES
from labeler.session.session import Session
from labeler.window.settings import Settings

HEADER = 8
"""Bytes before the rectangles of what `saveGeometry` gives."""


def take_look(session: Session, settings: Settings) -> None:
    """Draw shots as the person left it."""
    session.labelling.auto_advance = settings["auto_advance"]
    if session.suggestions.on != settings["suggestions"]:
        session.suggestions.turn(settings["suggestions"])
    session.display.levels_follow = settings["follow_levels"]
    if session.shots.prepared != settings["show_prepared"]:
        session.shots.show_prepared(settings["show_prepared"])
    session.repeats.rate = float(settings["repeat_rate"])
    session.labelling.remind_of_breaks = settings["break_reminder"]
    session.display.change(
        norm=settings["norm"],
        colormap=settings["colormap"],
        mask=settings["show_mask"],
        contours=settings["heat_contours"],
        transparency=settings["heat_transparency"],
        strength=float(settings["heat_strength"]),
        **{name: name in settings["physics"] for name in PANES},
    )


def keep_look(session: Session, settings: Settings) -> None:
    """Take over the look in use."""
    values = {
        "norm": session.display.screen.norm,
        "colormap": session.display.screen.colormap,
        "show_mask": session.display.screen.mask,
        "heat_contours": session.display.overlay.contours,
        "heat_transparency": session.display.overlay.transparency,
        "heat_strength": session.display.overlay.strength,
        "suggestions": session.suggestions.on,
        "auto_advance": session.labelling.auto_advance,
        "follow_levels": session.display.levels_follow,
        "show_prepared": session.shots.prepared,
        "physics": [name for name in PANES if getattr(session.display.panes, name)],
        "repeat_rate": session.repeats.rate,
        "break_reminder": session.labelling.remind_of_breaks,
    }
    for id, value in values.items():
        settings.set(id, value)


def keep_progress(session: Session, settings: Settings) -> None:
    """Note for the first page how far the open project is."""
    if session.opened is None:
        return
    done = int(np.count_nonzero(session.labels.status & LABELLED))
    text = f"{done:,} of {session.labels.n_shots:,} labelled"
    kept = {**settings["progress"], str(session.require().folder): text}
    settings.set("progress", {k: v for k, v in kept.items() if k in settings["recent"]})


def restore_geometry(window: QWidget, saved: QByteArray) -> bool:
    """`restoreGeometry`, but exactly where the window was, if that is all on screen: Qt moves it
    away from the upper edge by its own guess of a title bar. False where nothing was saved."""
    if not window.restoreGeometry(saved):
        return False
    stream, frame, inside = QDataStream(saved), QRect(), QRect()
    stream.skipRawData(HEADER)
    stream >> frame
    stream >> inside
    large = Qt.WindowState.WindowMaximized | Qt.WindowState.WindowFullScreen
    if not window.windowState() & large and any(
        screen.availableGeometry().contains(frame.united(inside))
        for screen in QGuiApplication.screens()
    ):
        window.setGeometry(inside)
    return True
