"""Heat that no run stores, computed for the shots on screen by a child process.

The newest request comes first. The child loads torch and the network once and then
needs a fraction of a second a shot. Qt-free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.heatmaps.geometry import FULL_FIELD, Box
from model.heatmaps.nothing_to_see import nothing_found
from model.processes import Worker, give_way
from model.shots.table import ShotTable
from model.taxonomy.same_classes import places_among
from model.taxonomy.taxonomy import Taxonomy

if TYPE_CHECKING:
    from model.inspection.perturbed_shots import ReadShots

WAITING = 48
"""This many requests are kept; older ones are forgotten, their tiles ask again when painted."""
CARELESS = (OSError, ValueError, KeyError, RuntimeError, MemoryError)
"""What damaged files and degenerate numbers raise."""


@dataclass(frozen=True)
class HeatSource:
    """What is asked: the network of a run, about the shots of a table, by the classes of a
    taxonomy."""

    run: Path
    table: ShotTable
    taxonomy: Taxonomy


@dataclass(frozen=True)
class HeatRequest:
    """Heat of all classes on a shot in a form; of each less another one where `against` is one."""

    row: int
    form: str
    against: int | None = None


@dataclass(frozen=True)
class HeatAnswer:
    """cells (C, h, w) float16 tile `box` of the shot and are shown in `field`; `says`: for each
    class why there is no heat, else ''; `assumed`: the beam was taken as the middle of what the
    network saw. Where the shot or the network cannot be read, one sentence for all and no cells."""

    request: HeatRequest
    says: tuple[str, ...]
    cells: npt.NDArray[np.float16] | None = None
    field: Box = FULL_FIELD
    box: Box = FULL_FIELD
    assumed: bool = False


class HeatChild(Worker[HeatSource, HeatRequest, HeatAnswer]):
    """The window's side: `on_answer` is called from a thread of its own."""

    def __init__(self, source: HeatSource, on_answer: Callable[[HeatAnswer], None]) -> None:
        super().__init__(_serve, on_answer, self._on_lost, name="heat")
        self.source = source
        self.use(source)

    def ask(self, request: HeatRequest) -> None:
        """Ask before all others; never waits."""
        self._add(request, request, WAITING)

    def _on_lost(self, request: HeatRequest | HeatSource) -> HeatAnswer | None:
        if isinstance(request, HeatSource):
            return None
        words = "The process that computes heat ended. Show the heatmap again to start another one."
        return HeatAnswer(request, (words,) * len(self.source.taxonomy))


# -- in the child ----------------------------------------------------------------------------------


def _serve(connection: Connection) -> None:
    """Take the source, answer requests; what is wrong with either stands in the answers."""
    give_way()
    server: HeatServer | None = None
    trouble, classes = "", 0
    while True:
        message = connection.recv()
        said, answer = trouble, None
        try:
            if isinstance(message, HeatSource):
                server, trouble, classes = None, "", len(message.taxonomy)
                server = HeatServer(message)
            elif server is not None:
                answer = server.answer(message)
        except InputError as error:
            said = str(error)
        except CARELESS as error:
            said = f"Heat could not be computed ({error})."
        if isinstance(message, HeatSource):
            trouble = said
        elif answer is None:
            answer = HeatAnswer(message, (said,) * classes)
        connection.send(answer)


class HeatServer:
    """Reads shots with the network of a run and explains them; in the child."""

    def __init__(self, source: HeatSource) -> None:
        from model.inspection.heat import Explainer
        from model.inspection.perturbed_shots import Reader
        from model.prediction.before_labels import seen_by

        self.source = source
        self.reader = Reader(source.run, few=True)
        if (seen := seen_by(source.run)) is not None:  # else nothing is shown beside the heat
            self.reader.adapt(source.table, source.taxonomy, seen)
        self.explainer = Explainer(self.reader)
        self._places = places_among(source.taxonomy, self.reader.about.taxonomy)
        """(C,) which class of the network each class is; -1 for one that it never learnt."""
        self._scales = self.reader.about.preprocessing.scales_of(source.table)
        self._row = -1
        self._read: ReadShots | None = None
        self._said: dict[str, Any] = {}

    def answer(self, request: HeatRequest) -> HeatAnswer:
        """InputError for a shot that cannot be read and for what no network can be asked."""
        names, classes = self.reader.names, len(self.source.taxonomy)
        place = {ours: theirs for ours, theirs in enumerate(self._places.tolist()) if theirs >= 0}
        never = "The network never learnt this class."
        if request.against is not None and request.against not in place:
            raise InputError("The network never learnt the class to compare with.")
        read = self._asked(request.row, request.form)
        against = None if request.against is None else names[place[request.against]]
        targets = self.explainer.targets(names, against)
        found = self.explainer.cells(read, 0, targets, [request.form], self._said)[request.form]
        nothing = self.explainer.nothing_to_see(read, 0, self.source.taxonomy)
        says = [never] * classes
        cells = np.zeros((classes, *found.values.shape[1:]), np.float16)
        for ours, theirs in place.items():
            heat = found.values[theirs]
            says[ours] = nothing[theirs] or nothing_found(heat, request.form)
            if not says[ours]:
                cells[ours] = heat / heat.max()
        field, box = self.reader.placed(read.seen[0], found.box)
        return HeatAnswer(request, tuple(says), cells, field, box, bool(read.assumed[0]))

    def _asked(self, row: int, form: str) -> ReadShots:
        """The shot as the network reads it; what it says for the form stays in `_said`, for every
        class to compare with."""
        read = self._read
        if read is None or self._row != row:
            table, self._row, self._said = self.source.table, -1, {}
            (shot,) = table.iter_shots([row])
            scale = self._scales[table.source_of[row]]
            prepared = self.reader.prepare([(*shot, table.geometry(row), scale)])
            features, said = self.explainer.ask(prepared, 0, form)
            read = self._read = self.reader.said(prepared, features)
            self._row, self._said[form] = row, said
        elif form not in self._said:
            self._said[form] = self.explainer.answers(read, 0, form)
        return read
