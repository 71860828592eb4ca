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
    if recipe.read_noise:
        counts = _read_noise(counts, recipe.read_noise, random)
    if recipe.other_detector:
        counts = _hot_pixels(counts, recipe.other_detector / 3, random)
        counts = counts * _seen(counts, recipe.other_detector, random)
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


def _read_noise(counts: Tensor, most: float, random: torch.Generator) -> Tensor:
    """Noise of the electronics of up to `most` counts, mostly little."""
    deviation = _uniform(counts, 0.0, 1.0, random) ** 3 * most
    noise = torch.randn(counts.shape, generator=random).to(counts.device)
    return (counts + noise * deviation).clamp(min=0)


def _hot_pixels(counts: Tensor, share: float, random: torch.Generator) -> Tensor:
    """In a share of the shots up to one pixel in a hundred counts anything up to 2^16."""
    among = _uniform(counts, 0.0, 0.01, random) * (_uniform(counts, 0.0, 1.0, random) < share)
    hot = torch.rand(counts.shape, generator=random).to(counts.device) < among
    value = torch.exp2(16 * torch.rand(counts.shape, generator=random).to(counts.device))
    return torch.where(hot, torch.maximum(counts, value), counts)


def _seen(counts: Tensor, share: float, random: torch.Generator) -> Tensor:
    """(B, 1, h, w) 0 where the detector of a shot, in a share of them, is blind: along gaps between
    panels, beyond an edge on one side, behind a beam stop, or outside a disc."""
    y, x = (axis.to(counts.device) for axis in _places(counts))
    turned = _uniform(counts, 0.0, 1.0, random) < 0.5
    across, along = torch.where(turned, x, y), torch.where(turned, y, x)

    def draw(low: float, high: float) -> Tensor:
        return _uniform(counts, low, high, random)

    period, first, gap = draw(0.25, 1.5), draw(-1.0, 1.0), draw(0.01, 0.12)
    panels = torch.remainder(across - first, period) < gap
    crossed = torch.remainder(along - draw(-1.0, 1.0), period) < gap
    panels = panels | crossed & (draw(0.0, 1.0) < 0.5)
    beyond = across * torch.where(draw(0.0, 1.0) < 0.5, 1, -1) > draw(0.0, 1.0)
    middle = draw(0.05, 0.22)
    stop = torch.where(draw(0.0, 1.0) < 0.5, torch.maximum(x.abs(), y.abs()), torch.hypot(x, y))
    stalk = (along.abs() < draw(0.01, 0.05)) & (across > 0) & (draw(0.0, 1.0) < 0.5)
    kind = draw(0.0, 4.0)
    blind = torch.where(kind < 1, panels, beyond)
    blind = torch.where(kind < 2, blind, (stop < middle) | stalk)
    blind = torch.where(kind < 3, blind, torch.hypot(x, y) > draw(0.7, 1.1))
    return (~(blind & (draw(0.0, 1.0) < share))).to(counts.dtype)


def _places(counts: Tensor) -> tuple[Tensor, Tensor]:
    """y (1, 1, h, 1) and x (1, 1, 1, w) of the pixels, -1..1 from edge to edge."""
    height, width = counts.shape[2:]
    y = (torch.arange(height) + 0.5) * (2 / height) - 1
    x = (torch.arange(width) + 0.5) * (2 / width) - 1
    return y.view(1, 1, -1, 1), x.view(1, 1, 1, -1)
