"""Backups of a project's labels: when one is due, which are kept, and the way back.

At most one in 30 minutes and only when something changed; thinned as Anki does. They hold the
labels, their history and the taxonomy, not the shots and not the runs. No Qt and no SQL.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from labeler.project.store import copies
from labeler.project.store.copies import FOLDER, Glance
from model.errors import InputError

DATABASE, SERVER = "project.sqlite", "project.toml"
EVERY = timedelta(minutes=30)
RECENT = timedelta(days=2)
DAILY, WEEKLY, MONTHLY = 12, 10, 9
REASONS = {
    "auto": "while labelling",
    "hand": "by hand",
    "before-restore": "before going back",
    "before-repair": "before a repair",
    "damaged": "the damaged one",
}
"""Why a backup was made, in words; `before-0002` and the like are made before an update."""
THINNED = ("auto", "before-restore")
"""Only these are ever deleted."""
_NAME = re.compile(r"project-(\d{8}T\d{6}\.\d{6})Z-([\w-]+)\.sqlite")


@dataclass(frozen=True)
class Backup:
    """One backup; `held` is None where it is damaged, and `trouble` says how."""

    path: Path
    time: datetime
    reason: str
    size: int
    held: Glance | None
    trouble: str = ""

    @property
    def why(self) -> str:
        """The reason in words."""
        return REASONS.get(self.reason, "before an update of the program")


def which_to_keep(times: Iterable[datetime], now: datetime) -> set[datetime]:
    """Of backup times: all of the last two days, then 12 daily, 10 weekly, 9 monthly ones.

    The newest of a day, week or month stays for it. Days are those of the times' own zone.
    """
    spans: list[tuple[int, Callable[[date], Hashable]]] = [
        (DAILY, lambda day: day),
        (WEEKLY, lambda day: day.isocalendar()[:2]),
        (MONTHLY, lambda day: (day.year, day.month)),
    ]
    keep: set[datetime] = set()
    last: date | None = None
    left, span = spans.pop(0)
    for time in sorted(set(times), reverse=True):
        if now - time <= RECENT:
            keep.add(time)
            continue
        day = time.date()
        if last is not None and span(day) == span(last):
            continue
        keep.add(time)
        last = day
        left -= 1
        if not left:
            if not spans:
                break
            left, span = spans.pop(0)
    return keep


def list_backups(folder: Path) -> list[Backup]:
    """All backups of a project, the newest first; a damaged one says so."""
    return [_opened(*named) for named in _named(folder)]


def newest(folder: Path) -> Backup | None:
    """The newest backup that can be read."""
    each = (_opened(*named) for named in _named(folder))
    return next((backup for backup in each if backup.held is not None), None)


def _named(folder: Path) -> list[tuple[Path, datetime, str]]:
    """(path, time, reason) by the names of the files, the newest first."""
    found = []
    for path in (Path(folder) / FOLDER).glob("project-*.sqlite"):
        name = _NAME.fullmatch(path.name)
        if name is not None:
            time = datetime.strptime(name[1], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
            found.append((path, time, name[2]))
    return sorted(found, key=lambda named: named[1], reverse=True)


def _opened(path: Path, time: datetime, reason: str) -> Backup:
    held, trouble = None, ""
    try:
        held = copies.look_into(path)
    except (InputError, ValueError, KeyError, TypeError) as error:
        trouble = str(error)
    return Backup(path, time, reason, path.stat().st_size, held, trouble)


def is_due(folder: Path, gesture: int, now: datetime) -> bool:
    """Whether something was decided since the last backup, and that is 30 minutes ago."""
    last = newest(folder)
    if last is None or last.held is None:
        return gesture > 0
    return last.held.gesture != gesture and now - last.time >= EVERY


def back_up(folder: Path, reason: str = "auto") -> Path:
    """Make one now and delete those that are not kept any more; the new one's path."""
    made = copies.back_up(Path(folder) / DATABASE, reason)
    thin(folder, datetime.now(UTC))
    return made


def thin(folder: Path, now: datetime) -> list[Path]:
    """Delete the backups that need not be kept; those that were deleted."""
    here = {t.astimezone(): path for path, t, reason in _named(folder) if reason in THINNED}
    keep = which_to_keep(here, now)
    gone = [path for time, path in here.items() if time not in keep]
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


def choose(folder: Path, which: str) -> Backup:
    """A backup by its number in the list (1 is the newest), its file name, or `newest`."""
    here = list_backups(folder)
    if which == "newest":
        which = next((str(i) for i, b in enumerate(here, 1) if b.held is not None), "")
    for number, backup in enumerate(here, 1):
        if which in (str(number), backup.path.name, str(backup.path)):
            return backup
    mend = f"Without a backup's name, `airylabel restore {Path(folder).name}` lists all."
    raise InputError(f"there is no backup {which!r}", file=Path(folder) / FOLDER, mend=mend)


def home(project: Path) -> Path:
    """The folder of a project, named as that or as the database in it, whole or damaged.

    InputError where neither a database nor a backup is, and where the labels are on a server.
    """
    folder = Path(project).absolute()
    if folder.name in (DATABASE, SERVER):
        folder = folder.parent
    if (folder / SERVER).is_file():
        mend = "Ask whoever runs the server for its backups (pg_dump, pg_restore)."
        raise InputError("the labels are on a server", file=folder, mend=mend)
    if not (folder / DATABASE).is_file() and not _named(folder):
        there = "is not a project" if folder.exists() else "there is no such project"
        raise InputError(there, file=folder, mend="Name the folder of a project.")
    return folder


def restore(folder: Path, backup: Path) -> Path:
    """Make the project what the backup holds; the present state is kept as a backup first.

    Returns that one. InputError leaves the project as it was.
    """
    folder = home(folder)
    if not (folder / DATABASE).is_file():
        mend = f"`airylabel check --repair {folder.name}` takes all labels of its newest backup."
        raise InputError("its database is gone", file=folder, mend=mend)
    copies.check(backup)
    kept = keep_aside(folder, "before-restore")
    copies.put_back(backup, folder / DATABASE)
    write_taxonomy(folder, copies.value_in(backup, "taxonomy"))
    return kept


def keep_aside(folder: Path, reason: str) -> Path:
    """The present state as a backup; a damaged database is copied as the files that it is."""
    database = folder / DATABASE
    try:
        return copies.back_up(database, reason)
    except InputError:
        if not database.is_file():
            raise
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    target = folder / FOLDER / f"project-{stamp}-damaged.sqlite"
    for rest in ("-wal", "-shm", ""):
        part = database.with_name(database.name + rest)
        if part.is_file():
            _copy_file(part, target.with_name(target.name + rest))
    return target


def write_taxonomy(folder: Path, text: object) -> None:
    """Put the taxonomy that a database holds into its file, whole or not at all."""
    if not isinstance(text, str):
        return
    path = folder / "taxonomy.toml"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if path.read_text(encoding="utf-8") == text:
            return
    half = path.with_suffix(".part")
    try:
        with half.open("w", encoding="utf-8", newline="") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        half.replace(path)
    except OSError as error:
        mend = "Free some space, or ask for the right to write there."
        raise InputError(f"cannot be written ({error})", file=path, mend=mend) from error
    finally:
        half.unlink(missing_ok=True)


def _copy_file(source: Path, target: Path) -> None:
    half = target.with_suffix(".part")
    try:
        half.write_bytes(source.read_bytes())
        half.replace(target)
    except OSError as error:
        mend = "Free some space, or ask for the right to write there."
        raise InputError(f"cannot be written ({error})", file=target, mend=mend) from error
    finally:
        half.unlink(missing_ok=True)
