"""Labels and shots out of the project on screen, and its report: asks where to, then does it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PyQt6.QtWidgets import QWidget

from labeler.exchange import ENDINGS, FORMATS, export
from labeler.project.project import Project
from labeler.session.session import Session
from labeler.window.dialogs import file_dialogs
from labeler.window.process.project_thread import Progress, run_in_thread
from model.errors import counted

LABEL_FILES = {f"{form.title} (*{form.endings[0]})": form.endings[0] for form in FORMATS.values()}
SHOT_FILES = {
    "CXI with a copy of the shots (*.cxi)": (".cxi", False),
    "CXI with links to the shots (*.cxi)": (".cxi", True),
    "HDF5 with a copy of the shots (*.h5)": (".h5", False),
}
REPORT_FILES = {"Web page (*.html)": ".html", "PDF (*.pdf)": ".pdf"}
READABLE = f"Labels ({' '.join(f'*{ending}' for ending in ENDINGS)});;All files (*)"


def _ask(
    host: QWidget, title: str, name: str, filters: Mapping[str, str | tuple[str, bool]]
) -> tuple[Path, str] | None:
    """A place to write to with the ending of its kind, and the kind; None where no one wants to."""
    path, kind = file_dialogs.ask_new_file(host, title, name, ";;".join(filters))
    if path is None:
        return None
    kind = kind if kind in filters else next(iter(filters))
    found = filters[kind]
    ending = found if isinstance(found, str) else found[0]
    return (path if path.suffix else path.with_name(path.name + ending)), kind


def export_labels(session: Session, host: QWidget) -> None:
    """Write the labels to a file of a kind that the person chooses."""
    session.sources.begin_work("exporting labels", lambda: _export_labels(session, host))


def _export_labels(session: Session, host: QWidget) -> None:
    asked = _ask(host, "Export labels", f"{session.require().project.name}-labels.csv", LABEL_FILES)
    if asked is None:
        return
    out, annotator = asked[0], session.require().annotator

    def work(project: Project, progress: Progress) -> str:
        sheet = export(project, None, out, force=True, annotator=annotator)
        done = f"{int(sheet.labelled.sum()):,} labelled of {counted(len(sheet), 'shot')}"
        return f"{done} written to {out}."

    run_in_thread(session, host, "Writing the labels…", work)


def export_shots(session: Session, host: QWidget) -> None:
    """Write the shots of the queue, with their labels, to a file."""
    session.sources.begin_work("exporting shots", lambda: _export_shots(session, host))


def _export_shots(session: Session, host: QWidget) -> None:
    rows, annotator = np.array(session.queue.rows), session.require().annotator
    if not len(rows):
        session.noted.emit("info", "The queue is empty: choose shots first.")
        return
    title = f"Export the {counted(len(rows), 'shot')} of the queue"
    asked = _ask(host, title, f"{session.require().project.name}-shots.cxi", SHOT_FILES)
    if asked is None:
        return
    out, kind = asked

    def work(project: Project, progress: Progress) -> str:
        from labeler.exchange.shots import export_shots

        text = ""
        for event in export_shots(
            project,
            rows,
            out,
            annotator=annotator,
            virtual=SHOT_FILES[kind][1],
            force=True,
            stop=lambda: progress.stopped,
        ):
            if event["event"] == "progress":
                progress.advanced.emit(event["done"], event["total"])
            text = str(event.get("text", ""))
        return text

    run_in_thread(session, host, f"Writing {counted(len(rows), 'shot')}…", work)


def write_report(session: Session, host: QWidget) -> None:
    """Write the report of the labelling week."""
    session.sources.begin_work("the report", lambda: _write_report(session, host))


def _write_report(session: Session, host: QWidget) -> None:
    asked = _ask(
        host, "Labelling report", f"{session.require().project.name}-report.html", REPORT_FILES
    )
    if asked is None:
        return
    out, annotator = asked[0], session.require().annotator

    def work(project: Project, progress: Progress) -> str:
        from labeler.quality import week_report
        from labeler.window.widgets.print_pdf import print_pdf

        week_report.write_report(project, out, print_pdf, annotator=annotator, force=True)
        return f"The report is {out}."

    run_in_thread(session, host, "Drawing the report…", work)


def import_labels(session: Session, host: QWidget) -> None:
    """Ask for a file of labels, show what it would change, and take it over if wanted."""
    from labeler.window.dialogs.import_labels import ImportLabels

    chosen = file_dialogs.ask_file(host, "Import labels", READABLE)
    if chosen is not None:
        dialog = ImportLabels(session, chosen, host)
        dialog.exec()
        dialog.deleteLater()
