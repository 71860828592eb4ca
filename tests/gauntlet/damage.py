"""Bytes flipped, files cut off: opening them never kills, never hangs, and says what is wrong."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from labeler.project.store import LABELLED, Store
from labeler.session.opened import open_project
from labeler.window.settings import Settings
from model.errors import InputError
from model.shots.probe import probe
from model.shots.table import open_source
from tests.helpers.people import can_undo

from .places import Tally, in_child, make_project


@dataclass(frozen=True)
class Target:
    """A file, and how the program opens it. `apart` where it is opened in a child anyway."""

    kind: str
    path: Path
    open: Callable[[], object]
    apart: bool = False


def database(folder: Path) -> Target:
    """The labels of a project, opened as the window does."""
    project = make_project(folder / "database")
    path = project / "project.sqlite"
    store = Store.open(path)
    ada, chance = store.annotator("Ada"), random.Random(5)
    for k in range(800):
        shown = {"run": "0001", "probabilities": [0.5] * 11}
        present = chance.randrange(2048)
        store.record(ada, k % 24, present, LABELLED, origin="key", shown=shown, seconds=0.5)
    store.database.connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()

    def look() -> None:
        opened, _ = open_project(project)
        store = opened.project.store
        store.history(3)
        store.current_state()
        store.audit()
        can_undo(store, opened.annotator)
        opened.project.close()

    return Target("database", path, look)


def source(folder: Path) -> Target:
    """A file of shots; the window reads it in a child, so what counts is that a child says so."""
    project = make_project(folder / "source")
    path = project.parent / "shots.h5"

    def look() -> None:
        with open_source(path) as opened:
            for row in range(opened.info.n_shots):
                opened.read(row)

    return Target("source", path, look, apart=True)


def predictions(folder: Path) -> Target:
    """What a run says of every shot."""
    from labeler.runs.predictions import RunPredictions
    from model.runs.prediction_file import PredictionFile
    from model.taxonomy.toml import load, shipped

    taxonomy = load(shipped("helium"))
    path = folder / "predictions.h5"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(6)
    n, c = 24, len(taxonomy)
    about = {
        "class_names": list(taxonomy.names),
        "thresholds": np.full(c, 0.5, np.float32),
        "run": "0001",
        "field": np.array([0.0, 0.0, 1.0, 1.0]),
    }
    file = PredictionFile(path, n, c, 64, (7, 7), about)
    values = {
        "probabilities": rng.random((n, c), np.float32),
        "embeddings": rng.random((n, 64)).astype(np.float16),
        "heatmaps": rng.random((n, c, 7, 7)).astype(np.float16),
        "readable": np.ones(n, bool),
    }
    file.write(np.arange(n), values)
    file.finish()

    def look() -> None:
        found = RunPredictions.open(path, taxonomy, 24)
        found.uncertainty()
        found.contradictions()
        found.heatmap(3, 1, (48, 48))

    return Target("predictions", path, look)


def weights(folder: Path) -> Target:
    """A network: its weights are never half believed, for their digest is kept beside them."""
    from model.runs import checkpoint

    shipped = Path(str(resources.files("resources") / "backbones" / "helium-resnet18"))
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("model.safetensors", "model.json"):
        shutil.copyfile(shipped / name, folder / name)
    return Target("weights", folder / "model.safetensors", lambda: checkpoint.load(folder))


def settings(folder: Path) -> Target:
    """What a person chose: damaged, it is put aside and said."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "settings.toml"
    chosen = Settings(path)
    chosen.set("keys", {"next": ["Right", "J"], "fix": ["F"]})
    chosen.set("recent", ["/data/helium-week42", "/data/week43"])
    chosen.save()

    def look() -> None:
        found = Settings(path)
        assert found["theme"] in ("dark", "light")

    return Target("settings", path, look)


def thumbnails(folder: Path) -> Target:
    """Pictures of shots: a damaged one is none, and is made and kept again; never a wrong one."""
    from labeler.shots.thumbnail_cache import Thumbnails

    project = make_project(folder / "thumbnails")
    info = probe(project.parent / "shots.h5")
    place, chance = project / "thumbnails", np.random.default_rng(9)
    pictures = [chance.integers(0, 256, (48, 48), np.uint8) for _ in range(info.n_shots)]
    kept = Thumbnails(place, (info,))
    for k, picture in enumerate(pictures):
        kept.put(0, k, picture)
    kept.close()
    (path,) = place.iterdir()

    def look() -> None:
        found = Thumbnails(place, (info,))
        for k, picture in (*enumerate(pictures), *enumerate(pictures)):  # a file may be begun again
            shown = found.get(0, k)
            if shown is None and not found.trouble:
                found.put(0, k, picture)  # as the window does once the shot has been read again
                shown = found.get(0, k)
            assert found.trouble or np.array_equal(shown, picture), f"picture {k} is another one"
        lost = not found.trouble and not found.made(0).all()
        found.close()
        assert not lost, "a picture is not made again"

    return Target("thumbnails", path, look)


def shot_map(folder: Path) -> Target:
    """The map of a project: damaged, there is none, and it is to be made again."""
    from labeler.active import map as map_file

    chance = np.random.default_rng(10)
    cluster = np.arange(60, dtype=np.int16) % 3
    rings = tuple((k, chance.random((9, 2), np.float32)) for k in range(3))
    typical = tuple(np.flatnonzero(cluster == k)[:5] for k in range(3))
    path = folder / "map-0001-60.npz"
    folder.mkdir(parents=True, exist_ok=True)
    places = chance.random((60, 2), np.float32)
    map_file.save(path, map_file.ShotMap(places, cluster, typical, rings))

    def look() -> None:
        found = map_file.load(path, 60)
        assert found is None or found.places.shape == (60, 2)

    return Target("map", path, look)


TARGETS = (database, source, thumbnails, predictions, shot_map, weights, settings)


def flipped(target: Target, times: int, seed: int = 7) -> Tally:
    """One byte after the other gets other bits."""
    whole, chance = target.path.read_bytes(), random.Random(seed)
    tally = Tally(f"byte flips: {target.kind}")
    told = died = 0
    for _ in range(times):
        at = chance.randrange(len(whole))
        _patch(target.path, whole, at, bytes([whole[at] ^ chance.randrange(1, 256)]))
        how, trouble = _open(target)
        told, died = told + (how == "refused"), died + (how == "killed")
        tally.add(trouble and f"byte {at}: {trouble}")
    _put(target.path, whole)
    tally.note = _note(told, died)
    return tally


def cut_off(target: Target, times: int, seed: int = 8) -> Tally:
    """The file ends anywhere."""
    whole, chance = target.path.read_bytes(), random.Random(seed)
    tally = Tally(f"truncations: {target.kind}")
    told = died = 0
    for _ in range(times):
        at = chance.randrange(len(whole))
        _put(target.path, whole[:at])
        how, trouble = _open(target)
        told, died = told + (how == "refused"), died + (how == "killed")
        tally.add(trouble and f"cut at {at}: {trouble}")
    _put(target.path, whole)
    tally.note = _note(told, died)
    return tally


def _open(target: Target) -> tuple[str, str]:
    """(how it ended, trouble): a child that dies of a source is what children are for."""
    how, words = in_child(target.open)
    if how in ("fine", "refused"):
        return how, ""
    if target.apart and how in ("killed", "hung"):
        try:  # the window's way: a child looks at the file, and its death becomes words
            probe(target.path)
        except InputError as error:
            return how, "" if str(error) else "no words"
        return how, ""
    return how, f"{how}: {words[-300:]}"


def _note(told: int, died: int) -> str:
    return f"{told:,} refused in words" + (f", {died:,} killed only the reader" if died else "")


def _patch(path: Path, whole: bytes, at: int, byte: bytes) -> None:
    """Write the file as it was, but for one byte; big files are mended in place."""
    if not path.is_file() or path.stat().st_size != len(whole):
        _put(path, whole)
    with path.open("r+b") as out:
        before = getattr(_patch, "before", None)
        if before is not None and before[0] == path:
            out.seek(before[1])
            out.write(whole[before[1] : before[1] + 1])
        out.seek(at)
        out.write(byte)
    _patch.before = (path, at)  # type: ignore[attr-defined]


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    for rest in ("-wal", "-shm"):
        path.with_name(path.name + rest).unlink(missing_ok=True)
    _patch.before = None  # type: ignore[attr-defined]
