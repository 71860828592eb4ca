"""The board of a watch: how many hit, what they are, since when; alarms, latencies, examples."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSpinBox, QVBoxLayout, QWidget

from labeler.session.background.live import LiveWatch
from labeler.session.session import Session
from labeler.window.live.examples import Examples
from labeler.window.live.plots import SharePlot, SizePlot
from labeler.window.widgets import theme
from labeler.window.widgets.interval_chart import Interval, IntervalChart
from labeler.window.widgets.parts import Elided, label
from model.errors import counted
from model.online.bands import HITS, UNKNOWN

TILES = {
    "rate": ("shots/s", "Shots that came in the last second"),
    "hits": ("hit rate", "Share of shots of the last minute that the hit finder let pass"),
    "read": ("read/s", "Hits that the network read in the last second"),
    "latency": ("latency, ms", "From the arrival of a hit to its prediction: half are faster, and "
                "99 in a hundred are faster"),
    "dropped": ("dropped", "Hits that were never read, because newer ones came"),
    "kept": ("kept", "Hits in the record"),
}  # fmt: skip
NO_FINDER = (
    "Not known: no hit finder is fitted, so that every shot goes to the network.\n"
    "It needs shots labelled Empty and others."
)


class LiveBoard(QWidget):
    """Everything about the watch at one glance."""

    def __init__(self, session: Session, watch: LiveWatch) -> None:
        super().__init__()
        self.session, self.watch = session, watch
        self.title, self.state = Elided(), label("", "muted")
        self.title.setProperty("role", "title")
        self.add = QPushButton("Add the kept hits to the project")
        self.add.clicked.connect(watch.add_hits)
        self.alarm = _Alarm()
        self.tiles = {name: _Tile(*words) for name, words in TILES.items()}
        self.chart = IntervalChart("Class fractions of the last minute")
        self.chart.chosen.connect(self._choose)
        self.band = BandField(watch)
        self.hits, self.classes = SharePlot("Hit rate"), SharePlot("")
        self.sizes = SizePlot()
        self.examples = Examples()
        self.broken = Elided()
        self.broken.setProperty("role", "muted")
        self.chosen = ""
        self._build()

    def _build(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(12)
        head.addWidget(self.title, 1)
        head.addWidget(self.state)
        head.addWidget(self.add)
        tiles = QHBoxLayout()
        tiles.setSpacing(8)
        for tile in self.tiles.values():
            tiles.addWidget(tile, 1)
        left = QVBoxLayout()
        left.setSpacing(6)
        left.addWidget(label("Classes of the hits, last minute", "heading"))
        left.addWidget(self.chart)
        left.addStretch(1)
        right = QVBoxLayout()
        right.setSpacing(10)
        right.addWidget(self.hits, 1)
        right.addWidget(self.classes, 1)
        right.addWidget(self.sizes, 1)
        self.classes.top.addWidget(self.band)
        middle = QHBoxLayout()
        middle.setSpacing(22)
        middle.addLayout(left, 5)
        middle.addLayout(right, 6)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 14, 18, 12)
        layout.setSpacing(12)
        layout.addLayout(head)
        layout.addWidget(self.alarm)
        layout.addLayout(tiles)
        layout.addLayout(middle, 1)
        foot = QHBoxLayout()
        foot.setSpacing(22)
        foot.addWidget(label("Latest of each class", "heading"))
        foot.addWidget(self.broken, 1)
        layout.addLayout(foot)
        layout.addWidget(self.examples)

    # -- showing -------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the last second."""
        watch, now = self.watch, self.watch.seen.now
        order = watch.order
        source = "" if order is None else order.source
        self.title.show_text(source if "://" in source else Path(source).name)
        self.title.setToolTip(source)
        self.state.setText(_in_words(watch))
        self._show_add()
        self.alarm.show_texts(watch.left())
        self._show_tiles(now)
        names = self._names()
        if self.chosen not in names:
            self.chosen = (names[1:] or names or [""])[0]
        rows = [self._row(name) for name in names]
        self.chart.show_rows(rows, names.index(self.chosen) if self.chosen else -1)
        self.band.show_name(self.chosen)
        self.hits.show_history(watch.seen.history, HITS, watch.bands.get(HITS))
        self.classes.title.setText(self.chosen)
        self.classes.show_history(watch.seen.history, self.chosen, watch.bands.get(self.chosen))
        self.sizes.show_sizes(now.get("sizes") or {})
        place, seen = self.session.labels.taxonomy.place, watch.seen.examples
        self.examples.show_examples({name: seen[name] for name in sorted(seen, key=place)})
        broken = sorted((now.get("contradictions") or {}).items(), key=lambda item: -item[1])
        rules = " · ".join(f"{count} × {rule}" for rule, count in broken)
        self.broken.show_text(f"Broken rules: {rules}" if rules else "")

    def _names(self) -> list[str]:
        """Hits, then the classes in the order of the panel."""
        history = self.watch.seen.history
        found = history[-1][1] if history else {}
        in_order = self.session.labels.taxonomy.names_in_order
        names = [n for n in (HITS, *in_order) if n in found]
        return names if math.isfinite(found.get(HITS, UNKNOWN)[0]) else names[names[:1] == [HITS] :]

    def _row(self, name: str) -> Interval:
        value, low, high = self.watch.seen.share(name)
        band = self.watch.bands.get(name)
        note = "" if band is None else f"{100 * band.low:.0f}–{100 * band.high:.0f} %"
        note = f"⚠ {note}" if name in self.watch.alarms.left else note
        what = "Hits among shots" if name == HITS else name
        tip = what
        if math.isfinite(value):
            tip = f"{what}: {100 * low:.1f} … {100 * high:.1f} % (95 %)"
        return Interval(what, value, low, high, note, tip)

    def _choose(self, k: int) -> None:
        self.chosen = self._names()[k]
        self.refresh()

    def _show_add(self) -> None:
        kept = int(self.watch.seen.now.get("kept") or 0)
        ready = bool(self.watch.seen.files) and not self.watch.is_running
        self.add.setVisible(kept > 0 and (ready or self.watch.is_running))
        self.add.setEnabled(ready and not self.watch.joining.is_running)
        self.add.setText(f"Add {kept:,} kept hits to the project")
        self.add.setToolTip(
            "They become shots of this project, to be labelled, with the predictions made live"
            if ready
            else "Stop the watch first"
        )

    def _show_tiles(self, now: dict[str, Any]) -> None:
        value = self.watch.seen.share(HITS)[0]
        waits = now.get("latency_ms") or {}
        p50, p99 = waits.get("p50"), waits.get("p99")
        texts = {
            "rate": f"{now.get('rate_hz', 0):,}",
            "hits": f"{100 * value:.0f} %" if math.isfinite(value) else "–",
            "read": f"{now.get('read_hz', 0):,}",
            "latency": "–" if p50 is None or p99 is None else f"{p50:,.0f} / {p99:,.0f}",
            "dropped": f"{now.get('dropped', 0):,}",
            "kept": f"{now.get('kept', 0):,}",
        }
        known = math.isfinite(value) or not now.get("shots_in_window")
        self.tiles["hits"].setToolTip(TILES["hits"][1] if known else NO_FINDER)
        self.hits.setVisible(known)
        for name, text in texts.items():
            self.tiles[name].say(text, bad=name == "dropped" and now.get("dropped", 0) > 0)

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        self.refresh()


class _Tile(QFrame):
    """A number and what it is."""

    def __init__(self, what: str, tip: str) -> None:
        super().__init__()
        self.setObjectName("card")
        self.setToolTip(tip)
        self.number = QLabel("–")
        self.what = what
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 7, 12, 8)
        column.setSpacing(0)
        column.addWidget(self.number)
        column.addWidget(label(what, "muted"))
        self.say("–")

    def say(self, text: str, bad: bool = False) -> None:
        """Show a number."""
        self.number.setText(text)
        self.number.setFont(theme.numbers(self.font().pointSizeF() * 1.45))
        ink = theme.current().warning if bad else theme.current().strong
        self.number.setStyleSheet(f"color: {ink};")
        self.setAccessibleName(f"{self.what} {text}")


class _Alarm(QFrame):
    """A banner that names the shares outside their bands; nothing where there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("banner")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.sign, self.words = QLabel(), label("", wrap=True)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 7, 12, 7)
        row.setSpacing(10)
        row.addWidget(self.sign)
        row.addWidget(self.words, 1)
        self.hide()

    def show_texts(self, texts: list[str]) -> None:
        """Show these, or nothing."""
        self.setVisible(bool(texts))
        if texts:
            self.sign.setPixmap(theme.icon("warning", "warning").pixmap(18))
            self.words.setText("\n".join(texts))
            self.setAccessibleName(f"Alarm. {'. '.join(texts)}")


def _in_words(watch: LiveWatch) -> str:
    now = watch.seen.now
    if watch.joining.is_running:
        return "adding the hits"
    gone = float(now.get("seconds") or 0)
    time = f"{gone / 60:.0f} min" if gone >= 120 else f"{gone:.0f} s"
    return f"{watch.seen.state} · {counted(now.get('seen', 0), 'shot')} in {time}"


class BandField(QWidget):
    """Two limits in percent for the share that is chosen; 0 and 100 mean no alarm."""

    def __init__(self, watch: LiveWatch) -> None:
        super().__init__()
        self.watch, self.name = watch, ""
        self.words = label("Alarm outside", "muted")
        self.low, self.high = QSpinBox(), QSpinBox()
        for field, what in ((self.low, "Lower"), (self.high, "Upper")):
            field.setRange(0, 100)
            field.setSuffix(" %")
            field.setFixedWidth(theme.grown(64))
            field.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
            field.setAccessibleName(f"{what} limit of the band")
            field.setToolTip("0 % and 100 %: no alarm")
            field.editingFinished.connect(self._set)
        self.high.setValue(100)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self.words)
        row.addWidget(self.low)
        row.addWidget(label("to"))
        row.addWidget(self.high)

    def show_name(self, name: str) -> None:
        """Show the band of another share, unless its limits are being typed."""
        if name == self.name and (self.low.hasFocus() or self.high.hasFocus()):
            return
        self.name = name
        band = self.watch.bands.get(name)
        self.low.setValue(0 if band is None else round(100 * band.low))
        self.high.setValue(100 if band is None else round(100 * band.high))
        self.setVisible(bool(name))

    def _set(self) -> None:
        low, high = self.low.value(), self.high.value()
        if self.name and low < high:
            self.watch.set_band(self.name, low / 100, high / 100)
