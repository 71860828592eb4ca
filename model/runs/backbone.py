"""Networks trained on simulated shots that come with the program, where other trainings begin.

Each is a run folder with weights in half precision, under `resources/backbones`. `make backbone`
makes it again from its seed. A backbone never decides on a shot itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from model.networks.architectures import Network
from model.runs import checkpoint
from model.runs.folder import backbone_folder as shipped
from model.runs.recipes import Recipe
from model.taxonomy.same_classes import places_among
from model.taxonomy.taxonomy import Taxonomy


def fits(recipe: Recipe) -> bool:
    """Whether the recipe names a backbone, and one of its own kind of network."""
    if not recipe.backbone:
        return False
    about = checkpoint.describe(shipped(recipe.backbone))
    return (about.network, about.recipe.activation) == (recipe.network, recipe.activation)


def begin(network: Network, recipe: Recipe, classes: Taxonomy) -> str:
    """Give a fresh network of these classes the weights of the recipe's backbone; returns what was
    done, in words.

    The head's rows of classes that the backbone knows by name, of now or before, come along; other
    classes keep what they have. A network of another kind stays as it is.
    """
    if not fits(recipe):
        kind = f"{recipe.network} ({recipe.activation})"
        return f"There is no backbone for {kind}: begun from chance."
    source, about = checkpoint.load(shipped(recipe.backbone))
    take_over(network, classes, source, about.taxonomy)
    known = known_in_words(classes, about.taxonomy)
    return f"Begun from the backbone {recipe.backbone}; {known}"


def known_in_words(classes: Taxonomy, theirs: Taxonomy) -> str:
    """How many classes a network knows by name, and which it never saw: ends a sentence."""
    places = places_among(classes, theirs)
    new = [name for name, place in zip(classes.names, places, strict=True) if place < 0]
    many = f"{len(classes) - len(new)} of {len(classes)} classes known by name"
    return f"{many}; it never saw {', '.join(new)}." if new else f"{many}."


def take_over(network: Network, classes: Taxonomy, source: Network, theirs: Taxonomy) -> int:
    """Copy the body, and the head's rows of the classes that both know; how many."""
    network.body.load_state_dict(source.body.state_dict())
    places = places_among(classes, theirs)
    ours = np.flatnonzero(places >= 0)
    with torch.no_grad():
        network.head.linear.weight[ours] = source.head.linear.weight[places[ours]]
        network.head.linear.bias[ours] = source.head.linear.bias[places[ours]]
    return len(ours)


def pack(run: Path, out: Path) -> None:
    """Write the network of a run folder in half precision as a backbone folder."""
    network, about = checkpoint.load(run)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint.save(out, network.half(), about)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
