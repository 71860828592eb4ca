"""The menu Project: opening, closing, leaving. A table, nothing else."""

from __future__ import annotations

from labeler.commands.command import Command, command

TABLE: tuple[Command, ...] = (
    command(
        "new",
        "New project from files of shots…",
        "Ctrl+N",
        "Project",
        "always",
        lambda w: w.doors.new_project(),
        icon="new",
    ),
    command(
        "open",
        "Open project…",
        "Ctrl+O",
        "Project",
        "always",
        lambda w: w.doors.choose_project(),
        icon="open",
    ),
    command(
        "add_source",
        "Add a file of shots…",
        "",
        "Project",
        "project",
        lambda w: w.doors.choose_source(),
    ),
    command(
        "prepare", "Preparation of shots…", "", "Project", "project", lambda w: w.doors.prepare()
    ),
    command("close", "Close project", "Ctrl+W", "Project", "project", lambda w: w.close_project()),
    command("quit", "Quit", "Ctrl+Q", "Project", "always", lambda w: w.close()),
)
