"""What a project holds, in numbers, for a script or a person. Questions only."""

from __future__ import annotations

from typing import Any

import numpy as np

from labeler import version
from labeler.project.decisions import Decisions
from labeler.project.project import Project
from labeler.project.store import FLAGGED, SKIPPED
from labeler.project.store.records import State
from labeler.shots.geometry import in_words
from model.taxonomy.taxonomy import Labels


def summary(project: Project) -> dict[str, Any]:
    """Shots, labels per class, broken rules, sources, runs; plain values for JSON.

    `labels` counts own, imported and merged labels (the person's over the files') per class;
    violations are of the merged ones.
    """
    merged = project.merged_state()
    own = project.merged_state(only_mine=True)
    imported = project.imported_state()
    return {
        "name": project.name,
        "folder": str(project.folder),
        "version": version(),
        "taxonomy": project.taxonomy.name,
        "classes": list(project.taxonomy.names),
        "shots": project.n_shots,
        "labelled": int(merged.labelled.sum()),
        "labelled_own": int(own.labelled.sum()),
        "labelled_imported": int(imported.labelled.sum()),
        "flagged": int(((own.status & FLAGGED) != 0).sum()),
        "skipped": int(((own.status & SKIPPED) != 0).sum()),
        "labels": {
            "merged": _per_class(project, merged),
            "own": _per_class(project, own),
            "imported": _per_class(project, imported),
        },
        "contradictions": int(_contradictions(project, merged)),
        "violations": violations(project, merged),
        "annotators": [{"name": a.name, "kind": a.kind} for a in project.store.annotators()],
        "sources": source_facts(project),
        "runs": [
            {
                "number": run.number,
                "created": run.created.isoformat(),
                "recipe": run.recipe,
                "state": run.state,
                "metrics": run.metrics,
            }
            for run in project.runs()
        ],
        "current_run": project.current_run,
        "notes": project.notes,
    }


def source_facts(project: Project) -> list[dict[str, Any]]:
    """For every source: what was opened, its geometry, and what became of it since."""
    changes = {source.id: change for source, change in project.source_changes()}
    return [
        {
            "id": source.id,
            "path": str(source.info.path),
            "dataset": source.info.dataset,
            "layout": source.info.layout,
            "shots": source.info.n_shots,
            "shape": list(source.info.shape),
            "dtype": source.info.dtype,
            "missing": source.id in changes and changes[source.id].kind == "missing",
            "changed": changes[source.id].what if source.id in changes else "",
            "notes": list(source.info.notes),
            "geometry": {**vars(source.info.geometry), "text": in_words(source.info.geometry)},
        }
        for source in project.stored_sources
    ]


def violations(project: Project, merged: Decisions) -> list[dict[str, Any]]:
    """For every rule: its text, severity, how many shots break it, the first of them (from 1)."""
    rows = np.flatnonzero(merged.labelled)
    broken = project.taxonomy.violations(*_labels_and_known(project, merged))
    return [
        {
            "rule": rule.text,
            "severity": rule.severity,
            "shots": int(broken[:, r].sum()),
            "first": (rows[broken[:, r]][:5] + 1).tolist(),
        }
        for r, rule in enumerate(project.taxonomy.rules)
    ]


def _per_class(project: Project, state: Decisions | State) -> dict[str, int]:
    labels = project.taxonomy.unpack(state.present[state.labelled])
    taxonomy = project.taxonomy
    return {taxonomy.names[c]: int(labels[:, c].sum()) for c in taxonomy.order}


def _contradictions(project: Project, merged: Decisions) -> int:
    return int(project.taxonomy.contradictions(*_labels_and_known(project, merged)).sum())


def _labels_and_known(project: Project, merged: Decisions) -> tuple[Labels, Labels]:
    """(labelled, C) each: what the labelled shots have, and which classes are decided on them."""
    unpack = project.taxonomy.unpack
    return unpack(merged.present[merged.labelled]), unpack(merged.known[merged.labelled])
