"""Thousands of random gestures through restarts: undo-all is the start, redo-all the end."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from labeler.project.store import FLAGGED, LABELLED, SKIPPED, Store
from tests.helpers.people import can_undo

from .places import Tally, make_project, trouble_with

State = tuple[bytes, bytes, tuple[tuple[int, str], ...]]


def there_and_back(folder: Path, gestures: int, seed: int = 4) -> Tally:
    """Random gestures, undos, redos and restarts; then all of it undone, and all redone."""
    tally, chance = Tally("random gestures, undone and redone"), random.Random(seed)
    project = make_project(folder / "gestures")
    path = project / "project.sqlite"
    store = Store.open(path)
    ada, n = store.annotator("Ada"), store.n_shots()
    states, undone = [_state(store, ada)], []
    for k in range(gestures):
        if k % 500 == 499:
            store.close()
            store = Store.open(path)
        wish = chance.random()
        if wish < 0.15 and len(states) > 1:
            store.undo(ada)
            undone.append(states.pop())
        elif wish < 0.25 and undone:
            store.redo(ada)
            states.append(undone.pop())
        else:
            _record(store, ada, n, chance)
            now = _state(store, ada)
            if now != states[-1]:
                states.append(now)
                undone.clear()
        tally.add("" if _state(store, ada) == states[-1] else f"gesture {k}: not as expected")
    tally.add(_all_the_way(store, ada, states, (undone or states[-1:])[0]))
    store.close()
    tally.add(trouble_with(project))
    tally.note = f"{len(states) - 1:,} undone to the start and redone to the end"
    return tally


def _all_the_way(store: Store, ada: int, states: list[State], end: State) -> str:
    for expected in states[-2::-1]:
        store.undo(ada)
        if _state(store, ada) != expected:
            return "an undo did not lead to the state before"
    if can_undo(store, ada) or _state(store, ada) != states[0]:
        return "undo-all is not the start"
    while store.redo(ada) is not None:
        pass
    return "" if _state(store, ada) == end else "redo-all is not the end"


def _record(store: Store, ada: int, n: int, chance: random.Random) -> None:
    rows = chance.sample(range(n), chance.choice((1, 1, 1, 1, 3, 10)))
    present = [chance.randrange(2048) for _ in rows]
    status = chance.choice((LABELLED, LABELLED, LABELLED | FLAGGED, SKIPPED, 0))
    note = chance.choice((None, None, None, "", "odd"))
    store.record(ada, rows, present, status, origin="key", note=note)


def _state(store: Store, ada: int) -> State:
    state = store.load_state(ada)
    notes = tuple(sorted(store.notes(ada).items()))
    return np.asarray(state.present).tobytes(), np.asarray(state.status).tobytes(), notes
