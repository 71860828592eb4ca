"""The menu Project: opening, closing, leaving. A table, nothing else."""

from __future__ import annotations

from labeler.window.commands.command import Command, command, view

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
        "import_labels",
        "Import labels…",
        "",
        "Project",
        "project",
        lambda w: view("dialogs.exchange").import_labels(w.session, w),
    ),
    command(
        "export_labels",
        "Export labels…",
        "",
        "Project",
        "project",
        lambda w: view("dialogs.exchange").export_labels(w.session, w),
    ),
    command(
        "export_shots",
        "Export the shots of the queue…",
        "",
        "Project",
        "project",
        lambda w: view("dialogs.exchange").export_shots(w.session, w),
    ),
    command(
        "write_report",
        "Write the labelling report…",
        "",
        "Project",
        "project",
        lambda w: view("dialogs.exchange").write_report(w.session, w),
    ),
    command(
        "prepare", "Preparation of shots…", "", "Project", "project", lambda w: w.doors.prepare()
    ),
    command(
        "long_work",
        "Work on all shots…",
        "",
        "Project",
        "project",
        lambda w: view("dialogs.long_work").show_long_work(w),
    ),
    command(
        "people",
        "Who labels…",
        "",
        "Project",
        "project",
        lambda w: view("dialogs.people").show_people(w),
    ),
    command(
        "classes",
        "Classes and rules…",
        "",
        "Project",
        "project",
        lambda w: view("dialogs.classes").show_classes(w),
    ),
    command(
        "backups",
        "Backups: go back…",
        "",
        "Project",
        "project",
        lambda w: view("dialogs.restore").show_backups(w),
    ),
    command("close", "Close project", "Ctrl+W", "Project", "project", lambda w: w.close_project()),
    command("quit", "Quit", "Ctrl+Q", "Project", "always", lambda w: w.close()),
)
