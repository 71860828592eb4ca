"""The forms of heat by name: what each asks of the network. A table; nothing is computed here."""

from __future__ import annotations

from dataclasses import dataclass

UNSEEN = 0.02
"""A class less likely than this is not seen by the network: there is nothing to explain."""
BEST = ""
"""Stands for the form that did best for a class, see `model.heatmaps.truth_table`."""


@dataclass(frozen=True)
class FormOfHeat:
    """`title` and `short` on screen; `asks`, one line; `stored`: kept for every shot in
    predictions.h5."""

    title: str
    short: str
    asks: str
    stored: bool = False


HEAT_FORMS: dict[str, FormOfHeat] = {
    "paper": FormOfHeat(
        "Grad-CAM++, the paper's form",
        "Grad-CAM++",
        "Which of the last, coarse cells speak for the class? Zimmermann et al., Eq. 19–20.",
        stored=True,
    ),
    "chattopadhay": FormOfHeat(
        "Grad-CAM++, Chattopadhay's form",
        "Grad-CAM++ (Chattopadhay)",
        "The same by the original formula: positive parts only.",
        stored=True,
    ),
    "difference": FormOfHeat(
        "Difference to its rings",
        "difference to its rings",
        "What in this shot, and not in the median of its rings, speaks for the class?",
    ),
    "sectors": FormOfHeat(
        "Sectors",
        "sectors",
        "Which directions, shown alone on the median of the rings, bring the class back?",
    ),
    "directed": FormOfHeat(
        "Difference, by sectors",
        "difference, by sectors",
        "Both at once: hot where the difference speaks, in directions that bring the class back.",
    ),
}
"""By name, coarse and classical first."""
