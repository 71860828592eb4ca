"""What happens beside an open project: repairs, restores, moves, clocks, colleagues, dialogs.

Every label that was acknowledged must be in the project, in one of its backups, or in the file that
whoever labelled saved when it noticed that the project was not there any more.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from labeler.project import backups
from labeler.project.check import repair
from labeler.project.project import Project
from labeler.project.store import LABELLED, Store, copies
from labeler.project.store.connection import DisplacedError
from model.errors import InputError
from tests.helpers.people import label_as

from .kills import ROOT, _calm
from .places import Tally, make_project, restore, trouble_with

_TOLD = struct.Struct("<iii")
"""What a child says after a label is stored: its gesture, row, present."""
Labels = set[tuple[int, int, int]]


# -- repair, restore, move, delete and replace beside whoever labels -------------------------------


def _repair(project: Path) -> None:
    repair(project)


def _rebuild(project: Path) -> None:
    """A repair that finds something: a state that does not follow from the history, of somebody
    who does not label meanwhile: a gesture that starts from it would be wrong for ever."""
    store = Store.open(project / "project.sqlite")
    bob = store.annotator("Bob")
    store.record(bob, 23, 3, LABELLED, origin="key")
    damage = f"UPDATE current SET present = 1 WHERE annotator_id = {bob}"
    store.database.connection.exec_driver_sql(damage)
    store.close()
    repair(project)


def _move(project: Path) -> None:
    project.rename(project.with_name("moved"))


def _delete(project: Path) -> None:
    shutil.copytree(project, project.with_name("moved"), dirs_exist_ok=True)
    while project.exists():  # the window may write a file meanwhile
        shutil.rmtree(project, ignore_errors=True)


def _copied_back(project: Path) -> None:
    """As a synchronising tool does: an older copy takes the place of the file."""
    older = backups.choose(project, "newest").path
    beside = project / ".sync"
    shutil.copyfile(older, beside)
    beside.replace(project / "project.sqlite")


ACTIONS: tuple[Callable[[Path], None], ...] = (
    _repair, _rebuild, restore, _move, _delete, _copied_back,
)  # fmt: skip


def while_labelling(folder: Path, times: int, seed: int = 5) -> Tally:
    """One of the actions beside a process that labels; what it was told must be somewhere."""
    tally, chance = Tally("repair, restore, move, delete beside"), random.Random(seed)
    told, noticed = 0, 0
    for k in range(times):
        action = ACTIONS[k % len(ACTIONS)]
        project = make_project(folder / f"beside-{k}")
        with Project.open(project) as opened:
            opened.store.record(opened.annotator, 0, 3, LABELLED, origin="key")
        backups.back_up(project, "hand")
        pid, pipe = _label(project)
        os.read(pipe, 1)
        time.sleep(chance.uniform(0.05, 0.3))
        trouble = ""
        try:
            action(project)
        except InputError as error:
            trouble = f"{action.__name__}: {error}"
        time.sleep(0.2)
        os.kill(pid, signal.SIGTERM)
        said = b""
        while part := os.read(pipe, 65536):
            said += part
        os.close(pipe)
        os.waitpid(pid, 0)
        labels = set(_TOLD.iter_unpack(said[: len(said) // _TOLD.size * _TOLD.size]))
        told += len(labels)
        saved = folder / f"beside-{k}" / "saved.sqlite"
        noticed += saved.is_file()
        here = project if project.is_dir() else project.with_name("moved")
        lost = labels - _everywhere(here, saved)
        trouble = trouble or (f"{action.__name__}: {len(lost)} of {len(labels)}" if lost else "")
        tally.add(trouble or trouble_with(here))
        shutil.rmtree(folder / f"beside-{k}")
    tally.note = f"{told:,} labels acknowledged, {noticed} times noticed and saved"
    return tally


def _label(project: Path) -> tuple[int, int]:
    """A process that labels as fast as it may until it is ended, and saves what it holds."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        return pid, ours
    try:
        os.close(ours)
        goes_on = True

        def stop(*signal: object) -> None:
            nonlocal goes_on
            goes_on = False

        signal.signal(signal.SIGTERM, stop)
        store = Store.open(project / "project.sqlite")
        ada, n = store.annotator("Ada"), store.n_shots()
        os.write(theirs, b".")
        k = 0
        while goes_on:
            row, present = k % n, 1 + k % 2000
            try:
                gesture = store.record(ada, row, present, LABELLED, origin="key")
            except DisplacedError:
                store.save_copy(project.parent / "saved.sqlite")
                break
            except InputError:
                continue
            os.write(theirs, _TOLD.pack(gesture, row, present))
            k += 1
            time.sleep(0.002)
    finally:
        os._exit(0)


def _everywhere(project: Path, saved: Path) -> Labels:
    """(gesture, row, present) of every label in a project, its backups and what was saved."""
    import sqlite3
    from contextlib import closing

    found: Labels = set()
    for path in [project / "project.sqlite", *(project / "backups").glob("*.sqlite"), saved]:
        if path.is_file():
            with closing(sqlite3.connect(path)) as database:
                rows = database.execute("SELECT gesture_id, row, present_after FROM events")
                found |= {(int(g), int(r), int(p)) for g, r, p in rows}
    return found


# -- a clock that jumps ----------------------------------------------------------------------------


class _Clock(datetime):
    """What backups take for the time."""

    ahead = timedelta(0)

    @classmethod
    def now(cls, tz=None):  # type: ignore[no-untyped-def]
        return datetime.now(tz) + cls.ahead


def clock(folder: Path, jumps: int, seed: int = 6) -> Tally:
    """Backups by a clock that jumps by minutes, days and years, back and forth."""
    tally, chance = Tally("a clock that jumps"), random.Random(seed)
    project = make_project(folder / "clock")
    real = copies.datetime, backups.datetime
    copies.datetime = backups.datetime = _Clock  # type: ignore[misc,assignment]
    try:
        made: list[str] = []
        for k in range(jumps):
            _Clock.ahead += timedelta(
                minutes=chance.choice((-(10**6), -3000, -40, 5, 40, 3000, 10**6))
            )
            with Project.open(project) as opened:
                gesture = opened.store.record(
                    opened.annotator, k % 24, 1 + k % 9, LABELLED, origin="key"
                )
            back = backups.newest(project)
            if back is not None and back.time > _Clock.now(back.time.tzinfo):
                due = backups.is_due(project, gesture, _Clock.now(back.time.tzinfo))
                tally.add("" if due else "a clock set back keeps backups from being made")
            made.append(backups.back_up(project).name)
            here = [b.path.name for b in backups.list_backups(project)]
            tally.add("" if here[:12] == made[::-1][:12] else "backups are not in their order")
        tally.add(trouble_with(project))
    finally:
        copies.datetime, backups.datetime = real  # type: ignore[misc]
    return tally


# -- two people in two windows ---------------------------------------------------------------------


def two_people(folder: Path, times: int, seed: int = 7) -> Tally:
    """Two windows of two people on one project, each opened again again and again."""
    tally, chance = Tally("two windows, two people"), random.Random(seed)
    week = make_project(folder / "people")
    windows = {name: Project.open(week) for name in ("Ada", "Bob")}
    for name, window in windows.items():
        label_as(window, name)
    wanted: dict[str, dict[int, int]] = {"Ada": {}, "Bob": {}}
    for _ in range(times):
        name = chance.choice(("Ada", "Bob"))
        window = windows[name]
        if chance.random() < 0.3:
            window.close()
            window = windows[name] = Project.open(week, annotator=window.annotator)
        row, present = chance.randrange(24), 1 + chance.randrange(9)
        window.store.record(window.annotator, row, present, LABELLED, origin="key")
        wanted[name][row] = present
        tally.add("" if window.annotator_name == name else f"{name} labels as another")
    for name, window in windows.items():
        state = window.store.load_state(window.store.annotator(name))
        found = {int(r): int(state.present[r]) for r in np.flatnonzero(state.status & LABELLED)}
        tally.add("" if found == wanted[name] else f"labels of {name} are not {name}'s")
        window.close()
    tally.add(trouble_with(week))
    return tally


# -- dialogs for files under keys ------------------------------------------------------------------


def dialogs(folder: Path, times: int, seed: int = 8) -> Tally:
    """Kill windows in which dialogs for files were open in the project while keys were pressed.

    Another process opens and closes the project meanwhile, as every training does.
    """
    tally, chance = Tally("file dialogs while keys are pressed"), random.Random(seed)
    told = 0
    for k in range(times):
        project = make_project(folder / f"dialogs-{k}")
        words = [sys.executable, "-m", "tests.gauntlet.pressing", str(project), "dialogs"]
        child = subprocess.Popen(
            words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_calm()
        )
        assert child.stdout is not None
        child.stdout.read(1)
        end = time.monotonic() + chance.uniform(1.0, 2.0)
        while time.monotonic() < end:
            with Project.open(project):
                time.sleep(0.05)
        child.kill()
        said = child.stdout.read()
        child.wait()
        child.stdout.close()
        pairs = struct.Struct("<ii")
        labels = list(pairs.iter_unpack(said[: len(said) // pairs.size * pairs.size]))
        told += len(labels)
        everywhere = {(r, p) for _, r, p in _everywhere(project, project / "none")}
        lost = set(labels) - everywhere
        tally.add(f"{len(lost)} of {len(labels)} lost" if lost else trouble_with(project))
    tally.note = f"{told:,} labels acknowledged on screen"
    return tally


# -- PostgreSQL ------------------------------------------------------------------------------------


def postgres(folder: Path, times: int, seed: int = 9) -> Tally:
    """A server whose processes are frozen, cut and started again while someone labels."""
    tally, chance = Tally("PostgreSQL frozen and cut"), random.Random(seed)
    try:
        from tests.helpers import postgres as helper
    except ImportError:
        tally.note = "left out: psycopg is not installed"
        return tally
    if helper.programs() is None or os.geteuid() != 0:
        tally.note = "left out: no PostgreSQL here, or its processes may not be stopped"
        return tally
    from labeler.project.store import server

    server.ANSWER_S, server.REST_S = 1.0, 0.2
    os.environ["AIRYLABEL_CONFIG_DIR"] = str(folder / "config")
    longest = 0.0

    def live(waited: float) -> None:
        nonlocal longest, last
        longest, last = max(longest, time.monotonic() - last), time.monotonic()

    last = time.monotonic()
    with helper.server() as url:
        local = make_project(folder / "shots")
        shots = local.parent / "shots.h5"
        project = Project.create(folder / "team", [shots], annotator="Ada", store=f"{url}/postgres")
        store, ada = project.store, project.annotator
        store.database.live_while_waiting(live)
        wanted: dict[int, int] = {}
        for k in range(times):
            how = chance.choice(("freeze", "cut", "nothing"))
            pid = None
            try:
                (pid,) = store.database.connection.exec_driver_sql("SELECT pg_backend_pid()").one()
                store.database.connection.exec_driver_sql("SELECT 1")
            except Exception:  # noqa: BLE001 - it was cut just now: the next question connects again
                pid = None
            if pid is not None and how == "freeze":
                os.kill(pid, signal.SIGSTOP)
            elif pid is not None and how == "cut":
                os.kill(pid, signal.SIGTERM)
            last = time.monotonic()
            row, present = k % 24, 1 + k % 9
            said = ""
            try:
                store.record(ada, row, present, LABELLED, origin="key")
                wanted[row] = present
            except InputError as error:
                said = str(error)
            finally:
                if pid is not None and how == "freeze":
                    os.kill(pid, signal.SIGCONT)
            tally.add("a refusal without words" if said == "" and row not in wanted else "")
        store.database.while_waiting = None
        time.sleep(0.3)
        state = store.load_state(ada)
        wrong = [r for r, p in wanted.items() if state.present[r] != p]
        tally.add(f"{len(wrong)} acknowledged labels are not there" if wrong else "")
        tally.add("; ".join(store.audit()))
        project.close()
    tally.note = f"{len(wanted)} shots acknowledged, longest without life {longest:.1f} s"
    return tally
