"""Agreement: how far people agree, class by class, and the shots on which they differ."""

from __future__ import annotations

import numpy as np
from PyQt6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout

from labeler.project import people
from labeler.project.project import Project
from labeler.project.store.records import Rows
from labeler.quality import adjudication
from labeler.quality.agreement import Agreement, Pair, Readers, agreement_of, readers_of
from labeler.session.session import Session
from labeler.window.label.classes.votes import TITLE, VotesCard
from labeler.window.label.view import LabelView
from labeler.window.quality.parts import Page
from labeler.window.widgets.interval_chart import Interval, IntervalChart
from labeler.window.widgets.parts import label, share
from labeler.window.widgets.tables import TextTable
from model.errors import counted
from model.metrics.agreement import RELIABLE, TENTATIVE

HIDDEN = "Who says what is hidden while the project is blind."
SHOWN = 200
"""This many differing shots are listed one by one."""


class AgreementPage(Page):
    """Alpha of each class at the left, the pairs of readers at the right, what to settle above."""

    asks = True

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Agreement")
        self.readers: Readers | None = None
        self.found: Agreement | None = None
        self.open_rows = np.zeros(0, np.int64)
        self.class_index = -1
        self.blind = False
        self.card: VotesCard | None = None
        self.settle = QPushButton("Show in Label")
        self.settle.setProperty("role", "main")
        self.settle.clicked.connect(lambda: self._adjudicate(self.open_rows))
        self.consensus = QPushButton("Make consensus labels")
        self.consensus.setToolTip(
            "What most say becomes the label of an annotator of its own; no one's label changes"
        )
        self.consensus.clicked.connect(self._make_consensus)
        session.consensus.changed.connect(self.outdate)
        session.other_windows.others_changed.connect(self.outdate)
        self.head.addWidget(self.consensus)
        self.head.addWidget(self.settle)
        self.chart = IntervalChart("Krippendorff's alpha by class", marks=(TENTATIVE, RELIABLE))
        self._lines: tuple[int, ...] = ()
        self.chart.chosen.connect(lambda line: self._choose(self._lines[line]))
        self.of_class = QPushButton("")
        self.of_class.clicked.connect(self._adjudicate_class)
        self.people = TextTable("Annotators", ("Annotator", "Shots"), ("Shots",), "Annotator")
        heads = ("Pair", "Shots", "Same", "κ")
        self.pairs = TextTable("Pairs of annotators", heads, heads[1:], "Pair")
        self.pairs_title, self.said_title = label("", "heading"), label("", "heading")
        sides = ("Shot", "Present", "Absent")
        self.said_table = TextTable("Who says what", sides, ("Shot",), "Absent")
        self.said_table.opened.connect(self._open)
        self._lay_out()

    def _lay_out(self) -> None:
        left, right = QVBoxLayout(), QVBoxLayout()
        for column in (left, right):
            column.setSpacing(8)
        left.addWidget(label("Krippendorff's α by class, with 95 % intervals", "heading"))
        left.addWidget(self.chart)
        left.addWidget(
            label(
                f"From the right dashed line on ({share(RELIABLE)}) labels are reliable, between "
                f"the two ({share(TENTATIVE)}) conclusions are tentative. 0 is chance.",
                "muted",
                wrap=True,
            )
        )
        row = QHBoxLayout()
        row.addWidget(self.said_title, 1)
        row.addWidget(self.of_class)
        left.addSpacing(6)
        left.addLayout(row)
        left.addWidget(self.said_table, 1)
        right.addWidget(label("Annotators", "heading"))
        right.addWidget(self.people, 2)
        right.addSpacing(8)
        right.addWidget(self.pairs_title)
        right.addWidget(self.pairs, 3)
        both = QHBoxLayout()
        both.setSpacing(28)
        both.addLayout(left, 3)
        both.addLayout(right, 2)
        self.body.addLayout(both, 1)

    # -- showing -------------------------------------------------------------------------------

    def _with_a_line(self, found: Agreement) -> tuple[int, ...]:
        """Classes that are offered, or on which people differ."""
        labels, alphas = self.session.labels, found.alphas
        order, offered = labels.taxonomy.order, labels.shown_classes
        return tuple(c for c in order if c in offered or alphas[c].differing > 0)

    def ask(self, project: Project, annotator: int) -> tuple[Readers, Agreement, Rows, bool]:
        readers = readers_of(project)
        found = agreement_of(project, readers)
        open_rows = adjudication.open_questions(project, found.rows)
        return readers, found, open_rows, people.is_blind(project.store)

    def refresh(self) -> bool:
        self.readers, found, self.open_rows, self.blind = self.answer
        self.found = found
        if not found.shots:
            self._say_empty(found)
            return False
        settled = len(found.rows) - len(self.open_rows)
        done = f", {settled:,} of them settled" if settled else ""
        self.said.setText(
            f"Shots labelled by two or more: {found.shots:,}; on {len(found.rows):,} they differ"
            f"{done}. α of whole label sets: {share(found.whole)}."
        )
        self.settle.setText(f"Resolve {counted(len(self.open_rows), 'disagreement')}")
        self.settle.setVisible(len(self.open_rows) > 0 and not self.blind)
        self._lines = self._with_a_line(found)
        rows = [
            Interval(
                name,
                alpha.value,
                alpha.low,
                alpha.high,
                f"{alpha.differing:,} differ",
                f"{name}: on {alpha.differing:,} of {counted(alpha.units, 'shot')} they differ",
            )
            for name, alpha in ((found.class_names[c], found.alphas[c]) for c in self._lines)
        ]
        if self.class_index not in self._lines:
            self.class_index = max(self._lines, key=lambda c: found.alphas[c].differing)
        self.chart.show_rows(rows, self._lines.index(self.class_index))
        self.people.show_lines([(name, f"{n:,}") for name, n in found.readers])
        self._choose(self.class_index)
        return True

    def _say_empty(self, found: Agreement) -> None:
        who = " and ".join(f"{name} ({counted(n, 'shot')})" for name, n in found.readers)
        so_far = f"So far: {who}." if who else "So far no one has labelled."
        self.empty.say(
            "No labels can be compared yet",
            "Where two people label the same shots, or you label shots whose file brought labels, "
            "it says here how far they agree on each class, and leads to the shots on which they "
            f"differ.\n\n{so_far} Labels of others come in with Project → Import labels…",
        )

    def _choose(self, class_index: int) -> None:
        found = self.found
        if found is None:
            return
        self.class_index = class_index
        name = found.class_names[class_index]
        n = len(found.rows_of(class_index))
        title = f"Votes for {name}" if n else f"All see {name} alike"
        self.said_title.setText(HIDDEN if self.blind else title)
        self.said_table.setVisible(not self.blind)
        self._show_who(found.rows_of(class_index)[:SHOWN])
        self.of_class.setText(f"Resolve {counted(n, 'disagreement')}")
        self.of_class.setVisible(n > 0 and not self.blind)
        self.pairs_title.setText(f"Cohen's κ of {name} by pair")
        self.pairs.show_lines([self._pair(p, class_index) for p in found.pairs])

    def _show_who(self, rows: Rows) -> None:
        """Who gives the chosen class to the first of the shots, and who does not."""
        readers = self.readers
        assert readers is not None
        rows = rows[:0] if self.blind else rows
        lines = []
        for row in rows.tolist():
            sides: dict[bool, list[str]] = {True: [], False: []}
            for a, who in enumerate(readers.names):
                if readers.read[a, row] and readers.known[a, row] >> self.class_index & 1:
                    sides[bool(readers.present[a, row] >> self.class_index & 1)].append(who)
            lines.append((f"{row + 1:,}", ", ".join(sides[True]), ", ".join(sides[False])))
        self.said_table.show_lines(lines)

    @staticmethod
    def _pair(pair: Pair, class_index: int) -> tuple[str, str, str, str]:
        kappa = float(pair.kappa[class_index])
        same = f"{100 * pair.same / pair.shots:.0f} %"
        return f"{pair.first} – {pair.second}", f"{pair.shots:,}", same, share(kappa)

    # -- doing ---------------------------------------------------------------------------------

    def _open(self, line: int) -> None:
        if self.found is not None:
            self._adjudicate(np.roll(self.found.rows_of(self.class_index), -line))

    def _adjudicate_class(self) -> None:
        if self.found is not None:
            self._adjudicate(self.found.rows_of(self.class_index))

    def _adjudicate(self, rows: Rows) -> None:
        if not len(rows) or self.readers is None or self.blind:
            return
        if self.card is not None:
            self.card.finish()
        self.go_through(rows, TITLE)
        window = self.window()
        view = None if window is None else window.findChild(LabelView)
        if view is not None:
            self.card = VotesCard(self.session, self.readers, view.pattern)

    def _make_consensus(self) -> None:
        found = self.session.consensus.make()
        if found is None:
            return
        self.session.noted.emit(
            "info",
            f"Consensus: {counted(found.unanimous, 'shot')} labelled alike, "
            f"{found.majority:,} by majority, "
            f"{found.by_hand:,} settled by hand; {found.open:,} stay open. "
            + ("Undo takes it back." if found.changed else "It was so before."),
        )
