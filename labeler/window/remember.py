"""Between settings and session: the look, and how far each recent project is."""

from __future__ import annotations

import numpy as np

from labeler.project.store.records import LABELLED
from labeler.session.display import PANES
from labeler.session.session import Session
from labeler.window.settings import Settings


def take_look(session: Session, settings: Settings) -> None:
    """Draw shots as the person left it."""
    session.auto_advance = settings["auto_advance"]
    session.levels_follow = settings["follow_levels"]
    session.prepared = settings["show_prepared"]
    session.preparation_changed()
    session.repeat_rate = float(settings["repeat_rate"])
    session.remind_of_breaks = settings["break_reminder"]
    session.look(
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
        "norm": session.screen.norm,
        "colormap": session.screen.colormap,
        "show_mask": session.screen.mask,
        "heat_contours": session.overlay.contours,
        "heat_transparency": session.overlay.transparency,
        "heat_strength": session.overlay.strength,
        "auto_advance": session.auto_advance,
        "follow_levels": session.levels_follow,
        "show_prepared": session.prepared,
        "physics": [name for name in PANES if getattr(session.panes, name)],
        "repeat_rate": session.repeat_rate,
        "break_reminder": session.remind_of_breaks,
    }
    for id, value in values.items():
        settings.set(id, value)


def keep_progress(session: Session, settings: Settings) -> None:
    """Note for the first page how far the open project is."""
    if session.project is None:
        return
    done = int(np.count_nonzero(session.status & LABELLED))
    text = f"{done:,} of {session.n_shots:,} labelled"
    kept = {**settings["progress"], str(session.project.folder): text}
    settings.set("progress", {k: v for k, v in kept.items() if k in settings["recent"]})
