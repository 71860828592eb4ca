"""The numbers that Zimmermann et al. 2019 print in Tables 1, 3 to 6, 9 and 10, and what they allow.

All of Tables 3 to 10 are the greatest values seen during a training, each number on its own. Where
two printed numbers cannot both be right, a function here works it out from the numbers themselves.
Nothing here was measured by us.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

Numbers = Mapping[str, float]

SHOTS = 7264
CLASSES = {
    "Spherical/Oblate": 6589,
    "Round": 5792,
    "Elliptical": 796,
    "Newton Rings": 460,
    "Prolate": 453,
    "Bent": 390,
    "Asymmetric": 367,
    "Streak": 242,
    "Double Rings": 218,
    "Layered": 47,
    "Empty": 222,
}
"""Table 1: labels of each class. Its Empty counts 11 shots without a superclass as well: the
published label matrix (CXIDB entry 94) has 211."""
PERCENT = dict(
    zip(CLASSES, (90.7, 79.7, 11.0, 6.3, 6.2, 5.4, 5.1, 3.3, 3.0, 0.7, 3.1), strict=True)
)
"""As Table 1 prints them (Layered would be 0.6)."""
PUBLISHED_EMPTY = 211
BROKEN = {
    "Spherical/Oblate and Prolate exclude each other": 0,
    "Round and Elliptical exclude each other": 0,
    "Round without Spherical/Oblate": 0,
    "Elliptical without Spherical/Oblate": 0,
    "Empty stands alone": 0,
    "Streak or Bent never with Spherical/Oblate": 0,
    "neither Spherical/Oblate nor Prolate, and not Empty": 11,
    "Streak without Prolate": 6,
    "Bent without Prolate": 4,
    "Double Rings without Spherical/Oblate": 7,
    "Spherical/Oblate without Round or Elliptical": 1,
}
"""Rows of the published label matrix that break each rule of our helium taxonomy."""
TRAINING, JUDGING = 6174, 1090
"""Table 5 and 15 % of all shots."""
CONSTANT = {"accuracy": 0.933, "precision": 0.852, "recall": 0.795}
"""Always "Spherical/Oblate + Round", on the 7,264 published labels."""
NOTHING = {"accuracy": 0.805, "recall": 0.0}
"""No class at all, on the published labels."""
BOBKOV = {"confident_accuracy": 0.87}
"""Bobkov et al. 2015, support vector machine, only where its confidence exceeds .75; CXIDB data."""


def _three(accuracy: float, precision: float, recall: float) -> dict[str, float]:
    return {"accuracy": accuracy, "precision": precision, "recall": recall}


def _timed(three: Numbers, until_best: float, full: float) -> dict[str, float]:
    return {**three, "hours_best": until_best, "hours": full}


NETWORKS: dict[str, dict[str, Numbers]] = {
    "helium": {
        "resnet18": _timed(_three(0.955, 0.918, 0.866), 0.231, 0.694),
        "resnet50": _timed(_three(0.958, 0.917, 0.864), 0.605, 1.814),
        "resnet101": _timed(_three(0.964, 0.925, 0.878), 0.940, 2.820),
        "vgg16": _timed(_three(0.958, 0.923, 0.867), 3.271, 6.541),
        "vgg19": _timed(_three(0.959, 0.920, 0.867), 6.615, 6.726),
    },
    "cxidb": {
        "resnet18": _timed(_three(0.967, 0.932, 0.933), 0.278, 0.668),
        "resnet50": _timed(_three(0.973, 0.937, 0.937), 1.205, 1.807),
        "resnet101": _timed(_three(0.978, 0.949, 0.941), 1.093, 2.623),
        "vgg16": _timed(_three(0.970, 0.944, 0.904), 4.374, 6.562),
        "vgg19": _timed(_three(0.970, 0.943, 0.904), 4.480, 6.720),
    },
}
"""Table 9, and Table 3 with its ResNet-18: two GTX 1080 Ti, 200 epochs."""
ACTIVATIONS = {
    0.2: _three(0.965, 0.922, 0.870),
    0.5: _three(0.960, 0.920, 0.870),
    1.0: _three(0.959, 0.922, 0.868),
    None: _three(0.955, 0.918, 0.867),
}
"""Table 4: alpha of the logarithmic activation, None for the unmodified ResNet-18."""
SIZES = {
    1.0: _three(0.965, 0.922, 0.870),
    0.75: _three(0.915, 0.821, 0.771),
    0.5: _three(0.829, 0.740, 0.679),
    0.25: _three(0.797, 0.673, 0.593),
}
"""Table 5: share of the 6,174 training shots."""
NOISE = {
    ("", "correlation"): _three(0.950, 0.901, 0.838),
    ("", "pattern"): _three(0.965, 0.922, 0.870),
    ("mean", "correlation"): _three(0.948, 0.897, 0.833),
    ("mean", "pattern"): _three(0.954, 0.910, 0.853),
    ("mean+std", "correlation"): _three(0.946, 0.893, 0.823),
    ("mean+std", "pattern"): _three(0.944, 0.887, 0.815),
    ("max", "correlation"): _three(0.944, 0.905, 0.814),
    ("max", "pattern"): _three(0.926, 0.865, 0.808),
}
"""Table 6: (noise level, input)."""
PER_CLASS = {
    "Spherical/Oblate": _three(0.9681, 0.9770, 0.9965) | {"shots": 988},
    "Round": _three(0.9166, 0.9247, 0.9849) | {"shots": 869},
    "Elliptical": _three(0.9231, 0.8054, 0.4836) | {"shots": 119},
    "Newton Rings": _three(0.9352, 0.6325, 0.2282) | {"shots": 69},
    "Prolate": _three(0.9690, 0.9274, 0.6777) | {"shots": 68},
    "Bent": _three(0.9657, 0.8161, 0.6487) | {"shots": 59},
    "Asymmetric": _three(0.9458, 0.6044, 0.2207) | {"shots": 55},
    "Streak": _three(0.9898, 0.9372, 0.9876) | {"shots": 36},
    "Double Rings": _three(0.9768, 0.7708, 0.6788) | {"shots": 33},
    "Layered": _three(0.9896, 0.9062, 0.6170) | {"shots": 7},
    "Empty": _three(0.9904, 0.9537, 0.9763) | {"shots": 32},
}
"""Table 10: ResNet-101; its "Oblate" and "Spherical" are Spherical/Oblate and Round."""
POSITIVES = sum(int(row["shots"]) for row in PER_CLASS.values()) / (JUDGING * len(PER_CLASS))
"""Share of positive label cells among the paper's evaluation shots, by Table 10's last column."""


def most_accuracy(precision: float, recall: float, positives: float = POSITIVES) -> float:
    """The greatest accuracy that goes with this precision and recall, all micro.

    Misses are (1 - R) and false claims R (1/P - 1) of the positive cells. As each printed number
    is a maximum of its own, no single epoch can have been more accurate than this.
    """
    return 1 - positives * ((1 - recall) + recall * (1 / precision - 1))


def too_good(row: Numbers) -> bool:
    """Whether a row claims more accuracy than its precision and recall allow, rounding granted."""
    rounding = 0.0005
    allowed = most_accuracy(row["precision"] + rounding, row["recall"] + rounding)
    return row["accuracy"] - rounding > allowed


def macro_f1_of_table_10() -> float:
    """.736: the mean over the eleven classes of 2PR/(P + R)."""
    scores = [_f1(row["precision"], row["recall"]) for row in PER_CLASS.values()]
    return sum(scores) / len(scores)


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall)


def whole_shots(share: float, shots: int) -> bool:
    """Whether a share printed with four digits, cut or rounded, is a whole number of `shots`."""
    for count in (math.floor(share * shots), math.ceil(share * shots)):
        exact = count / shots
        if abs(exact - share) <= 0.5e-4 or math.floor(exact * 1e4 + 1e-9) == round(share * 1e4):
            return True
    return False


def recalls_that_fit() -> tuple[int, int]:
    """How many of Table 10's recalls are a whole number of shots: of the evaluation shots that its
    last column counts, and of all shots of the class in the whole data set.
    """
    everywhere = CLASSES | {"Empty": PUBLISHED_EMPTY}
    evaluation = sum(whole_shots(r["recall"], int(r["shots"])) for r in PER_CLASS.values())
    whole = sum(whole_shots(r["recall"], everywhere[n]) for n, r in PER_CLASS.items())
    return evaluation, whole
