"""Is a source still the file that was labelled? What became of it, in words, and how it is now.

Untouched files cost one look at their times; a file that was touched is compared with its mark,
and one that differs is opened in a child, where some of its shots are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model.errors import InputError, counted, on_one_line
from model.shots.child import FileReader
from model.shots.fingerprints import BUDGET, fingerprint, hash_of, is_same
from model.shots.sources import SourceInfo, examined, open_source

Kind = Literal["missing", "part missing", "replaced", "rewritten", "grown", "touched"]


@dataclass(frozen=True)
class SourceChange:
    """What became of a source; `now` is what its file holds, None where that cannot be read."""

    info: SourceInfo
    kind: Kind
    what: str
    now: SourceInfo | None = None

    @property
    def serious(self) -> bool:
        """Whether labels may now lie on other shots, or shots are gone."""
        return self.kind != "touched"

    @property
    def is_lack(self) -> bool:
        """Whether shots cannot be read at all, so that one may go on without them."""
        return self.kind in ("missing", "part missing") or (
            self.kind == "replaced" and self.now is None
        )

    @property
    def keeps_shots(self) -> bool:
        """Whether the file of now has a shot of the same size in the place of each labelled one."""
        now = self.now
        return now is not None and now.shape == self.info.shape and now.n_shots >= self.info.n_shots

    def __str__(self) -> str:
        other = self.kind in ("replaced", "rewritten")
        what = f"the file is another one than before: {self.what}" if other else self.what
        return f"{self.info.path}: {what}"


def is_there(path: Path) -> bool:
    """Whether there is something at a path; one that no disk can have is nowhere."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def change_of(info: SourceInfo) -> SourceChange | None:
    """What became of a source since it was last looked at; None where it is as it was."""
    folder = info.path.parent
    if not is_there(info.path):
        return SourceChange(info, "missing", "the file is gone")
    if not info.files:  # a project of an older program
        whole = (info.n_shots, *info.shape)
        same = fingerprint(info.path, info.dataset, whole) == info.fingerprint
        return None if same else _compared(info, info.name)
    touched = False
    for mark in info.files:
        place = info.path if mark is info.files[0] else mark.place(folder)
        try:
            if not is_same(mark, folder, len(info.files), place):
                change = _compared(info, on_one_line(place.name))
                if place.is_dir() and change.kind == "rewritten":
                    continue  # other files came or went, and the shots are as before
                return change
            now = place.stat()
        except OSError:
            what = f"its part {on_one_line(mark.name)} is gone; those shots cannot be read"
            return SourceChange(info, "part missing", what)
        in_place = now.st_ino == mark.inode and now.st_mtime_ns != mark.mtime_ns
        touched |= in_place and mark.size > BUDGET // len(info.files)
    if touched:
        what = "was written to; all that was compared is as before"
        return SourceChange(info, "touched", what)
    return None


def _compared(info: SourceInfo, name: str) -> SourceChange:
    """What the shots themselves say of a source of which a file has other contents now."""
    where = "it" if name == info.name else f"its part {name}"
    try:
        with FileReader(_look_again) as ask:
            now, hashes = ask(info.path, info.dataset, [i for i, _ in info.samples])
    except InputError as error:
        return SourceChange(
            info, "replaced", f"{where} was replaced, and cannot be used ({error.what})"
        )
    before = [mark for _, mark in info.samples]
    other = sum(a != b for a, b in zip(before, hashes, strict=True))
    if now.shape != info.shape or now.n_shots < info.n_shots:
        size = f"{counted(now.n_shots, 'shot')} of {now.shape[0]} × {now.shape[1]}"
        return SourceChange(info, "replaced", f"{where} was replaced: it holds {size} now", now)
    if other or not before:
        many = f": {other} of {counted(len(before), 'shot')} that were compared are other ones"
        return SourceChange(info, "replaced", f"{where} was replaced{many if before else ''}", now)
    if now.n_shots > info.n_shots:
        more = now.n_shots - info.n_shots
        what = f"has grown from {info.n_shots:,} to {counted(now.n_shots, 'shot')} ({more:,} new)"
        return SourceChange(info, "grown", what, now)
    what = f"{where} was written to; the {len(before)} shots that were compared are the same"
    return SourceChange(info, "rewritten", what, now)


def _look_again(
    path: Path, dataset: str | None, rows: list[int]
) -> tuple[SourceInfo, list[int | None]]:
    """In the child: what the file holds, and the hashes of some shots, None where unreadable."""
    with open_source(path, dataset) as source:
        hashes: list[int | None] = []
        for i in rows:
            try:
                hashes.append(hash_of(source.read(i)) if i < source.info.n_shots else None)
            except InputError:
                hashes.append(None)
        return examined(source), hashes
