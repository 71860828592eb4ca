"""Forecast: what the next labels would buy, which class to look for, and when to stop.

The forecast is made by a Job when someone asks for it; this page only shows it, and says how many
labels have come since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from labeler.project.store.records import LABELLED
from labeler.runs.training_choices import more_labels
from labeler.session.session import Session
from labeler.window.process.short_job import ShortJob
from labeler.window.quality.parts import Page
from labeler.window.widgets import theme
from labeler.window.widgets.interval_chart import Interval, IntervalChart
from labeler.window.widgets.parts import label, set_role, share
from labeler.window.widgets.quiet_plot import QuietPlot
from model.active.forecast import FEWEST
from model.errors import counted
from model.events import Event

TITLE = "Forecast"
MORE = 100
"""Labels that are looked ahead."""
BEFORE_STOPPING = "Before you stop, retrain and see whether the network still gets better."


class ForecastPage(Page):
    """The learning curve so far and onwards; below, gains and frequencies class by class."""

    def __init__(self, session: Session) -> None:
        self.found: dict[str, Any] | None = None
        super().__init__(session, TITLE)
        self.short_job = ShortJob(session, self)
        self.fractions: list[dict[str, Any]] = []
        self.again, self.look = QPushButton("Update"), QPushButton()
        self.again.clicked.connect(self.make_forecast)
        self.look.clicked.connect(self._look_for)
        set_role(self.look, "main")
        self.head.addWidget(self.again)
        self.head.addWidget(self.look)
        self.plot = QuietPlot("Macro F1 against the number of labels", {"bottom": "labels"})
        self.gains = IntervalChart(f"F1 of each class after {MORE} more labels")
        self.shares = IntervalChart("Class fractions among all shots")
        self.about_shares = label("", "muted", wrap=True)
        self._lay_out()
        self.short_job.changed.connect(self.outdate)
        session.project_changed.connect(self._forget)
        session.predictions.run_changed.connect(self.outdate)

    def _lay_out(self) -> None:
        self.body.addWidget(label("Macro F1 against the number of labels", "heading"))
        self.body.addWidget(self.plot, 1)
        left = _column(label(f"F1 after {MORE} more labels, and the gain", "heading"), self.gains)
        right = _column(label("Class fractions", "heading"), self.shares, self.about_shares)
        row = QHBoxLayout()
        row.setSpacing(28)
        row.addWidget(left, 1)
        row.addWidget(right, 1)
        self.body.addLayout(row)

    def _forget(self) -> None:
        self.found, self.fractions = None, []

    # -- asking --------------------------------------------------------------------------------

    def make_forecast(self) -> None:
        """Send for a forecast from all labels so far."""
        if self.session.opened is not None:
            words = ["forecast", str(self.session.require().folder), "--more", str(MORE)]
            self.short_job.start(words, "learning from parts of the labels", self._take_forecast)

    def _take_forecast(self, item: Event) -> None:
        self.found, self.fractions = dict(item["forecast"]), list(item["fractions"])

    def _look_for(self) -> None:
        """Undecided shots that the network takes for the class to look for, the surest first."""
        session = self.session
        if self.found is None or session.predictions.now is None or not self.found["look_for"]:
            return
        c = session.labels.taxonomy.index(self.found["look_for"])
        p = np.where(
            session.labels.status & LABELLED, -1.0, session.predictions.now.probabilities[:, c]
        )
        rows = np.argsort(-p, kind="stable")[:MORE]
        self.go_through(rows[p[rows] >= 0], f"Perhaps {self.found['look_for']}")

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange and self.found:
            self._draw_curve(self.found)

    # -- showing -------------------------------------------------------------------------------

    def refresh(self) -> bool:
        found = self.found
        if found is None:
            self._say_empty()
            return False
        labels = int(np.count_nonzero(self.session.labels.status & LABELLED))
        since = labels - int(found["labels"])
        said = f"{found['text']} {BEFORE_STOPPING}" if found["stop"] else found["text"]
        said += f" {counted(since, 'label')} came since." if since > 0 else ""
        self.said.setText(f"{self.short_job.said} …" if self.short_job.is_running else said)
        self.again.setEnabled(not self.short_job.is_running)
        which = found["look_for"]
        self.look.setVisible(bool(which) and self.session.predictions.now is not None)
        self.look.setText(theme.shown(f"Look for {which}"))
        self.look.setToolTip("The undecided shots that most look like it, for you to decide")
        self._draw_curve(found)
        self.gains.show_rows([_gain(c) for c in self.in_order(found["classes"])])
        self._show_fractions()
        return True

    def _say_empty(self) -> None:
        labels = int(np.count_nonzero(self.session.labels.status & LABELLED))
        text = (
            f"How good the network would be with {MORE} more labels, for every class, with an "
            "interval; which class to look for; and when labelling more is hardly worth it."
        )
        if self.short_job.is_running:
            self.empty.say(TITLE, f"{text}\n\n{self.short_job.said} …", "Stop", self.short_job.stop)
        elif labels < FEWEST:
            needed = f"{more_labels(FEWEST, labels, self.session.labels.n_shots, 'for that')}."
            self.empty.say(TITLE, f"{text}\n\n{needed}")
        else:
            self.empty.say(TITLE, text, "Forecast", self.make_forecast)

    def _draw_curve(self, found: dict[str, Any]) -> None:
        plot = self.plot
        plot.clear()
        curve = found["curve"]
        x = np.array([n for n, _ in curve], float)
        low, mid, high = (np.array([r[k] for _, r in curve]) for k in ("low", "value", "high"))
        ink = theme.colour("accent")
        quiet = pg.mkPen(None)
        bounds = [pg.PlotDataItem(x, y, pen=quiet) for y in (low, high)]
        plot.addItem(pg.FillBetweenItem(*bounds, brush=pg.mkBrush(theme.colour("accent", 0.18))))
        plot.plot(x, mid, pen=pg.mkPen(ink, width=1.8))
        measured = np.array(found["measured"], float).reshape(-1, 2)
        plot.plot(
            measured[:, 0], measured[:, 1], pen=None, symbol="o", symbolSize=7,
            symbolBrush=ink, symbolPen=quiet,
        )  # fmt: skip
        dashed = pg.mkPen(theme.colour("muted"), style=Qt.PenStyle.DashLine)
        for at, words in ((found["labels"], "now"), (found["labels"] + MORE, f"{MORE} more")):
            options = {"color": theme.colour("muted"), "position": 0.06, "anchors": [(0, 1)] * 2}
            line = pg.InfiniteLine(at, pen=dashed, label=words, labelOpts=options)
            plot.addItem(line)
        options = {"color": theme.colour("muted"), "position": 0.98, "anchors": [(1, 1)] * 2}
        plot.addItem(
            pg.InfiniteLine(
                found["constant"], 0, pen=dashed, label="constant answer", labelOpts=options
            )
        )
        plot.setXRange(0, float(x.max()), padding=0.01)
        lowest = min(low.min(), measured[:, 1].min(), found["constant"])
        plot.setYRange(float(lowest), 1.0, padding=0.03)

    def _show_fractions(self) -> None:
        drawn = self.fractions[0]["shots"] if self.fractions else 0
        self.shares.setVisible(drawn > 0)
        rows = [
            Interval(f["name"], f["share"], f["low"], f["high"], f"{f['found']} of {drawn}")
            for f in self.in_order(self.fractions)
        ]
        self.shares.show_rows(rows if drawn else [])
        self.about_shares.setText(of_what(self.fractions))


def of_what(fractions: Sequence[Mapping[str, Any]]) -> str:
    """What the shares of the classes are of, and how sure they are."""
    drawn = fractions[0]["shots"] if fractions else 0
    if not drawn:
        return (
            "No estimate yet: no random check has been labelled. Ask with Q; a tenth of what it "
            "asks are random checks, and only they tell how frequent a class is."
        )
    among, together = _among(fractions[0]), _together(fractions[0])
    if all(f["low"] == f["high"] for f in fractions):
        known = f"All {drawn:,} shots{among} were checked: the shares are no estimates."
        return f"{known} {together}".strip()
    return (
        f"From {drawn:,} random checks{among}, with intervals of 95 %. {together}"
        "Labels that you chose or that were asked for do not count: they would say nothing of "
        "all shots."
    )


def _among(of: Mapping[str, Any]) -> str:
    """Of which files the checks are, where new ones are not covered yet."""
    return f" of {of['among']}" if of["among"] else ""


def _together(of: Mapping[str, Any]) -> str:
    """How many of the checks the model may have answered itself, '' where none."""
    many = of["together"]
    return f"On {many:,} of them a suggestion was accepted together with others. " if many else ""


def _gain(of: dict[str, Any]) -> Interval:
    """A class: F1 then, with its interval, and what that gains."""
    shots = of["shots"]
    if not of["then"]:
        few = "none yet" if not shots else f"{shots} · too few"
        nothing = float("nan")
        return Interval(of["name"], nothing, nothing, nothing, few, "Too few shots to say")
    now, then, gain = of["now"], of["then"], of["gain"]
    tip = (
        f"F1 {share(now['value'])} now, {share(then['value'])} after {MORE} more labels: a gain of "
        f"{gain['low']:+.3f} to {gain['high']:+.3f} (90 %), from {shots:,} labelled shots"
    )
    note = f"{gain['value']:+.3f}"
    return Interval(of["name"], then["value"], then["low"], then["high"], note, tip)


def _column(*widgets: QWidget) -> QWidget:
    """One below the other, from the top."""
    made = QWidget()
    box = QVBoxLayout(made)
    box.setContentsMargins(0, 0, 0, 0)
    box.setSpacing(8)
    for widget in widgets:
        box.addWidget(widget)
    box.addStretch(1)
    return made
