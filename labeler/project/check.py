"""Is a project whole? Database, history, labels, files of shots, runs. It mends nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from labeler.project.project import Project
from labeler.project.summary import violations
from model.errors import InputError
from model.shots.first_look import probe_each

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
    missing, changed = set(project.missing_sources()), set(project.changed_sources())
    for source in project.stored_sources:
        info = source.info
        if source in missing:
            mend = "Bring it back, or open the project and say where it is now."
            yield Finding("error", f"{info.path}: the file is gone", mend)
        elif source in changed:
            mend = "Bring the original back; labels of its shots may now be of other shots."
            yield Finding("error", f"{info.path}: the file is another one than before", mend)
        else:
            try:
                list(probe_each([(info.path, info.dataset)]))
            except InputError as error:
                yield Finding("error", str(error), "")


def _labels(project: Project) -> Iterator[Finding]:
    merged = project.merged_state()
    strange = np.flatnonzero(merged.present >> len(project.taxonomy))
    if len(strange):
        text = f"{len(strange)} shots have labels of no known class, the first is {strange[0] + 1}"
        yield Finding("error", text, "Restore taxonomy.toml of this project from a backup.")
    for broken in violations(project, merged):
        if broken["shots"]:
            hard = broken["severity"] == "hard"
            first = ", ".join(map(str, broken["first"]))
            text = f"{broken['shots']} shots break the rule: {broken['rule']} (shots {first}"
            text += " …)" if broken["shots"] > len(broken["first"]) else ")"
            mend = "Look at them in the window, where each has its fix."
            yield Finding("error" if hard else "warning", text, mend)


def _runs(project: Project) -> Iterator[Finding]:
    numbers = set()
    for run in project.runs():
        numbers.add(run.number)
        weights, description = run.folder / "model.safetensors", run.folder / "model.json"
        if not weights.is_file() and run.state != "finished":
            continue
        try:
            said = json.loads(description.read_text(encoding="utf-8"))
            good = _sha256(weights) in (said["sha256"], said.get("sha256_before"))
        except (OSError, ValueError, KeyError, TypeError) as error:
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
