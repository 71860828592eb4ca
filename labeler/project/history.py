"""The history of a shot in words: who, when, what, from where, what the model showed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from labeler.project.store.records import LABELLED, NO_CHANGE, HistoryEntry, in_words
from model.errors import counted
from model.taxonomy.taxonomy import Taxonomy

ORIGINS = {
    "key": "typed",
    "grid": "typed for several shots",
    "bulk": "together with other shots",
    "sure": "suggestion accepted",
    "accepted": "accepted from the model or the file",
    "fix": "by the offered fix",
    "flag": "flag",
    "skip": "skipped",
    "import": "came with the file",
    "consensus": "consensus",
    "adjudicated": "settled by hand",
    "repeat": "blind",
    "second reading": "taken over from the blind repeat",
    "merge": "classes were merged",
    "unmerge": "merging of classes undone",
    "salvaged": "saved from a damaged database",
}
SAID = 0.5
"""Classes that the model showed at this probability or above are named, three at most."""


@dataclass(frozen=True)
class HistoryLine:
    """One event. `how` is from where and how long; `model` what the model showed, '' if nothing."""

    time: datetime
    who: str
    what: str
    how: str
    model: str
    note: str


def in_lines(
    history: Sequence[HistoryEntry], taxonomy: Taxonomy, who: Sequence[str] | None = None
) -> list[HistoryLine]:
    """The events of one shot, the newest first; only those of `who` where that is given."""
    names = {index: taxonomy.names[index] for index in taxonomy.order}
    lines = []
    notes: dict[str, str] = {}
    for entry in history:
        if who is not None and entry.annotator not in who:
            continue
        before = entry.present_before, entry.status_before
        what = in_words(before, (entry.present, entry.status), names)
        if what == NO_CHANGE and entry.status & entry.status_before & LABELLED:
            what = _said(entry, names)
        new = entry.note or ""
        lines.append(
            HistoryLine(
                entry.time,
                entry.annotator,
                _sign(what),
                _how(entry),
                _shown(entry.shown, taxonomy),
                new if new != notes.get(entry.annotator, "") else "",
            )
        )
        notes[entry.annotator] = new
    return lines[::-1]


def _said(entry: HistoryEntry, names: dict[int, str]) -> str:
    """Of a gesture that changed no label: the classes that it decided, or left undecided again."""
    for said, word in (
        (entry.known & ~entry.known_before, "absent"),
        (entry.known_before & ~entry.known, "undecided again"),
    ):
        found = [name for bit, name in names.items() if said >> bit & 1]
        if found:
            return f"{word}: {', '.join(found)}"
    return NO_CHANGE


def _sign(what: str) -> str:
    return what[:1].upper() + what[1:]


def _how(entry: HistoryEntry) -> str:
    how = {"undo": "undone", "redo": "done again"}.get(entry.kind)
    how = how or _origin(entry)
    if entry.seconds is None:
        return how
    seconds = entry.seconds
    took = f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    took = took if seconds < 60 else f"{seconds / 60:.0f} min"
    return f"{how} {took} after display"


def _origin(entry: HistoryEntry) -> str:
    """'suggestion of run 1, surer than .85, accepted with 229 others'."""
    how, shown = ORIGINS.get(entry.origin, entry.origin), entry.shown or {}
    if entry.origin == "sure" and "run" in shown:
        model, limit = _model(str(shown["run"])), f"{shown.get('threshold', 0):g}".removeprefix("0")
        how = f"suggestion of {model}, surer than {limit or 0}, accepted"
    others = entry.shots - 1 if entry.origin in ("sure", "accepted", "fix") else 0
    return f"{how} with {counted(others, 'other')}" if others > 0 else how


def _model(run: str) -> str:
    """'run 3' or 'the instant model'."""
    if run == "instant":
        return "the instant model"
    return f"run {int(run) if run.isdecimal() else run}"


def _shown(shown: dict[str, Any] | None, taxonomy: Taxonomy) -> str:
    """What the model said on screen at that moment, most certain first."""
    said = (shown or {}).get("probabilities")
    if not isinstance(said, list) or len(said) > len(taxonomy):
        return ""
    likely = sorted(((p, c) for c, p in enumerate(said) if p >= SAID), reverse=True)[:3]
    words = ", ".join(f"{taxonomy.names[c]} {p:.2f}" for p, c in likely) or "nothing for sure"
    if not shown:
        return ""
    return f"{_sign(_model(str(shown['run'])).removeprefix('the '))}: {words}"
