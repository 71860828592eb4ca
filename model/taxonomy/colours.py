"""Colours that people tell apart however they see colours: Okabe and Ito (2008)."""

from __future__ import annotations

BLUE, SKY_BLUE, GREEN = "#0072B2", "#56B4E9", "#009E73"
ORANGE, VERMILION, YELLOW, PURPLE = "#E69F00", "#D55E00", "#F0E442", "#CC79A7"
VIOLET = "#8C6BB1"
"""Not theirs: an eighth where black is taken."""
