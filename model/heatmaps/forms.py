"""The forms of heat by name: what each asks of the network. A table; nothing is computed here."""

from __future__ import annotations

from dataclasses import dataclass

UNSEEN = 0.02
"""A class less likely than this is not seen by the network: there is nothing to explain."""
BEST = ""
"""Stands for the form that did best for a class, see `model.heatmaps.truth_table`."""
BEST_WORD = "best"
"""The same on the command line."""


@dataclass(frozen=True)
class FormOfHeat:
    """`title` and `short` on screen; `asks`, one line; `none`: what it means where there is no
    heat; `stored`: kept for every shot in predictions.h5."""

    title: str
    short: str
    asks: str
    none: str = "Nothing in this shot speaks for this class."
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
        "Chattopadhay",
        "The same by the original formula: positive parts only.",
        stored=True,
    ),
    "directions": FormOfHeat(
        "Directions shown alone",
        "directions alone",
        "Which lines through the centre, shown alone on the shot's rings, bring the class back?",
        "The network would say this of the shot's rings alone: no direction speaks for it.",
    ),
    "repeated": FormOfHeat(
        "Directions repeated all around",
        "directions repeated",
        "Which directions, repeated all around, would be this class?",
        "Every direction, repeated all around, is alike for this class: no place stands out.",
    ),
}
"""By name, coarse and classical first."""
