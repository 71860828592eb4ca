"""Labels and shots out of the project on screen, and its report: asks where to, then does it."""

from __future__ import annotations

import numpy as np
from PyQt6.QtWidgets import QWidget

from labeler.exchange import ENDINGS, FORMATS, export
from labeler.project.project import Project
from labeler.session.session import Session
from labeler.window.dialogs import file_dialogs
from labeler.window.process.project_thread import Progress, run_in_thread
from model.errors import counted

LABEL_FILES = tuple(f"{form.title} (*{form.endings[0]})" for form in FORMATS.values())
SHOT_FILES = {
    "CXI with a copy of the shots (*.cxi)": False,
    "CXI with links to the shots (*.cxi)": True,
    "HDF5 with a copy of the shots (*.h5)": False,
}
"""Kinds of files of shots, and whether they only link to them."""
REPORT_FILES = ("Web page (*.html)", "PDF (*.pdf)")
READABLE = f"Labels ({' '.join(f'*{ending}' for ending in ENDINGS)});;All files (*)"


def export_labels(session: Session, host: QWidget) -> None:
    """Write the labels to a file of a kind that the person chooses."""
    session.sources.begin_work("exporting labels", lambda: _export_labels(session, host))


def _export_labels(session: Session, host: QWidget) -> None:
    name, annotator = f"{session.require().project.name}-labels.csv", session.require().annotator
    out, _ = file_dialogs.ask_new_file(host, "Export labels", name, ";;".join(LABEL_FILES))
    if out is None:
        return

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
    name = f"{session.require().project.name}-shots.cxi"
    out, kind = file_dialogs.ask_new_file(host, title, name, ";;".join(SHOT_FILES))
    if out is None:
        return

    def work(project: Project, progress: Progress) -> str:
        from labeler.exchange.shots import export_shots

        text = ""
        for event in export_shots(
            project,
            rows,
            out,
            annotator=annotator,
            virtual=SHOT_FILES.get(kind, False),
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
    name, annotator = f"{session.require().project.name}-report.html", session.require().annotator
    out, _ = file_dialogs.ask_new_file(host, "Labelling report", name, ";;".join(REPORT_FILES))
    if out is None:
        return

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
