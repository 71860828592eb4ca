"""Why there is no heat of a class on a shot, in a sentence: in whatever form, it would be noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.heatmaps.forms import HEAT_FORMS, UNSEEN
from model.heatmaps.geometry import EVEN
from model.taxonomy.same_classes import place_among
from model.taxonomy.taxonomy import EMPTY, Taxonomy

UNREAD = "The network could not read this shot."
FLAT = "The heat is about the same everywhere: no place stands out."
FLATNESS = 0.75
"""Where no heat is less than this share of the hottest, no contour is drawn."""


def no_place(name: str, *taxonomies: Taxonomy | None) -> str:
    """Why nothing on the detector makes a class, so that it has no heat, in a sentence; else ''.

    taxonomies: in which the class may have another name, see `place_among`.
    """
    if place_among([EMPTY], name, *taxonomies) < 0:
        return ""
    return f"{name} is the lack of every feature: nothing on the detector makes it."


def nothing_to_see(
    name: str, said: float, decided: bool, even: bool, *taxonomies: Taxonomy | None
) -> str:
    """Why heat of a class on a shot would be noise, in a sentence; else ''.

    said: its probability; decided: whether the run answers with it; even: whether the shot is the
    same everywhere; taxonomies: as for `no_place`.
    """
    if why := no_place(name, *taxonomies):
        return why
    if even:
        return EVEN
    if said < UNSEEN and not decided:
        return f"The network sees no {name} in this shot (p {said:.3f}): nothing to explain."
    return ""


def nothing_found(cells: npt.ArrayLike, form: str) -> str:
    """Why computed heat (h, w) of a class in a form shows no place, in a sentence; else ''."""
    heat = np.maximum(np.nan_to_num(np.asarray(cells, np.float32)), 0)
    hottest = float(heat.max(initial=0))
    if not hottest:
        return HEAT_FORMS[form].none
    return FLAT if float(heat.min()) >= FLATNESS * hottest else ""
