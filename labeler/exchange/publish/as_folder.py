"""Findings as a folder that explains itself: HDF5 with the table of shots, JSON, a picture.

`datacite.json` describes it by the DataCite schema 4, ready for whoever assigns a DOI.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from labeler.exchange.publish.findings import Findings, as_json, table_of, table_size
from model.errors import InputError, counted
from model.output_files import explained, need_folder, part_of, sync_folder

TABLE, SUMMARY, DATACITE, PICTURE = "shots.h5", "findings.json", "datacite.json", "fractions.png"
SUMS = "SHA256SUMS"


def plan(found: Findings, out: Path) -> list[str]:
    """What `send` would write, in lines; InputError where it could not."""
    if os.path.lexists(out):
        raise InputError("is already there", file=out, mend="Name a new folder.")
    need_folder(out)
    return [
        f"{out / TABLE}: {table_size(found)}",
        f"{out / SUMMARY}: hit rate, class fractions, broken rules, provenance",
        f"{out / DATACITE}, {out / PICTURE}, {out / SUMS}",
    ]


def send(found: Findings, out: Path, authors: Sequence[str] = (), licence: str = "") -> str:
    """Write the folder, whole or not at all; returns where it is."""
    plan(found, out)
    with explained(out):
        part = part_of(out)
        part.mkdir()
        try:
            _write(found, part, authors, licence)
            part.rename(out)
            sync_folder(out.parent)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return str(out)


def _write(found: Findings, part: Path, authors: Sequence[str], licence: str) -> None:
    _write_table(found, part / TABLE)
    (part / SUMMARY).write_text(as_json(summary(found)), encoding="utf-8")
    (part / DATACITE).write_text(as_json(_datacite(found, authors, licence)), encoding="utf-8")
    (part / PICTURE).write_bytes(picture(found))
    lines = [
        f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in sorted(part.iterdir())
    ]
    (part / SUMS).write_text("".join(lines), encoding="utf-8")


def summary(found: Findings) -> dict[str, Any]:
    """Shares with their intervals, of all and of each file of shots, and where they come from."""
    return {
        "judged_by": found.by,
        "all": vars(found.whole),
        "sources": [vars(side) for side in found.sides],
        "intervals": "share, low, high: 95 %, Wilson; of classes among hits",
        "provenance": found.provenance,
    }


def _write_table(found: Findings, path: Path) -> None:
    text = h5py.string_dtype("utf-8")
    with h5py.File(path, "w", track_order=True) as file:
        file.attrs["airylabel"] = found.provenance["program"]
        file.attrs["about"] = "One row a shot; label -1: no one decided; probability NaN: not read"
        file.attrs["provenance"] = as_json(found.provenance)
        for name, values in table_of(found).items():
            kind = text if values.dtype == object else values.dtype
            place = name.replace("/", "∕")  # HDF5 would make groups of a slash
            file.create_dataset(place, data=values, dtype=kind).attrs["name"] = name


def _datacite(found: Findings, authors: Sequence[str], licence: str) -> dict[str, Any]:
    people = authors or (found.sheet.annotator,)
    side = found.whole
    described: dict[str, Any] = {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Classified shots"},
        "titles": [{"title": f"Classes of diffraction patterns: {found.name}"}],
        "creators": [{"name": name, "nameType": "Personal"} for name in people],
        "publicationYear": str(datetime.now(UTC).year),
        "subjects": [{"subject": name} for name in found.taxonomy.names],
        "dates": [{"date": found.provenance["written"], "dateType": "Created"}],
        "version": found.provenance["labels_sha256"][:12],
        "formats": ["application/x-hdf5", "application/json", "image/png"],
        "descriptions": [
            {
                "descriptionType": "Abstract",
                "description": f"{side.judged:,} of {counted(side.shots, 'shot')} in"
                f" {len(found.sides)} files, judged by {found.by}; {side.hits:,} hits.",
            }
        ],
    }
    if licence:
        described["rightsList"] = [{"rightsIdentifier": licence, "rightsIdentifierScheme": "SPDX"}]
    return described


def picture(found: Findings) -> bytes:
    """Class fractions among hits with their 95 % intervals, as PNG."""
    import io

    import matplotlib as mpl
    from matplotlib.figure import Figure

    shares = np.array([found.whole.fractions[name] for name in found.taxonomy.names_in_order])
    at = np.arange(len(shares))
    value = np.nan_to_num(shares[:, 0])
    spread = np.abs(shares[:, 1:].T - value)
    with mpl.rc_context({"text.parse_math": False}):
        figure = Figure(figsize=(6.4, 0.6 + 0.32 * len(at)), layout="constrained")
        axes = figure.add_subplot()
        axes.errorbar(value, at, xerr=spread, fmt="o", color="#1f6fc0", capsize=3)
        axes.set_yticks(at, found.taxonomy.names_in_order)
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of the hits, 95 %")
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=150)
    return out.getvalue()
