"""What others do to files that a project trusts: sources replaced or grown, a project written by a
stranger, a stream from anybody."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import h5py
import numpy as np

from labeler.project.project import Project
from labeler.project.store import LABELLED
from labeler.runs.run_report import read_reports
from labeler.session.opened import open_project

from .places import Tally, in_child, make_project, trouble_with

LABELLED_ROWS, LABEL = 12, 5


# -- files of shots that change --------------------------------------------------------------------


def _replaced(path: Path, chance: random.Random) -> str:
    with h5py.File(path, "r+") as file:
        file["images"][...] = file["images"][()][::-1]
    return "replaced"


def _other_file(path: Path, chance: random.Random) -> str:
    """Another run under the name, written beside and moved into its place."""
    beside = path.with_suffix(".new")
    with h5py.File(path) as old, h5py.File(beside, "w") as file:
        file["images"] = np.roll(old["images"][()], chance.randrange(1, 24), 0)
    beside.replace(path)
    return "replaced"


def _fewer(path: Path, chance: random.Random) -> str:
    with h5py.File(path, "r+") as file:
        kept = file["images"][: chance.randrange(1, 24)]
        del file["images"]
        file["images"] = kept
    return "replaced"


def _grown(path: Path, chance: random.Random) -> str:
    with h5py.File(path, "r+") as file:
        old = file["images"][()]
        del file["images"]
        file["images"] = np.concatenate([old, old[: chance.randrange(1, 24)]])
    return "grown"


def _written_anew(path: Path, chance: random.Random) -> str:
    """The same shots, compressed: another file, and nothing is wrong with the labels."""
    with h5py.File(path, "r+") as file:
        old = file["images"][()]
        del file["images"]
        file.create_dataset("images", data=old, compression="gzip")
    return "rewritten"


def _cut_off(path: Path, chance: random.Random) -> str:
    os.truncate(path, chance.randrange(100, path.stat().st_size // 2))
    return "replaced"


def _gone(path: Path, chance: random.Random) -> str:
    path.rename(path.with_suffix(".away"))
    return "missing"


def _copied(path: Path, chance: random.Random) -> str:
    """Byte for byte, as a move to another disk does."""
    beside = path.with_suffix(".copy")
    shutil.copyfile(path, beside)
    beside.replace(path)
    return ""


CHANGES: tuple[Callable[[Path, random.Random], str], ...] = (
    _replaced, _other_file, _fewer, _grown, _written_anew, _cut_off, _gone, _copied,
)  # fmt: skip


def sources(folder: Path, times: int, seed: int = 11) -> Tally:
    """A change under a labelled project is noticed as what it is; the old file back ends it.

    Work that needs the shots is refused meanwhile; labels stay as they are.
    """
    tally, chance = Tally("sources replaced, grown, cut off, gone"), random.Random(seed)
    for k in range(times):
        change = CHANGES[k % len(CHANGES)]
        project = make_project(folder / f"sources-{k}")
        shots = project.parent / "shots.h5"
        with Project.open(project) as opened:
            opened.store.record(
                opened.annotator, range(LABELLED_ROWS), LABEL, LABELLED, origin="bulk"
            )
        kept = project.parent / "kept.h5"
        shutil.copyfile(shots, kept)
        wanted = change(shots, chance)
        tally.add(_noticed(project, change.__name__, wanted))
        kept.replace(shots)
        with Project.open(project) as opened:
            still = [c.kind for _, c in opened.source_changes() if c.serious]
        tally.add(f"{change.__name__}: {still} with the old file back" if still else "")
        shutil.rmtree(project.parent)
    return tally


def _noticed(project: Path, name: str, wanted: str) -> str:
    """What is wrong with what the program says of a source; '' where nothing is."""
    with Project.open(project) as opened:
        found = [c.kind for _, c in opened.source_changes() if c.serious]
        if found != ([wanted] if wanted else []):
            return f"{name}: {found}, not {wanted or 'nothing'}"
        how, words = in_child(opened.refuse_changed)
        refuses = wanted not in ("", "missing")  # of a file that is away, shots are unreadable
        if how != ("refused" if refuses else "fine"):
            return f"{name}: work is {how}: {words[-200:]}"
        state = opened.store.load_state(opened.annotator)
        if int(np.count_nonzero(state.present == LABEL)) != LABELLED_ROWS:
            return f"{name}: labels were lost"
    return trouble_with(project)


# -- a project from a stranger ---------------------------------------------------------------------

NASTY = (
    "<img src='file:///etc/passwd'>", "../../../../etc/passwd", "\x1b]0;x\x07", "\u202eabc",
    "$\\frac{$", "=1+1", "[/red]", "%s{0}", "x" * 100_000, "", "\x00", "nan", "-1", "9" * 5000,
    "[" * 100_000,
)  # fmt: skip
_TABLES = {
    "sources": ("path", "relative", "fingerprint", "details", "n_shots", "first_row"),
    "annotators": ("name", "kind"),
    "meta": ("value",),
    "gestures": ("time_us", "kind", "origin", "changed", "shown", "annotator_id", "seconds"),
    "classes": ("name", "bit"),
    "events": ("row", "present_after", "status_after", "note_after", "known_after"),
    "current": ("row", "present", "status", "note", "known"),
}
"""Columns of the database that anybody may have written."""


def project(folder: Path, times: int, seed: int = 12) -> Tally:
    """Opening what somebody sent never raises, hangs, or touches what lies beside the project."""
    tally, chance = Tally("a project written by a stranger"), random.Random(seed)
    made = make_project(folder / "sent" / "pristine")
    with Project.open(made) as opened:
        opened.store.record(opened.annotator, range(6), LABEL, LABELLED, origin="bulk", note="n")
        opened.store.database.connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    precious = folder / "sent" / "precious.u8"
    precious.write_text("precious")
    for k in range(times):
        sent = folder / "sent" / f"week-{k}"
        shutil.copytree(made, sent)
        what = _write_nasty(sent, chance, str(precious.with_suffix("")))

        def look(sent: Path = sent) -> None:
            opened, _ = open_project(sent)
            opened.project.runs()
            read_reports(opened.project)
            opened.project.store.history(3)
            opened.project.store.audit()
            opened.project.close()

        begin = time.monotonic()
        how, words = in_child(look, 30)
        took = time.monotonic() - begin
        trouble = "" if how in ("fine", "refused") else f"{what}: {how}: {words[-300:]}"
        trouble = trouble or (f"{what}: {took:.0f} s" if took > 20 else "")
        if precious.read_text() != "precious":
            trouble = f"{what}: a file beside the project was written"
        tally.add(trouble)
        shutil.rmtree(sent)
    return tally


def _write_nasty(sent: Path, chance: random.Random, victim: str) -> str:
    """Put one thing into a project that its owner would not have written; says where."""
    nasty = chance.choice((*NASTY, victim))
    where = chance.choice(("database", "taxonomy", "run"))
    if where == "database":
        table = chance.choice(sorted(_TABLES))
        column = chance.choice(_TABLES[table])
        plain = (-1, 2**63 - 1, 1e308, b"\xff\xfe", None)
        value = chance.choice((nasty, json.dumps(nasty), *plain))
        with closing(sqlite3.connect(sent / "project.sqlite")) as raw, raw:
            try:
                raw.execute(f"UPDATE OR IGNORE {table} SET {column} = ?", (value,))
            except sqlite3.Error as error:
                return f"database does not take it ({error})"
        return f"{table}.{column} = {str(value)[:40]!r}"
    if where == "taxonomy":
        path = sent / "taxonomy.toml"
        old = chance.choice(('"Round"', '"1"', "round.svg", "#0072B2", "one_of", "hard", "name = "))
        text = json.dumps(nasty) if old.startswith('"') else nasty
        path.write_text(path.read_text("utf-8").replace(old, text, 1), "utf-8", "replace")
        return f"taxonomy: {old} is {nasty[:40]!r}"
    run = sent / "runs" / "0001"
    run.mkdir(parents=True)
    name = chance.choice(("events.jsonl", "metrics.json", "recipe.toml", "model.json"))
    form = chance.choice(('{"event":"started","time":%s}', '{"evaluation":%s}', "name = %s", "%s"))
    text = form.replace("%s", chance.choice((nasty, json.dumps(nasty))), 1)
    (run / name).write_text(text, "utf-8", "replace")
    return f"run: {name} says {text[:60]!r}"


# -- a stream from anybody -------------------------------------------------------------------------


class _Bomb:
    """Runs code where somebody unpickles it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def stream(folder: Path, times: int, seed: int = 13) -> Tally:
    """Messages that keep to no protocol are refused as ValueError, and nothing in them runs."""
    tally, chance = Tally("a stream from anybody"), random.Random(seed)
    try:
        import msgpack
    except ImportError:
        tally.note = "left out: msgpack is not installed"
        return tally
    mark = folder / "mark"
    bomb = pickle.dumps(_Bomb(mark))
    counts = np.arange(64, dtype=np.uint16)
    odd = (
        None, -1, 2**63 - 1, 1e308, "O", "V8", b"O", "|O", "(2,)u2", ",", "<u2, O", "S", "u2" * 99,
        [], {}, [-1], [2**40, 2**40], ["x"], [[1]], bomb, {"a": {"b": {}}}, True,
    )  # fmt: skip
    parts = [chance.randrange(2**32) for _ in range(max(1, times // 100))]
    for number in parts:

        def look(number: int = number) -> None:
            from model.online.bridge_client import decode

            inner = random.Random(number)
            for _ in range(100):
                try:
                    decode(_message(msgpack, inner, odd, bomb, counts.tobytes()))
                except ValueError:
                    continue

        how, words = in_child(look, 30)
        for k in range(100):
            tally.add("" if how == "fine" or k else f"{how}: {words[-300:]}")
        if mark.exists():
            tally.add("the sender's code ran")
    return tally


def _message(
    msgpack: object, chance: random.Random, odd: tuple[object, ...], bomb: bytes, counts: bytes
) -> list[bytes]:
    """One message of either protocol in which something is odd, or whose bytes were changed."""
    pack = msgpack.packb  # type: ignore[attr-defined]
    array = {b"nd": True, b"type": "<u2", b"shape": [8, 8], b"kind": b"", b"data": counts}
    header = {"source": "DET", "content": "array", "path": "image", "dtype": "<u2", "shape": [8, 8]}
    target = chance.choice((array, header))
    for _ in range(chance.randrange(3)):
        target[chance.choice(sorted(target, key=str))] = chance.choice(odd)  # type: ignore[index]
    if chance.random() < 0.2:
        array |= {b"kind": b"O", b"data": bomb}
    form = chance.randrange(4)
    if form == 0:
        parts = [pack({"DET": {"image": array, "metadata": chance.choice(odd)}}, default=str)]
    elif form == 1:
        parts = [pack(header, default=str), chance.choice((counts, bomb, b""))]
    elif form == 2:
        parts = [b"\x91" * 100_000, pack(chance.choice(odd), default=str)]
    else:
        parts = [pack(chance.choice(odd), default=str)] * chance.randrange(1, 5)
    if chance.random() < 0.5:
        k = chance.randrange(len(parts))
        raw = bytearray(parts[k][:4000] or b"\x00")
        for _ in range(chance.randrange(1, 8)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        parts[k] = bytes(raw)
    return parts
