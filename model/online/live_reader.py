"""The network's predictions of live hits: the same steps as `predict`, a few shots at a time.

Preprocessing, engine, head and decisions are those of `model.prediction.predict`, and so are the
numbers of a shot, but for what a file tells by all of its shots: the scale of its counts, and to
what the head of a shipped network is adapted. Live, both are told by a sample of what has come so
far, again whenever twice as much has; until then they are rough, and nothing is adapted before
FEWEST shots, or a project's own, are there. What was said of a shot stays. It keeps no shots.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from model.active.head import Head
from model.active.prior import FEWEST, MOST
from model.errors import InputError
from model.networks.receptive_field import cell_box, seen_by_a_cell
from model.online.record import Found
from model.online.stream import Hit
from model.prediction import inference
from model.prediction.batches import PooledHead, describe
from model.prediction.before_labels import adapted_head, answers
from model.preprocessing.beam_place import where_it_is
from model.preprocessing.count_scale import (
    SAMPLE,
    CountScale,
    Seen,
    looks_of,
    scale_of,
)
from model.preprocessing.file_pixels import (
    FEWEST_SHOTS,
    NO_PIXELS,
    FilePixels,
    PixelSample,
)
from model.preprocessing.network_input import Floats
from model.preprocessing.preparation import Preparation
from model.preprocessing.shared_light import WORDS as SHARED_LIGHT
from model.runs import checkpoint
from model.runs.prior import expected_of
from model.shots.counts.check import (
    STEPS_SEEN,
    Glance,
    doubts_of,
    glance_at,
    in_words,
    unusable,
)
from model.shots.layouts import Geometry
from model.taxonomy.taxonomy import Taxonomy

BATCH = 4
"""Shots for the engine at once: small, so that none waits long for the others."""
Embeddings = npt.NDArray[np.float16]
Item = TypeVar("Item")
_NUMBER = re.compile(r"[-+]?\d[\d.,e+-]*")


@dataclass
class EvenSample(Generic[Item]):
    """At most `most` items of a stream, evenly spread over all that came so far."""

    most: int
    items: list[Item] = field(default_factory=list)
    came: int = 0
    every: int = 1
    """Of the stream, one in so many is kept."""
    reported: int = 0
    """How many had come when `grew` last said so."""

    def grew(self, new: Sequence[Item], least: int = 1) -> bool:
        """Take the next items; whether at least `least` have come, and twice as many as when this
        was last so."""
        for item in new:
            if self.came % self.every == 0:
                self.items.append(item)
            self.came += 1
            if len(self.items) > self.most:
                del self.items[1::2]
                self.every *= 2
        if self.came < max(least, 2 * self.reported):
            return False
        self.reported = self.came
        return True


@dataclass
class Adapting:
    """The head of a shipped network, adapted to what it sees as `predict` adapts it to a file: to a
    project's shots from the start, or else to the shots that come, as soon as they are enough."""

    run: Path
    classes: Taxonomy
    """Of the network."""
    taxonomy: Taxonomy | None
    """Of the project."""
    head: Head | None = None
    """Before it is adapted, it reads each shot by itself, as `predict` does in a file of few."""
    shots: int = 0
    """How many it is adapted to; 0: not yet."""
    sample: EvenSample[Embeddings] | None = field(default_factory=lambda: EvenSample(MOST))
    """None where the shots of a project are enough."""
    notices: list[str] = field(default_factory=list)
    """What there is to say, for people."""

    @classmethod
    def of(
        cls, run: Path, classes: Taxonomy, taxonomy: Taxonomy | None, known: Embeddings
    ) -> Adapting | None:
        """With the embeddings (N, D) of a project's shots, NaN where one has none; None for a
        network that is not shipped."""
        if expected_of(run, classes.names) is None:
            return None
        made = cls(run, classes, taxonomy)
        fine = known[np.isfinite(known).all(1)]
        if len(fine) >= FEWEST:
            made.sample = None
            made._adapt(fine, len(fine), f"{len(fine):,} shots of the project")
        else:
            made.head = adapted_head(run, taxonomy, classes, known[:0])
            what = "The shipped network is not adapted to this experiment yet"
            made.notices.append(f"{what}: that takes {FEWEST} shots.")
        return made

    def answer(self, found: Found) -> Found:
        """What the adapted head says in place of the network's own, and to how many shots it is
        adapted, of shots that were just read."""
        seen, readable = found["embeddings"], found["readable"]
        if self.sample is not None and self.sample.grew(list(seen[readable]), FEWEST):
            came = self.sample.came
            self._adapt(np.stack(self.sample.items), came, f"the first {came:,} shots")
        adapted_to = np.full(len(seen), self.shots, np.int32)
        said = {} if self.head is None else answers(self.head, seen, readable)
        return found | said | {"adapted_to": adapted_to}

    def _adapt(self, seen: Embeddings, shots: int, words: str) -> None:
        self.head = adapted_head(self.run, self.taxonomy, self.classes, seen)
        if self.head is not None:
            self.shots = shots
            self.notices.append(f"The shipped network is adapted to {words}.")


@dataclass
class LiveReader:
    """A run, ready to read hits; made by `open`. `says` names the engine."""

    about: checkpoint.Checkpoint
    head: PooledHead
    engine: inference.InferenceEngine
    says: str
    run: str
    cells: tuple[float, float, float, float]
    seen_by_a_cell: float
    geometry: Geometry = field(default_factory=Geometry)
    """Of shots whose source tells nothing."""
    sample: EvenSample[Seen] = field(default_factory=lambda: EvenSample(SAMPLE))
    """Hits as the network sees them."""
    scale: CountScale | None = None
    """What they tell of the detector."""
    first: PixelSample = field(default_factory=PixelSample)
    """The first hits, and which pixels they show to be spoilt."""
    pixels: FilePixels = NO_PIXELS
    glances: list[Glance] = field(default_factory=list)
    """At the first hits."""
    looked_at: int = 0
    """So many hits said so."""
    said: list[str] = field(default_factory=list)
    """Doubts about their counts, in words, and those that no one has asked for yet."""
    unsaid: list[str] = field(default_factory=list)
    adapting: Adapting | None = None
    """Of a shipped network."""

    @classmethod
    def open(
        cls,
        run: Path,
        engine: str = "auto",
        geometry: Geometry | None = None,
        preparation: Preparation | None = None,
        taxonomy: Taxonomy | None = None,
        known: Embeddings | None = None,
    ) -> LiveReader:
        """Load a run folder, see `checkpoint.load`; InputError where it is missing or changed.

        taxonomy: the project's rules. known: (N, D) embeddings of its shots by this network, to
        which a shipped one is adapted.
        """
        network, about = checkpoint.load(Path(run), preparation=preparation)
        size = about.preprocessing.size
        shape = (about.channels, size, size)
        chosen, says = inference.choose(network, shape, engine, BATCH)
        box = cell_box(network, size, inference.grid(network, shape))
        head = PooledHead.of(network)
        none = np.zeros((0, head.weight.shape[1]), np.float16)
        seen = none if known is None else known
        adapting = Adapting.of(Path(run), about.taxonomy, taxonomy, seen)
        return cls(
            about, head, chosen, says, Path(run).resolve().name, box,
            seen_by_a_cell(network, size), geometry or Geometry(), adapting=adapting,
        )  # fmt: skip

    @property
    def most(self) -> int:
        """Hits that are worth handing over at once: two batches, one for each engine's hand."""
        return 2 * self.engine.batch

    def read(self, hits: Sequence[Hit]) -> tuple[list[Hit], Found, list[InputError]]:
        """The hits that could be read, what was found (by dataset name, as in predictions.h5, with
        `field`, `shift`, and of a shipped network `adapted_to`), and why the others could not."""
        fields, shifts, readable, errors = [], [], [], []
        preprocessing = self.about.preprocessing
        again = self._look_at_detector(hits)
        squares: list[Floats] = []
        new: list[Seen] = []
        for hit in hits:
            geometry = self.geometry_of(hit)
            if why := unusable(hit.counts, hit.mask):
                errors.append(InputError(why, mend="Look at the detector: it may not be read out."))
                continue
            try:
                shot = preprocessing.prepare(hit.counts, hit.mask, geometry, self.pixels)
                square, seen = preprocessing.reduced_with_mask(shot)
            except InputError as error:
                errors.append(error)
                continue
            squares.append(square)
            new.append((square, seen))
            readable.append(hit)
            fields.append(preprocessing.field(hit.counts.shape, geometry.centre))
            shifts.append(np.divide(shot.shift, shot.counts.shape))
        if not readable:
            return [], {}, errors
        self._look(new)
        if again:
            self._doubt(readable)
        pixels = [
            preprocessing.to_input(preprocessing.brought(s, self.scale)).astype(np.float32)[None]
            for s in squares
        ]
        parts = [self.head.read(f, self.about) for f in self.engine.stream(self._batches(pixels))]
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        found["field"] = np.array(fields, np.float32)
        found["shift"] = np.array(shifts, np.float32)
        if self.adapting is not None:
            found = self.adapting.answer(found)
        return readable, found, errors

    def notices(self) -> list[str]:
        """What there is to say of the predictions since this was last asked."""
        if self.adapting is None:
            return []
        said, self.adapting.notices = self.adapting.notices, []
        return said

    def doubts(self) -> list[str]:
        """Why the numbers of the hits may be no counts, for people, since this was last asked; each
        is said once."""
        new, self.unsaid = self.unsaid, []
        return new

    def _look_at_detector(self, hits: Sequence[Hit]) -> bool:
        """Keep what the first hits show of it, and tell spoilt pixels by them, whenever there are
        twice as many, as of a file; whether that was now."""
        if self.first.shots >= SAMPLE:
            return False
        for hit in hits[: SAMPLE - self.first.shots]:
            if not unusable(hit.counts, hit.mask):
                self.first.add(hit.counts, hit.mask)
                self.glances.append(glance_at(hit.counts, hit.mask))
        del self.glances[: -self.first.shots]  # of shots of another shape
        if self.first.shots < min(SAMPLE, 2 * self.looked_at):
            return False
        self.looked_at = self.first.shots
        steps = self.about.preprocessing
        if steps.scale is not None:
            before, self.pixels = self.pixels, self.first.pixels(light=steps.asks_for_light)
            if self.pixels.words != before.words:  # the sample was seen with other pixels
                self.sample = EvenSample(SAMPLE)
        return True

    def _doubt(self, hits: Sequence[Hit]) -> None:
        """Say once why their numbers may be no counts, or where their beam seems to be."""
        if self.first.shots < STEPS_SEEN:
            return
        looks = looks_of(self.sample.items)
        doubts = doubts_of(self.glances, [(low, dark) for low, _, dark in looks] or None)
        doubts += [SHARED_LIGHT] * (self.pixels.light is not None)
        scaled = self.about.preprocessing.scale is not None
        known = any(self.geometry_of(hit).centre is not None for hit in hits)
        if scaled and not known and self.first.shots >= FEWEST_SHOTS:
            steps, hit = self.about.preprocessing, hits[0]
            shape, now = hit.counts.shape, self.geometry_of(hit)

            def matters(beam: tuple[float, float]) -> bool:
                given = steps.decided_by(shape, replace(now, centre=beam), self.pixels)
                return given != steps.decided_by(shape, now, self.pixels)

            doubts += filter(None, [where_it_is(self.first.statistics.reference(), matters)])
        kinds = {_NUMBER.sub("", text): text for text in doubts}  # which change with more hits
        new = [text for kind, text in kinds.items() if kind not in self.said]
        self.said = [*self.said, *kinds]
        self.unsaid = [*self.unsaid, *in_words([(hits[0].origin, new)])]

    def _look(self, new: list[Seen]) -> None:
        """Tell the scale again whenever there are twice as many shots to tell it by."""
        if self.about.preprocessing.scale is not None and self.sample.grew(new):
            looks = looks_of(self.sample.items)
            self.scale = scale_of(looks) if looks else None

    def geometry_of(self, hit: Hit) -> Geometry:
        """What its source says, else what holds for sources that say nothing."""
        return self.geometry if hit.geometry == Geometry() else hit.geometry

    def attributes(self, hit: Hit) -> dict[str, Any]:
        """What a file of predictions of such hits says about them."""
        shape = (hit.counts.shape[0], hit.counts.shape[1])
        beam = self.geometry_of(hit).centre
        return describe(self.about, self.run, shape, self.cells, self.seen_by_a_cell, beam)

    def _batches(self, pixels: list[npt.NDArray[np.float32]]) -> Iterator[npt.NDArray[np.float32]]:
        """In batches for the engine, both of its hands with the same to do."""
        parts = -(-len(pixels) // self.engine.batch)
        if len(pixels) > 1:
            parts = max(2, parts)
        for part in np.array_split(np.arange(len(pixels)), parts):
            yield np.stack([pixels[i] for i in part])
