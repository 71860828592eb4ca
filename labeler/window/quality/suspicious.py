"""Suspicious labels: a list of shots to look at again, each with the reason; the search is a Job.

Nothing is relabelled here: a shot is opened in Label, and leaves the list once its label changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PyQt6.QtWidgets import QPushButton

from labeler.project.store.records import LABELLED
from labeler.runs.training_choices import more_labels
from labeler.session.session import Session
from labeler.window.process.short_job import ShortJob
from labeler.window.quality.parts import Page
from labeler.window.widgets.parts import set_role, share
from labeler.window.widgets.tables import TextTable
from model.active.suspicious import FEWEST
from model.events import Event
from model.taxonomy.taxonomy import Taxonomy

TITLE = "Suspicious labels"
MOST = 500


class SuspiciousPage(Page):
    """Find, look through, decide again."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, TITLE)
        self.short_job = ShortJob(session, self)
        self.suspects: list[dict[str, Any]] = []
        self.shown: list[dict[str, Any]] = []
        self._text = ""
        self._before = session.labels.present
        self.table = TextTable(
            "Suspicious labels", ("Shot", "Label score", "Labels", "Suggested", "Reason"),
            ("Shot", "Label score"), "Reason", most=0.24,
        )  # fmt: skip
        self.table.opened.connect(self._open)
        self.again, self.go = QPushButton("Search again"), QPushButton("Show in Label")
        set_role(self.go, "main")
        self.again.clicked.connect(self.search)
        self.go.clicked.connect(lambda: self._open(0))
        self.head.addWidget(self.again)
        self.head.addWidget(self.go)
        self.body.addWidget(self.table, 1)
        self.short_job.changed.connect(self.outdate)
        session.project_changed.connect(self._forget)

    def _forget(self) -> None:
        self.suspects, self._text = [], ""

    def search(self) -> None:
        """Start the search over all labelled shots."""
        if self.session.opened is None:
            return
        self._before = self.session.labels.present.copy()
        folder = str(self.session.require().folder)
        said = "reading labels and embeddings"
        self.short_job.start(["suspicious", folder, "--most", str(MOST)], said, self._found)

    def _found(self, item: Event) -> None:
        self.suspects, self._text = list(item["suspects"]), str(item["text"])
        if not self.suspects:
            self.session.noted.emit("info", self._text)

    def refresh(self) -> bool:
        session = self.session
        labelled = int(np.count_nonzero(session.labels.status & LABELLED))
        what = (
            "A network that never saw a shot's label, and the shots that look most like it, say "
            "which labels are probably wrong, and why."
        )
        if self.short_job.is_running and not self.suspects:
            self.empty.say(TITLE, f"{what}\n\n{self.short_job.said} …", "Stop", self.short_job.stop)
            return False
        if not self.suspects:
            if labelled < FEWEST:
                shots = self.session.labels.n_shots
                needed = f"{more_labels(FEWEST, labelled, shots, 'for that')}."
                self.empty.say(TITLE, f"{what}\n\n{needed}")
            else:
                self.empty.say(TITLE, f"{what}\n\n{self._text}".strip(), "Search", self.search)
            return False
        now = session.labels.present
        same = [s for s in self.suspects if now[s["shot"] - 1] == self._before[s["shot"] - 1]]
        self.shown = same
        gone = len(self.suspects) - len(same)
        said = f"{self._text} The most suspicious come first."
        said += f" {gone:,} of them you have relabelled." if gone else ""
        self.said.setText(f"{self.short_job.said} …" if self.short_job.is_running else said)
        self.table.show_lines([_line(session.labels.taxonomy, s) for s in same])
        self.go.setEnabled(bool(same))
        self.again.setEnabled(not self.short_job.is_running)
        return True

    def _open(self, place: int) -> None:
        """Go through the list from one of its shots on; its reason is said."""
        if not 0 <= place < len(self.shown):
            return
        rows = [int(s["shot"]) - 1 for s in self.shown]
        self.session.queue.show_rows(rows, TITLE)
        self.session.cursor.show(rows[place])
        self.session.noted.emit("info", f"Shot {rows[place] + 1:,} {self.shown[place]['reason']}.")
        self.label_requested.emit()


def _line(taxonomy: Taxonomy, found: dict[str, Any]) -> tuple[str, str, str, str, str]:
    return (
        f"{found['shot']:,}",
        share(float(found["quality"])),
        _unimplied(taxonomy, found["labels"]),
        _unimplied(taxonomy, found["suggested"]),
        str(found["reason"]),
    )


def _unimplied(taxonomy: Taxonomy, names: list[str]) -> str:
    """Names of the classes that no other of them implies, as the chips of a shot show them."""
    held = taxonomy.mask(name for name in names if taxonomy.knows(name))
    shown = held & ~taxonomy.implied(held)
    return ", ".join(taxonomy.named(shown)) or "none"
