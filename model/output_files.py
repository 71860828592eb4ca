"""Where a command writes (refused before the work, explained when it fails, swept when killed), and
its HTML pages."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import psutil

from model.errors import InputError

_BESIDE = ("-journal", "-wal", "-shm")
"""What SQLite lays beside a database while it is written."""
_PART = re.compile(rf"\.(.+)\.(\d+)\.part(?:{'|'.join(_BESIDE)})?", re.DOTALL)
"""What is half written: the name that it will have, and the process that writes it."""


_SQLITE, _HDF5 = b"SQLite format 3", b"\x89HDF\r\n\x1a\n"
OURS = ("airylabel", "generator")
"""An attribute that begins so says of an HDF5 file that this program wrote it."""
belongs_to: list[Callable[[Path], str]] = []
"""Asked of every file that would be replaced: what it is to whom, '' where nothing is known."""


def check_place(out: Path, sources: Iterable[Path], need: int = 0, force: bool = False) -> None:
    """Refuse an output that is a file of shots, exists (unless `force`), or lacks `need` bytes.

    Raises InputError; a file of shots is refused even with `force`, and so is an HDF5 file that
    this program did not write.
    """
    refuse_sources(out, sources)
    if out.exists() and not force:
        raise InputError("is already there", file=out, mend="Name another file, or use --force.")
    if _begins_with(out, _HDF5) and not _is_ours(out):
        what = "is an HDF5 file that this program did not write: it may hold shots"
        raise InputError(what, file=out, mend="Name another file, or delete this one yourself.")
    need_folder(out)
    free = shutil.disk_usage(out.parent).free
    if free < need:
        unit, name = (1e9, "GB") if need >= 1e9 else (1e6, "MB")
        what = f"it needs {need / unit:.1f} {name}, and {free / unit:.1f} {name} are free there"
        raise InputError(what, file=out, mend="Choose another disk.")


def need_folder(out: Path) -> None:
    """Refuse an output in a folder that is not there, before the work rather than after it."""
    if not out.parent.is_dir():
        what = "cannot be written: there is no such folder"
        raise InputError(what, file=out.parent, mend="Make it first.")


def check_own(out: Path, sources: Iterable[Path], ours: Callable[[Path], bool]) -> None:
    """Refuse an output that is a file of shots, or is there and nothing that we wrote.

    `ours` says whether an existing file is of the kind that the command writes. Raises InputError.
    """
    refuse_sources(out, sources)
    if out.exists() and not ours(out):
        what = "is already there, and is no earlier result of this command"
        raise InputError(what, file=out, mend="Name another file, or move this one away first.")


def refuse_sources(out: Path, sources: Iterable[Path]) -> None:
    """Refuse an output that is a folder, or one of the files of shots under whatever name.

    Raises InputError.
    """
    if out.is_dir():
        raise InputError("is a folder", file=out, mend="Name a file in it.")
    if out.exists() and any(source.exists() and out.samefile(source) for source in sources):
        mend = "Name another file: files of shots are never written."
        raise InputError("is a file of shots", file=out, mend=mend)
    _refuse_precious(out)


def _refuse_precious(out: Path) -> None:
    """Refuse to replace a database, classes and rules, or what belongs to a project."""
    if not out.is_file():
        return
    found = "is a database" if _begins_with(out, _SQLITE) else ""
    found = found or ("is a file of classes or settings" if out.suffix == ".toml" else "")
    found = found or next(filter(None, (ask(out) for ask in belongs_to)), "")
    if found:
        raise InputError(found, file=out, mend="Name another file: this one is never replaced.")


def _begins_with(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError:
        return False


def _is_ours(path: Path) -> bool:
    """Whether an HDF5 file says that this program wrote it, in its root or in what lies there."""
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            each = [file, *file.values()]
            return any(name.startswith(OURS) for item in each for name in item.attrs)
    except (OSError, KeyError, ValueError, RuntimeError):
        return False


@contextlib.contextmanager
def explained(out: Path) -> Iterator[None]:
    """Turn what the system says while writing into an InputError about `out`."""
    try:
        yield
    except OSError as error:
        mend = "Free some space, or choose a place where you may write; then call it again."
        full = os.strerror(errno.ENOSPC)  # HDF5 says it in many lines
        why = full if full in str(error) else error.strerror or error
        raise InputError(f"cannot be written ({why})", file=out, mend=mend) from error


@contextlib.contextmanager
def written_whole(out: Path) -> Iterator[Path]:
    """A path beside `out` to write to; when the block ends, the file there becomes `out`.

    Its bytes and its name reach the disk before this returns. Where the block fails, `out` is as it
    was and nothing is left beside it. Raises InputError for what the disk refuses.
    """
    with explained(out):
        part = part_of(out)
        try:
            yield part
            give_name(part, out)
        finally:
            for end in ("", *_BESIDE):
                part.with_name(part.name + end).unlink(missing_ok=True)


def open_to_append(path: Path) -> BinaryIO:
    """A file to go on writing at its end, made where it is not there; raises OSError.

    Never through a link, a pipe or a device: in a folder that a stranger sent, a name may lead to
    any file of whoever opens it.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OSError(errno.ELOOP, "there is a link or something else that is no file", str(path))
    flags = getattr(os, "O_NOFOLLOW", 0)
    return open(path, "ab", opener=lambda name, how: os.open(name, how | flags, 0o666))


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, see `open_to_append`."""
    with open_to_append(path) as file:
        file.write(f"{line}\n".encode())


def write_text(out: Path, text: str) -> None:
    """Make `out` this text in UTF-8, whole or not at all; InputError for what the disk refuses."""
    with written_whole(out) as part:
        part.write_bytes(text.encode())


def write_arrays(out: Path, **arrays: npt.ArrayLike) -> None:
    """Make `out` an .npz file of these arrays by name, like `write_text`."""
    with written_whole(out) as part, part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def html_page(template: str, **values: object) -> str:
    """A page from one of `resources/templates`; every text in it is escaped, `Markup` is not."""
    import jinja2

    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("resources", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return pages.get_template(template).render(values)


@contextlib.contextmanager
def new_hdf5(path: Path, **how: Any) -> Iterator[Any]:
    """A new HDF5 file, with `room_for_the_end` of it. For what comes before see `check_place`.

    Raises OSError for what the disk refuses.
    """
    import h5py

    room = room_for_the_end(path)
    try:
        with h5py.File(path, "w", rdcc_nbytes=0, **how) as file:  # chunks reach the disk at once
            try:
                yield file
            finally:
                room.unlink(missing_ok=True)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        room.unlink(missing_ok=True)


def room_for_the_end(path: Path) -> Path:
    """A file beside a new HDF5 file that takes the room of what HDF5 holds back until it closes.

    To be removed just before that: where HDF5 finds no room then, it ends the process. Raises
    OSError where there is none now.
    """
    room = part_of(path)
    try:
        with room.open("wb") as file:
            file.write(bytes(_HELD_BACK))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        room.unlink(missing_ok=True)
        raise
    return room


_HELD_BACK = 4 << 20


def part_of(out: Path) -> Path:
    """Where this process writes what will become `out`; what killed ones left there is removed."""
    sweep(out.parent, out.name)
    return out.with_name(f".{out.name}.{os.getpid()}.part")


def sweep(folder: Path, name: str = "") -> None:
    """Remove what killed processes left half written in a folder: of `name`, or of everything."""
    for left in folder.iterdir():
        found = _PART.fullmatch(left.name)
        if found is None or (name and found[1] != name) or psutil.pid_exists(int(found[2])):
            continue
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def give_name(part: Path, out: Path) -> None:
    """Let a finished file take its place: its bytes reach the disk before its name does."""
    with part.open("r+b") as file:
        os.fsync(file.fileno())
    part.replace(out)
    sync_folder(out.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder reach the disk, where the system can be asked to."""
    if os.name == "nt":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def user_folder() -> Path:
    """Where a user's settings lie: AIRYLABEL_CONFIG_DIR, else the system's place for them."""
    named = os.environ.get("AIRYLABEL_CONFIG_DIR")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_config_dir("airylabel", appauthor=False))
