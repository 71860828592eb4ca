"""Everything that decides a training, as one documented dataclass, and the named recipes.

Recipes are data: they are read from and written to TOML, and travel with every checkpoint.
Nothing here trains or imports torch.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from model.errors import (
    InputError,
    checked_fields,
    is_visible,
    one_line,
    parsed_toml,
    text_of,
)
from model.networks.table import kind_of
from model.preprocessing.network_input import Input, Preprocessing, Transform
from model.runs.folder import backbone_folder

Positive = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
Amount = Annotated[float, Meta(ge=0.0, le=sys.float_info.max)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Partial = Annotated[float, Meta(ge=0.0, lt=1.0)]
"""A share of less than everything."""


LONGEST = 100
NEVER = 10**9
"""As `evaluate_every`: after the last epoch alone, however many there are."""
_WORDS = ("name", "about")
"""Of a recipe; they decide nothing."""


def is_name(name: str) -> bool:
    """Whether a recipe can be called so: on one line, and as a part of the name of a file."""
    within = len(name) <= LONGEST and not set(name) & set("/\\")
    return within and one_line(name) and is_visible(name)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training, besides the data and the seed."""

    name: str = "quick"
    about: str = ""
    """One line for people."""

    # The network
    network: str = "resnet18"
    """A name of `model.networks.table.NAMES`."""
    backbone: str = ""
    """Begin with the weights of this one of `resources/backbones`; empty: from chance."""
    activation: Literal["log", "leaky_relu"] = "log"
    """After the first convolution: Eq. 11 or LeakyReLU."""
    alpha: Amount = 0.2
    """Scale of the logarithmic activation."""
    leak: Share = 0.2
    """Slope of every LeakyReLU for negative input."""
    fine_maps: bool = False
    """Leave out the last halving: heatmaps twice as fine, for more time a step."""
    half_turn: bool = False
    """Show the network also what a half turn of the shot changes, see
    `model.networks.architectures.HalfTurn`; one that begins from a backbone looks as that does."""
    weights: Literal["he", "unit"] = "he"
    """First random weights, see `model.networks.architectures.initialise`."""
    batchnorm_momentum: Share = 0.1
    """Weight of the newest batch in the running statistics."""

    # The input
    size: Positive = 224
    """Side of the network's input in pixels."""
    small: Count = 0
    """Side during the first `small_share` of the epochs, which makes them cheap; 0: `size`."""
    small_share: Share = 0.75
    first: Count = 0
    """Reduce to this side before the crop, 0: do not."""
    crop: Count = 0
    """Keep this centred square, 0: everything."""
    transform: Transform = "raw"
    """raw, unit, log or standardised, see `model.preprocessing.network_input`."""
    count_scale: bool = False
    """Bring the counts of every file to one pedestal and level, see
    `model.preprocessing.count_scale`; otherwise they go in as they are, as in the paper."""
    input: Input = "pattern"
    """pattern, or correlation: the shot's correlation map in its place; see `on_maps`."""

    # Changes of the training shots
    flips: bool = True
    """Mirror along each axis with probability 1/2."""
    quarter_turns: bool = False
    """Turn by a random multiple of 90°."""
    rotation: Amount = 0.0
    """Turn about the centre by up to this many degrees."""
    zoom: Annotated[float, Meta(ge=0.0, le=2.0)] = 0.0
    """Change the scale by a factor of up to exp(±zoom)."""
    shift: Share = 0.0
    """Move by up to this share of the side, along both axes."""
    smooth: Share = 0.0
    """Mix with the mean over 3×3 pixels, up to this share: as a larger detector, reduced."""
    brightness: Amount = 0.0
    """Largest change of brightness; see `tones`."""
    contrast: Share = 0.0
    """Largest relative change of contrast; see `tones`."""
    tones: Literal["linear", "log"] = "log"
    """log: counts times exp(±brightness), to the power 1 ± contrast. linear: (counts - mean) times
    1 ± contrast, plus mean ± brightness times mean."""
    shot_noise: Share = 0.0
    """Counting noise as if up to this share of the photons had been lost, 0: none."""
    read_noise: Amount = 0.0
    """Noise of the electronics of up to so many counts, 0: none."""
    other_detector: Share = 0.0
    """Share of the shots that lose what a detector with gaps, an edge, a beam stop or a disc does
    not see; a third as many get hot pixels."""

    # The loss
    rule_aware: bool = False
    """Likelihood over the legal label sets only, in place of independent sigmoids."""
    legal_answers: bool = True
    """Answer with a legal label set also where a sigmoid a class was learnt; otherwise each class
    by its own threshold, as in the paper."""
    class_weighting: Amount = 0.0
    """Positives of a class weigh (negatives/positives) to this power, at most 20."""
    prior: bool = False
    """Start the head's bias at the log-odds of each class among the training shots."""
    smoothing: Partial = 0.0
    """Label smoothing: labels become smoothing/2 and 1 - smoothing/2."""
    l1: Amount = 0.0
    l2: Amount = 0.0
    """Elastic net, Eq. 10: l1·‖w‖₁ + l2·‖w‖₂ over all trainable weights."""
    penalty_mean: bool = False
    """As the authors' code: l1·‖w‖₁ + l2·‖w‖²/2 of each convolution, averaged over the
    convolutions."""

    # The optimisation
    optimiser: Literal["sgd", "nesterov", "adamw"] = "sgd"
    rate: Amount = 0.1
    """Learning rate: at the start (steps) or at its peak (onecycle)."""
    gentle: Amount = 0.0
    """Where it begins with learned weights, the last layer is fitted first, and the body learns at
    a share of the rate, from a tenth up: at this power of what that layer leaves unexplained of the
    training shots, a third of that power where those are many, see `model.training.last_layer`.
    What tells these shots apart already is then bent, not overwritten. 0: all at the whole rate."""
    momentum: Partial = 0.9
    """For nesterov."""
    weight_decay: Amount = 0.0
    """Decoupled, of adamw."""
    schedule: Literal["steps", "onecycle"] = "steps"
    milestones: tuple[Count, ...] = ()
    """Epochs after which the rate is multiplied by `decay`."""
    decay: Share = 0.1
    batch: Positive = 48
    epochs: Positive = 200
    steps: Count = 0
    """At most about so many, so that many shots are seen less often, but at least a fifth of
    `epochs` times. 0: `epochs` whatever they take."""
    clip: Amount = 0.0
    """Largest norm of the gradient, 0: no bound."""
    ema: Partial = 0.0
    """Decay per step of the averaged weights that are evaluated and kept, 0: none."""
    patience: Count = 0
    """Stop after this many evaluations without a better one, 0: never."""

    # Judging
    evaluate_every: Count = 0
    """Steps between evaluations, at most 20 epochs; 0: after every epoch; NEVER: none. The last
    epoch is always evaluated."""
    tuning: Partial = 0.0
    """Share of the training shots kept aside to choose the best epoch, the thresholds and the
    temperature, where that is at least 100 shots. Otherwise `steps` keeps the epoch that is best
    on the evaluation shots, as the paper, and `onecycle` the last one."""
    precision: Literal["auto", "32", "bf16"] = "auto"
    """auto: bf16 where the machine multiplies it itself, else 32 bit: never by a stop-watch."""

    def preprocessing(self) -> Preprocessing:
        """What this recipe does to a shot before the network."""
        transform = "unit" if self.input == "correlation" else self.transform
        return Preprocessing(self.size, self.first, self.crop, transform, input=self.input)

    def on_maps(self, computed: bool = True) -> Recipe:
        """The same recipe for correlation maps, whose axes are q and q and whose range is 0..1.

        What turns, mirrors or brightens a pattern would make something else of a map: it is off.
        computed: make the maps of the shots; False where the shots are maps already.
        """
        return replace(
            self,
            input="correlation" if computed else "pattern",
            transform="unit",
            small=0,
            first=0,
            crop=0,
            flips=False,
            quarter_turns=False,
            rotation=0.0,
            zoom=0.0,
            brightness=0.0,
            contrast=0.0,
            shot_noise=0.0,
            read_noise=0.0,
            other_detector=0.0,
            shift=0.0,
            smooth=0.0,
        )

    def epochs_for(self, shots: int) -> int:
        """Epochs of a training on this many shots."""
        if not self.steps:
            return self.epochs
        within = round(self.steps * self.batch / max(shots, 1))
        return min(self.epochs, max(within, math.ceil(self.epochs / 5)))

    def side_at(self, epoch: int) -> int:
        """Side of the input in an epoch, counted from 0."""
        return self.small if self.small and epoch < self.small_share * self.epochs else self.size

    def cost_of(self, first: int, last: int) -> float:
        """Work of the epochs from `first` up to `last`, in epochs at full size."""
        return sum((self.side_at(e) / self.size) ** 2 for e in range(first, last))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for TOML and JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def deciding(self) -> dict[str, Any]:
        """The plain values that decide a training: all but its words."""
        return {k: v for k, v in self.to_dict().items() if k not in _WORDS}

    @property
    def digest(self) -> str:
        """A few letters that stand for `deciding`, for the keys of results that are kept."""
        text = json.dumps(self.deciding(), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], file: Path | None = None, *, trained: bool = False
    ) -> Recipe:
        """A recipe from plain values; missing ones keep their defaults.

        trained: a network was trained by it, with whatever numbers. Raises InputError for unknown
        settings, values of another type and, unless `trained`, numbers out of range and unknown
        networks.
        """
        found = cls(**checked_fields(values, cls, file=file, ranges=not trained))
        if not is_name(found.name):
            mend = f"Give it 1 to {LONGEST} letters on one line, without / and \\."
            raise InputError(f"{found.name[:40]!r} is no name of a recipe", file=file, mend=mend)
        if not trained:
            kind_of(found.network, file)
        return found

    def with_log_activation(self, on: bool) -> Recipe:
        """The same recipe with or without the logarithmic activation.

        Without it, raw counts are scaled to 0..1 as the authors' code does.
        """
        if on:
            return replace(self, activation="log")
        transform: Transform = "unit" if self.transform == "raw" else self.transform
        return replace(self, activation="leaky_relu", transform=transform)


_RECIPES = (
    Recipe(
        name="quick",
        about="In minutes: begins from simulated shots, small input, legal label sets only.",
        backbone="helium-resnet18",
        fine_maps=True,
        half_turn=True,
        size=112,
        transform="log",
        count_scale=True,
        activation="leaky_relu",
        rotation=180.0,
        zoom=0.1,
        brightness=0.4,
        contrast=0.1,
        rule_aware=True,
        class_weighting=0.3,
        smoothing=0.02,
        optimiser="adamw",
        rate=1e-3,
        weight_decay=0.05,
        schedule="onecycle",
        batch=32,
        epochs=14,
        steps=700,
        clip=5.0,
        ema=0.97,
        gentle=6.0,
        tuning=0.1,
    ),
    Recipe(
        name="best",
        about="As quick, but finer input, smaller batches, four times as long, a sigmoid a class.",
        backbone="helium-resnet18",
        fine_maps=True,
        half_turn=True,
        size=128,
        transform="log",
        count_scale=True,
        activation="leaky_relu",
        rotation=180.0,
        zoom=0.15,
        brightness=0.6,
        contrast=0.1,
        shot_noise=0.3,
        # and not rule_aware: by the ablation in resources/results; answers are legal all the same
        class_weighting=0.3,
        smoothing=0.02,
        optimiser="adamw",
        rate=6e-4,
        weight_decay=0.05,
        schedule="onecycle",
        batch=16,
        epochs=60,
        steps=5000,
        clip=5.0,
        ema=0.98,
        gentle=6.0,
        tuning=0.1,
    ),
    Recipe(
        name="paper",
        about="Zimmermann et al. 2019, section 3.1.5, as printed.",
        brightness=0.5,
        contrast=0.5,
        tones="linear",
        legal_answers=False,
        l1=1e-5,
        l2=1e-5,
        milestones=(50, 100, 150),
        evaluate_every=2500,
    ),
    Recipe(
        name="airynet",
        about="The choices of the authors' published code where it differs from their paper.",
        weights="unit",
        batchnorm_momentum=0.003,
        first=259,
        crop=256,
        legal_answers=False,
        l1=1e-5,
        l2=1e-5,
        penalty_mean=True,
        optimiser="nesterov",
        rate=0.1 * 48 / 128,
        milestones=(30, 60, 120, 150),
        evaluate_every=2500,
    ),
)
NAMES = tuple(recipe.name for recipe in _RECIPES)


def named(name: str) -> Recipe:
    """A recipe that comes with the program; InputError where there is none of that name."""
    for recipe in _RECIPES:
        if recipe.name == name:
            return recipe
    raise InputError(
        f"no recipe called {name!r}",
        mend=f"There are: {', '.join(NAMES)}; or give the path of a recipe in TOML.",
    )


def shipped_network() -> Path:
    """The network that comes with the program."""
    return backbone_folder(named("quick").backbone)


def read(path: Path | str) -> Recipe:
    """A recipe from its TOML file; InputError names the file and the mistake."""
    path = Path(path)
    text = text_of(path, mend="Choose a TOML file of a recipe.")
    return Recipe.from_dict(parsed_toml(text, path), path)


def to_toml(recipe: Recipe) -> str:
    """The recipe as TOML text, one setting a line."""
    import tomlkit

    return tomlkit.dumps(recipe.to_dict())
