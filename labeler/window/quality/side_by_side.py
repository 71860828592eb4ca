"""Side by side: the files of shots of a project as a table, sorted by a click, exported as CSV.

It is counted in a child process, as `airylabel side-by-side` does; nothing is read here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QCheckBox, QPushButton

from labeler.session.session import Session
from labeler.window.dialogs import file_dialogs
from labeler.window.process.short_job import ShortJob
from labeler.window.quality.parts import Page
from labeler.window.widgets.tables import TextTable
from model.errors import InputError
from model.events import Event

TITLE = "Side by side"
WHAT = (
    "Every file of shots, such as an acquisition run, in a line: hit rate, class fractions among "
    "the hits, median radius, broken rules, and what differs from all other files more than chance "
    "does."
)
RADII = 50
"""Hits of each file whose radius is measured."""
FIXED = {"source": "Source", "judged": "Judged", "hit rate": "Hit rate"}
LAST = {"radius_nm": "Radius / nm", "broken rules": "Broken", "drifts": "Differs in"}
DIFFERS = "◆ "
Line = dict[str, Any]


class SideBySidePage(Page):
    """Count, sort, export."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, TITLE)
        self.short_job = ShortJob(session, self)
        self.found: list[Line] = []
        self.by = ""
        self.keys: list[str] = []
        self.sorted_by, self.descending = "", False
        self.outdated = False
        self.by_labels = QCheckBox("Labels, not predictions")
        self.by_labels.setToolTip("Count what people said instead of what the run in use says")
        self.radii = QCheckBox("Measure radii")
        self.radii.setToolTip(f"From the rings of {RADII} hits of each file, drawn at random")
        self.again, self.export = QPushButton("Update"), QPushButton("Export…")
        self.again.clicked.connect(self.count)
        self.export.clicked.connect(self.save)
        for widget in (self.by_labels, self.radii, self.again, self.export):
            self.head.addWidget(widget)
        self.table = TextTable(TITLE, ("Source",))
        self.body.addWidget(self.table, 1)
        self.short_job.changed.connect(self.outdate)
        session.labels.labels_changed.connect(self._mark_outdated)
        session.project_changed.connect(self._forget)

    def count(self) -> None:
        """Count in a child; the table follows."""
        if self.session.opened is None:
            return
        words = ["side-by-side", str(self.session.require().folder)]
        words += ["--labels"] * self.by_labels.isChecked()
        words += ["--sizes", str(RADII)] * self.radii.isChecked()
        self.short_job.start(words, "counting", self._take_lines)

    def _take_lines(self, item: Event) -> None:
        self.found, self.by, self.outdated = list(item["sources"]), str(item["judged_by"]), False
        self.outdate()

    def _mark_outdated(self, *_: object) -> None:
        self.outdated = True
        self.outdate()

    def _forget(self) -> None:
        self.found, self.sorted_by, self.outdated = [], "", False

    def refresh(self) -> bool:
        if not self.found:
            if self.short_job.is_running:
                said = f"{WHAT}\n\n{self.short_job.said} …"
                self.empty.say(TITLE, said, "Stop", self.short_job.stop)
            else:
                said = f"{WHAT}\n\n{self.short_job.answer}".strip()
                self.empty.say(TITLE, said, "Count", self.count)
            return False
        said = f"By {self.by}; 95 % intervals. {DIFFERS}differs from all others more than chance."
        said += " Labels changed since: Update." * self.outdated
        self.said.setText(f"{self.short_job.said} …" if self.short_job.is_running else said)
        self.again.setEnabled(not self.short_job.is_running)
        self._show_table()
        return True

    def _show_table(self) -> None:
        names = self.session.labels.taxonomy.names_in_order
        present = [n for n in names if any((line.get(n) or 0) > 0 for line in self.found)]
        keys = [*FIXED, *present, *LAST]
        if keys != self.keys:
            self.keys = keys
            heads = [(FIXED | LAST).get(key, key) for key in keys]
            old, self.table = self.table, TextTable(TITLE, heads, heads[1:-1], heads[-1])
            self.body.replaceWidget(old, self.table)
            old.hide()
            old.deleteLater()
            self.table.opened.connect(self._open)
            across = self.table.horizontalHeader()
            assert across is not None
            across.setSectionsClickable(True)
            across.sectionClicked.connect(self.sort)
        self.lines = self._in_order()
        self.table.show_lines([[_cell(line, key) for key in keys] for line in self.lines])

    def sort(self, column: int) -> None:
        """By a column, the largest first; the other way round at a second click."""
        key = self.keys[column]
        text = key in ("source", "drifts")
        self.descending = not self.descending if key == self.sorted_by else not text
        self.sorted_by = key
        across = self.table.horizontalHeader()
        assert across is not None
        order = Qt.SortOrder.DescendingOrder if self.descending else Qt.SortOrder.AscendingOrder
        across.setSortIndicator(column, order)
        across.setSortIndicatorShown(True)
        self._show_table()

    def _in_order(self) -> list[Line]:
        """The lines as sorted; what is not known comes last either way."""
        key = self.sorted_by
        known = [line for line in self.found if key and _is_known(line[key])]
        known.sort(key=lambda line: line[key], reverse=self.descending)
        return [*known, *(line for line in self.found if line not in known)]

    def _open(self, place: int) -> None:
        """Go through the shots of a file."""
        sources = self.session.require().table.sources
        names = [line["source"] for line in self.found]
        at = names.index(self.lines[place]["source"])
        rows = (self.session.require().table.source_of == at).nonzero()[0]
        self.go_through(rows, sources[at].name)

    def save(self) -> None:
        """Every column, in the order shown, as CSV."""
        start = f"{self.session.require().project.name}-side-by-side.csv"
        chosen, _ = file_dialogs.ask_new_file(self, "Export the table", start, "CSV (*.csv)")
        if chosen is not None:
            self.write(chosen)

    def write(self, path: Path) -> None:
        """The table as CSV; a refusal is a note."""
        from labeler.exchange.as_csv import write_lines

        blank = [{k: _blank(v) for k, v in line.items()} for line in self._in_order()]
        try:
            write_lines(path, blank)
        except (InputError, OSError) as error:
            self.session.noted.emit("error", str(error))
        else:
            self.session.noted.emit("info", f"{len(blank):,} lines written to {path.name}.")


def _is_known(value: Any) -> bool:
    return value is not None and value == value


def _blank(value: Any) -> Any:
    return "" if value is None else value


def _cell(line: Line, key: str) -> str:
    value = line[key]
    if isinstance(value, str):
        return value
    if not _is_known(value):
        return "–"
    if f"{key} low" not in line:
        return f"{value:,}"
    low, high = line[f"{key} low"], line[f"{key} high"]
    if key == "radius_nm":
        return f"{value:.0f} ({low:.0f}–{high:.0f})"
    mark = DIFFERS if key in line["drifts"].split("; ") else ""
    return f"{mark}{100 * value:.0f} % ({100 * low:.0f}–{100 * high:.0f})"
