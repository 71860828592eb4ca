"""The forms of heat by name: what each asks of the network. A table; nothing is computed here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FormOfHeat:
    """`title` on screen; `asks`, one line; `stored`: kept for every shot in predictions.h5."""

    title: str
    asks: str
    stored: bool = False


HEAT_FORMS: dict[str, FormOfHeat] = {
    "paper": FormOfHeat(
        "Grad-CAM++, the paper's form",
        "Which of the last, coarse cells speak for the class? Zimmermann et al., Eq. 19–20.",
        stored=True,
    ),
    "chattopadhay": FormOfHeat(
        "Grad-CAM++, Chattopadhay's form",
        "The same by the original formula: positive parts only.",
        stored=True,
    ),
    "difference": FormOfHeat(
        "Difference to its rings",
        "What in this shot, and not in the median of its rings, speaks for the class?",
    ),
    "sectors": FormOfHeat(
        "Sectors",
        "Which directions, shown alone on the median of the rings, bring the class back?",
    ),
    "directed": FormOfHeat(
        "Difference, by sectors",
        "Both at once: hot where the difference speaks, in directions that bring the class back.",
    ),
}
"""By name, coarse and classical first."""
