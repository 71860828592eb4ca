"""Findings into the run table of DAMNIT, European XFEL's record of a beamtime: a row a run.

By DAMNIT's own package, into a database that is there already.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np

from labeler.exchange.publish.as_folder import picture
from labeler.exchange.publish.findings import Findings, as_json
from labeler.quality.side_by_side import Side, side_by_side
from model.errors import InputError, counted, install

PREFIX = "airylabel_"
_RUN = re.compile(r"(?:^|[^a-z])r(\d{1,6})(?![0-9])", re.IGNORECASE)
"""`…/r0012/…`, `RAW-R0012-AGIPD00-S00000.h5`, `p2746_r12_vds.cxi`."""


def plan(found: Findings, folder: Path, proposal: int) -> list[str]:
    """What `send` would write, in lines; InputError where it could not."""
    _database(folder)
    return [
        f"proposal {proposal}, run {run}: {counted(side.judged, 'shot')} judged,"
        f" {len(_values(found, side))} variables"
        for run, side in _runs(found).items()
    ]


def send(found: Findings, folder: Path, proposal: int) -> str:
    """Write the variables of every run; runs that the table lacks are added. Returns a line."""
    from damnit.backend.db import DamnitDB, ReducedData

    path = _database(folder)
    runs = _runs(found)
    try:
        with DamnitDB(path) as database:
            for run, side in runs.items():
                values = _values(found, side)
                described = {
                    name: {"title": title, "description": found.by, "attributes": None}
                    for name, (title, _) in values.items()
                }
                database.update_computed_variables(described)
                reduced = {name: ReducedData(value) for name, (_, value) in values.items()}
                database.set_variables(proposal, run, reduced, "airylabel")
    except (sqlite3.Error, RuntimeError) as error:
        mend = "Ask who keeps the database, or update DAMNIT."
        raise InputError(f"DAMNIT refuses it ({error})", file=path, mend=mend) from error
    return f"{len(runs)} runs of proposal {proposal} in {path}"


def _database(folder: Path) -> Path:
    try:
        from damnit.backend.db import DB_NAME
    except ImportError as error:
        what = "DAMNIT's package is not installed"
        raise InputError(what, mend=install("damnit")) from error
    path = Path(folder, DB_NAME)
    if not path.is_file():
        mend = "Name the folder of the proposal's DAMNIT, often usr/Shared/amore."
        raise InputError("there is no DAMNIT database", file=path, mend=mend)
    return path


def _runs(found: Findings) -> dict[int, Side]:
    """The findings by acquisition run, whose number is in the path of every file."""
    number_of: list[int] = []
    for file in found.sheet.files:
        numbers = _RUN.findall(file)
        if not numbers:
            mend = "DAMNIT counts by run: files or folders are named r0012 and the like."
            raise InputError("no run number in the name of a file", file=Path(file), mend=mend)
        number_of.append(int(numbers[-1]))
    runs = sorted(set(number_of))
    place = np.array([runs.index(n) for n in number_of], np.int32)
    sides = side_by_side(
        [f"run {n}" for n in runs], place[found.sheet.source_of], found.labels, found.judged,
        found.taxonomy, found.radius_nm, found.known,
    )  # fmt: skip
    return dict(zip(runs, sides, strict=True))


def _values(found: Findings, side: Side) -> dict[str, tuple[str, Any]]:
    """Name of the variable -> its title and its value, None where there is none."""
    values: dict[str, tuple[str, Any]] = {
        "shots": ("shots judged", side.judged),
        "hit_rate": ("hit rate", side.hit_rate),
        "radius_nm": ("median radius [nm]", side.size_nm),
        "broken": ("broken rules", sum(side.broken.values())),
        "drifts": ("drifts", "; ".join(side.drifts)),
        "provenance": ("provenance", as_json(found.provenance)),
        "picture": ("class fractions of all runs", picture(found)),
    }
    for name, share in side.fractions.items():
        values[re.sub(r"\W+", "_", name).lower()] = (name, share)
    made: dict[str, tuple[str, Any]] = {}
    for name, (title, value) in values.items():
        if isinstance(value, tuple):
            for end, number in zip(("", "_low", "_high"), value, strict=True):
                known = None if np.isnan(number) else float(number)
                words = end.replace("_", " ")
                made[f"{PREFIX}{name}{end}"] = (f"airylabel/{title}{words}", known)
        else:
            made[f"{PREFIX}{name}"] = (f"airylabel/{title}", value)
    return made
