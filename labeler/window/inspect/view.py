"""Inspect: where the network looks. All classes of one shot, or many shots of one class.

Heatmaps are those of the run in use; nothing is computed here that needs a network.
"""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QSignalBlocker, Qt
from PyQt6.QtGui import QShowEvent
from PyQt6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QHBoxLayout,
    QPushButton,
    QSlider,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from labeler.session.heat import ON_ITS_WAY, Asked
from labeler.session.session import Session
from labeler.window.dialogs import file_dialogs
from labeler.window.frame.retrain import progress_in_words
from labeler.window.inspect.claims import ClaimsPage
from labeler.window.inspect.gallery import Gallery
from labeler.window.inspect.shot import ShotPage
from labeler.window.inspect.tiles import PLAIN, Tile
from labeler.window.process.short_job import ShortJob
from labeler.window.widgets.fields import DETAIL, ListField, explain_items, offer
from labeler.window.widgets.parts import EmptyState, FoldingRow, label, share
from labeler.window.widgets.tab import Tab
from model.heatmaps.forms import BEST, BEST_WORD, HEAT_FORMS
from model.heatmaps.nothing_to_see import no_place

PAGES = ("All classes", "Shots of a class", "Rule check")
"""Of the shot on screen; of the run; of its predictions as a whole."""
BEST_ONE = "Best for each class"
UNTESTED = (
    "Which form does best for this run is not known:"
    " Rule check → Test on simulated shots finds out."
)
UNTESTABLE = (
    "Which form does best for this run cannot be tested:"
    " the simulator knows no cause of its classes."
)
TRAINED = "They come with each training."


class InspectView(Tab):
    """Three pages: all classes of this shot; a gallery for one class; the run as a whole."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.session = session
        self.retraining = session.training
        self.empty = EmptyState()
        self.short_job = ShortJob(session, self)
        self.shot, self.gallery = ShotPage(session, self.short_job), Gallery(session)
        self.claims = ClaimsPage(session, self.short_job)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.shot)
        self.pages.addWidget(self.gallery)
        self.pages.addWidget(self.claims)
        self._build()
        self.shot.tiles.chosen.connect(self._show_class)
        self.gallery.tiles.chosen.connect(self._show_shot)
        self.shot.kind_changed.connect(self._speak_of_class)
        self.gallery.kind_changed.connect(self._speak_of_class)
        self.claims.label_requested.connect(self.label_requested)
        self.short_job.changed.connect(self.refresh)
        for signal in (
            session.predictions.run_changed,
            session.project_changed,
            session.display.display_changed,
        ):
            signal.connect(self.refresh)
        session.cursor.shot_changed.connect(self._shot_changed)
        session.heat.heat_ready.connect(self._write_note)
        session.labels.labels_changed.connect(self._labels_changed)
        self.retraining.changed.connect(self._say_empty)

    @property
    def section(self) -> str:  # type: ignore[override]
        return PAGES[self.pages.currentIndex()]

    def _build(self) -> None:
        self.tabs = QButtonGroup(self)
        head, pages = QHBoxLayout(), QHBoxLayout()
        head.setSpacing(4)
        pages.setSpacing(4)
        for i, text in enumerate(PAGES):
            button = QToolButton()
            button.setText(text)
            button.setCheckable(True)
            button.setChecked(i == 0)
            self.tabs.addButton(button, i)
            pages.addWidget(button)
        self.tabs.idToggled.connect(lambda page, on: self._turn(page) if on else None)
        pages.addStretch(1)
        self.save = FigureButton(self.session, self.short_job, self.gallery)
        self.form, self.other = ListField("Form of heat"), ListField("Second form, side by side")
        self.other.setToolTip("Show a second form beside it")
        self.form.activated.connect(
            lambda i: self.session.display.change(form=self.form.itemData(i))
        )
        self.other.activated.connect(lambda i: self._compare(self.other.itemData(i)))
        head.addWidget(self.save)
        head.addWidget(self.form)
        head.addWidget(self.other)
        head.addSpacing(10)
        for field in (self.form, self.other):
            explain_items(field)
        self.contours = QCheckBox("Contours")
        self.contours.toggled.connect(lambda on: self.session.display.change(contours=on))
        self.strength = QSlider(Qt.Orientation.Horizontal)
        self.strength.setRange(0, 100)
        self.strength.setFixedWidth(110)
        self.strength.setAccessibleName("How much cold places are dimmed")
        self.strength.setToolTip("How much cold places are dimmed")
        self.strength.valueChanged.connect(self._dim)
        head.addWidget(self.contours)
        head.addSpacing(14)
        dim = label("Dim", "muted")
        head.addWidget(dim)
        head.addWidget(self.strength)
        self._of_pictures = (self.other, self.contours, dim, self.strength)
        """What does nothing on a page without pictures."""
        self.note = label("", "muted", wrap=True)
        full = QWidget()
        layout = QVBoxLayout(full)
        layout.setContentsMargins(20, 12, 20, 10)
        layout.setSpacing(10)
        layout.addWidget(FoldingRow(pages, head))
        layout.addWidget(self.pages, 1)
        layout.addWidget(self.note)
        self.whole = QStackedWidget()
        self.whole.addWidget(self.empty)
        self.whole.addWidget(full)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.whole)

    # -- showing ---------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self.session.heat.forget_failures()
        self.refresh()

    def refresh(self) -> None:
        """Show what the run in use says, if anybody looks."""
        if not self.isVisible():
            return
        predictions = self.session.predictions.run
        self.whole.setCurrentIndex(0 if predictions is None else 1)
        if predictions is None:
            self._say_empty()
            return
        overlay = self.session.display.overlay
        with QSignalBlocker(self.contours), QSignalBlocker(self.strength):
            self.contours.setChecked(overlay.contours)
            self.strength.setValue(round(100 * overlay.strength))
        of_maps = self.session.heat.reads_maps  # of which there is no figure
        self.save.setVisible(self.pages.currentIndex() == 1 and not of_maps)
        for widget in self._of_pictures:
            widget.setVisible(self.pages.currentIndex() != 2)
        self._page().refresh()
        self._speak_of_class()

    def _speak_of_class(self) -> None:
        """The forms, and the note about the one in use, are about the class that is chosen now."""
        if self.isVisible() and self.session.predictions.run is not None:
            self._offer_forms()
            self._write_note(self.session.cursor.row)

    def show_shot_page(self) -> None:
        """All classes of the shot on screen."""
        self._turn(0)

    def show_gallery(self, class_index: int | None = None) -> None:
        """Shots of a class, by default of the one shown last."""
        if class_index is not None:
            self.gallery.choose(class_index)
        self._turn(1)

    def _turn(self, page: int) -> None:
        button = self.tabs.button(page)
        if button is not None:
            button.setChecked(True)
        self.pages.setCurrentIndex(page)
        self.refresh()

    def _offer_forms(self) -> None:
        """The forms that this run can show, in both fields; the one in use chosen."""
        heat, chosen = self.session.heat, self.session.display.overlay.form
        titles = {form: HEAT_FORMS[form].title for form in heat.offered}
        for field, first in ((self.form, BEST_ONE), (self.other, "Compare with …")):
            kept = chosen if field is self.form else self.shot.other
            offer(field, {BEST: first, **titles}, kept)
            kind = self._kind()
            for i, form in enumerate((BEST, *titles)):
                shown = heat.best_form(kind) if form == BEST and field is self.form else form
                words = heat.about(Asked(-1, kind, shown)) if shown else ""
                if self.pages.currentIndex() == 2:  # of no single class
                    words = HEAT_FORMS[form].asks if form else ""
                field.setItemData(i, words, DETAIL)
            field.setEnabled(len(titles) > 1)

    def _compare(self, form: str) -> None:
        self.shot.other = self.gallery.other = form
        self._speak_of_class()  # first: the note takes room from the page
        self._page().refresh()

    def _kind(self) -> int:
        """The class that is spoken of: that of the gallery, or the one chosen on the shot."""
        kind = self.gallery.kind if self.pages.currentIndex() == 1 else self.shot.kind
        return max(kind, 0)

    def _write_note(self, row: int) -> None:
        """Heat of a shot came: where the best form found nothing, it is of another one."""
        if self.session.predictions.run is not None and row == self.session.cursor.row:
            job = self.short_job
            self.note.setText(f"{job.said} …" if job.is_running else self._about())

    def _about(self) -> str:
        """What the form in use asks, and how far it can be trusted for the class."""
        heat, predictions = self.session.heat, self.session.predictions.of_run
        name = predictions.name
        of_run = f"Predictions and heat of {name} by itself, without labels given since."
        if self.pages.currentIndex() == 2:
            return of_run
        kind, (rows, columns) = self._kind(), predictions.grid
        of_shot = self.pages.currentIndex() == 0
        row, rival = (self.session.cursor.row, self.shot.rival) if of_shot else (-1, None)
        asked = Asked(row, kind, self.session.display.overlay.form, rival)
        names = self.session.labels.taxonomy.names
        of = names[kind] if rival is None else f"{names[kind]}, not {names[rival]}"
        if of_shot and (why := heat.why_none(asked)) and why != ON_ITS_WAY:
            return f"{of}: {why}"
        if why := heat.never_learnt(kind) or no_place(names[kind], self.session.labels.taxonomy):
            return f"{of}: {why} {of_run}"
        form = heat.form_of(asked)
        note = f"{of}: {HEAT_FORMS[form].title}: {heat.about(asked)}"
        if HEAT_FORMS[form].stored:
            note += f" {coarse_in_words(rows, columns, predictions.seen_by_a_cell)}"
        other = self.shot.other
        if other in heat.offered and other != form:
            note += f" Beside it: {HEAT_FORMS[other].title}: {heat.about(Asked(row, kind, other))}"
        if not heat.truth.found and len(heat.offered) > 1 and asked.form not in heat.offered:
            note += f" {UNTESTED if heat.can_be_tested else UNTESTABLE}"
        note += " Its strength cannot be compared between shots."
        if len(heat.offered) == 1:
            note += " This run was read before other forms were kept: predict again for these."
        return f"{note} {of_run}"

    def _page(self) -> ShotPage | Gallery | ClaimsPage:
        return (self.shot, self.gallery, self.claims)[self.pages.currentIndex()]

    def _shot_changed(self, row: int) -> None:
        if self.isVisible() and self.session.predictions.run is not None:
            self.shot.refresh()
            self._speak_of_class()

    def _labels_changed(self, rows: object) -> None:
        if self.isVisible() and self.session.predictions.run is not None:
            self._page().refresh()

    def _dim(self, value: int) -> None:
        self.session.display.change(strength=value / 100, transparency=True)

    def _say_empty(self) -> None:
        if self.session.predictions.run is not None or not self.isVisible():
            return
        title, now = "No heatmaps yet", self.retraining
        text = "For every shot and every class, a heatmap shows where the network looked."
        unused = self.session.predictions.unused_run
        if now.is_running:
            text += f"\n\nRun {now.number} is on its way: {progress_in_words(now)}."
            self.empty.say(title, text)
        elif unused is not None:
            text += f"\n\nRun {unused} has heatmaps, but is not in use."
            self.empty.say(title, text, "Use it", lambda: now.use(unused))
        elif needed := now.lacking():
            self.empty.say(title, f"{text} {TRAINED}\n\n{needed}.")
        else:
            self.empty.say(title, f"{text} {TRAINED}", "Train a network", now.start)

    # -- choosing --------------------------------------------------------------------------------

    def _show_class(self, tile: Tile) -> None:
        session = self.session
        now = session.heat.class_index, session.heat.against
        already = session.heat.on and now == (tile.kind, tile.against)
        if tile.kind == PLAIN:
            if session.heat.on:
                session.heat.toggle()
        elif not already:
            session.heat.show(tile.kind, tile.against)
        self.label_requested.emit()

    def _show_shot(self, tile: Tile) -> None:
        session = self.session
        if not (session.heat.on and session.heat.class_index == tile.kind):
            session.heat.show(tile.kind)
        session.cursor.show(tile.row)
        self.label_requested.emit()


def coarse_in_words(rows: int, columns: int, seen: float | None) -> str:
    """What few cells mean, each of which sees that share of the width of the shot."""
    sees = "more than its own place" if seen is None else f"{share(seen)} of the shot's width"
    sees = "the whole shot" if seen == 1 else sees
    return (
        f"It has only {rows} × {columns} cells, and each sees {sees}: it hints at a region at best,"
        " never at a ring."
    )


SHOTS = 5
"""Shots in the row, as in the paper's Fig. 5."""
KINDS = "PDF (*.pdf);;SVG (*.svg);;PNG (*.png)"


class FigureButton(QPushButton):
    """Asks where, then sends for the figure of the gallery's first shots."""

    def __init__(self, session: Session, short_job: ShortJob, gallery: Gallery) -> None:
        super().__init__("Save figure…")
        self.setToolTip(f"The first {SHOTS} shots shown, as a figure for a paper (PDF, SVG, PNG)")
        self.session, self.short_job, self.gallery = session, short_job, gallery
        self.clicked.connect(self._ask)

    def _ask(self) -> None:
        name = self.session.labels.taxonomy.names[self.gallery.kind].replace("/", "-")
        there = self.session.require().folder / f"{name.lower()}.pdf"
        out, _ = file_dialogs.ask_new_file(self, "Save figure", str(there), KINDS)
        if out is not None:
            self.draw(out)

    def draw(self, out: Path) -> None:
        """Draw the first shots of the gallery to a file."""
        session, rows = self.session, self.gallery.rows[:SHOTS]
        if not rows:
            session.noted.emit("info", "There are no shots to draw.")
            return
        run = str(session.predictions.run_folder)
        arguments = [
            "figure", run, "--class", session.labels.taxonomy.names[self.gallery.kind],
            "--shots", ",".join(str(row + 1) for row in rows),
            *(word for form in self.gallery.forms for word in ("--form", form or BEST_WORD)),
            "--out", str(out), "--force",
        ]  # fmt: skip
        done = f"The figure is in {out}."
        self.short_job.start(arguments, "drawing", lambda item: session.noted.emit("info", done))
