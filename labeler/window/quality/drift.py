"""Drift: do you agree with yourself? Blind repeats by class and day, and what to read again."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PyQt6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout

from labeler.project.store.records import LABELLED, Rows
from labeler.quality import repeats
from labeler.quality.repeats import ClassDrift, RepeatedShots
from labeler.session.session import Session
from labeler.window.quality.parts import Page
from labeler.window.widgets import theme
from labeler.window.widgets.fields import ChoiceField
from labeler.window.widgets.interval_chart import Interval, IntervalChart
from labeler.window.widgets.parts import beside, dated, label
from labeler.window.widgets.quiet_plot import QuietPlot
from labeler.window.widgets.tables import TextTable
from model.errors import counted
from model.metrics.agreement import dice_interval

RATES = {"off": 0.0, "1 %": 0.01, "3 %": 0.03, "5 %": 0.05, "10 %": 0.1}
MOST_REREAD = 200
Counts = npt.NDArray[np.int64]


class DriftPage(Page):
    """Classes at the left, the days of the chosen one at the right, differing shots below."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Drift")
        self.repeated = RepeatedShots.none()
        self.found: list[ClassDrift] = []
        self.class_index = 0
        self.rate, self.first_rate = self._rate_field(), self._rate_field()
        self.empty.add(beside(label("Blind repeats", "muted"), self.first_rate))
        self.calibrate = QPushButton("Calibration round")
        self.calibrate.setToolTip(
            f"{repeats.ROUND} of your first labels again, blind, every class alike"
        )
        self.calibrate.clicked.connect(self._calibrate)
        for widget in (label("Blind repeats", "muted"), self.rate, self.calibrate):
            self.head.addWidget(widget)
        self.chart = IntervalChart("Labels that the repeat confirms, by class")
        self.chart.chosen.connect(lambda line: self._show_class(self._order[line]))
        self.plot = QuietPlot("Confirmed labels by day")
        self.plot.setYRange(0, 1, padding=0.04)
        self.plot_title = label("", "heading")
        self.reread = QPushButton("")
        self.reread.clicked.connect(self._reread)
        self.table = TextTable(
            "Shots read in two ways", ("Shot", "First", "Second", "When"), ("Shot",), "Second"
        )
        self.table.opened.connect(self._open)
        self.take = QPushButton("Use the blind repeats")
        self.take.setToolTip("Make them your labels, as one step that undo takes back")
        self.take.clicked.connect(self._take_second)
        self._lay_out()
        session.repeats.repeats_changed.connect(self.outdate)

    def _rate_field(self) -> ChoiceField:
        made = ChoiceField("How many shots come again, blind", list(RATES), self._set_rate)
        made.setFixedWidth(theme.grown(84))
        return made

    def _lay_out(self) -> None:
        left, right = QVBoxLayout(), QVBoxLayout()
        for column in (left, right):
            column.setSpacing(8)
        left.addWidget(label("Repeatability", "heading"))
        left.addWidget(self.chart)
        left.addStretch(1)
        head = QHBoxLayout()
        head.addWidget(self.plot_title, 1)
        head.addWidget(self.reread)
        right.addLayout(head)
        right.addWidget(self.plot, 1)
        top = QHBoxLayout()
        top.setSpacing(28)
        top.addLayout(left, 1)
        top.addLayout(right, 1)
        self.body.addLayout(top, 3)
        foot = QHBoxLayout()
        self.differing = label("", "heading")
        foot.addWidget(self.differing, 1)
        foot.addWidget(self.take)
        self.body.addLayout(foot)
        self.body.addWidget(self.table, 2)

    # -- showing -------------------------------------------------------------------------------

    def refresh(self) -> bool:
        session = self.session
        for field in (self.rate, self.first_rate):
            field.setText(_rate_in_words(session.repeats.rate))
        opened = session.require()
        self.repeated = repeats.repeats_of(opened.project, opened.annotator)
        if not len(self.repeated):
            self._say_empty()
            return False
        self.found = repeats.drift(self.repeated, session.labels.taxonomy)
        bad = repeats.worst(self.found, self._order)
        if bad is not None:
            self.class_index = bad
        elif self.class_index not in self._order:
            self.class_index = self._order[0]
        self._say(bad)
        order = self._order
        self.chart.show_rows(
            [_interval(self.found[c]) for c in order], order.index(self.class_index)
        )
        self._show_class(self.class_index)
        unlike = np.flatnonzero(self.repeated.differing)[::-1]
        self.differing.setText(f"Inconsistent labels: {counted(len(unlike), 'shot')}")
        self.take.setVisible(bool(self._repeats()))
        self.table.show_lines(
            [
                (
                    f"{self.repeated.rows[k] + 1:,}",
                    self._names(self.repeated.first[k]),
                    self._names(self.repeated.second[k]),
                    dated(self.repeated.times[k]),
                )
                for k in unlike
            ]
        )
        return True

    @property
    def _order(self) -> tuple[int, ...]:
        """The class of each line of the chart."""
        return self.session.labels.shown_classes

    def _say_empty(self) -> None:
        session = self.session
        own = int(np.count_nonzero(session.labels.decided.own_status & LABELLED))
        text = (
            "While you label, some shots come a second time with your first label hidden. What you "
            "say then shows here, class by class and day by day: how far you agree with yourself, "
            "and which class to read again. Your first labels stay as they are."
        )
        first = f"Blind repeats begin with your {repeats.ENOUGH}th label; you have {own:,}."
        if own >= repeats.ENOUGH:
            first = f"You have {own:,} labels: blind repeats come among the next ones."
            button = "Start with a calibration round"
            self.empty.say("No blind repeats yet", f"{text}\n\n{first}", button, self._calibrate)
        else:
            self.empty.say("No blind repeats yet", f"{text}\n\n{first}")

    def _say(self, bad: int | None) -> None:
        n = len(self.repeated)
        same = n - int(self.repeated.differing.sum())
        were = "was" if same == 1 else "were"
        text = f"{same:,} of {counted(n, 'repeated shot')} {were} labelled the same."
        if bad is None:
            self.said.setText(f"{text} No class stands out.")
            return
        worst = self.found[bad]
        way = "less" if worst.first > worst.second else "more"
        moved = abs(worst.first - worst.second)
        way = f", and you give it {way} often now" if moved >= max(2, 0.2 * worst.shots) else ""
        self.said.setText(
            f"{text} Read {worst.name} again: {100 * worst.confirmed:.0f} % of its labels "
            f"were confirmed ({100 * worst.low:.0f} to {100 * worst.high:.0f} %){way}."
        )

    def _show_class(self, class_index: int) -> None:
        self.class_index = class_index
        name = self.found[class_index].name
        self.plot_title.setText(f"{name} over time (dashed: all classes)")
        rows = self._to_reread()
        self.reread.setText(f"Re-read {counted(len(rows), 'shot')}")
        self.reread.setVisible(len(rows) > 0)
        begins, names = _bins(self.repeated.times)
        days = repeats.by_day(self.repeated, self.session.labels.taxonomy, begins)
        both = np.array([d.both for d in days]).reshape(len(days), -1)
        either = np.array([d.either for d in days]).reshape(len(days), -1)
        self.plot.clear()
        axis = self.plot.getAxis("bottom")
        axis.setTicks([list(enumerate(names))])
        self.plot.setXRange(-0.5, max(len(names) - 0.5, 0.5), padding=0)
        self._line(both.sum(1), either.sum(1), "muted", dashed=True)
        self._line(both[:, class_index], either[:, class_index], "accent")

    def _line(self, both: Counts, either: Counts, ink: str, dashed: bool = False) -> None:
        at = np.flatnonzero(either > 0)
        if not len(at):
            return
        y = 2 * both[at] / (both[at] + either[at])
        pen = pg.mkPen(theme.colour(ink), width=1.8)
        pen.setCosmetic(True)
        if dashed:
            pen.setDashPattern([4, 3])
        else:
            low, high = dice_interval(both[at], either[at])
            bars = pg.ErrorBarItem(
                x=at.astype(float),
                y=y,
                top=high - y,
                bottom=y - low,
                beam=0.06,
                pen=pg.mkPen(theme.colour(ink, 0.55), width=1.4),
            )
            self.plot.addItem(bars)
        self.plot.plot(
            at,
            y,
            pen=pen,
            symbol=None if dashed else "o",
            symbolSize=7,
            symbolPen=None,
            symbolBrush=theme.colour(ink),
        )

    def _names(self, bits: int) -> str:
        taxonomy = self.session.labels.taxonomy
        return taxonomy.in_words(taxonomy.unpack(bits))

    # -- doing ---------------------------------------------------------------------------------

    def _set_rate(self, name: str) -> None:
        self.session.repeats.rate = RATES[name]
        for field in (self.rate, self.first_rate):
            field.setText(name)

    def _calibrate(self) -> None:
        if self.session.repeats.calibrate():
            self.label_requested.emit()

    def _to_reread(self) -> Rows:
        own = self.session.labels.decided
        labelled = (own.own_status & LABELLED) != 0
        rows = repeats.to_reread(
            self.class_index, self.repeated, own.own_present, labelled, self.session.labels.taxonomy
        )
        return rows[:MOST_REREAD]

    def _reread(self) -> None:
        self.go_through(self._to_reread(), f"Re-read {self.found[self.class_index].name}")

    def _open(self, line: int) -> None:
        unlike = np.flatnonzero(self.repeated.differing)[::-1]
        rows = self.repeated.rows[unlike]
        self.go_through(np.roll(rows, -line), "Inconsistent labels")

    def _repeats(self) -> dict[int, int]:
        """By row, the last blind repeat where the label still says something else; a class that
        was retired since is taken off by it and not given again."""
        decided, rows = self.session.labels.decided, self.repeated.rows
        own = decided.own_present
        second = self.repeated.second & (decided.every | own[rows])
        last = dict(zip(rows.tolist(), second.tolist(), strict=True))
        return {row: bits for row, bits in last.items() if own[row] != bits}

    def _take_second(self) -> None:
        found = self._repeats()
        rows = np.array(list(found), np.int64)
        status = self.session.labels.decided.own_status[rows] | LABELLED
        bits = np.array(list(found.values()), np.int64)
        if len(rows) and self.session.labels.decide(rows, bits, status, "second reading"):
            self.session.noted.emit(
                "info",
                f"{counted(len(rows), 'shot')} got the labels of the blind repeat; "
                "Undo takes them back.",
            )


def _rate_in_words(rate: float) -> str:
    return next((name for name, r in RATES.items() if np.isclose(r, rate)), f"{100 * rate:.3g} %")


def _interval(found: ClassDrift) -> Interval:
    tip = (
        f"{found.name}: both times {found.both}, only the first time {found.first}, "
        f"only in the second {found.second}"
    )
    known = found.shots >= repeats.FEW
    note = f"{found.shots} read twice" if found.shots else "not read twice yet"
    if not known:
        return Interval(found.name, np.nan, np.nan, np.nan, note, tip)
    return Interval(found.name, found.confirmed, found.low, found.high, note, tip)


def _bins(times: npt.NDArray[np.float64]) -> tuple[list[float], list[str]]:
    """Starts of days, or of hours where all is within one day; and their names."""
    first, last = (datetime.fromtimestamp(t) for t in (times.min(), times.max()))
    if first.date() == last.date():
        start = first.replace(minute=0, second=0, microsecond=0)
        n = last.hour - first.hour + 1
        steps = [start + timedelta(hours=k) for k in range(n)]
        return [s.timestamp() for s in steps], [f"{s:%H}:00" for s in steps]
    start = first.replace(hour=0, minute=0, second=0, microsecond=0)
    n = (last.date() - first.date()).days + 1
    steps = [start + timedelta(days=k) for k in range(n)]
    every = max(1, n // 8)
    names = [f"{s:%a} {s.day}" if k % every == 0 else "" for k, s in enumerate(steps)]
    return [s.timestamp() for s in steps], names
