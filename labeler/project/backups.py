"""Backups of a project's labels: when one is due, which are kept, and the way back.

At most one in 30 minutes and only when something changed; thinned as Anki does. They hold the
labels, their history and the taxonomy, not the shots and not the runs. No Qt and no SQL.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import chain, count
from pathlib import Path

from labeler.project.folder import BACKUPS, DATABASE, SERVER, TAXONOMY, is_project_folder
from labeler.project.store import copies
from labeler.project.store.copies import Glance, Place, all_copies
from model import output_files
from model.errors import InputError, text_of
from model.output_files import write_text, written_whole

log = logging.getLogger(__name__)
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
ALWAYS = 24
"""The newest ones that stay whatever the clock says: it may have been wrong."""


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
    return [_opened(place) for place in all_copies(Path(folder) / BACKUPS)]


def newest(folder: Path) -> Backup | None:
    """The newest backup that can be read."""
    each = (_opened(place) for place in all_copies(Path(folder) / BACKUPS))
    return next((backup for backup in each if backup.held is not None), None)


def _opened(place: Place) -> Backup:
    held, trouble = None, ""
    try:
        held = copies.look_into(place.path)
    except (InputError, ValueError, KeyError, TypeError) as error:
        trouble = str(error)
    size = place.path.stat().st_size
    return Backup(place.path, place.time, place.reason, size, held, trouble)


def is_due(folder: Path, gesture: int, now: datetime) -> bool:
    """Whether something was decided since the last backup, and that is 30 minutes ago.

    One that was made in the future was made by a clock that was wrong.
    """
    last = newest(folder)
    if last is None or last.held is None:
        return gesture > 0
    return last.held.gesture != gesture and not timedelta(0) <= now - last.time < EVERY


def back_up(folder: Path, reason: str = "auto") -> Path:
    """Make one now and delete those that are not kept any more; the new one's path."""
    made = copies.back_up(Path(folder) / DATABASE, reason)
    thin(folder, datetime.now(UTC))
    return made


def thin(folder: Path, now: datetime) -> list[Path]:
    """Delete the backups that need not be kept; those that were deleted."""
    here = [p for p in all_copies(Path(folder) / BACKUPS) if p.reason in THINNED]
    keep = which_to_keep((p.time.astimezone() for p in here), now)
    gone = [p.path for p in here[ALWAYS:] if p.time.astimezone() not in keep]
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


def choose(folder: Path, which: str) -> Backup:
    """A backup by its number in the list (1 is the newest), its file name, or `newest`.

    Or any file of that kind, such as one that a window saved.
    """
    here = list_backups(folder)
    if which == "newest":
        which = next((str(i) for i, b in enumerate(here, 1) if b.held is not None), which)
    for number, backup in enumerate(here, 1):
        if which in (str(number), backup.path.name, str(backup.path)):
            return backup
    saved = Path(which)
    if saved.suffix == ".sqlite" and saved.is_file():
        changed = datetime.fromtimestamp(saved.stat().st_mtime, UTC)
        return _opened(Place(0, changed, "hand", saved.absolute()))
    mend = f"Without a backup's name, `airylabel restore {Path(folder).name}` lists all."
    raise InputError(f"there is no backup {which!r}", file=Path(folder) / BACKUPS, mend=mend)


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
    if not (folder / DATABASE).is_file() and not all_copies(folder / BACKUPS):
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
    keep = partial(keep_aside, folder, "before-restore")
    kept = copies.put_back(backup, folder / DATABASE, keep)
    known = []
    with contextlib.suppress(InputError):  # a damaged one is kept as well
        known.append(copies.value_in(kept, "taxonomy"))
    write_taxonomy(folder, copies.value_in(backup, "taxonomy"), known)
    return kept


def keep_aside(folder: Path, reason: str) -> Path:
    """The present state as a backup; a damaged database is copied as the files that it is."""
    database = folder / DATABASE
    try:
        return copies.back_up(database, reason)
    except InputError:
        if not database.is_file():
            raise
    target = copies.next_place(folder / BACKUPS, "damaged")
    made: list[Path] = []
    try:
        for rest in ("-wal", "-shm", ""):
            part = database.with_name(database.name + rest)
            if part.is_file():
                made.append(target.with_name(target.name + rest))
                _copy_file(part, made[-1])
    except BaseException:  # no room for all of it: a part alone is worth nothing
        for path in made:
            path.unlink(missing_ok=True)
        raise
    return target


def write_taxonomy(folder: Path, text: object, known: Collection[object] = ()) -> str:
    """Put the taxonomy that a database holds into its file, whole or not at all.

    A file that says something else than the `known` texts was edited by hand, and nobody took that
    over: it is kept under another name. Returns what a person should be told of that, or ''.
    """
    path, said = folder / TAXONOMY, ""
    if not isinstance(text, str):
        return said
    there = None
    with contextlib.suppress(InputError):  # gone, or none that we wrote
        there = text_of(path)
    if there == text:
        return said
    if path.is_file() and there not in known:
        aside = _free(path.with_suffix(".edited.toml"))
        _copy_file(path, aside)
        said = f"{TAXONOMY} was edited by hand meanwhile: that is kept as {aside.name}"
        log.warning("%s in %s", said, folder)
    write_text(path, text)
    return said


def _free(path: Path) -> Path:
    """This place, or where something is there, the first one like it where nothing is."""
    others = (path.with_stem(f"{path.stem}-{n}") for n in count(2))
    return next(each for each in chain([path], others) if not each.exists())


def _copy_file(source: Path, target: Path) -> None:
    with written_whole(target) as part:
        shutil.copyfile(source, part)


# -- what no command replaces ----------------------------------------------------------------------


def what_it_is(file: Path) -> str:
    """What an existing file is to a project that lies near it, '' where it is nothing.

    Near: the file is in its folder, in a folder of that, or beside it.
    """
    here = file.resolve().parent
    if here.name == BACKUPS and is_project_folder(here.parent):
        return "is a backup of a project"
    if is_project_folder(here) and file.name.startswith(("project.", TAXONOMY, "preparation")):
        return "is a part of a project"
    for project in _near(here):
        database = project / DATABASE
        if database.is_file():
            for shots in copies.paths_of_sources(database):
                if shots.exists() and shots.samefile(file):
                    return f"is a file of shots of the project {project.name}"
    return ""


def guard() -> None:
    """Let no command replace what belongs to a project, not even where it may replace files."""
    if what_it_is not in output_files.belongs_to:
        output_files.belongs_to.append(what_it_is)


def _near(folder: Path) -> list[Path]:
    """Projects in whose folder or beside whose folder another one lies."""
    around = [folder, *folder.parents[:2]]
    found = [place for place in around if is_project_folder(place)]
    for place in around[:2]:
        found += [database.parent for database in place.glob(f"*/{DATABASE}")]
    return found
