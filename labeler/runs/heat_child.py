"""Heat that no run stores, computed for the shots on screen by a child process, newest wish first.

`HeatChild` is the window's side: a thread that talks to the child; answers come by a callback from
that thread. The child loads torch and the network once and then needs a fraction of a second a
shot. Qt-free.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from model.errors import InputError
from model.heatmaps.forms import HEAT_FORMS
from model.heatmaps.geometry import FULL_FIELD, Box
from model.processes import Child, Lost
from model.shots.table import ShotTable
from model.taxonomy.taxonomy import Taxonomy

WAITING = 48
"""So many wishes are kept; older ones are forgotten, their tiles ask again when painted."""
DEATHS = 3
"""After so many in a row the child is not started again for the same network."""
CARELESS = (OSError, ValueError, KeyError, RuntimeError, MemoryError)
"""What damaged files and degenerate numbers raise."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeatGround:
    """What is asked: the network of a run, about the shots of a table, by the classes of a
    taxonomy."""

    run: Path
    table: ShotTable
    taxonomy: Taxonomy


@dataclass(frozen=True)
class HeatWish:
    """Heat of all classes on a shot in a form; of each less another one where `against` is one."""

    row: int
    form: str
    against: int | None = None


@dataclass(frozen=True)
class HeatAnswer:
    """cells (C, h, w) float16 tile `box` of the shot and are shown in `field`; `says`: for each
    class why there is no heat, else ''. Where the shot or the network cannot be read, one sentence
    for all and no cells."""

    wish: HeatWish
    says: tuple[str, ...]
    cells: npt.NDArray[np.float16] | None = None
    field: Box = FULL_FIELD
    box: Box = FULL_FIELD


class HeatChild:
    """The child and the thread that talks to it. `on_answer` is called from that thread."""

    def __init__(self, ground: HeatGround, on_answer: Callable[[HeatAnswer], None]) -> None:
        self.ground = ground
        self._on_answer = on_answer
        self._waiting: dict[HeatWish, None] = {}
        self._closing = self._working = False
        self._changed = threading.Condition()
        self._child = Child(_serve, name="heat")
        self._thread = threading.Thread(target=self._work, name="heat", daemon=True)
        self._thread.start()

    def ask(self, wish: HeatWish) -> None:
        """Ask before all others; never waits."""
        with self._changed:
            self._waiting.pop(wish, None)
            self._waiting[wish] = None
            while len(self._waiting) > WAITING:
                del self._waiting[next(iter(self._waiting))]
            self._changed.notify_all()

    @property
    def is_busy(self) -> bool:
        """Whether a wish waits for its answer."""
        with self._changed:
            return bool(self._waiting) or self._working

    def close(self) -> None:
        """Stop at once; leaves no thread and no process."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._child.forbid()
        self._thread.join()

    # -- in the thread -----------------------------------------------------------------------------

    def _work(self) -> None:
        trouble, deaths = self._start(), 0
        while (wish := self._next()) is not None:
            answer: Any = trouble or self._child.ask(wish)
            while isinstance(answer, Lost) and not self._closing and deaths < DEATHS:
                deaths += 1
                log.error("the process that computes heat died; it is started again")
                answer = self._start() or self._child.ask(wish)
            if isinstance(answer, Lost):
                trouble = answer = "The process that computes heat ended."
            if not self._closing:
                self._announce(wish, answer)
        self._child.end()

    def _start(self) -> str:
        """Why the child cannot work on this ground, or ''."""
        self._child.start()
        answer = self._child.ask(self.ground)
        return "" if isinstance(answer, Lost) else str(answer)

    def _next(self) -> HeatWish | None:
        with self._changed:
            self._working = False
            while not self._closing:
                if self._waiting:
                    self._working = True
                    return self._waiting.popitem()[0]
                self._changed.wait()
        return None

    def _announce(self, wish: HeatWish, answer: HeatAnswer | str) -> None:
        if isinstance(answer, str):
            answer = HeatAnswer(wish, (answer,) * len(self.ground.taxonomy))
        try:
            self._on_answer(answer)
        except Exception:  # the listener's defect must not stop the heat
            log.exception("a listener failed")


# -- in the child ----------------------------------------------------------------------------------


def _serve(connection: Connection) -> None:
    """Answer the ground with '' or what is wrong with it, a wish with a HeatAnswer or why not."""
    with contextlib.suppress(psutil.Error, OSError):  # the window goes first
        low = psutil.BELOW_NORMAL_PRIORITY_CLASS if os.name == "nt" else 5
        psutil.Process().nice(low)
    desk: HeatDesk | None = None
    while True:
        message = connection.recv()
        answer: HeatAnswer | str = ""
        try:
            if isinstance(message, HeatGround):
                desk = HeatDesk(message)
            else:
                assert desk is not None
                answer = desk.answer(message)
        except InputError as error:
            answer = str(error)
        except CARELESS as error:
            answer = f"Heat could not be computed ({error})."
        connection.send(answer)


class HeatDesk:
    """Reads shots with the network of a run and explains them; in the child."""

    def __init__(self, ground: HeatGround) -> None:
        from model.inspection.heat import Explainer
        from model.inspection.perturbed_shots import Reader

        self.ground = ground
        self.reader = Reader(ground.run, few=True)
        self.explainer = Explainer(self.reader)
        self._ours = ground.taxonomy.columns(self.reader.names, ground.run)
        self._scales = self.reader.about.preprocessing.scales_of(ground.table)
        self._read: tuple[int, Any] | None = None

    def answer(self, wish: HeatWish) -> HeatAnswer:
        """InputError for a shot that cannot be read and for what no network can be asked."""
        names, classes = self.reader.names, len(self.ground.taxonomy)
        place = {int(ours): theirs for theirs, ours in enumerate(self._ours)}
        never = "The network never learnt this class."
        if wish.against is not None and wish.against not in place:
            raise InputError("The network never learnt the class to compare with.")
        read = self._shot(wish.row)
        against = None if wish.against is None else names[place[wish.against]]
        targets = self.explainer.targets(names, against)
        found = self.explainer.cells(read, 0, targets, [wish.form])[wish.form]
        says = [never] * classes
        cells = np.zeros((classes, *found.values.shape[1:]), np.float16)
        for ours, theirs in place.items():
            peak = float(found.values[theirs].max())
            none = "" if peak > 0 else HEAT_FORMS[wish.form].none
            says[ours] = self.explainer.nothing_to_see(read, 0, theirs) or none
            if not says[ours]:
                cells[ours] = found.values[theirs] / peak
        down, right = map(float, read.shift[0])
        field, box = self.reader.placed(self._shape, (down, right), found.box)
        return HeatAnswer(wish, tuple(says), cells, field, box)

    def _shot(self, row: int) -> Any:
        if self._read is None or self._read[0] != row:
            table = self.ground.table
            scale = self._scales[table.source_of[row]]
            (shot,) = table.iter_shots([row])
            self._shape = (int(shot[1].shape[0]), int(shot[1].shape[1]))
            read = self.reader.read_shots([(*shot, table.geometry(row), scale)])
            self._read = row, read
        return self._read[1]
