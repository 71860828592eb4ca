"""Networks trained on simulated shots that come with the program, where other trainings begin.

Each is a run folder with weights in half precision, under `resources/backbones`. `make backbone`
makes it again from its seed. A backbone never decides on a shot itself.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from model.networks.architectures import Network
from model.runs import checkpoint
from model.runs.folder import backbone_folder as shipped
from model.runs.recipes import Recipe
from model.taxonomy.taxonomy import plain


def fits(recipe: Recipe) -> bool:
    """Whether the recipe names a backbone, and one of its own kind of network."""
    if not recipe.backbone:
        return False
    about = checkpoint.describe(shipped(recipe.backbone))
    return (about.network, about.recipe.activation) == (recipe.network, recipe.activation)


def begin(network: Network, recipe: Recipe, class_names: Sequence[str]) -> str:
    """Give a fresh network the weights of the recipe's backbone; returns what was done, in words.

    The head's rows of classes that the backbone knows by name come along; other classes keep
    what they have. A network of another kind stays as it is.
    """
    if not fits(recipe):
        kind = f"{recipe.network} ({recipe.activation})"
        return f"There is no backbone for {kind}: begun from chance."
    source, about = checkpoint.load(shipped(recipe.backbone))
    take_over(network, class_names, source, about.class_names)
    known = known_in_words(class_names, about.class_names)
    return f"Begun from the backbone {recipe.backbone}; {known}"


def known_in_words(class_names: Sequence[str], their_names: Sequence[str]) -> str:
    """How many classes a network knows by name, and which it never saw: ends a sentence."""
    theirs = {plain(name) for name in their_names}
    new = [name for name in class_names if plain(name) not in theirs]
    many = f"{len(class_names) - len(new)} of {len(class_names)} classes known by name"
    return f"{many}; it never saw {', '.join(new)}." if new else f"{many}."


def take_over(
    network: Network, class_names: Sequence[str], source: Network, their_names: Sequence[str]
) -> int:
    """Copy the body, and the head's rows of the classes that both know by name; how many."""
    network.body.load_state_dict(source.body.state_dict())
    theirs = {plain(name): i for i, name in enumerate(their_names)}
    known = [(i, theirs[plain(n)]) for i, n in enumerate(class_names) if plain(n) in theirs]
    if known:
        ours, there = (list(rows) for rows in zip(*known, strict=True))
        with torch.no_grad():
            network.head.linear.weight[ours] = source.head.linear.weight[there]
            network.head.linear.bias[ours] = source.head.linear.bias[there]
    return len(known)


def pack(run: Path, out: Path) -> None:
    """Write the network of a run folder in half precision as a backbone folder."""
    network, about = checkpoint.load(run)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint.save(out, network.half(), about)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
