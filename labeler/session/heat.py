"""Heat on shots: of which class and in which form, stored in the run or computed on demand.

Grad-CAM++ of every shot lies in the run's predictions. The finer forms are asked of a child
process, for what is on screen; until they come there is no heat, and never that of another form.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import pyqtSignal

from labeler.runs.heat_child import HeatAnswer, HeatChild, HeatRequest, HeatSource
from labeler.session.cursor import Cursor
from labeler.session.display import Display
from labeler.session.opened import Opened, SessionPart
from labeler.session.predictions import CurrentPredictions
from labeler.session.suggestions import Suggestions
from model.heatmaps.forms import BEST, HEAT_FORMS
from model.heatmaps.geometry import detector, enlarge, is_even
from model.heatmaps.nothing_to_see import UNREAD, nothing_found, nothing_to_see
from model.heatmaps.truth_table import NO_MORE_SHORT, TESTED, TruthTable, table_of
from model.runs.folder import WEIGHTS
from model.runs.recipes import shipped_network
from model.shots.thumbnail import area_means
from model.taxonomy.same_classes import places_among
from model.taxonomy.taxonomy import Taxonomy

KEPT = 1000
"""This many answers of the child are kept, some 20 kB each."""
ON_ITS_WAY = "is being computed …"
COARSE = 112
"""Pixels a side at which is asked whether a shot holds anything: about what networks see."""


@dataclass(frozen=True)
class Asked:
    """Which heat: of a class on a shot, in a form (BEST: that which did best for the class), less
    that of another class where `against` is one."""

    row: int
    kind: int
    form: str = BEST
    against: int | None = None


class Heat(SessionPart):
    """The heatmap on the shot on screen: of which class, and whether it is shown; and heat of any
    class on any shot for who shows many."""

    heat_changed = pyqtSignal()
    heat_ready = pyqtSignal(int)
    """Row of a shot whose heat came from the child."""
    _answered = pyqtSignal(object, object)
    """What the child was asked about, and its answer."""

    def __init__(
        self,
        cursor: Cursor,
        predictions: CurrentPredictions,
        suggestions: Suggestions,
        display: Display,
    ) -> None:
        super().__init__()
        self.cursor, self.predictions = cursor, predictions
        self.suggestions, self.display = suggestions, display
        self.class_index: int | None = None
        self.against: int | None = None
        self.on = False
        self.use_key = ""
        """The key that uses a run where none is in use, as the window writes it; '' for none."""
        self.truth = TruthTable()
        self._child: HeatChild | None = None
        self._known: OrderedDict[HeatRequest, HeatAnswer] = OrderedDict()
        self._even: dict[int, bool] = {}
        """Of shots that were read: whether they are the same everywhere."""
        self._answered.connect(self._take)  # from another thread: Qt queues it
        predictions.run_changed.connect(self.follow)
        cursor.shots.preparation_changed.connect(self._even.clear)

    def begin(self, opened: Opened) -> None:
        """Read how well each form did for the run in use."""
        super().begin(opened)
        self.look_at_truth()

    def end(self) -> None:
        """Classes belong to one project."""
        super().end()
        self._let_go()
        self.class_index = self.against = None
        self.on = False

    def follow(self) -> None:
        """Another run: what was computed by the one before is out of date."""
        self._let_go()
        self.look_at_truth()

    def look_at_truth(self) -> None:
        """Read how well each form did for the run in use."""
        run = self.predictions.run
        self.truth = TruthTable()
        if run is not None:
            taxonomy = self.require().taxonomy
            self.truth = table_of(run.path.parent, shipped_network(), taxonomy)

    @property
    def can_be_tested(self) -> bool:
        """Whether the simulator knows what makes a class of the run in use, see `TESTED`; of
        correlation maps it knows no place."""
        run, taxonomy = self.predictions.run, self.require().taxonomy
        if run is None or self.reads_maps:
            return False
        tested = places_among(taxonomy, Taxonomy.of_names(TESTED)) >= 0
        return bool((run.known & tested).any())

    def _let_go(self) -> None:
        if self._child is not None:
            self._child.close()
        self._child = None
        self._known.clear()
        self._even.clear()

    # -- what is shown ---------------------------------------------------------------------------

    def show(self, class_index: int | None, against: int | None = None) -> None:
        """Put a class's heatmap on the pattern, less that of another one where `against` is one;
        what is shown already, or None, takes it off."""
        same = self.on and (class_index, against) == (self.class_index, self.against)
        self.on = class_index is not None and not same
        self.class_index = self.class_index if class_index is None else class_index
        self.against = against
        self._announce()

    def toggle(self) -> None:
        """Heatmap on or off; the class is the last chosen one, else the model's likeliest."""
        run = self.predictions.run
        if run is None:
            text, unused = "press Retrain to make a first run", self.predictions.unused_run
            if unused is not None:
                ways = " or ".join(filter(None, (self.use_key, "Learn")))
                text = f"run {unused} is not in use; {ways} uses it"
            self.noted.emit("info", f"No heatmaps yet: {text}.")
            return
        if self.class_index is None and self.cursor.row >= 0:
            self.class_index = int(np.argmax(run.probabilities[self.cursor.row]))
        self.on = not self.on
        self._announce()

    def _announce(self) -> None:
        """Bring the map's pane where the heat lies there; ask again for what failed."""
        self.forget_failures()
        if self.on and self.reads_maps and not self.display.panes.correlation:
            self.display.change(correlation=True)
        self.heat_changed.emit()

    def forget_failures(self) -> None:
        """Ask again for heat whose shot or run could not be read, or whose process ended."""
        for request in [r for r, answer in self._known.items() if answer.cells is None]:
            del self._known[request]

    @property
    def failure(self) -> str:
        """Why heat that was asked for could not be computed, in a sentence; '' where it could."""
        failed = (answer.says[0] for answer in self._known.values() if answer.cells is None)
        return next(failed, "")

    @property
    def reads_maps(self) -> bool:
        """Whether the run in use reads correlation maps, not patterns."""
        run = self.predictions.run
        return run is not None and run.input == "correlation"

    def on_pattern(self, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
        """(y, x) in [0, 1] of the chosen class on the shot on screen; None where it is off.

        None too where the network reads correlation maps: its heat lies there (`on_map`).
        """
        return None if self.reads_maps else self._values(shape)

    def on_map(self, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
        """(q_i, q_j) in [0, 1] of the chosen class on the shot's correlation map; else None."""
        return self._values(shape) if self.reads_maps else None

    def _values(self, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
        asked = self._on_screen()
        return None if asked is None else self.of(asked, shape)

    def _on_screen(self) -> Asked | None:
        """None while it is off or the predictions of the shot are hidden."""
        row = self.cursor.row
        if not self.on or self.class_index is None or self.predictions.run is None or row < 0:
            return None
        if self.suggestions.is_hidden():
            return None
        return Asked(row, self.class_index, self.display.overlay.form, self.against)

    @property
    def is_waiting(self) -> bool:
        """Whether heat that was asked for is still being computed."""
        return self._child is not None and self._child.is_busy

    @property
    def is_fine(self) -> bool:
        """Whether the heat on screen has finer cells than Grad-CAM++."""
        asked = self._on_screen()
        return asked is not None and not HEAT_FORMS[self.form_of(asked)].stored

    def caption(self) -> str:
        """What the heat on screen is, or why there is none; '' where it is off."""
        if not self.on or self.class_index is None:
            return ""
        names = self.labels_of_classes
        name = names[self.class_index]
        if self.against is not None:
            name += f", not {names[self.against]}"
        asked = self._on_screen()
        if self.predictions.run is None or asked is None:
            lacking = " · no run in use" if self.predictions.run is None else ""
            return f"Heatmap of {name}{lacking}"
        if why := self.why_none(asked):
            return f"Heatmap of {name} {why}" if why == ON_ITS_WAY else why
        if self.reads_maps:
            name = f"Heatmap of {name} lies on the correlation map, which this network reads"
        parts = [name, self.doubt(asked)]
        if no_more := self.no_more(asked):
            parts.append(f"heat shows {no_more}")
        if not self.reads_maps:
            parts += [HEAT_FORMS[self.form_of(asked)].short, self.beam(asked)]
        return " · ".join(filter(None, parts))

    def doubt(self, asked: Asked) -> str:
        """That the run by itself, whose heat it is, does not predict the class, though suggestions
        may; else ''."""
        run = self.predictions.of_run
        if run.likely()[asked.row, asked.kind]:
            return ""
        name = "" if asked.against is None else f"{self.labels_of_classes[asked.kind]} "
        likely = float(run.probabilities[asked.row, asked.kind])
        return f"{name}not predicted by {run.name} (p {likely:.2f})"

    def no_more(self, asked: Asked) -> str:
        """What heat of the class tells, where no form tells more than the shot; else ''."""
        alone = asked.against is None
        no_more = alone and self.truth.shows_only_shot(self.labels_of_classes[asked.kind])
        return NO_MORE_SHORT if no_more else ""

    @property
    def labels_of_classes(self) -> tuple[str, ...]:
        """Names of the classes, in order."""
        return tuple(self.require().taxonomy.names)

    # -- of any shot -----------------------------------------------------------------------------

    @property
    def offered(self) -> tuple[str, ...]:
        """Forms that the run in use has stored or can compute."""
        run = self.predictions.run
        if run is None:
            return ()
        computed = not self.reads_maps and (run.path.parent / WEIGHTS).is_file()
        return tuple(
            form
            for form, about in HEAT_FORMS.items()
            if form in run.forms or (computed and not about.stored)
        )

    def best_form(self, kind: int) -> str:
        """The form that did best for a class among those offered; the paper's where none did."""
        best = self.truth.best(self.labels_of_classes[kind])
        return best if best in self.offered else next(iter(HEAT_FORMS))

    def about(self, asked: Asked) -> str:
        """What the form of heat asks, and how well it did for the class."""
        form = self.form_of(asked)
        if asked.against is None:
            name = self.labels_of_classes[asked.kind]
            well, best = self.truth.words(name, form), self.truth.best(name)
            if asked.form not in self.offered and best not in ("", *self.offered):
                run = self.predictions.of_run.name
                well += f" {HEAT_FORMS[best].title} did best, but the network of {run} is gone."
        else:
            well = "How well it does was not measured for a comparison of two classes."
            if asked.form in self.offered and asked.form != form:
                well += f" {HEAT_FORMS[asked.form].short} is kept of single classes only."
        return f"{HEAT_FORMS[form].asks} {well}"

    def form_of(self, asked: Asked) -> str:
        """The form in which heat is shown: the one named, else the one that did best for the class;
        where that finds nothing on this shot, another one that is computed and does. For a class
        against another one, of those that are computed."""
        named = asked.form in self.offered
        form = asked.form if named else self.best_form(asked.kind)
        computed = [f for f in self.offered if not HEAT_FORMS[f].stored]
        if asked.against is not None and HEAT_FORMS[form].stored and computed:
            name = self.labels_of_classes[asked.kind]  # what is stored is of one class alone
            named, form = False, max(computed, key=lambda f: self.truth.score(name, f))
        if named or form not in computed:
            return form
        for other in sorted(computed, key=lambda f: f != form):
            answer = self._known.get(HeatRequest(asked.row, other, asked.against))
            if answer is None or not answer.says[asked.kind]:
                return other
        return form

    def of(self, asked: Asked, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
        """(y, x) in [0, 1] on a shot of that shape; None where there is none, see `why_none`."""
        run, form = self.predictions.of_run, self.form_of(asked)
        if self.why_none(asked):
            return None
        if HEAT_FORMS[form].stored:
            return run.heatmap(asked.row, asked.kind, shape, form)
        answer = self._known[self._request(asked)]
        assert answer.cells is not None
        return enlarge(answer.cells[asked.kind], shape, answer.field, answer.box)

    def why_none(self, asked: Asked) -> str:
        """Why there is no heat, in a sentence; ON_ITS_WAY while it is being computed; else ''."""
        run, form = self.predictions.of_run, self.form_of(asked)
        name = self.labels_of_classes[asked.kind]
        if not run.readable[asked.row]:
            return UNREAD
        if why := self.never_learnt(asked.kind):
            return why
        likely = float(run.probabilities[asked.row, asked.kind])
        decided, even = bool(run.decided[asked.row, asked.kind]), self._is_even(asked.row)
        if why := nothing_to_see(name, likely, decided, even, self.require().taxonomy):
            return why
        if HEAT_FORMS[form].stored:
            if run.trouble:
                return run.trouble
            if asked.against is not None:
                return "This run can only explain one class at a time."
            return nothing_found(run.cells(asked.row, asked.kind, form), form)
        request = self._request(asked)
        answer = self._known.get(request)
        if answer is None:
            self._ask(request)
            return ON_ITS_WAY
        self._known.move_to_end(request)
        return answer.says[asked.kind]

    def never_learnt(self, kind: int) -> str:
        """That the run in use never learnt a class, in a sentence; else ''."""
        name, run = self.labels_of_classes[kind], self.predictions.run
        return "" if run is None or run.known[kind] else f"The network never learnt {name}."

    def _is_even(self, row: int) -> bool:
        """Whether a shot is the same everywhere; not before it was read."""
        counts = self.cursor.shots.counts(row)
        if row not in self._even and isinstance(counts, np.ndarray):
            self._even[row] = _even_when_coarse(counts, self.cursor.shots.mask(row))
        return self._even.get(row, False)

    def beam(self, asked: Asked) -> str:
        """That directions count from the middle, for want of a better beam; else ''."""
        answer = self._known.get(self._request(asked))
        assumed = answer is not None and answer.assumed
        return "beam taken as the middle of the picture" if assumed else ""

    def _request(self, asked: Asked) -> HeatRequest:
        return HeatRequest(asked.row, self.form_of(asked), asked.against)

    def _ask(self, request: HeatRequest) -> None:
        opened = self.require()
        if self._child is None:
            run = self.predictions.run_folder
            source = HeatSource(run, opened.table, opened.taxonomy)
            self._child = HeatChild(source, partial(self._answered.emit, source))
        self._child.ask(request)

    def _take(self, source: HeatSource, answer: HeatAnswer) -> None:
        if self._child is None or self._child.source is not source:
            return  # a child of the run or project before, whose answer was on its way
        self._known[answer.request] = answer
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        self.heat_ready.emit(answer.request.row)
        shown = self._on_screen()
        if shown is not None and shown.row == answer.request.row:
            self.heat_changed.emit()


def _even_when_coarse(counts: npt.NDArray[Any], mask: npt.NDArray[np.bool_] | None) -> bool:
    """Whether the good pixels of a shot (y, x) are the same everywhere, at about the size that
    networks see. Most shots are not, by a few of their pixels: that takes no time."""
    step = max(1, max(counts.shape) // COARSE)
    good = np.ones(counts.shape, bool) if mask is None else mask
    some = counts[::step, ::step][good[::step, ::step]]
    some = some[np.isfinite(some)]
    if some.size and np.mean(some == np.median(some)) < 0.5:
        return False
    small = area_means(counts, detector(counts, mask), COARSE)
    return is_even(small, np.isfinite(small))
