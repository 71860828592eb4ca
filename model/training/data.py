"""The shots of one training: which may be used, which train, tune and judge, and their batches.

Reads shots only through the cache. Says in words what it left out and why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from model.errors import InputError, counted
from model.metrics.thresholds import FEWEST_SHOTS
from model.preprocessing.cache import ShotCache
from model.preprocessing.count_scale import FileScale, doubts_in_words
from model.preprocessing.network_input import Preprocessing
from model.runs.recipes import Recipe
from model.shots.table import EVALUATION, TRAINING, ShotTable
from model.taxonomy.taxonomy import Taxonomy
from model.training.augment import augment
from model.training.roles import NO_ROWS, Flags, Rows, checks_of, enough, marks_of, with_roles
from model.training.split import stratified_choice

_SAMPLE = 512
_DEVICE_SHARE = 0.25


@dataclass
class TrainingData:
    """Rows of the table by their use, and everything needed to make batches of them."""

    table: ShotTable
    taxonomy: Taxonomy
    preprocessing: Preprocessing
    training: Rows
    tuning: Rows
    evaluation: Rows
    excluded: int
    notes: list[str]
    cache: ShotCache | None = None
    unreadable: list[int] = field(default_factory=list)
    of_maps: bool = False
    """Whether the shots are correlation maps already."""
    met: int = 0
    """Evaluation shots on which the network that this begins from was trained."""
    at_random: bool = False
    """Whether the evaluation shots are a random draw of all shots, see `with_roles`."""
    left_out: int = 0
    """Shots of that draw which do not judge, because networks were trained on them."""
    among: str = ""
    """Where that draw does not cover all files, of which it is one."""
    _squares: Tensor | npt.NDArray[np.generic] | None = None
    _position: dict[int, int] = field(default_factory=dict)
    _trouble: InputError | None = None

    @property
    def labels(self) -> npt.NDArray[np.bool_]:
        """(N, C) labels of all rows; they mean something only for the rows above."""
        return self.table.labels.astype(bool)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(N, C) which of them are decided; a class that was added later is not, on older ones."""
        return self.table.decided

    def targets(self, rows: Rows | slice = slice(None)) -> Tensor:
        """(B, C) float32 labels of the rows as the losses take them: NaN where undecided."""
        asked = np.where(self.known[rows], self.labels[rows], np.float32(np.nan))
        return torch.from_numpy(asked.astype(np.float32))

    @property
    def used(self) -> Rows:
        """Every row that this training looks at, sorted."""
        return np.sort(np.concatenate([self.training, self.tuning, self.evaluation]))

    def fill(self, cache: ShotCache) -> Iterator[tuple[int, int]]:
        """Reduce all used shots into the cache; yields (done, total). Drops unreadable shots, and
        copies of evaluation shots from those that train."""
        used, self.cache = self.used, cache
        for done in cache.fill(self.table, used, self._note_unreadable):
            yield done, len(used)
        if self._trouble is not None:
            which = f"{counted(len(self.unreadable), 'shot')} that cannot"
            self.notes.append(f"Left out {which} be read: {self._trouble}")
        self.notes += doubts_in_words(self.table, self.scales)
        there = set(used[cache.holds(self.table, used)].tolist())
        for name in ("training", "tuning", "evaluation"):
            rows = getattr(self, name)
            setattr(self, name, rows[[int(r) in there for r in rows]])
        if len(self.training) == 0 or len(self.evaluation) == 0:
            raise InputError(
                "too few of the labelled shots can be read",
                file=self.table.sources[0].path,
                mend="Check the source files: airylabel check PROJECT.",
            )
        used = self.used
        self._position = dict(
            zip(used.tolist(), cache.positions(self.table, used).tolist(), strict=True)
        )
        self._squares = cache.mapped()
        self._leave_out_copies()

    def _leave_out_copies(self) -> None:
        """Do not train or tune on copies of evaluation shots, as in a file of chosen shots beside
        the one that they were taken from. Pictures without any contrast are alike, not copies."""
        rows = np.concatenate([self.training, self.tuning])
        hashes = self.hashes(rows)
        if len(hashes) < len(rows):  # a file has gone since it was reduced
            return
        alike = rows[np.isin(hashes, self.hashes(self.evaluation))]
        pictures = ((r, self.counts(np.array([r]))) for r in alike.tolist())
        copies = [r for r, picture in pictures if bool((picture > picture.min()).any())]
        if not copies:
            return
        left = np.setdiff1d(self.training, copies)
        if not len(left):
            self.notes.append("Every training shot is among the evaluation shots: no score counts.")
            return
        self.training, self.tuning = left, np.setdiff1d(self.tuning, copies)
        self.notes.append(
            f"Left out {counted(len(copies), 'shot')} of those that train: the same counts are"
            " among the evaluation shots."
        )

    def _note_unreadable(self, row: int, error: InputError) -> None:
        self._trouble = self._trouble or error
        self.unreadable.append(row)

    def check(self) -> None:
        """InputError where all pictures are one and the same; fits mean and deviation if asked."""
        chosen = np.random.default_rng(0).permutation(self.training)[:_SAMPLE]
        sample = self.counts(chosen)
        if len(sample) > 1 and bool((sample == sample[:1]).all()):
            raise InputError(
                "all training shots are the same picture; there is nothing to learn",
                file=self.table.sources[0].path,
                mend="Check that the right dataset was chosen.",
            )
        p = self.preprocessing
        if p.transform == "standardised":
            logs = sample.log1p()
            deviation = max(float(logs.std()), 1e-6)
            self.preprocessing = replace(p, mean=float(logs.mean()), deviation=deviation)

    def move_to(self, device: torch.device) -> None:
        """Keep the squares on a GPU, where they take no more than a quarter of its memory."""
        if device.type != "cuda" or self.cache is None:
            return
        free, _ = torch.cuda.mem_get_info(device)
        squares = self.cache.read(self.table, self.used)
        if squares.nbytes <= free * _DEVICE_SHARE:
            self._squares = torch.from_numpy(squares).to(device)
            self._position = {int(r): i for i, r in enumerate(self.used)}

    def hashes(self, rows: Rows) -> npt.NDArray[np.uint64]:
        """`hash_of` the counts of the rows, (B,)."""
        assert self.cache is not None, "fill() comes first"
        return self.cache.hashes(self.table, rows)

    def counts(self, rows: Rows) -> Tensor:
        """(B, 1, size, size) float32 linear counts of the rows."""
        assert self._squares is not None, "fill() comes first"
        places = np.array([self._position[int(r)] for r in rows], np.int64)
        if isinstance(self._squares, Tensor):
            squares = self._squares[torch.from_numpy(places)].float()
        else:
            squares = torch.from_numpy(np.asarray(self._squares[places], np.float32))
        if self.preprocessing.scale is not None:
            sources = self.table.source_of[rows]
            for n in np.unique(sources):
                mine = torch.from_numpy(np.flatnonzero(sources == n))
                squares[mine] = self.preprocessing.brought(squares[mine], self.scales[n])
        return squares[:, None]

    @cached_property
    def scales(self) -> tuple[FileScale | None, ...]:
        """The scale of counts of each source."""
        return self.preprocessing.scales_of(self.table)

    def inputs(
        self,
        rows: Rows,
        device: torch.device,
        recipe: Recipe,
        random: torch.Generator | None,
        side: int = 0,
    ) -> Tensor:
        """Network input (B, 1, size, size) of the rows; changed at random with a generator.

        With `side`, reduced to that size by averaging.
        """
        counts = self.counts(rows).to(device, non_blocking=True)
        if side and side != recipe.size:
            counts = F.adaptive_avg_pool2d(counts, side)
        if random is not None:
            counts = augment(counts, recipe, random)
        ready: Tensor = self.preprocessing.to_input(counts)
        return ready.contiguous(memory_format=torch.channels_last)

    def order(self, seed: int, epoch: int, batch: int) -> list[Rows]:
        """The batches of an epoch; depends on seed and epoch only. No batch of a single shot."""
        shuffled = np.random.default_rng([seed, epoch]).permutation(self.training)
        batches = [shuffled[i : i + batch] for i in range(0, len(shuffled), batch)]
        if len(batches) > 1 and len(batches[-1]) < max(2, batch // 4):
            batches.pop()  # too few for a batch normalisation; other shots stay out next epoch
        return batches


def prepare(
    table: ShotTable,
    recipe: Recipe,
    seed: int,
    seen: Flags | None = None,
    checks: Rows = NO_ROWS,
) -> TrainingData:
    """Choose the rows: drop hard errors, keep given roles, split the others, set tuning aside.

    seen, checks: as in `with_roles`; evaluation shots that were seen are left out, or where too few
    would remain, counted in `met`; where enough checks judge, other evaluation shots do not. Nor do
    shots that were labelled together with others.
    Raises InputError where nothing can be learned from these labels.
    """
    taxonomy = table.taxonomy or Taxonomy("classes", [], [])
    labels = table.labels.astype(bool)
    marks = marks_of(table)
    usable = marks.usable
    wrong = table.labelled & ~usable
    notes: list[str] = []
    if wrong.any():
        notes.append(
            f"Left out {counted(int(wrong.sum()), 'shot')} whose labels break a hard rule."
        )
    found = checks_of(marks, checks)
    checked = found.judging
    roles = with_roles(table, seed, seen, checks).role
    training = np.flatnonzero(usable & (roles == TRAINING))
    judging, met = marks.may_judge & (roles == EVALUATION), 0
    if together := int((usable & marks.together).sum()):
        notes.append(_of_many(together, int((usable & marks.together & (roles != TRAINING)).sum())))
    if len(checked):
        judging = np.isin(np.arange(len(table)), checked)
    if seen is not None and (judging & seen).any():
        judging, met = _unseen(judging, seen, usable, notes)
    evaluation = np.flatnonzero(judging)
    _check_labels(table, labels, usable, training, notes)
    tuning = np.zeros(0, np.int64)
    if recipe.tuning:
        count = round(recipe.tuning * len(training))
        if count >= FEWEST_SHOTS:
            chosen = stratified_choice(table.labels[training], count, seed)
            tuning, training = training[chosen], np.delete(training, chosen)
    preprocessing = recipe.preprocessing()
    excluded = int(wrong.sum())
    return TrainingData(
        table, taxonomy, preprocessing, training, tuning, evaluation, excluded, notes, met=met,
        at_random=bool(len(checked)),
        left_out=found.drawn - len(evaluation) if len(checked) else 0,
        among=found.among,
    )  # fmt: skip


def _of_many(together: int, idle: int) -> str:
    """What is said of shots labelled together with others, `idle` of which do not train either."""
    text = (
        f"{counted(together, 'shot')} with suggestions accepted together judge nothing: their"
        " labels may be the model's own."
    )
    if not idle:
        return text
    return (
        f"{text} {idle:,} of them do not train either, as shots kept for evaluation; random checks"
        " pass over those."
    )


def _unseen(judging: Flags, seen: Flags, usable: Flags, notes: list[str]) -> tuple[Flags, int]:
    """Evaluation shots (N,) that the first network was not trained on, and 0; all of them, and how
    many it was trained on, where too few would remain. Says which in a note."""
    met = int((judging & seen).sum())
    if enough(judging & ~seen, usable):
        text = (
            f"Left out {counted(met, 'shot')} of those for evaluation: the network that this begins"
        )
        notes.append(f"{text} from was trained on them.")
        return judging & ~seen, 0
    notes.append(
        f"The network that this begins from was trained on {met} of the {int(judging.sum())}"
        " evaluation shots: the scores are too good. Train without a warm start for honest ones."
    )
    return judging, met


def _check_labels(
    table: ShotTable,
    labels: npt.NDArray[np.bool_],
    usable: npt.NDArray[np.bool_],
    training: Rows,
    notes: list[str],
) -> None:
    known = table.decided[usable]
    if not ((labels[usable] & known).any(0) & (~labels[usable] & known).any(0)).any():
        raise InputError(
            f"all {int(usable.sum())} labelled shots carry the same labels;"
            " there is nothing to tell apart",
            mend="Label shots of other classes too.",
        )
    seen = labels[training].sum(0)
    never = [n for n, count in zip(table.class_names, seen, strict=True) if not count]
    if never:
        notes.append(
            f"No training shot is labelled {', '.join(never)}:"
            " the network cannot learn that until some are."
        )
