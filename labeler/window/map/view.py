"""Map: all shots by likeness. Find islands no one has named, select them, give them a class.

Places come from the instant child (PCA, at once) or from a Job (UMAP and clusters). What a key
does to the selected shots is `labeler.session.selection`'s.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QMessageBox,
    QPushButton,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from labeler.active import map as map_file
from labeler.active.map import ShotMap
from labeler.jobs.job import JobFollower
from labeler.project.folder import CACHE
from labeler.project.store.records import LABELLED
from labeler.session.opened import Opened
from labeler.session.selection import SelectedShots
from labeler.session.session import Session
from labeler.window.grid.tags import TagBar
from labeler.window.label.queue.shot_list import said
from labeler.window.map.canvas import MapCanvas
from labeler.window.map.colours import MODES
from labeler.window.map.side import ClusterList, HoverCard, Legend
from labeler.window.widgets import theme
from labeler.window.widgets.fields import ChoiceField
from labeler.window.widgets.parts import EmptyState, label, scrolled, show_checked
from labeler.window.widgets.tab import Tab
from model.errors import InputError, counted
from model.events import Event

SIDE_WIDTH, CLUSTERS_LEAST = 252, 120
AGAIN_MS = 250
"""After labels changed, colours are worked out again once it is still for this long."""
HELP = "Drag: lasso · Shift: rectangle · Ctrl: add · right drag: move · wheel: zoom"
EMPTY = (
    "All shots by likeness will be here: islands of shots that look alike to the network, before "
    "anybody has named them. Select some by a lasso and give them a class with one key."
)


class MapView(Tab):
    """Canvas, legend and clusters, and the classes of the selected shots."""

    selection: SelectedShots

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.session, self.learning = session, session.learning
        self.laying_out = JobFollower(self)
        self.mode = next(iter(MODES))
        self._pca: ShotMap | None = None
        self._umap: ShotMap | None = None
        self._of: Opened | None = None
        self.canvas = MapCanvas()
        self.selection = SelectedShots(session, self._rows, self._ask, self.choose)
        self.tags = TagBar(session, self.selection)
        self.hover = HoverCard(session, self.canvas)
        self.empty = EmptyState()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(AGAIN_MS)
        self._soon.timeout.connect(self.recolour)
        self._build()
        self._connect()
        self._begin()

    # -- layout ----------------------------------------------------------------------------------

    def _build(self) -> None:
        names = [text for text, _ in MODES.values()]
        self.field = ChoiceField("What the colours show", names, self._set_mode)
        self.legend, self.clusters = Legend(), ClusterList(self.session)
        self.heading = label("Clusters", "heading")
        self.progress = label(role="muted", wrap=True)
        self.pca, self.umap = QToolButton(), QToolButton()
        self.lay_out, self.rings = QPushButton(), QToolButton()
        texts = ("PCA", "UMAP", "Borders")
        for button, text in zip((self.pca, self.umap, self.rings), texts, strict=True):
            button.setText(text)
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.pca.setToolTip("Places by the two leading principal components")
        self.umap.setToolTip("Places by UMAP, where alike shots form islands")
        self.rings.setToolTip("Borders and numbers of the clusters")
        self.queue = QPushButton("Show in Label")
        self.queue.setToolTip("Make a queue of the selected shots")
        self.chosen = label(role="muted", wrap=True)
        self.fill = QWidget()
        foot = QHBoxLayout()
        foot.setContentsMargins(12, 4, 12, 4)
        foot.addWidget(self.chosen, 1)
        foot.addWidget(self.queue)
        middle = QVBoxLayout()
        middle.setSpacing(0)
        middle.addWidget(self.canvas, 1)
        middle.addLayout(foot)
        self.page = QWidget()
        row = QHBoxLayout(self.page)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addLayout(middle, 1)
        row.addWidget(self._build_side())
        upper = QWidget()
        self._stack = QStackedLayout(upper)
        self._stack.addWidget(self.page)
        self._stack.addWidget(self.empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(upper, 1)
        layout.addWidget(self.tags)

    def _build_side(self) -> QWidget:
        forms = QHBoxLayout()
        forms.setSpacing(4)
        for button in (self.pca, self.umap):
            forms.addWidget(button)
        forms.addStretch()
        forms.addWidget(self.rings)
        side = QWidget()
        side.setObjectName("side")
        side.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        column = QVBoxLayout(side)
        column.setContentsMargins(12, 10, 8, 10)
        column.setSpacing(8)
        column.addLayout(forms)
        for widget in (self.lay_out, self.progress, self.field, self.legend, self.heading):
            column.addWidget(widget)
        column.addWidget(self.clusters, 1)
        column.addWidget(self.fill, 1)
        self.clusters.setMinimumHeight(theme.grown(CLUSTERS_LEAST))
        area = scrolled(side, "How dots are coloured")
        area.setFixedWidth(theme.grown(SIDE_WIDTH))
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        return area

    def _connect(self) -> None:
        session, canvas = self.session, self.canvas
        for signal in (session.project_changed, session.predictions.run_changed):
            signal.connect(self._begin)
        session.labels.labels_changed.connect(lambda rows: self._soon.start())
        session.predictions.instant_changed.connect(self._soon.start)
        session.cursor.shot_changed.connect(self._follow)
        self.learning.laid_out.connect(self._take_pca)
        self.learning.changed.connect(self._look_again)
        canvas.selection_changed.connect(self.selection.changed)
        canvas.selection_changed.connect(self._report_selection)
        canvas.selection_changed.connect(lambda: self._say(canvas.under))
        canvas.hovered.connect(self._hover)
        canvas.clicked.connect(self.open_in_label)
        self.legend.lit.connect(canvas.light)
        self.clusters.chosen.connect(self._select_cluster)
        self.lay_out.clicked.connect(self.start)
        self.laying_out.event_received.connect(self._on_event)
        self.laying_out.ended.connect(self._end)
        self.pca.toggled.connect(lambda on: self.show_form("pca"))
        self.umap.toggled.connect(lambda on: self.show_form("umap"))
        self.rings.toggled.connect(self._flip_rings)
        self.queue.clicked.connect(self._go_through)

    # -- where the places come from --------------------------------------------------------------

    def _begin(self) -> None:
        """Another project or run: other places."""
        self._pca = self._umap = None
        if self.session.opened is None or self.session.opened is not self._of:
            self.stop()
            self._of = self.session.opened
            self.canvas.show_map(map_file.plain(np.zeros((0, 2), np.float32)))
        if self._of is not None and self.isVisible():
            self._look_for()

    def showEvent(self, event: object) -> None:
        if self._pca is None and self._umap is None and self.session.opened is not None:
            self._look_for()
        self.recolour()

    def _look_again(self) -> None:
        here = self.session.opened is not None and self.session.opened is self._of
        if here and self.isVisible() and self._pca is None and self._umap is None:
            self._look_for()

    def _look_for(self) -> None:
        """What was laid out before, else PCA from the child, else the page that offers it."""
        try:
            path = map_file.path_of(self.session.require().folder, self.learning.stands_on())
            self._umap = map_file.load(path, self.session.labels.n_shots)
        except (InputError, OSError) as error:
            self.progress.setText(str(error))
        self.learning.want_layout()
        self.show_form("umap" if self._umap is not None else "pca")

    def _take_pca(self, places: np.ndarray) -> None:
        if len(places) == self.session.labels.n_shots:
            first = self._pca is None
            self._pca = map_file.plain(places)
            if first:
                self.show_form("umap" if self._umap is not None else "pca")

    def show_form(self, form: str) -> None:
        """Show the places of "pca" or "umap", as far as they are there."""
        found = self._umap if form == "umap" else self._pca
        found = found or self._pca or self._umap
        show_checked(self.pca, found is not None and found is self._pca)
        show_checked(self.umap, found is not None and found is self._umap)
        self.pca.setEnabled(self._pca is not None)
        self.umap.setEnabled(self._umap is not None)
        show_checked(self.rings, self.canvas.rings_shown)
        if found is None:
            self._say_empty()
        else:
            self._stack.setCurrentWidget(self.page)
            self.canvas.show_map(found)
            self.recolour()
        self._show_job()

    def _say_empty(self) -> None:
        doing = self.learning
        if self.laying_out.is_running:
            self.empty.say("Map", self.progress.text() or "Beginning…", "Cancel", self.stop)
        elif doing.is_predicting:
            share = doing.done / max(doing.total, 1)
            text = f"{EMPTY}\n\nThe network is reading the shots: {100 * share:.0f} %."
            self.empty.say("Map", text)
        elif doing.source is not None:
            self.empty.say("Map", "Placing the shots…")
        else:
            self.empty.say("Map", EMPTY, "Lay out all shots", self.start)
        self._stack.setCurrentWidget(self.empty)

    # -- the job -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Lay out by UMAP and look for clusters, in a process of its own; or cancel that."""
        if self.laying_out.is_running:
            self.laying_out.cancel()
            self.progress.setText("Stopping…")
            return
        folder = self.session.require().folder
        self.laying_out.follow(["map", str(folder)], folder / CACHE / "map.log")
        self.progress.setText("Beginning…")
        self.show_form("pca" if self.pca.isChecked() else "umap")

    def stop(self) -> None:
        """End the job now; nothing of it is left."""
        if self.laying_out.is_running:
            self.laying_out.stop()
            self.progress.setText("")
            self._show_job()

    def _on_event(self, item: Event) -> None:
        if item["event"] == "progress":
            total = int(item["total"])
            far = f", {100 * int(item['done']) / total:.0f} %" if total > 2 else ""
            self.progress.setText(f"{str(item['what']).capitalize()}{far}…")
            if self._stack.currentWidget() is self.empty:
                self._say_empty()

    def _end(self, ok: bool, message: str, last: Event) -> None:
        cancelled = last.get("event") == "cancelled"
        self.progress.setText("" if ok and not cancelled else message)
        if self.session.opened is None or self.session.opened is not self._of:
            return
        opened = self.session.opened
        path = map_file.path_of(opened.folder, self.learning.stands_on())
        self._umap = map_file.load(path, self.session.labels.n_shots) or self._umap
        self.session.queue.give_clusters(self._umap)
        self.show_form("umap" if ok and not cancelled else "pca")

    def _show_job(self) -> None:
        have = self._umap is not None
        text = "Compute UMAP + clusters" if not have else "Compute again"
        self.lay_out.setText("Cancel" if self.laying_out.is_running else text)
        self.lay_out.setVisible(self.laying_out.is_running or not have)
        self.progress.setVisible(bool(self.progress.text()))

    # -- colours, clusters, selection ------------------------------------------------------------

    def _set_mode(self, text: str) -> None:
        self.mode = next(name for name, (shown, _) in MODES.items() if shown == text)
        self.recolour()

    def recolour(self) -> None:
        """Work out colours and the words on clusters again."""
        if self.session.opened is None or not self.isVisible():
            return
        text, colour = MODES[self.mode]
        self.field.setText(text)
        found = colour(self.session)
        self.legend.show_entries(found.legend)
        self.canvas.show_colours(found)
        self._report_clusters()
        self._report_selection()

    def _report_clusters(self) -> None:
        shot_map, session = self.canvas.shot_map, self.session
        shown = shot_map.clusters > 0
        cards = []
        if shown and len(shot_map.cluster) == session.labels.n_shots:
            codes = MODES["class"][1](session).codes
            for k, typical in enumerate(shot_map.typical):
                mine = codes[shot_map.cluster == k]
                cards.append((len(mine), self._mostly(mine), typical))
        self.heading.setVisible(shown)
        self.heading.setText(f"{counted(shot_map.clusters, 'cluster')}, found without labels")
        self.clusters.show_clusters(cards, shown)
        self.fill.setVisible(not shown)
        self.rings.setVisible(shown)

    def _mostly(self, codes: np.ndarray) -> str:
        """The class that most of them show, where at least half do."""
        known = codes[codes >= 0]
        if not len(known):
            return ""
        counts = np.bincount(known)
        best = int(counts.argmax())
        share = counts[best] / len(codes)
        name = self.session.labels.taxonomy.names[best]
        return f"{100 * share:.0f} % {name}" if share >= 0.5 else "mixed"

    def _report_selection(self) -> None:
        rows, session = self.canvas.rows, self.session
        if len(rows):
            undecided = int(((session.labels.status[rows] & LABELLED) == 0).sum())
            self.chosen.setText(f"{len(rows):,} selected, {undecided:,} undecided")
        else:
            self.chosen.setText(HELP)
        self.queue.setVisible(len(rows) > 0)

    def choose(self, what: str) -> None:
        """Select "select:all", "select:none" or "select:others"."""
        here = np.isfinite(self.canvas.shot_map.places).all(1)
        chosen = {"select:all": here, "select:others": here & ~self.canvas.selected}.get(what)
        self.canvas.select([] if chosen is None else np.flatnonzero(chosen))

    def _select_cluster(self, number: int) -> None:
        self.canvas.select(np.flatnonzero(self.canvas.shot_map.cluster == number))

    def _rows(self) -> np.ndarray:
        """The selected rows, none while another project is being opened."""
        same = len(self.canvas.selected) == self.session.labels.n_shots
        return self.canvas.rows if same else np.zeros(0, np.int64)

    def _flip_rings(self) -> None:
        self.canvas.rings_shown = self.rings.isChecked()
        self.canvas.update()

    def _ask(self, what: str) -> bool:
        answer = QMessageBox.question(self, "Many shots", what)
        return answer == QMessageBox.StandardButton.Yes

    # -- going to shots ----------------------------------------------------------------------------

    def _hover(self, row: int) -> None:
        at = self.canvas.spot(row)
        if at is None:
            self.hover.show_shot(-1, 0, 0, "")
            return
        session = self.session
        decided = bool(session.labels.status[row] & LABELLED)
        bits = session.labels.present[row] if decided else session.suggestions.bits([row])[0]
        labels = session.labels.taxonomy.unpack(bits)
        own = labels & ~session.labels.taxonomy.implied(labels)
        words = ", ".join(session.labels.taxonomy.named(own))
        about = (words or "no class") if decided else (f"{words}?" if words else "undecided")
        self.hover.show_shot(row, at.x(), at.y(), about)
        self._say(row)

    def _say(self, row: int) -> None:
        """Describe the map by the shot that the keys point to, as the grid is."""
        canvas = self.canvas
        if row >= 0 and canvas.hasFocus():
            mine, many = bool(canvas.selected[row]), len(canvas.rows)
            canvas.setAccessibleDescription(said(self.session, row, mine, many))

    def _go_through(self) -> None:
        rows = self.canvas.rows
        self.session.queue.show_rows(rows, f"{len(rows):,} from the map")
        self.label_requested.emit()

    def _follow(self, row: int) -> None:
        self.canvas.current = row
        self.canvas.update()

    def show_keys(self, keys: Mapping[str, str]) -> None:
        self.tags.show_keys(keys)

    def apply_theme(self) -> None:
        """Take the colours of the theme in use."""
        self.canvas.redraw()
