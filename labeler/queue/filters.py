"""Filters: which shots are in the queue. A table that anybody may add a line to.

A condition is the name of a filter, or "name:argument" such as "class:Round"; conditions combine
by AND. Pure numpy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED, Flags
from labeler.queue.facts import ALL, MODEL, ShotFacts, Some
from model.errors import InputError

Test = Callable[[ShotFacts, str, Some], Flags]
Choices = Callable[[ShotFacts], list[str]]
BETWEEN = ".."
ALL_SHOTS = "All shots"


@dataclass(frozen=True)
class Filter:
    """One line of the table. `text` may hold `{}` for the argument.

    `test(known, argument, rows)` answers for those rows; `choices(known)` lists the arguments that
    a person may choose from, None for a filter without one; `needs` see `ShotFacts.lacking`.
    """

    text: str
    test: Test
    needs: str = ""
    choices: Choices | None = None
    menu: str = ""
    """Where an argument is chosen: the name of the submenu."""
    typed: bool = False
    """The argument also takes a range that a person writes: "name:low..high"."""


def _status(bit: int) -> Test:
    def test(known: ShotFacts, argument: str, rows: Some) -> Flags:
        return np.asarray((known.decided.status[rows] & bit) > 0)

    return test


def _disagrees(known: ShotFacts, argument: str, rows: Some) -> Flags:
    assert known.predictions is not None
    predictions, status = known.predictions, known.decided.status
    present = known.decided.filled(lambda: known.taxonomy.pack(predictions.likely()))
    if isinstance(rows, slice):
        return np.asarray(known.predictions.disagreement(present, status)) > 0
    return np.asarray(known.predictions.disagreement(present[rows], status[rows], rows)) > 0


def _differs(known: ShotFacts, name: str, rows: Some) -> Flags:
    assert known.predictions is not None
    c = known.taxonomy.index(name)
    different = known.predictions.likely()[rows, c] != known.holding(c, rows)
    return np.asarray(known.decided_on(c, rows) & different)


def _predicted(known: ShotFacts, name: str, rows: Some) -> Flags:
    assert known.predictions is not None
    return np.asarray(known.predictions.likely()[rows, known.taxonomy.index(name)], bool)


def _absent(known: ShotFacts, name: str, rows: Some) -> Flags:
    c = known.taxonomy.index(name)
    return known.decided_on(c, rows) & ~known.holding(c, rows)


def _rule(known: ShotFacts, text: str, rows: Some) -> Flags:
    r = [rule.text for rule in known.taxonomy.rules].index(text)
    return known.judged(lambda labels, of: known.taxonomy.violations(labels, of)[:, r], rows)


def _in_error(known: ShotFacts, argument: str, rows: Some) -> Flags:
    return known.judged(known.taxonomy.contradictions, rows)


def _of_file(known: ShotFacts, name: str, rows: Some) -> Flags:
    assert known.source_of is not None
    numbers = [i for i, file in enumerate(known.files) if file == name]
    return np.isin(known.source_of[rows], numbers)


def _by(known: ShotFacts, name: str, rows: Some) -> Flags:
    return (known.others(name).status[rows] & LABELLED) > 0


PERIODS = {"the last hour": 3600.0, "the last day": 86400.0, "the last week": 7 * 86400.0}


def _in_time(known: ShotFacts, period: str, rows: Some) -> Flags:
    if known.times is None:
        return np.zeros(known.n, bool)[rows]
    since = time.time() - PERIODS[period]
    with np.errstate(invalid="ignore"):
        return known.labelled(rows) & np.asarray(known.times()[rows] >= since)


def _number(known: ShotFacts, argument: str, rows: Some) -> Flags:
    name, low, high = range_of(argument)
    values = known.numbers[name][rows]
    with np.errstate(invalid="ignore"):
        return np.asarray((values >= low) & (values <= high))


def range_of(argument: str) -> tuple[str, float, float]:
    """ "name:low..high" in parts; an end that is left out is open. InputError where it is none."""
    name, _, span = argument.rpartition(":")
    low, dots, high = span.partition(BETWEEN)
    try:
        found = float(low or "-inf"), float(high or "inf")
    except ValueError:
        found = (1.0, 0.0)
    if not name or not dots or not found[0] <= found[1]:
        raise InputError(
            f"{span!r} is no range of numbers",
            mend=f"Write it as low{BETWEEN}high, such as 1.5{BETWEEN}3.",
        )
    return name, *found


def _classes(known: ShotFacts) -> list[str]:
    return [known.taxonomy.names[c] for c in known.decided.shown_classes(known.taxonomy)]


def _rules(known: ShotFacts) -> list[str]:
    return [rule.text for rule in known.taxonomy.rules]


FILTERS: dict[str, Filter] = {
    "all": Filter(ALL_SHOTS, lambda known, argument, rows: np.ones(known.n, bool)[rows]),
    "unlabelled": Filter("Unlabelled", lambda known, argument, rows: ~known.labelled(rows)),
    "labelled": Filter("Labelled", lambda known, argument, rows: known.labelled(rows)),
    "error": Filter("In error", _in_error),
    "disagree": Filter("Disagreeing with the model", _disagrees, MODEL),
    "flagged": Filter("Flagged", _status(FLAGGED)),
    "skipped": Filter("Skipped", _status(SKIPPED)),
    "class": Filter(
        "{}",
        lambda known, name, rows: known.holding(known.taxonomy.index(name), rows),
        choices=_classes,
        menu="With the class",
    ),
    "absent": Filter("not {}", _absent, choices=_classes, menu="Decided, without the class"),
    "predicted": Filter("model: {}", _predicted, MODEL, _classes, "Predicted by the model"),
    "differs": Filter("in dispute: {}", _differs, MODEL, _classes, "Model disagrees on"),
    "rule": Filter("breaks: {}", _rule, choices=_rules, menu="Breaking the rule"),
    "by": Filter("by {}", _by, choices=lambda known: list(known.annotators()), menu="Labelled by"),
    "time": Filter("in {}", _in_time, choices=lambda known: list(PERIODS), menu="Labelled in"),
    "file": Filter(
        "file {}", _of_file, choices=lambda known: list(dict.fromkeys(known.files)), menu="File"
    ),
    "number": Filter(
        "{}",
        _number,
        choices=lambda known: list(known.numbers),
        menu="Number of the shot",
        typed=True,
    ),
}
"""Name -> filter. Every menu of filters is made from this table."""


def parted(condition: str) -> tuple[Filter, str]:
    """(filter, argument) of a condition; KeyError where there is no such filter."""
    name, _, argument = condition.partition(":")
    return FILTERS[name], argument


def text_of(condition: str) -> str:
    """A condition in words."""
    found, argument = parted(condition)
    if found.typed:
        name, low, high = range_of(argument)
        if low == -np.inf or high == np.inf:
            argument = f"{name} ≤ {high:g}" if low == -np.inf else f"{name} ≥ {low:g}"
        else:
            argument = f"{name} {low:g} … {high:g}"
    return found.text.format(argument)


def passes(condition: str, known: ShotFacts, rows: Some = ALL) -> Flags:
    """True where a shot fulfils a condition; all False where what it needs is not there."""
    found, argument = parted(condition)
    if known.lacking(found.needs) or (found.typed and range_of(argument)[0] not in known.numbers):
        return np.zeros(known.n, bool)[rows]
    return found.test(known, argument, rows)


def meant(condition: str, known: ShotFacts) -> str:
    """A condition of an earlier session, about the classes by the names that they have now."""
    name, _, argument = condition.partition(":")
    found = FILTERS.get(name)
    if found is None or found.choices is not _classes or not known.taxonomy.knows(argument):
        return condition
    return f"{name}:{known.taxonomy.names[known.taxonomy.columns([argument])[0]]}"


def fits(condition: str, known: ShotFacts) -> bool:
    """Whether a condition of an earlier session still means something here."""
    try:
        passes(condition, known, np.zeros(0, np.int64))
    except (KeyError, ValueError, IndexError, AssertionError, InputError):
        return False
    return True
