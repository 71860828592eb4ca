"""The parsers that are fuzzed: each takes bytes, and may only refuse them with an InputError.

Files of HDF5 are not fuzzed byte by byte: the library itself crashes on damaged ones, which is why
the program reads them in a child. What is in them is: any dataset under any name of the layout.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from labeler.exchange import as_csv, as_cxi, as_json, as_parquet
from labeler.window.settings import Settings
from model.errors import InputError
from model.online.bridge import NoShotsError, shots_of
from model.online.sources import Wanted
from model.runs import checkpoint, recipes
from model.runs.folder import DESCRIPTION
from model.taxonomy import toml

Parser = Callable[[bytes], object]
CORPUS = Path(__file__).with_name("corpus.zip")
"""PARSER/NUMBER: inputs of earlier runs that reached code of their own."""


@cache
def _own_folder() -> tempfile.TemporaryDirectory[str]:
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)


def folder() -> Path:
    """Where the bytes are put for those that read files; the same place all the time."""
    return Path(_own_folder().name)


def _file(name: str, data: bytes) -> Path:
    path = folder() / name
    path.write_bytes(data)
    return path


def taxonomy(data: bytes) -> object:
    """taxonomy.toml."""
    return toml.load(_file("taxonomy.toml", data))


def recipe(data: bytes) -> object:
    """recipe.toml."""
    return recipes.read(_file("recipe.toml", data))


def settings(data: bytes) -> object:
    """settings.toml: never refused, at most set aside."""
    return Settings(_file("settings.toml", data))


def csv(data: bytes) -> object:
    """A table of labels."""
    return as_csv.read(_file("labels.csv", data))


def labelstudio(data: bytes) -> object:
    """Label Studio's JSON."""
    return as_json.read(_file("labels.json", data))


def parquet(data: bytes) -> object:
    """A Parquet table of labels."""
    return as_parquet.read(_file("labels.parquet", data))


def checkpoint_header(data: bytes) -> object:
    """The description beside a network's weights."""
    _file(DESCRIPTION, data)
    return checkpoint.describe(folder())


def cxi_tags(data: bytes) -> object:
    """The tags of a CXI file, with datasets of any kind and shape under their names."""
    path = folder() / "labels.cxi"
    chance = _Chance(data)
    with h5py.File(path, "w") as file:
        group = file.create_group("entry_1/instrument_1/detector_1")
        for name in ("tags", "status", "imported", "labelled", "notes", "data"):
            if chance.one_of(2):
                group[name] = chance.array()
        for name in ("source", "dataset", "fingerprint"):
            if chance.one_of(4):
                group.attrs[name] = chance.array()
        if "tags" in group and chance.one_of(4):
            group["tags"].attrs["headings"] = chance.array()
    return as_cxi.read(path)


def bridge_message(data: bytes) -> object:
    """One train of a Karabo bridge, as it is after unpacking."""
    chance = _Chance(data)
    keys = ("image.data", "image.pulseId", "image.mask", "data.adc", "image.trainId", "x")
    train = {"det": {keys[chance.one_of(6)]: chance.array() for _ in range(chance.one_of(5))}}
    meta = {"det": {"timestamp.tid": chance.one_of(9), "timestamp": chance.one_of(9)}}
    return shots_of(train, meta, "tcp://here:1", Wanted())


class _Chance:
    """Choices that are read off the bytes, so that the fuzzer can steer them."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)

    def one_of(self, n: int) -> int:
        return next(self._bytes, 0) % n

    def array(self) -> Any:
        kind = self.one_of(6)
        if kind == 0:
            return bytes(next(self._bytes, 0) or 1 for _ in range(self.one_of(9)))
        if kind == 1:
            return h5py.Empty("f4")
        shape = tuple(self.one_of(5) for _ in range(self.one_of(5)))
        filled = np.full(shape, self.one_of(256))
        if kind == 2:
            return np.char.mod(b"%d", filled)
        return filled.astype(("u1", "i8", "f4")[kind - 3])


PARSERS: dict[str, tuple[Parser, Callable[[], Iterator[bytes]]]] = {
    "taxonomy": (taxonomy, lambda: _shipped("taxonomies")),
    "recipe": (recipe, lambda: (recipes.to_toml(recipes.named(n)).encode() for n in ("quick",))),
    "settings": (
        settings,
        lambda: iter([b'theme = "dark"\nnorm = "log"\n[keys]\nnext = "Right"\n']),
    ),
    "csv": (
        csv,
        lambda: iter([b"shot,Round,Bent,note\n1,1,0,x\n2,0,1,\n", b"file;shot;Bent\na;1;1"]),
    ),
    "labelstudio": (labelstudio, lambda: iter([_TASKS])),
    "parquet": (parquet, lambda: iter([_parquet()])),
    "checkpoint": (checkpoint_header, lambda: _description()),
    "cxi": (cxi_tags, lambda: iter([bytes(range(64)), bytes(64)])),
    "bridge": (bridge_message, lambda: iter([bytes(range(64))])),
}
"""Name -> (parser, seeds of its corpus)."""
_TASKS = json.dumps(
    [
        {
            "data": {"image": "run.h5", "shot": 1},
            "annotations": [
                {
                    "result": [{"type": "choices", "value": {"choices": ["Round"]}}],
                    "completed_by": {"email": "ada@lab"},
                }
            ],
        }
    ]
).encode()


def _shipped(name: str) -> Iterator[bytes]:
    for path in (resources.files("resources") / name).iterdir():
        if path.name.endswith(".toml"):
            yield path.read_bytes()


def _description() -> Iterator[bytes]:
    for path in (resources.files("resources") / "backbones").iterdir():
        if (path / DESCRIPTION).is_file():
            yield (path / DESCRIPTION).read_bytes()


def _parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet

    path = folder() / "seed.parquet"
    pyarrow.parquet.write_table(pa.table({"shot": [1, 2], "Round": [1, 0]}), path)
    return path.read_bytes()


def kept(name: str) -> list[bytes]:
    """What earlier runs kept of the inputs of a parser."""
    if not CORPUS.is_file():
        return []
    with zipfile.ZipFile(CORPUS) as archive:
        return [archive.read(each) for each in archive.namelist() if each.startswith(f"{name}/")]


def accepts(parser: Parser, data: bytes) -> bool:
    """Whether the bytes are taken or refused in words; anything else is raised."""
    try:
        parser(data)
    except (InputError, NoShotsError):
        return False
    return True
