"""The menu Label: deciding on shots. A table, nothing else."""

from __future__ import annotations

from types import ModuleType

from labeler.window.commands.command import Command, command


def _accept_sure() -> ModuleType:
    from labeler.window.dialogs import accept_sure

    return accept_sure


def _history() -> ModuleType:
    from labeler.window.label import history

    return history


TABLE: tuple[Command, ...] = (
    command(
        "accept",
        "Accept and next",
        "Enter",
        "Label",
        "shot",
        lambda w: w.session.labelling.accept(),
    ),
    command(
        "accept_sure",
        "Accept all sure suggestions…",
        "Shift+Enter",
        "Label",
        "project",
        lambda w: _accept_sure().open_card(w),
    ),
    command("fix", "Apply the offered fix", "F", "Label", "shots", lambda w: w.target.fix()),
    command(
        "undo",
        "Undo",
        "Ctrl+Z",
        "Label",
        "project",
        lambda w: w.session.labelling.undo(),
        icon="undo",
    ),
    command(
        "redo",
        "Redo",
        "Ctrl+Shift+Z Ctrl+Y",
        "Label",
        "project",
        lambda w: w.session.labelling.redo(),
        icon="redo",
    ),
    command(
        "skip", "Skip: leave undecided and go on", "S", "Label", "shots", lambda w: w.target.skip()
    ),
    command(
        "flag", "Flag with a note…", "M", "Label", "shots", lambda w: w.ask_note(), icon="flag"
    ),
    command("unflag", "Flag on or off", "Shift+M", "Label", "shots", lambda w: w.target.flag()),
    command(
        "history",
        "History of the shot",
        "Y",
        "Label",
        "shot",
        lambda w: _history().flip(w),
        state=lambda w: _history().is_shown(w),
    ),
    command(
        "suggestions",
        "Suggestions on undecided shots",
        "Ctrl+U",
        "Label",
        "project",
        lambda w: w.session.suggestions.turn(not w.session.suggestions.on),
        state=lambda w: w.session.suggestions.on,
    ),
    command(
        "auto_advance",
        "Auto-advance",
        "Ctrl+G",
        "Label",
        "project",
        lambda w: w.flip_auto_advance(),
        state=lambda w: w.session.labelling.auto_advance,
    ),
    command(
        "accept_all",
        "Accept what is shown on all selected",
        "Ctrl+Enter",
        "Label",
        "many",
        lambda w: w.target.accept(),
    ),
    command(
        "select_all",
        "Select all shown",
        "Ctrl+A",
        "Label",
        "many",
        lambda w: w.selection.choose("select:all"),
    ),
    command(
        "select_others",
        "Invert selection",
        "Ctrl+I",
        "Label",
        "many",
        lambda w: w.selection.choose("select:others"),
    ),
    command("retrain", "Retrain the network", "Ctrl+R", "Label", "project", lambda w: w.retrain()),
    command(
        "run_before",
        "Back to the run used before",
        "Ctrl+Shift+R",
        "Label",
        "project",
        lambda w: w.retrain_bar.retraining.go_back(),
    ),
)
