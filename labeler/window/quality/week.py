"""Week: how the labelling goes today and this week, which classes are still rare, the report."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PyQt6.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QVBoxLayout

from labeler.project.project import Project
from labeler.quality.week import ENOUGH_OF_A_CLASS, Span, Week, rare_classes, week_of
from labeler.session.session import Session
from labeler.window.quality.parts import Page, figure
from labeler.window.widgets import theme
from labeler.window.widgets.interval_chart import Interval, IntervalChart
from labeler.window.widgets.parts import label
from labeler.window.widgets.quiet_plot import QuietPlot, WholeNumbers
from model.errors import counted


class WeekPage(Page):
    """Numbers above, two charts of decisions, and the rare classes beside them."""

    asks = True

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Week")
        self.reminder = QCheckBox("Remind me to take breaks")
        self.reminder.toggled.connect(self._remind)
        self.report = QPushButton("Write the report…")
        self.report.setToolTip("The labelling week with figures, as HTML or PDF")
        self.report.clicked.connect(self._report)
        self.head.addWidget(self.reminder)
        self.head.addSpacing(12)
        self.head.addWidget(self.report)
        self.figures = {
            name: figure("–", name) for name in ("today", "shots an hour today", "worked today")
        }
        self.figures |= {name: figure("–", name) for name in ("last 7 days", "shots an hour")}
        self.days, self.hours = (
            QuietPlot(what, axes={"left": WholeNumbers("left")})
            for what in ("Shots by day", "Shots by hour")
        )
        self.hours_title = label("", "heading")
        self.rare = IntervalChart("Labels of the rare classes", whole=ENOUGH_OF_A_CLASS)
        self.rare_title = label("", "heading")
        self.rare_text = label("", "muted", wrap=True)
        self._lay_out()

    def _lay_out(self) -> None:
        numbers = QHBoxLayout()
        numbers.setSpacing(10)
        for box, _, _ in self.figures.values():
            numbers.addWidget(box)
        numbers.addStretch(1)
        left, right = QVBoxLayout(), QVBoxLayout()
        for column in (left, right):
            column.setSpacing(8)
        left.addWidget(label("Shots decided, by day", "heading"))
        left.addWidget(self.days, 1)
        left.addWidget(self.hours_title)
        left.addWidget(self.hours, 1)
        right.addWidget(self.rare_title)
        right.addWidget(self.rare)
        right.addWidget(self.rare_text)
        right.addStretch(1)
        charts = QHBoxLayout()
        charts.setSpacing(28)
        charts.addLayout(left, 3)
        charts.addLayout(right, 2)
        self.body.addLayout(numbers)
        self.body.addSpacing(6)
        self.body.addLayout(charts, 1)

    # -- showing -------------------------------------------------------------------------------

    def ask(self, project: Project, annotator: int) -> Week:
        return week_of(project, annotator)

    def refresh(self) -> bool:
        found: Week = self.answer
        self.reminder.setChecked(self.session.labelling.remind_of_breaks)
        if not found.all.shots and not found.bulk:
            self.empty.say(
                "Nothing labelled yet",
                "How many shots you decide in an hour, day by day, and which classes are still "
                "rare will be here, with a report to print.",
                "Label",
                self.label_requested.emit,
            )
            return False
        self._show_numbers(found)
        texts = [f"{day:%a}" for day, _ in found.days]
        self._bars(self.days, texts, [s.shots for _, s in found.days], last=True)
        self._bars(self.hours, [f"{h:%H}" for h, _ in found.hours], [n for _, n in found.hours])
        day = f"{found.hours[0][0]:%A}" if found.hours else ""
        self.hours_title.setText(f"{day}, by the hour" if day else "By the hour")
        bulk = f" {found.bulk:,} more were decided many at once or imported." if found.bulk else ""
        self.said.setText(f"{counted(found.all.shots, 'shot')} decided one by one in all.{bulk}")
        self._show_rare()
        return True

    def _show_numbers(self, found: Week) -> None:
        for name, text in {
            "today": f"{found.today.shots:,}",
            "shots an hour today": _rate(found.today),
            "worked today": _hours(found.today.worked_s),
            "last 7 days": f"{found.week.shots:,}",
            "shots an hour": _rate(found.week),
        }.items():
            self.figures[name][1].setText(text)

    def _show_rare(self) -> None:
        session = self.session
        counts = session.labels.decided.tally.classes(session.labels.taxonomy).tolist()
        rare = rare_classes(counts, session.labels.taxonomy)
        self.rare_title.setText("Classes still rare" if rare else "No class is rare any more")
        self.rare_text.setText(
            f"Below {ENOUGH_OF_A_CLASS} labels a network learns little of a class, and its score "
            "on the evaluation shots is chance."
            if rare
            else f"Every class has {ENOUGH_OF_A_CLASS} labels or more."
        )
        self.rare.show_rows(
            [
                Interval(
                    name,
                    n / ENOUGH_OF_A_CLASS,
                    0.0,
                    n / ENOUGH_OF_A_CLASS,
                    f"{ENOUGH_OF_A_CLASS - n} to go",
                    f"{name}: {counted(n, 'label')}",
                    f"{n}",
                )
                for name, n in rare
            ]
        )
        self.rare.setVisible(bool(rare))

    def _bars(
        self, plot: QuietPlot, names: list[str], values: list[int], last: bool = False
    ) -> None:
        plot.clear()
        if not values:
            return
        at = np.arange(len(values))
        inks = [theme.colour("accent", 0.55)] * len(values)
        if last:
            inks[-1] = theme.colour("accent")
        plot.addItem(pg.BarGraphItem(x=at, height=values, width=0.62, brushes=inks, pen=None))
        plot.getAxis("bottom").setTicks([list(enumerate(names))])
        plot.setXRange(-0.6, max(len(values) - 0.4, 6), padding=0)
        plot.setYRange(0, max(max(values), 1) * 1.06, padding=0)

    # -- doing ---------------------------------------------------------------------------------

    def _remind(self, on: bool) -> None:
        self.session.labelling.remind_of_breaks = on

    def _report(self) -> None:
        from labeler.window.dialogs.exchange import write_report

        write_report(self.session, self)


def _rate(span: Span) -> str:
    return f"{span.per_hour:,.0f}" if np.isfinite(span.per_hour) else "–"


def _hours(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d}" if minutes >= 60 else f"{minutes} min"
