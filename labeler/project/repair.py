"""Mends what can be mended of a project, and says exactly what was lost. Keeps a copy first."""

from __future__ import annotations

from pathlib import Path

from labeler.project import backups
from labeler.project.backups import DATABASE, Backup
from labeler.project.store import Store, copies, salvage
from labeler.project.store.classing import TEXT
from labeler.project.store.salvage import Saved
from model.errors import InputError
from model.taxonomy.toml import load


def repair(folder: Path | str) -> list[str]:
    """What was mended and what was lost, in words; [] where nothing had to be done.

    InputError where nothing could be read and there is no backup; then nothing was changed.
    """
    folder = Path(folder).absolute()
    if (folder / "project.toml").is_file():
        what = "its labels are on a server, which looks after them"
        mend = "Ask whoever runs it; `airylabel check` without --repair examines the labels."
        raise InputError(what, file=folder, mend=mend)
    if not (folder / DATABASE).is_file() and not backups.list_backups(folder):
        raise InputError("is not a project", file=folder, mend="Name the folder of a project.")
    said = []
    if not (folder / DATABASE).is_file() or salvage.is_damaged(folder / DATABASE):
        said += _salvage(folder)
    else:
        said += _rebuild(folder)
    return said + _mend_taxonomy(folder)


def _rebuild(folder: Path) -> list[str]:
    """Make the current states anew where they do not follow from the history."""
    store = Store.open(folder / DATABASE)
    try:
        wrong = store.differing_states()
        if not wrong:
            return []
        kept = backups.keep_aside(folder, "before-repair")
        store.rebuild_current()
    finally:
        store.close()
    shots = _few(sorted({row + 1 for _, row in wrong}))
    return [
        f"The state of {len(wrong)} shots did not follow from the history and was made anew"
        f" from it: shots {shots}. The state before is kept as {kept.name}."
    ]


def _salvage(folder: Path) -> list[str]:
    damaged, said = folder / DATABASE, []
    if damaged.is_file():
        kept = backups.keep_aside(folder, "damaged")
        said.append(f"The damaged database is kept as backups/{kept.name}.")
    else:
        kept = damaged
        said.append("The database was gone.")
    backup = _agreeing(folder, kept)
    fresh = folder / "project.salvaged.part"
    try:
        fresh.unlink(missing_ok=True)
        saved = salvage.salvage(kept, None if backup is None else backup.path, fresh)
        if not saved.read.get("sources") and not saved.from_backup.get("sources"):
            raise InputError(
                "nothing in it can be read, and there is no good backup",
                file=damaged,
                mend="Restore the folder from a copy of your own.",
            )
        copies.replace(fresh, damaged)
    finally:
        for rest in ("", "-wal", "-shm"):
            fresh.with_name(fresh.name + rest).unlink(missing_ok=True)
    return said + _in_words(saved, backup)


def _agreeing(folder: Path, damaged: Path) -> Backup | None:
    """The newest good backup of the same history as the damaged database."""
    here = [b for b in backups.list_backups(folder) if b.held is not None and b.path != damaged]
    here.sort(key=lambda b: (b.reason == "before-restore", -b.time.timestamp()))
    good = (b for b in here if salvage.agree(damaged, b.path))
    return next(good, None)


def _in_words(saved: Saved, backup: Backup | None) -> list[str]:
    said = [f"{saved.read.get('gestures', 0):,} gestures were read from the damaged database."]
    if backup is not None:
        added = saved.from_backup.get("gestures", 0)
        said.append(f"{added:,} more were taken from the backup {backup.path.name}.")
    else:
        said.append("There is no good backup to take more from.")
    if saved.lost:
        said.append(f"Lost: {len(saved.lost):,} gestures (numbers {_few(saved.lost)}).")
    if saved.bridged:
        said.append(f"{saved.bridged:,} lost steps follow from those before and after them.")
    if saved.by_state:
        text = "decisions were saved by their result; when and how they were made is lost."
        said.append(f"{saved.by_state:,} {text}")
    if not saved.lost:
        said.append("No gesture is known to be lost; one after the last readable one would not be.")
    return said


def _mend_taxonomy(folder: Path) -> list[str]:
    """Write taxonomy.toml again where it is gone or unreadable, as it was last."""
    path = folder / "taxonomy.toml"
    try:
        load(path)
    except InputError as error:
        store = Store.open(folder / DATABASE)
        try:
            text = store.get_meta(TEXT)
        finally:
            store.close()
        if not isinstance(text, str):
            raise
        if path.is_file():
            path.replace(path.with_suffix(".damaged.toml"))
        backups.write_taxonomy(folder, text)
        return [f"taxonomy.toml was written anew as it was last ({error.what})."]
    return []


def _few(numbers: list[int]) -> str:
    shown = ", ".join(f"{n:,}" for n in numbers[:10])
    return shown + (f" and {len(numbers) - 10:,} more" if len(numbers) > 10 else "")
