"""The menu Label: deciding on shots. A table, nothing else."""

from __future__ import annotations

from labeler.commands.command import Command, command, view

TABLE: tuple[Command, ...] = (
    command(
        "accept", "Accept and go on", "Return Enter", "Label", "shot", lambda w: w.session.accept()
    ),
    command(
        "accept_sure",
        "Accept all sure suggestions…",
        "Shift+Return",
        "Label",
        "project",
        lambda w: view("accept_sure").open_card(w),
    ),
    command("fix", "Apply the offered fix", "F", "Label", "shot", lambda w: w.session.fix()),
    command("undo", "Undo", "Ctrl+Z", "Label", "shot", lambda w: w.session.undo(), icon="undo"),
    command(
        "redo",
        "Redo",
        "Ctrl+Shift+Z Ctrl+Y",
        "Label",
        "shot",
        lambda w: w.session.redo(),
        icon="redo",
    ),
    command(
        "skip", "Skip: leave undecided and go on", "S", "Label", "shot", lambda w: w.session.skip()
    ),
    command("flag", "Flag with a note…", "M", "Label", "shot", lambda w: w.ask_note(), icon="flag"),
    command("unflag", "Flag on or off", "Shift+M", "Label", "shot", lambda w: w.session.flag()),
    command(
        "auto_advance",
        "Go on after each key",
        "Ctrl+G",
        "Label",
        "project",
        lambda w: w.flip_auto_advance(),
        state=lambda w: w.session.auto_advance,
    ),
    command("retrain", "Retrain the network", "Ctrl+R", "Label", "project", lambda w: w.retrain()),
)
