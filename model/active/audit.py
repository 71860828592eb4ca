"""The random audit: class fractions of all shots, unbiased though most labels are hand-picked.

One fixed random number belongs to every shot and seed; by it the shots are ordered. It follows from
the shot's row alone, which stays what it is: where files are added, old shots keep their order, and
new ones stand between them. Audit shots are asked along the order, so that the shots up to the
first one without a label are a simple random draw of all shots, whoever chose the labels that some
of them had before. Fractions and intervals come from that draw only. It asks no one itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
DRAW = 0
"""Seed of the one draw of a project: only its checks count."""
SHARE = 0.1
"""Of all labels, that are random checks unless a person wants another share."""
FEWEST_CHECKS = 50
"""Random checks from which on they alone judge: labels that were asked for are harder than shots
are, and a score on them says little of all shots."""


@dataclass(frozen=True)
class Fraction:
    """Share of all shots that show a class: estimate and interval, from `shots` audited ones.

    `among`: where the draw does not cover all files yet, of which shots it is a share. `together`:
    how many of the audited shots carry a suggestion that was accepted together with others.
    """

    name: str
    share: float
    low: float
    high: float
    shots: int
    found: int
    among: str = ""
    together: int = 0

    @property
    def closed(self) -> bool:
        """Whether every shot was audited: then the share is no estimate."""
        return bool(self.shots) and self.low == self.high


@dataclass(frozen=True)
class Draw:
    """The shots that count: rows (n,) in the order of the draw, of the first `files` of `of` files.

    A file that was added later has shots before the place that the draw had reached. They are asked
    next; until enough of them are labelled, the draw is one of the shots of the files before.
    """

    rows: Rows
    files: int
    of: int

    @property
    def among(self) -> str:
        """ "the first 2 of 3 files", and '' where all are covered."""
        if self.files == self.of:
            return ""
        return f"the first {self.files} of {self.of} files" if self.files > 1 else "the first file"


def places(rows: npt.NDArray[np.integer], seed: int) -> npt.NDArray[np.float64]:
    """(n,) a number in [0, 1) for each row, as if drawn (SplitMix64, Steele et al. 2014)."""
    first = np.random.SeedSequence([seed, 0xA0D17]).generate_state(1, np.uint64)
    z = first + (np.asarray(rows, np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((z ^ (z >> np.uint64(31))) >> np.uint64(11), np.float64) / 2**53


def order(count: int, seed: int) -> Rows:
    """(N,) the fixed random order in which shots are audited."""
    return np.argsort(places(np.arange(count), seed), kind="stable")


def reserved(count: int, seed: int) -> Rows:
    """The first part of the order, whose shots judge networks and never train them.

    These are the shots whose number is below SHARE: about as many as the checks are when all shots
    are labelled, and the same ones when more shots come. Whoever labels such a shot, and why, it is
    kept: were those that were asked for as hard ones to train, the others would be no random draw.
    None where they can never be enough to judge.
    """
    rows = order(count, seed)
    most = int(np.searchsorted(places(rows, seed), SHARE))
    return rows[: most if most >= FEWEST_CHECKS else 0]


def fixed_half(rows: Rows) -> Labels:
    """(n,) True for about half of the rows, always the same ones, whatever their place."""
    return places(rows, 0xA1F) < 0.5


def upcoming(labelled: Labels, askable: Labels, seed: int, n: int) -> Rows:
    """The next n shots of the audit that have no label yet."""
    rows = order(len(labelled), seed)
    return rows[(askable & ~labelled)[rows]][:n]


def due(labels: int, n: int, share: float) -> int:
    """How many of the next n labels are audits, so that overall `share` of all labels are."""
    return min(n, int(np.floor((labels + n) * share + 1e-9) - np.floor(labels * share + 1e-9)))


def draw(
    rows: Rows, labelled: Labels, file_of: npt.NDArray[np.integer], came: Labels | None = None
) -> Draw:
    """How far a draw goes on: rows (n,) in its order, of the shots that are labelled (N,), each of
    the file with the number `file_of` (N,), in the order in which files were added.

    It goes up to the first shot without a label. Where files were added since it began, it covers
    as many of them as leave enough shots to judge by, or if none do, as leave the most. A file that
    is labelled as a whole is covered, unless labels came (N,) with it: they say nothing of how far
    a draw has come.
    """
    files = int(file_of.max()) + 1 if len(file_of) else 0
    done, of = labelled[rows], file_of[rows]
    open_at = np.full(files, len(rows))
    np.minimum.at(open_at, of[~done], np.flatnonzero(~done))
    ends = np.minimum.accumulate(open_at)
    known = np.zeros(0, file_of.dtype) if came is None else file_of[came]
    says = np.bincount(file_of[~labelled], minlength=files) > 0
    says |= np.bincount(known, minlength=files) == 0
    says = np.logical_or.accumulate(says)
    says[-1:] = True
    counts = [
        int(np.count_nonzero(of[:end] <= k)) if use else -1
        for k, (end, use) in enumerate(zip(ends.tolist(), says.tolist(), strict=True))
    ]
    enough = min(FEWEST_CHECKS, max(counts, default=0))
    last = max((k for k, count in enumerate(counts) if count >= enough), default=-1)
    reached = rows[: ends[last]] if files else rows[:0]
    return Draw(reached[file_of[reached] <= last], last + 1, files)


def audited(
    labelled: Labels,
    seed: int,
    askable: Labels | None = None,
    file_of: npt.NDArray[np.integer] | None = None,
    came: Labels | None = None,
) -> Draw:
    """The shots that count, see `draw`, of the audit's whole order; labelled, file_of, came (N,).

    Shots that cannot be asked for (unreadable, skipped) are passed over.
    """
    rows = order(len(labelled), seed)
    files = np.zeros(len(labelled), np.int32) if file_of is None else file_of
    if askable is None:
        return draw(rows, labelled, files, came)
    return draw(rows[askable[rows]], labelled | ~askable, files, came)


def fractions(
    labels: Labels,
    labelled: Labels,
    names: tuple[str, ...],
    seed: int,
    *,
    confidence: float = 0.95,
    askable: Labels | None = None,
    known: Labels | None = None,
    file_of: npt.NDArray[np.integer] | None = None,
    came: Labels | None = None,
    together: Labels | None = None,
) -> tuple[Fraction, ...]:
    """The share of all shots that shows each class, with its interval; labels (N, C).

    file_of, came (N,): see `draw`. together (N,): labelled shots whose label may be a suggestion
    that was accepted with others; they count, for without them the rest would be no random draw,
    and it is said how many they are.

    known (N, C): the labels that someone decided on, None for all; of each class only those count.

    Clopper and Pearson's exact interval, the number of audited shots corrected for the size of
    the population (n (N - 1)/(N - n)), so that it closes when every shot is audited.
    """
    drawn_ones = audited(labelled, seed, askable, file_of, came)
    rows = drawn_ones.rows
    covered = np.ones(len(labelled), bool) if askable is None else askable
    if file_of is not None:
        covered = covered & (file_of < drawn_ones.files)
    total = int(covered.sum())
    said = np.ones_like(labels[rows]) if known is None else known[rows]
    found = (labels[rows] & said).sum(0)
    many = 0 if together is None else int(together[rows].sum())
    made = []
    for name, k, drawn in zip(names, found.tolist(), said.sum(0).tolist(), strict=True):
        low, high = interval(k, drawn, total, confidence)
        made.append(Fraction(name, k / drawn if drawn else float("nan"), low, high, drawn, k,
                             drawn_ones.among, many))  # fmt: skip
    return tuple(made)


def interval(found: int, drawn: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval for `found` of `drawn` out of a population of `total`."""
    if not drawn:
        return 0.0, 1.0
    share = found / drawn
    if drawn >= total:
        return share, share
    n = drawn * (total - 1) / (total - drawn)
    k, tail = share * n, (1 - confidence) / 2
    from scipy.special import betaincinv  # here: the window knows this module, not scipy

    low = float(betaincinv(k, n - k + 1, tail)) if found else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if found < drawn else 1.0
    return low, high
