"""Every write fails once: nothing is lost, nothing is half written, and it works afterwards.

Three ways to fail: the n-th file operation that Python makes, for n = 1, 2, 3 …; a limit on the
size of files; and a file system without room, where it may be mounted.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labeler.exchange import export, read_labels
from labeler.project import backups, classes
from labeler.project.folder import TAXONOMY
from labeler.project.project import Project
from labeler.project.store import LABELLED, Store
from labeler.window.settings import Settings

from .places import Tally, in_child, make_project, restore, trouble_with

MOST = 400
"""No operation here makes so many file operations."""
LIMITS = range(0, 400_000, 8192)
ROOMS = range(0, 400_000, 16_384)


@dataclass(frozen=True)
class Work:
    """Something that writes. `whole` says what is half done after it, '' where nothing is."""

    name: str
    run: Callable[[Path], object]
    whole: Callable[[Path], str]


# -- the works -------------------------------------------------------------------------------------


def _label(project: Path) -> None:
    with Project.open(project) as opened:
        ada = opened.annotator
        opened.store.record(ada, range(20), 5, LABELLED, origin="bulk", note="n" * 300)
        opened.store.undo(ada)
        opened.store.redo(ada)


def _labels_whole(project: Path) -> str:
    with Project.open(project) as opened:
        state = opened.store.load_state(opened.annotator).present.tolist()
    return "" if state[:4] in ([3, 3, 3, 0], [5] * 4) else f"labels are {state[:4]}"


def _rename(project: Path) -> None:
    with Project.open(project) as opened:
        classes.rename(opened, "Bent", "Curved")


def _renamed_whole(project: Path) -> str:
    with Project.open(project) as opened:
        name = opened.store.class_names()[5]
        same = opened.taxonomy.names[5] == name
        text = (project / TAXONOMY).read_text()
    return "" if same and f'name = "{name}"' in text else "file and database differ"


def _export(form: str, ending: str) -> Work:
    def out(project: Path) -> Path:
        return project.parent / f"labels.{ending}"

    def run(project: Path) -> None:
        with Project.open(project) as opened:
            export(opened, form, out(project), force=True)

    def whole(project: Path) -> str:
        if not out(project).exists():
            return ""
        found = read_labels(out(project))
        return "" if int(found.labelled.sum()) in (3, 20) else "the export is not whole"

    return Work(f"export {form}", run, whole)


def _create(project: Path) -> None:
    folder = project.parent / "new"
    shutil.rmtree(folder, ignore_errors=True)  # as making a project does: in a folder apart
    folder.mkdir()
    Store.create(folder / "project.sqlite", ["Round", "Bent"]).close()


def _created_whole(project: Path) -> str:
    _create(project)
    return trouble_with(project.parent / "new")


def _settings(project: Path) -> None:
    settings = Settings(project.parent / "settings.toml")
    settings.set("theme", "light")
    settings.save()


def _settings_whole(project: Path) -> str:
    return Settings(project.parent / "settings.toml").trouble


WORKS = (
    Work("label, undo, redo", _label, _labels_whole),
    Work("backup", lambda project: backups.back_up(project, "hand"), lambda project: ""),
    Work("restore", restore, _labels_whole),
    Work("rename a class", _rename, _renamed_whole),
    Work("migration", _create, _created_whole),
    Work("settings", _settings, _settings_whole),
    _export("csv", "csv"),
    _export("cxi", "cxi"),
    _export("hdf5", "h5"),
    _export("json", "json"),
)


# -- the ways to fail ----------------------------------------------------------------------------


class _Nth:
    """Makes the n-th file operation that changes anything fail as on a full disk."""

    def __init__(self) -> None:
        self.left = 0
        self.on = False
        sys.addaudithook(self._on_event)

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on or event not in ("open", "os.rename", "os.mkdir", "os.truncate"):
            return
        if event == "open" and not _writes(arguments):
            return
        self.left -= 1
        if self.left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextmanager
    def failing(self, n: int) -> Iterator[None]:
        self.left, self.on = n, True
        try:
            yield
        finally:
            self.on = False


def _writes(arguments: tuple[Any, ...]) -> bool:
    path, _, flags = (*arguments, 0, 0, 0)[:3]
    if isinstance(path, int) or str(path).startswith(("/dev", "/proc")) or not flags:
        return False
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))


def nth_operation(folder: Path, works: Sequence[Work] = WORKS) -> Tally:
    """The 1st, 2nd, 3rd … file operation of every work fails, until one run needs no more."""
    nth, tally = _Nth(), Tally("n-th file operation fails")

    def failing(work: Work, project: Path, n: int) -> bool:
        def run() -> None:
            with nth.failing(n):
                work.run(project)
            if nth.left > 0:  # it never came to the n-th one
                raise StopIteration

        how, words = in_child(run, 20)
        done = how == "defect" and "StopIteration" in words
        tally.add("" if done else _trouble(how, words, work, project))
        return done

    for work in works:
        project = _fresh(folder / "nth")
        for n in range(1, MOST):
            if failing(work, project, n):
                break
    return tally


def size_limit(folder: Path, works: Sequence[Work] = WORKS, limits: range = LIMITS) -> Tally:
    """No file may grow beyond a limit, for limits from nothing to plenty."""
    tally = Tally("writes fail at a limit of file size")
    for work in works:
        project = _fresh(folder / "limit")
        for limit in limits:

            def run(work: Work = work, project: Path = project, limit: int = limit) -> None:
                hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
                work.run(project)

            how, words = in_child(run, 20)
            tally.add(_trouble(how, words, work, project))
    return tally


def full_disk(folder: Path, works: Sequence[Work] = WORKS, rooms: range = ROOMS) -> Tally:
    """A small file system with less and less room, where this user may mount one."""
    tally = Tally("full disk")
    mount = folder / "small"
    mount.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True).returncode:
        tally.note = "left out: this user may not mount a file system"
        return tally
    try:
        for work in works:
            project = _fresh(mount / "full")
            for room in rooms:
                _fill(mount, room)
                how, text = in_child(lambda work=work, project=project: work.run(project), 20)
                (mount / "filler").unlink()
                tally.add(_trouble(how, text, work, project))
                shutil.rmtree(project / "backups", ignore_errors=True)
                backups.back_up(project, "hand")
            shutil.rmtree(mount / "full")
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=False)
    return tally


def _fill(mount: Path, room: int) -> None:
    free = os.statvfs(mount)
    size = max(free.f_bavail * free.f_frsize - room, 0)
    with (mount / "filler").open("wb") as out:
        os.posix_fallocate(out.fileno(), 0, size) if size else None


def _fresh(folder: Path) -> Path:
    """A project with three labels and a backup."""
    shutil.rmtree(folder, ignore_errors=True)
    project = make_project(folder, 20, 16)
    with Project.open(project) as opened:
        opened.store.record(opened.annotator, [0, 1, 2], 3, LABELLED, origin="bulk")
        opened.store.database.connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    backups.back_up(project, "hand")
    return project


def _trouble(how: str, words: str, work: Work, project: Path) -> str:
    """What went wrong besides the refusal; '' where nothing did."""
    known = how in ("fine", "refused") or "No space left" in words or "File too large" in words
    if not known:
        return f"{work.name}: {how}: {words[-300:]}"
    half = [p.name for p in project.parent.rglob("*.part*")]
    for name in half:  # a process that died may leave one; one that lived may not
        return f"{work.name}: {name} was left"
    for backup in backups.list_backups(project):
        if backup.trouble:
            return f"{work.name}: {backup.path.name} is not whole"
    trouble = trouble_with(project) or work.whole(project)
    return f"{work.name}: {trouble}" if trouble else ""
