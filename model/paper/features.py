"""Numbers that say what a pattern looks like, for classifiers that are no networks.

Of the type of Bobkov et al. 2015: azimuthal averages and angular Fourier magnitudes, which a turn
of the droplet about the beam does not change. From the beam centre (`model.physics.polar`), after
the same preparation as a network's input. Learns nothing and knows no label.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.events import Event, Stop, event, never
from model.output_files import explained, write_arrays
from model.physics.correlation import LARGEST, amplitudes
from model.physics.polar import Floats, polar_grid
from model.physics.profiles import asymmetry, reduced
from model.preprocessing.network_input import Preprocessing
from model.preprocessing.preparation import Preparation
from model.processes import one_blas_thread
from model.shots.layouts import Geometry
from model.shots.table import ShotTable

RADII, ANGLES = 64, 128
BANDS = 8
"""Bands of rings, each as wide as the others."""
ORDERS = tuple(range(1, 9))
RIPPLES = 24
"""Waves of the radial profile, from the longest on."""
VERSION = 1
"""Of what the numbers mean, in the name of a cache file."""
NAMES = (
    *(f"profile {i}" for i in range(RADII)),
    *(f"ripple {i}" for i in range(1, RIPPLES + 1)),
    *(f"band {b} order {n}" for n in ORDERS for b in range(BANDS)),
    *("mean", "brightest", "asymmetry"),
)
WHAT = "physics of the shots"
_DEGREE = 3


def features(
    counts: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    geometry: Geometry | None = None,
    preparation: Preparation | None = None,
) -> Floats:
    """Counts (y, x), mask (y, x) True = good, to (F,) finite numbers in the order of `NAMES`.

    - profile: log1p of the mean counts of each ring;
    - ripple: Fourier magnitudes of that profile less a cubic, under a Hann window: its rings,
      however wide they are;
    - band b, order n: |I^n| of Eq. 15, of a band's mean over its rings, each divided by its own
      mean counts + 1;
    - log1p of the mean and of the 99.9th percentile, and the asymmetry (`model.physics.profiles`).
    """
    steps = preparation or Preparation()
    recipe = Preprocessing(input="correlation", preparation=steps)  # which heeds the beam centre
    shot = recipe.prepare(counts, mask, geometry)
    values = np.clip(np.where(shot.mask, shot.counts, 0), 0, LARGEST)
    # a shot that was moved to the middle is there to half a pixel: then one grid serves all
    small = reduced(values, shot.mask, None if steps.centre else shot.centre)
    grid = polar_grid(small.counts.shape, small.centre, RADII, ANGLES)
    with one_blas_thread():
        polar = grid.sample(small.counts, small.mask)
        rings = polar.mean(1)
        bands = (polar / (rings[:, None] + 1)).reshape(BANDS, -1, ANGLES).mean(1)
        angular = [amplitudes(bands, order) for order in ORDERS]
    profile = np.log1p(rings)
    seen = values[shot.mask]
    mean, most = (float(seen.mean()), float(np.percentile(seen, 99.9))) if seen.size else (0.0, 0.0)
    scalars = (np.log1p(mean), np.log1p(most), asymmetry(small.counts, small.mask, small.centre))
    found = (profile, _ripples(profile), *angular, [v or 0.0 for v in scalars])
    return np.concatenate(found).astype(np.float32)


def _ripples(profile: Floats) -> Floats:
    """(RIPPLES,) magnitudes of the waves on a profile (RADII,)."""
    place = np.linspace(-1, 1, len(profile))
    polynomial = np.polynomial.polynomial
    trend = polynomial.polyval(place, polynomial.polyfit(place, profile, _DEGREE))
    waves = np.abs(np.fft.rfft((profile - trend) * np.hanning(len(profile))))
    return np.asarray(waves[1 : RIPPLES + 1] / len(profile), np.float32)


def read(
    table: ShotTable,
    rows: npt.NDArray[np.int64],
    *,
    preparation: Preparation | None = None,
    cache: Path | None = None,
    stop: Stop = never,
    on_error: Callable[[int, InputError], None] | None = None,
) -> Generator[Event, None, Floats | None]:
    """Yields `progress`; returns their features (n, F), None where stopped.

    Shots are read one by one. `cache`: a folder in which features are kept, source by source.
    A shot that cannot be read goes to `on_error` and has NaN; without `on_error` it raises.
    """
    found = np.full((len(rows), len(NAMES)), np.nan, np.float32)
    done = 0
    for number in np.unique(table.source_of[rows]):
        places = np.flatnonzero(table.source_of[rows] == number)
        path = cache and cache / _name(table.sources[number].fingerprint, preparation)
        kept = _kept(path)
        index = table.index_of[rows[places]]
        known = np.array([int(i) in kept for i in index], bool)
        for place, i in zip(places[known], index[known], strict=True):
            found[place] = kept[int(i)]
        done += int(known.sum())
        yield event("progress", what=WHAT, done=done, total=len(rows))
        for place, values in _computed(table, rows, places[~known], preparation, on_error):
            found[place] = kept[int(table.index_of[rows[place]])] = values
            done += 1
            yield event("progress", what=WHAT, done=done, total=len(rows))
            if stop():
                _keep(path, kept)
                return None
        if not known.all():
            _keep(path, kept)
    return found


def _computed(
    table: ShotTable,
    rows: npt.NDArray[np.int64],
    places: npt.NDArray[np.intp],
    preparation: Preparation | None,
    on_error: Callable[[int, InputError], None] | None,
) -> Iterator[tuple[int, Floats]]:
    """(place, features) of the shots at places of the rows, in the order of their file."""
    place_of = {int(rows[p]): int(p) for p in places}
    for row, counts, mask in table.iter_shots(rows[places], on_error):
        yield place_of[row], features(counts, mask, table.geometry(row), preparation)


def _name(fingerprint: str, preparation: Preparation | None) -> str:
    steps = json.dumps([VERSION, fingerprint, (preparation or Preparation()).to_dict()])
    return f"features-{hashlib.blake2b(steps.encode(), digest_size=8).hexdigest()}.npz"


def _kept(path: Path | None) -> dict[int, Floats]:
    """Shot of a source -> features, as far as they are kept; a damaged file counts as none."""
    if path is None:
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            index, values = file["index"], file["features"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}
    fits = values.shape == (len(index), len(NAMES))
    return dict(zip(index.tolist(), values, strict=True)) if fits else {}


def _keep(path: Path | None, kept: dict[int, Floats]) -> None:
    if path is None or not kept:
        return
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(path, index=np.array(list(kept), np.int64), features=np.stack(list(kept.values())))
