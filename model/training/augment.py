"""Random changes of a batch of training shots: what a pattern could as well have looked like.

Works on linear counts (B, 1, h, w) on any device, before the input transform. Every random number
comes from the generator that is given, so that a training can be repeated and resumed exactly.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from model.runs.recipes import Recipe


def augment(counts: Tensor, recipe: Recipe, random: torch.Generator) -> Tensor:
    """A changed copy of the counts (B, 1, h, w), as the recipe says; square where it turns."""
    if recipe.flips:
        counts = _flip(_flip(counts, 2, random), 3, random)
    if recipe.quarter_turns:
        counts = _quarter_turns(counts, random)
    if recipe.rotation or recipe.zoom or recipe.shift:
        counts = _move(counts, recipe.rotation, recipe.zoom, recipe.shift, random)
    if recipe.smooth:
        counts = _smooth(counts, recipe.smooth, random)
    if recipe.brightness or recipe.contrast:
        tones = _linear_tones if recipe.tones == "linear" else _log_tones
        counts = tones(counts, recipe.brightness, recipe.contrast, random)
        if recipe.transform in ("log", "standardised"):  # linear tones can leave negative counts
            counts = counts.clamp(min=0)
    if recipe.shot_noise:
        counts = _shot_noise(counts, recipe.shot_noise, random)
    return counts


def _uniform(counts: Tensor, low: float, high: float, random: torch.Generator) -> Tensor:
    """(B, 1, 1, 1) uniform random numbers on the device of the counts."""
    numbers = torch.rand(len(counts), 1, 1, 1, generator=random)
    return (low + (high - low) * numbers).to(counts.device)


def _flip(counts: Tensor, axis: int, random: torch.Generator) -> Tensor:
    chosen = (torch.rand(len(counts), 1, 1, 1, generator=random) < 0.5).to(counts.device)
    return torch.where(chosen, counts.flip(axis), counts)


def _quarter_turns(counts: Tensor, random: torch.Generator) -> Tensor:
    chosen = (torch.rand(len(counts), 1, 1, 1, generator=random) < 0.5).to(counts.device)
    # with the flips, exchanging the axes of half of the shots gives all eight symmetries
    return torch.where(chosen, counts.transpose(2, 3), counts)


def _move(
    counts: Tensor, degrees: float, zoom: float, shift: float, random: torch.Generator
) -> Tensor:
    """Turn about the centre, change the scale, as another droplet size or wavelength would, and
    shift, as another position of the beam would."""
    angle = _uniform(counts, -degrees, degrees, random).flatten() * (math.pi / 180)
    scale = (_uniform(counts, -zoom, zoom, random).flatten()).exp()
    cos, sin, zero = angle.cos() * scale, angle.sin() * scale, torch.zeros_like(angle)
    down, right = zero, zero
    if shift:
        down, right = (_uniform(counts, -shift, shift, random).flatten() for _ in range(2))
    turn = (
        torch.stack([cos, -sin, 2 * right, sin, cos, 2 * down], 1).view(-1, 2, 3).to(counts.dtype)
    )
    grid = F.affine_grid(turn, list(counts.shape), align_corners=False)
    # beyond the edge the background goes on; zeros there would be a shape of their own
    return F.grid_sample(counts, grid, "bilinear", "border", align_corners=False)


def _smooth(counts: Tensor, most: float, random: torch.Generator) -> Tensor:
    """A random share, up to `most`, of the mean over 3×3 pixels: the smaller noise of a larger
    detector that was reduced to the same size."""
    share = _uniform(counts, 0.0, most, random)
    mean = F.avg_pool2d(counts, 3, 1, 1, count_include_pad=False)
    return torch.lerp(counts, mean, share)


def _log_tones(
    counts: Tensor, brightness: float, contrast: float, random: torch.Generator
) -> Tensor:
    """log counts times 1 ± contrast, plus ± brightness: another exposure and another falloff."""
    gain = _uniform(counts, -brightness, brightness, random).exp()
    power = _uniform(counts, 1 - contrast, 1 + contrast, random)
    changed = (counts.clamp(min=0).log1p() * power).expm1() if contrast else counts
    return changed * gain


def _linear_tones(
    counts: Tensor, brightness: float, contrast: float, random: torch.Generator
) -> Tensor:
    """Random contrast about the mean of each shot, then a random offset, in counts."""
    mean = counts.mean((2, 3), keepdim=True)
    scale = _uniform(counts, 1 - contrast, 1 + contrast, random)
    offset = _uniform(counts, -brightness, brightness, random)
    return (counts - mean) * scale + mean * (1 + offset)


def _shot_noise(counts: Tensor, most: float, random: torch.Generator) -> Tensor:
    """Noise as if a share of up to `most` of the photons had not been counted (normal limit)."""
    lost = _uniform(counts, 0.0, most, random)
    noise = torch.randn(counts.shape, generator=random).to(counts.device)
    variance = counts.clamp(min=0) * lost / (1 - lost).clamp(min=0.05)
    return (counts + noise * variance.sqrt()).clamp(min=0)
