"""The menu Project: opening, closing, leaving. A table, nothing else."""

from __future__ import annotations

from types import ModuleType

from labeler.window.commands.command import Command, command


def _exchange() -> ModuleType:
    from labeler.window.dialogs import exchange

    return exchange


def _long_work() -> ModuleType:
    from labeler.window.dialogs import long_work

    return long_work


def _people() -> ModuleType:
    from labeler.window.dialogs import people

    return people


def _classes() -> ModuleType:
    from labeler.window.dialogs import classes

    return classes


def _sources() -> ModuleType:
    from labeler.window.dialogs import sources

    return sources


def _restore() -> ModuleType:
    from labeler.window.dialogs import restore

    return restore


TABLE: tuple[Command, ...] = (
    command(
        "new",
        "New project from files of shots…",
        "Ctrl+N",
        "Project",
        "always",
        lambda w: w.project_files.new_project(),
        icon="new",
    ),
    command(
        "open",
        "Open project…",
        "Ctrl+O",
        "Project",
        "always",
        lambda w: w.project_files.choose_project(),
        icon="open",
    ),
    command(
        "add_source",
        "Add a file of shots…",
        "",
        "Project",
        "project",
        lambda w: w.project_files.choose_source(),
    ),
    command(
        "sources",
        "Files of shots…",
        "",
        "Project",
        "project",
        lambda w: _sources().ask_sources(w.session, w),
    ),
    command("geometry", "Geometry…", "", "Project", "project", lambda w: w.show_geometry()),
    command(
        "import_labels",
        "Import labels…",
        "",
        "Project",
        "project",
        lambda w: _exchange().import_labels(w.session, w),
    ),
    command(
        "export_labels",
        "Export labels…",
        "",
        "Project",
        "project",
        lambda w: _exchange().export_labels(w.session, w),
    ),
    command(
        "export_shots",
        "Export the shots of the queue…",
        "",
        "Project",
        "project",
        lambda w: _exchange().export_shots(w.session, w),
    ),
    command(
        "write_report",
        "Write the labelling report…",
        "",
        "Project",
        "project",
        lambda w: _exchange().write_report(w.session, w),
    ),
    command(
        "prepare",
        "Preprocessing…",
        "",
        "Project",
        "project",
        lambda w: w.project_files.prepare(),
    ),
    command(
        "long_work",
        "Batch jobs…",
        "",
        "Project",
        "project",
        lambda w: _long_work().show_long_work(w),
    ),
    command(
        "people",
        "Annotator…",
        "",
        "Project",
        "project",
        lambda w: _people().show_people(w),
    ),
    command(
        "classes",
        "Classes and rules…",
        "",
        "Project",
        "project",
        lambda w: _classes().show_classes(w),
    ),
    command(
        "backups",
        "Restore a backup…",
        "",
        "Project",
        "project",
        lambda w: _restore().show_backups(w),
    ),
    command("settings", "Settings…", "Ctrl+,", "Project", "always", lambda w: w.show_settings()),
    command("close", "Close project", "Ctrl+W", "Project", "project", lambda w: w.close_project()),
    command("quit", "Quit", "Ctrl+Q", "Project", "always", lambda w: w.close()),
)
