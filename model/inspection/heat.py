"""Heat of every form for shots that a network has read (`forms.HEAT_FORMS` says what each asks).

- ``paper``, ``chattopadhay``: Grad-CAM++ of the last feature maps, see `model.heatmaps.gradcam`.
- ``directions``: AXES lines through the centre, each a direction and its opposite, shown alone on
  the shot's twin without anything that depends on the direction (`occlusion.ring_medians`).
  Evidence of a line: how far the log-odds of the class rise above those of the twin.
- ``repeated``: SECTORS sectors about the centre, each repeated all around by reflection, as in a
  kaleidoscope, so that the whole plate is as it is in this direction. Evidence: how far the
  log-odds rise above the lowest.

Evidence knows directions only. Where the shot is what it is compared with, its twin or its glow
(`occlusion.envelope`), nothing can have an effect, so the heat of both is evidence² · |difference
of the log counts, smoothed over a cell|. A gate keeps both from drawing what the network does not
use: where the probability of the class does not depend on what is compared by more than GATE of
itself, there is no heat. No gradient; a pass for each line or sector serves all classes.

Grad-CAM++ is that of the network's own logits, as stored; the others ask what its predictions are
made by, which of a shipped network is an adapted head (`Reader.adapt`).
A target is a weighting of logits: one class, or one class less another ("why Bent, not Streak").
Heat is positive; its scale means nothing between shots.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from model.errors import InputError
from model.heatmaps.forms import HEAT_FORMS
from model.heatmaps.geometry import FULL_FIELD, Box, Heat, enlarge, is_even
from model.heatmaps.gradcam import FORMS, through_pooled_linear_head
from model.heatmaps.nothing_to_see import UNREAD, nothing_to_see
from model.inspection.occlusion import RING_WIDTH, envelope, ring_medians
from model.inspection.perturbed_shots import PreparedShots, Reader, ReadShots
from model.networks.architectures import Network
from model.prediction.batches import PooledHead
from model.taxonomy.decoding import sigmoid
from model.taxonomy.taxonomy import Taxonomy

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Point = tuple[float, float]
AXES, SECTORS = 6, 8
"""They overlap, each fading out where the next one is full."""
CELL = 4
"""Pixels of the network's input that a cell of the finer forms is wide."""
GATE = 0.25
"""Share of the probability of a class that has to depend on what is compared. Networks that learnt
nothing stay below .15."""


@dataclass(frozen=True)
class Cells:
    """Heat of one shot: values (m, h, w) >= 0, one map a target, whose cells tile `box`.

    All 0 for a target where the form finds nothing that the network goes by.
    """

    values: Floats
    box: Box


class Explainer:
    """Asks the network of a reader where the heat lies."""

    def __init__(self, reader: Reader, network: Network | None = None) -> None:
        self.reader = reader
        network = (reader.network if network is None else network).eval()
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._own = PooledHead.of(self._network)
        self._answering = reader.head if network is reader.network else self._own

    def reread(self, read: ReadShots) -> ReadShots:
        """The same shots by this network, where it is not the reader's own."""
        features = self._features(np.log1p(read.squares))
        return replace(read, features=features, logits=self._from_features(features))

    def targets(self, names: Sequence[str], against: str | None = None) -> Floats:
        """(m, C) weightings of the log-odds: each class by itself, or less `against`."""
        found = np.zeros((len(names), len(self.reader.names)), np.float32)
        for row, name in enumerate(names):
            found[row, self.reader.index(name)] += 1
            if against is not None:
                found[row, self.reader.index(against)] -= 1
        return found

    def ask(self, shots: PreparedShots, shot: int, form: str) -> tuple[Floats, Floats]:
        """Features (1, K, h, w) of a shot that was not read yet, and `answers` for a form, in one
        call of the network: many at once take less time."""
        _check(form, self.reader)
        logs, good, centre = _logs(shots, shot)
        variants = COMPUTED[form].asked(logs, good, centre) if form in COMPUTED else ()
        found = self._features(np.stack([logs, *variants]))
        return found[:1], self._from_features(found[1:])

    def answers(self, shots: PreparedShots, shot: int, form: str) -> Floats:
        """(n, C) the logits that a form compares; none for one that is stored."""
        _check(form, self.reader)
        if form not in COMPUTED:
            return np.zeros((0, len(self.reader.names)), np.float32)
        return self._logits(COMPUTED[form].asked(*_logs(shots, shot)))

    def cells(
        self,
        read: ReadShots,
        shot: int,
        targets: Floats,
        forms: Sequence[str],
        said: Mapping[str, Floats] = MappingProxyType({}),
    ) -> dict[str, Cells]:
        """Heat of one of the shots read, by form. said: what `ask` or `answers` found already.

        InputError for a form that does not exist, or that asks about directions where the network
        sees none (a correlation map).
        """
        found: dict[str, Cells] = {}
        for form in forms:
            _check(form, self.reader)
            if form in FORMS:
                found[form] = self._gradcam(read, shot, targets, form)
                continue
            logits = said[form] if form in said else self.answers(read, shot, form)
            evidence = self._odds(logits) @ targets.T
            whole = self._odds(read.logits[shot : shot + 1])[0] @ targets.T
            values = COMPUTED[form].heat(*_logs(read, shot), evidence, whole)
            found[form] = Cells(values, FULL_FIELD)
        return found

    def on_square(
        self, read: ReadShots, shot: int, targets: Floats, forms: Sequence[str]
    ) -> dict[str, list[Heat]]:
        """The same as (size, size) heat in [0, 1] of each target on what the network saw; none
        where there is no detector."""
        shape = (self.reader.size, self.reader.size)
        return {
            form: [enlarge(each, shape, cells_box=c.box) * read.good[shot] for each in c.values]
            for form, c in self.cells(read, shot, targets, forms).items()
        }

    def nothing_to_see(
        self, read: ReadShots, shot: int, taxonomy: Taxonomy | None = None
    ) -> tuple[str, ...]:
        """For each class of the network, why its heat on a shot would be noise; empty where it
        would not. taxonomy: in which classes may have another name, as in the run itself."""
        about, names = self.reader.about, self.reader.names
        if not np.isfinite(read.logits[shot]).all():
            return (UNREAD,) * len(names)
        even = is_even(read.squares[shot], read.good[shot])
        said = read.probabilities[shot].tolist()
        return tuple(
            nothing_to_see(name, likely, decided, even, about.taxonomy, taxonomy)
            for name, likely, decided in zip(names, said, read.decided[shot].tolist(), strict=True)
        )

    # -- forms -------------------------------------------------------------------------------------

    def _gradcam(self, read: ReadShots, shot: int, targets: Floats, form: str) -> Cells:
        features, own = read.features[shot : shot + 1], self._own
        weight = targets @ own.weight
        logits = (features.mean((-2, -1)) @ own.weight.T + own.bias) @ targets.T
        found = through_pooled_linear_head(features, weight, logits, form).values[0]  # type: ignore[arg-type]
        return Cells(np.maximum(found, 0).astype(np.float32), self.reader.cells)

    # -- the network -------------------------------------------------------------------------------

    def _odds(self, logits: Floats) -> Floats:
        """(n, C) log-odds of what the network says: under the rules where it learnt them, for then
        the logit of a class by itself says little. Of several heads side by side, their logits."""
        answers = self.reader.answers
        return answers.log_odds(logits) if logits.shape[1] == len(self.reader.names) else logits

    def _logits(self, logs: Floats) -> Floats:
        """(n, C) of logarithms of counts (n, size, size)."""
        return self._from_features(self._features(logs))

    def _features(self, logs: Floats) -> Floats:
        """(n, K, h, w), by the network itself: the engine of many shots pads a few to its batch."""
        inputs = self.reader.about.preprocessing.to_input(np.expm1(logs)).astype(np.float32)
        ready = torch.from_numpy(inputs)[:, None].contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            return np.asarray(self._network.features(ready).contiguous().numpy(), np.float32)

    def _from_features(self, features: Floats) -> Floats:
        weight, bias = self._answering.weight, self._answering.bias
        return np.asarray(features.mean((-2, -1)) @ weight.T + bias, np.float32)


def _check(form: str, reader: Reader) -> None:
    if form not in HEAT_FORMS:
        mend = f"There are: {', '.join(HEAT_FORMS)}."
        raise InputError(f"there is no form of heat {form!r}", mend=mend)
    if form not in FORMS and reader.about.preprocessing.input != "pattern":
        mend = f"Choose {HEAT_FORMS['paper'].title}, or a run of patterns."
        raise InputError("a correlation map has no directions to compare", mend=mend)


def _laid_out(
    evidence: Floats,
    depends: npt.NDArray[np.floating],
    difference: Floats,
    good: Flags,
    centre: Point,
    parts: Callable[[tuple[int, ...], Point], Floats],
) -> Floats:
    """evidence (n, m) of n `parts` of the plate, depends (m,), difference and good (size, size)
    -> (m, g, g)."""
    width = RING_WIDTH * len(difference)
    quiet = gaussian_filter(difference * good, width / 2)  # before noise becomes positive
    strength = gaussian_filter(np.abs(quiet), width)
    grid = -(-len(difference) // CELL)
    scale = len(difference) / grid
    place = (np.arange(grid) + 0.5) * scale - 0.5
    coarse = map_coordinates(strength, np.meshgrid(place, place, indexing="ij"), order=1)
    middle = ((centre[0] + 0.5) / scale - 0.5, (centre[1] + 0.5) / scale - 0.5)
    says = np.tensordot(np.maximum(evidence, 0).T, parts((grid, grid), middle), 1)
    heat = says**2 * coarse * (depends > GATE)[:, None, None]
    return np.asarray(heat, np.float32)


def _lines(logs: Floats, good: Flags, centre: Point) -> Floats:
    """(1 + AXES, y, x): the twin of a shot (y, x), and each line of the shot alone on it."""
    twin = _twin(logs, good, centre)
    return np.stack([twin, *(each * logs + (1 - each) * twin for each in axes(logs.shape, centre))])


def _twin(logs: Floats, good: Flags, centre: Point) -> Floats:
    return np.log1p(ring_medians(np.expm1(logs), good, centre))


def axes(shape: tuple[int, ...], centre: Point) -> Floats:
    """(AXES, y, x) in [0, 1]: a direction about a centre and its opposite; they sum to 1."""
    return _fans(shape, centre, AXES, np.pi)


def sectors(shape: tuple[int, ...], centre: Point) -> Floats:
    """(SECTORS, y, x) in [0, 1] about a centre; they sum to 1 everywhere."""
    return _fans(shape, centre, SECTORS, 2 * np.pi)


def _fans(shape: tuple[int, ...], centre: Point, count: int, turn: float) -> Floats:
    """Sectors that share the angle `turn`, and come again after it."""
    y, x = np.indices(shape)
    direction, step = np.arctan2(y - centre[0], x - centre[1]), turn / count
    middles = np.arange(count)[:, None, None] * step
    away = np.abs((direction - middles + turn / 2) % turn - turn / 2)
    return np.maximum(1 - away / step, 0).astype(np.float32)


def repeated(values: Floats, good: Flags, centre: Point) -> Floats:
    """(SECTORS, y, x): of values (y, x) each sector about a centre, repeated all around by
    reflection. Where the pixel that would be repeated is not good, the value stays."""
    at = _reflections((values.shape[0], values.shape[1]), centre)
    seen = map_coordinates(good.astype(np.float32), at, order=1)
    from_there = map_coordinates(values * good, at, order=1) / np.maximum(seen, 1e-3)
    return np.where(good & (seen > 0.5), from_there, values).astype(np.float32)


@lru_cache(maxsize=4)
def _reflections(shape: tuple[int, int], centre: Point) -> npt.NDArray[np.float64]:
    """(2, SECTORS, y, x): the place in a sector that each pixel repeats."""
    y, x = np.indices(shape)
    direction = np.arctan2(y - centre[0], x - centre[1])
    radius, step = np.hypot(y - centre[0], x - centre[1]), 2 * np.pi / SECTORS
    middles = np.arange(SECTORS)[:, None, None] * step
    folded = (direction - middles + step / 2) % (2 * step)
    inside = middles + np.minimum(folded, 2 * step - folded) - step / 2
    return np.stack([centre[0] + radius * np.sin(inside), centre[1] + radius * np.cos(inside)])


def _by_directions(logs: Floats, good: Flags, centre: Point, said: Floats, whole: Floats) -> Floats:
    """said (1 + AXES, m) as of `_lines`."""
    depends = 1 - sigmoid(said[0]) / sigmoid(whole)
    difference = logs - _twin(logs, good, centre)
    return _laid_out(said[1:] - said[0], depends, difference, good, centre, axes)


def _by_repeated(logs: Floats, good: Flags, centre: Point, said: Floats, whole: Floats) -> Floats:
    """said (SECTORS, m) as of `repeated`."""
    likely = sigmoid(said)
    depends = 1 - likely.min(0) / likely.max(0)
    glow = np.log1p(np.maximum(envelope(np.expm1(logs), good, centre), 0))
    return _laid_out(said - said.min(0), depends, logs - glow, good, centre, sectors)


@dataclass(frozen=True)
class ComputedForm:
    """`asked`: what the network is asked about: logs (y, x), good, centre -> (n, y, x). `heat`: the
    same, the log-odds (n, m) of these for m targets, and (m,) of the shot itself -> (m, g, g) with
    cells of CELL pixels."""

    asked: Callable[[Floats, Flags, Point], Floats]
    heat: Callable[[Floats, Flags, Point, Floats, Floats], Floats]


COMPUTED: dict[str, ComputedForm] = {
    "directions": ComputedForm(_lines, _by_directions),
    "repeated": ComputedForm(repeated, _by_repeated),
}
"""By the names of `HEAT_FORMS`; the other forms are Grad-CAM++'s."""


def _logs(read: PreparedShots, shot: int) -> tuple[Floats, Flags, Point]:
    """Logarithms of the counts of a shot, its good pixels, and its centre."""
    centre = (float(read.centre[shot][0]), float(read.centre[shot][1]))
    logs = np.log1p(np.maximum(read.squares[shot], 0)).astype(np.float32)
    return logs, read.good[shot], centre
