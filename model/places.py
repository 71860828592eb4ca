"""Places: where a command writes, and where a shipped network lies. It writes nothing itself."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from model.errors import InputError


def check_place(out: Path, source: Path, need: int, force: bool = False) -> None:
    """Refuse an output that is the source, exists (unless `force`), or lacks `need` bytes."""
    if out.exists() and out.resolve() == source.resolve():
        raise InputError("is the file of shots itself", file=out, mend="Name another output file.")
    if out.is_dir():
        raise InputError("is a folder", file=out, mend="Name a file in it.")
    if out.exists() and not force:
        raise InputError("is already there", file=out, mend="Name another file, or use --force.")
    if not out.parent.is_dir():
        raise InputError("there is no such folder", file=out.parent, mend="Make it first.")
    free = shutil.disk_usage(out.parent).free
    if free < need:
        what = f"it needs {need / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free there"
        raise InputError(what, file=out, mend="Choose another disk.")


@contextlib.contextmanager
def explained(out: Path) -> Iterator[None]:
    """Turn what the system says while writing into an InputError about `out`."""
    try:
        yield
    except OSError as error:
        mend = "Free some space, or choose a place where you may write; then call it again."
        what = f"cannot be written ({error.strerror or error})"
        raise InputError(what, file=out, mend=mend) from error


def backbone_folder(name: str) -> Path:
    """Folder of a network that comes with the program; InputError where there is none such."""
    folder = Path(str(resources.files("resources") / "backbones" / name))
    if not (folder / "model.safetensors").is_file():
        have = sorted(p.parent.name for p in folder.parent.glob("*/model.safetensors"))
        mend = f"There are: {', '.join(have)}." if have else "Leave backbone empty in the recipe."
        raise InputError(f"no backbone called {name!r} is shipped", mend=mend)
    return folder
