"""Is a project whole? Database, history, labels, files of shots, runs; and mending what can be.

`check` changes nothing. `repair` keeps a copy first and says exactly what was lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from labeler.project import backups
from labeler.project.backups import Backup
from labeler.project.folder import DATABASE, SERVER, TAXONOMY
from labeler.project.project import Project, choice
from labeler.project.store import Store, copies, salvage
from labeler.project.store.classing import TEXT
from labeler.project.store.facts import mended_in_words
from labeler.project.store.salvage import Saved
from labeler.project.summary import violations
from model.errors import InputError, counted, parsed_json, text_of
from model.output_files import part_of
from model.runs.folder import DESCRIPTION, WEIGHTS
from model.shots.probe import probe_each
from model.taxonomy.toml import load

_BLOCK = 2**20


@dataclass(frozen=True)
class Finding:
    """Something that is wrong ("error") or worth knowing ("warning"), and its mend."""

    severity: Literal["error", "warning"]
    text: str
    mend: str

    def __str__(self) -> str:
        return f"{self.severity}: {InputError(self.text, mend=self.mend)}"


def check(folder: Path | str) -> list[Finding]:
    """Everything that is wrong with a project; [] when all is well."""
    try:
        project = Project.open(folder)
    except InputError as error:
        return [Finding("error", str(error), "")]
    with project:
        return [
            *_history(project),
            *_sources(project),
            *_labels(project),
            *_runs(project),
            *(Finding("warning", note, "") for note in project.notes),
        ]


def _history(project: Project) -> Iterator[Finding]:
    for text in project.store.audit():
        mend = f"Run: airylabel check --repair {project.folder.name}"
        yield Finding("error", text, mend)


def _sources(project: Project) -> Iterator[Finding]:
    changes = {source.id: change for source, change in project.source_changes()}
    for source in project.stored_sources:
        change = changes.get(source.id)
        if change is not None and change.kind == "missing":
            mend = "Bring it back, or open the project and say where it is now."
            yield Finding("error", str(change), mend)
        elif change is not None:
            yield Finding(
                "error" if change.serious else "warning", str(change), choice(project, source)
            )
        else:
            try:
                list(probe_each([(source.info.path, source.info.dataset)]))
            except InputError as error:
                yield Finding("error", str(error), "")


def _labels(project: Project) -> Iterator[Finding]:
    merged = project.merged_state()
    strange = np.flatnonzero(merged.present >> len(project.taxonomy))
    if len(strange):
        shots = counted(len(strange), "shot")
        text = f"{shots} with labels of no known class, first shot {strange[0] + 1}"
        yield Finding("error", text, "Restore taxonomy.toml of this project from a backup.")
    for broken in violations(project, merged):
        if broken["shots"]:
            hard = broken["severity"] == "hard"
            first = ", ".join(map(str, broken["first"]))
            n = int(broken["shots"])
            many, one = ("breaks", "shot") if n == 1 else ("break", "shots")
            text = f"{counted(n, 'shot')} {many} the rule: {broken['rule']} ({one} {first}"
            text += " …)" if broken["shots"] > len(broken["first"]) else ")"
            mend = "Look at them in the window, where each has its fix."
            yield Finding("error" if hard else "warning", text, mend)


def _runs(project: Project) -> Iterator[Finding]:
    numbers = set()
    for run in project.runs():
        numbers.add(run.number)
        weights, description = run.folder / WEIGHTS, run.folder / DESCRIPTION
        if not weights.is_file() and run.state != "finished":
            continue
        try:
            said = parsed_json(text_of(description), description)
            good = _sha256(weights) in (said["sha256"], said.get("sha256_before"))
        except (InputError, OSError, KeyError, TypeError) as error:
            text = f"run {run.number}: its network cannot be read ({error})"
            yield Finding("error", text, "Restore the run's folder, or train again.")
            continue
        if not good:
            text = f"run {run.number}: model.safetensors was changed after training"
            yield Finding("error", text, "Restore the file from a backup, or train again.")
    current = project.current_run
    if current is not None and current not in numbers:
        text = f"run {current}, whose predictions are shown, is gone"
        yield Finding("error", text, "Choose another run in the window, or train again.")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


# -- repair --------------------------------------------------------------------------------------


def repair(folder: Path | str) -> list[str]:
    """What was mended and what was lost, in words; [] where nothing had to be done.

    InputError where nothing could be read and there is no backup; then nothing was changed.
    """
    folder = Path(folder).absolute()
    if (folder / SERVER).is_file():
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
    """Make the current states again where they do not follow from the history."""
    store = Store.open(folder / DATABASE)
    try:
        said = mended_in_words(store.mend_from_copies())
        wrong = store.differing_states()
        if not wrong:
            return said
        kept = backups.keep_aside(folder, "before-repair")
        store.rebuild_current()
    finally:
        store.close()
    shots = _few(sorted({row + 1 for _, row in wrong}))
    return [
        *said,
        f"The state of {counted(len(wrong), 'shot')} did not follow from the history and was"
        f" rebuilt from it: shots {shots}. The state before is kept as {kept.name}.",
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
    fresh = part_of(folder / "project.salvaged")
    try:
        saved = salvage.salvage(kept, None if backup is None else backup.path, fresh)
        files = saved.read.get("sources") or saved.from_backup.get("sources")
        if not files or not saved.covered:
            what = "nothing in it can be read, and there is no good backup"
            if saved.read.get("events"):
                what = "which files its shots are in is lost, and there is no good backup"
            mend = "Restore the folder from a copy of your own."
            raise InputError(what, file=damaged, mend=mend)
        copies.replace(fresh, damaged)
    finally:
        for rest in ("", "-wal", "-shm"):
            fresh.with_name(fresh.name + rest).unlink(missing_ok=True)
    return said + _in_words(saved, backup)


def _agreeing(folder: Path, damaged: Path) -> Backup | None:
    """The newest good backup of the same history as the damaged database."""
    here = [b for b in backups.list_backups(folder) if b.held is not None and b.path != damaged]
    here.sort(key=lambda b: b.reason == "before-restore")  # else the newest first, as they are
    good = (b for b in here if salvage.agree(damaged, b.path))
    return next(good, None)


def _in_words(saved: Saved, backup: Backup | None) -> list[str]:
    said = [f"{saved.read.get('gestures', 0):,} changes were read from the damaged database."]
    said += mended_in_words(saved.again)
    if saved.nameless:
        who = counted(saved.nameless, "annotator")
        said.append(f'The names of {who} are lost: they are called "unknown" and their number.')
    if not saved.read.get("classes") and not saved.from_backup.get("classes"):
        said.append("The list of classes is lost: they are taken in the order of taxonomy.toml.")
    if backup is not None:
        added = saved.from_backup.get("gestures", 0)
        said.append(f"{added:,} more were taken from the backup {backup.path.name}.")
    else:
        said.append("There is no good backup to take more from.")
    if saved.lost:
        said.append(f"Lost: {len(saved.lost):,} changes (numbers {_few(saved.lost)}).")
    if saved.bridged:
        said.append(f"{saved.bridged:,} lost steps follow from those before and after them.")
    if saved.by_state:
        text = "decisions were saved by their result; when and how they were made is lost."
        said.append(f"{saved.by_state:,} {text}")
    if not saved.lost:
        said.append("No change is known to be lost; one after the last readable one would not be.")
    return said


def _mend_taxonomy(folder: Path) -> list[str]:
    """Write taxonomy.toml again where it is gone or unreadable, as it was last."""
    path = folder / TAXONOMY
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
        return [f"taxonomy.toml was written again as it was last ({error.what})."]
    return []


def _few(numbers: list[int]) -> str:
    shown = ", ".join(f"{n:,}" for n in numbers[:10])
    return shown + (f" and {len(numbers) - 10:,} more" if len(numbers) > 10 else "")
