"""Reference sets of one class a file, such as CXIDB entries 10 to 14 (Kassemeyer et al. 2012).

Every shot of a file has the file's class and no other. Which class that is, a person says, or the
sample that the file names, or the file's own name. Reads shots through `model.shots.table` only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model.errors import InputError, counted
from model.shots.hdf5 import dataset_at, open_file, texts
from model.shots.table import (
    FileLabels,
    ShotTable,
    SourceInfo,
    make_table,
    open_source,
    refuse_twins,
)
from model.taxonomy.colours import BLUE, GREEN, ORANGE, PURPLE, SKY_BLUE, VERMILION, VIOLET, YELLOW
from model.taxonomy.taxonomy import MAX_CLASSES, Class, Rule, Taxonomy, plain
from model.taxonomy.toml import load, shipped

SAMPLE = ("entry_1/sample_1/name", "entry_1/sample_1/sample_name", "entry/sample/name")
"""Where CXI and NeXus files name what was in the beam."""
COLOURS = (SKY_BLUE, ORANGE, GREEN, VERMILION, PURPLE, YELLOW, BLUE, VIOLET)


def open_single_label(
    files: Sequence[Path],
    names: Sequence[str] | None = None,
    *,
    taxonomy: Taxonomy | None = None,
    dataset: str | None = None,
) -> ShotTable:
    """The shots of all files as one table, each labelled with the class of its file alone.

    `names`: the class of each file, in order; else it is taken from the file. See `classes_of`
    for the taxonomy. InputError for a file that tells no class, and for one that is given twice.
    """
    found, classes = classes_of(files, names, taxonomy)
    infos = []
    for path in files:
        with open_source(path, dataset) as source:
            infos.append(source.info)
    refuse_twins(infos)
    labels = [labels_of(info, name).labels for info, name in zip(infos, classes, strict=True)]
    columns = found.columns(classes)
    full = [np.zeros((len(one), len(found)), np.uint8) for one in labels]
    for mine, one, column in zip(full, labels, columns, strict=True):
        mine[:, column] = one[:, 0]
    together = np.concatenate(full)
    count = len(together)
    return make_table(
        tuple(infos), found.names, together, np.ones(count, bool), np.zeros(count, np.uint8), found
    )


def labels_of(info: SourceInfo, name: str) -> FileLabels:
    """Every shot of the file labelled with one class."""
    count = info.n_shots
    return FileLabels((name,), np.ones((count, 1), np.uint8), np.ones(count, bool))


def classes_of(
    files: Sequence[Path], names: Sequence[str] | None = None, taxonomy: Taxonomy | None = None
) -> tuple[Taxonomy, list[str]]:
    """The taxonomy of a reference set, and the class of each file.

    Without a taxonomy it is that of CXIDB entries 10 to 14 where their classes are meant, else one
    of exclusive classes with the names of the files. A given one must be exclusive as well.
    """
    if not files:
        raise InputError("no file of shots was given", mend="Name one file for each class.")
    if names is not None and len(names) != len(files):
        what = f"{len(names)} classes are named for {len(files)} files"
        raise InputError(what, mend="Name the class of each file, in the order of the files.")
    if taxonomy is None:
        known = load(shipped("cxidb"))
        sample_names = [_of_file(f, n, known) for f, n in _pairs(files, names)]
        found = [name for name in sample_names if name is not None]
        if len(found) == len(files):
            return known, found
        chosen = [n or _sample(f) or f.stem for f, n in _pairs(files, names)]
        return exclusive(chosen), chosen
    if not taxonomy.exclusive:
        what = f"the classes of {taxonomy.name!r} do not exclude each other"
        mend = "Choose a taxonomy with a hard rule one_of over all classes, such as cxidb."
        raise InputError(what, mend=mend)
    return taxonomy, [_known(f, n, taxonomy) for f, n in _pairs(files, names)]


def exclusive(names: Sequence[str]) -> Taxonomy:
    """A taxonomy of the given names, of which every shot has exactly one."""
    each: list[str] = []
    for name in names:
        if plain(name) not in map(plain, each):
            each.append(name)
    if not 2 <= len(each) <= MAX_CLASSES:
        what = f"the files are of {counted(len(each), 'class')}"
        raise InputError(what, mend="Give files of at least two classes, or say which: --names.")
    classes = [
        Class(
            name,
            key=str(i + 1) if i < 9 else "",
            colour=COLOURS[i % len(COLOURS)],
            help=f"Every shot of a file of {name}.",
        )
        for i, name in enumerate(each)
    ]
    rules = [
        Rule("one_of", "hard", tuple(each), (), f"{' and '.join(each)} exclude each other"),
        Rule("some", "hard", tuple(each), (), "no class"),
    ]
    return Taxonomy("One class per file", classes, rules)


def _pairs(files: Sequence[Path], names: Sequence[str] | None) -> list[tuple[Path, str | None]]:
    return [(Path(f), None if names is None else names[i]) for i, f in enumerate(files)]


def _known(path: Path, name: str | None, taxonomy: Taxonomy) -> str:
    found = _of_file(path, name, taxonomy)
    if found is None:
        what = f"has no class {name!r}" if name else "does not tell which class its shots are of"
        known = ", ".join(taxonomy.names)
        mend = f"Name the file after its class, or say it with --names, one of: {known}."
        raise InputError(what, file=path, mend=mend)
    return found


def _of_file(path: Path, name: str | None, taxonomy: Taxonomy) -> str | None:
    """The class that is named, or else that the file's sample or its name tells; None without."""
    if name is not None:
        return next((n for n in taxonomy.names if plain(n) == plain(name)), None)
    for text in (_sample(path), path.stem):
        found = [n for n in taxonomy.names if _names(text, n)]
        if len(found) == 1:
            return found[0]
    return None


def _names(text: str, name: str) -> bool:
    """Whether a text holds a class name as words of its own: T4 in run_t4_02, not in test47."""
    parts = re.findall(r"[a-z]+|[0-9]+", name.casefold())
    if not parts:
        return False
    edges = ["[a-z]" if part.isalpha() else "[0-9]" for part in (parts[0], parts[-1])]
    words = r"[^a-z0-9]*".join(parts)
    return bool(re.search(f"(?<!{edges[0]}){words}(?!{edges[1]})", text.casefold()))


def _sample(path: Path) -> str:
    """What the file says was in the beam, '' where it does not."""
    with open_file(path) as file:
        for name in SAMPLE:
            found = dataset_at(file, name)
            if found is not None and found.size == 1:
                said = texts(found[()])
                if said and said[0].strip():
                    return said[0].strip()
    return ""
