"""How the points of the map are coloured: by label, state, sureness, disagreement, file, order.

A table that anybody may add a line to. Qt-free: it gives a code for every shot and a legend for
the codes; colours are hexadecimal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED
from labeler.session.session import Session
from model.taxonomy.colours import BLUE, GREEN, ORANGE, PURPLE, SKY_BLUE, VERMILION, YELLOW
from model.taxonomy.taxonomy import Taxonomy

OKABE_ITO = (BLUE, ORANGE, GREEN, PURPLE, SKY_BLUE, VERMILION, YELLOW, "#9D9B98")
BLUE_TO_YELLOW = ("#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")


@dataclass(frozen=True)
class Entry:
    """One line of the legend: its words, its colour, how many points have it."""

    text: str
    colour: str
    count: int = 0
    about: str = ""
    """What having this colour means, where its words alone would mislead."""


RAREST = "each shot has the colour of its rarest class"
QUIET = ""
"""The colour of points without one: dark, in the theme in use."""


@dataclass(frozen=True)
class Colouring:
    """codes (N,): place in `legend`, -1 for points that stay quiet.

    The line that names these, where there are any, is the last and has the colour QUIET.
    """

    codes: npt.NDArray[np.int16]
    legend: tuple[Entry, ...]


def _counted(
    codes: npt.NDArray[np.integer],
    lines: list[tuple[str, str]],
    about: str = "",
    *,
    quiet: str = "",
) -> Colouring:
    counts = np.bincount(codes[codes >= 0], minlength=len(lines))
    legend = [Entry(t, c, int(k), about) for (t, c), k in zip(lines, counts, strict=True)]
    dark = int(np.count_nonzero(codes < 0))
    legend += [Entry(quiet, QUIET, dark)] if dark else []
    return Colouring(codes.astype(np.int16), tuple(legend))


def _telling(taxonomy: Taxonomy, present: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(N,) the rarest class without a subclass that a label set holds; -1 for an empty one."""
    holding = taxonomy.unpack(present)
    parents = np.array([bool(taxonomy.children(name)) for name in taxonomy.names])
    rarity = holding.sum(0) + np.where(parents, len(present) + 1, 0)
    rank = np.argsort(np.argsort(rarity, kind="stable"), kind="stable")
    score = np.where(holding, rank, len(taxonomy))
    return np.where(holding.any(1), score.argmin(1), -1)


def by_class(session: Session) -> Colouring:
    """The most telling class of each shot: the decided one, else the suggested one."""
    n, taxonomy = session.labels.n_shots, session.labels.taxonomy
    present = np.where(
        session.labels.status & LABELLED, session.labels.present, session.suggestions.bits(range(n))
    )
    return _by_rarest(taxonomy, present, "No label or suggestion")


def by_label(session: Session) -> Colouring:
    """The most telling class of decided shots; undecided ones stay quiet."""
    present = np.where(session.labels.status & LABELLED, session.labels.present, 0)
    return _by_rarest(session.labels.taxonomy, present, "No label")


def _by_rarest(taxonomy: Taxonomy, present: npt.NDArray[np.int64], none: str) -> Colouring:
    """Each shot in the colour of the rarest class it holds; the legend in the panel's order."""
    telling, places = _telling(taxonomy, present), np.full(len(taxonomy), -1)
    shown = [c for c in taxonomy.order if not taxonomy.retired[c] or (telling == c).any()]
    places[shown] = np.arange(len(shown))
    kinds = [taxonomy.classes[c] for c in shown]
    lines = [(kind.name, kind.colour or OKABE_ITO[-1]) for kind in kinds]
    return _counted(np.where(telling < 0, -1, places[telling]), lines, RAREST, quiet=none)


def by_state(session: Session) -> Colouring:
    """Undecided shots stay quiet; decided, skipped and flagged ones do not."""
    status = session.labels.status
    codes = np.where(status & LABELLED, 0, -1)
    codes = np.where(status & SKIPPED, 1, codes)
    codes = np.where(status & FLAGGED, 2, codes)
    return _counted(codes, [("Labelled", OKABE_ITO[4]), ("Skipped", OKABE_ITO[7]),
                            ("Flagged", OKABE_ITO[5])], quiet="Undecided")  # fmt: skip


UNREAD = "Nothing predicted yet"


def by_disagreement(session: Session) -> Colouring:
    """Decided shots where the model says something else, by how many classes."""
    if session.predictions.now is None:
        return _counted(np.full(session.labels.n_shots, -1), [], quiet=UNREAD)
    now, labels = session.predictions.now, session.labels
    present = labels.decided.filled(lambda: labels.taxonomy.pack(now.likely()))
    off = np.asarray(now.disagreement(present, labels.status))
    codes = np.where((session.labels.status & LABELLED) > 0, np.minimum(off, 2), -1)
    return _counted(codes, [("Agrees", OKABE_ITO[4]), ("One class differs", OKABE_ITO[1]),
                            ("More classes differ", OKABE_ITO[5])], quiet="Undecided")  # fmt: skip


def by_sureness(session: Session) -> Colouring:
    """Undecided shots, by how sure the model is of its whole suggestion."""
    if session.predictions.now is None:
        return _counted(np.full(session.labels.n_shots, -1), [], quiet=UNREAD)
    sure = np.asarray(session.predictions.now.sureness())
    codes = np.digitize(sure, [0.5, 0.8, 0.95])
    codes = np.where((session.labels.status & LABELLED) > 0, -1, codes)
    texts = ("below .5", ".5 to .8", ".8 to .95", "above .95")
    colours = (OKABE_ITO[5], OKABE_ITO[1], OKABE_ITO[4], OKABE_ITO[0])
    lines = [(f"Sure {t}", c) for t, c in zip(texts, colours, strict=True)]
    return _counted(codes, lines, quiet="Labelled")


def by_file(session: Session) -> Colouring:
    """The file that a shot lies in; from the eighth on they share a colour."""
    names = [info.name for info in session.require().table.sources]
    codes = np.minimum(np.asarray(session.require().table.source_of, np.int64), len(OKABE_ITO) - 1)
    if len(names) > len(OKABE_ITO):
        names = [*names[: len(OKABE_ITO) - 1], f"{len(names) - len(OKABE_ITO) + 1} more files"]
    return _counted(codes, list(zip(names, OKABE_ITO, strict=False)))


def by_file_order(session: Session) -> Colouring:
    """By its place in the order of the files, and of the shots in them."""
    n = session.labels.n_shots
    steps = len(BLUE_TO_YELLOW)
    codes = np.arange(n) * steps // max(n, 1)
    edges = [k * n // steps + 1 for k in range(steps)]
    return _counted(codes, [(f"from shot {e:,}", c) for e, c in zip(edges, BLUE_TO_YELLOW,
                                                                    strict=True)])  # fmt: skip


MODES: dict[str, tuple[str, Callable[[Session], Colouring]]] = {
    "class": ("Rarest label (or suggestion)", by_class),
    "label": ("Rarest label", by_label),
    "state": ("State", by_state),
    "sure": ("How sure the model is", by_sureness),
    "disagree": ("Disagreement", by_disagreement),
    "file": ("File", by_file),
    "time": ("Order of files", by_file_order),
}
"""Name -> (text on screen, function from the session to a Colouring); the first is the default."""
