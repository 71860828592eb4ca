"""The detector: from a far field to the counts that a multichannel plate and its camera record.

Flat detector, central hole with the shadow of its support, photon statistics, gain, saturation,
stray light, bad pixels, read noise. What lies in the focus is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from model.errors import InputError
from model.simulate.scattering import FarField

Plane = npt.NDArray[np.float32]

DISTANCE_M = 0.065
PLATE_RADIUS_M = 0.0375
"""Radius of the multichannel plate: 30 degrees at 65 mm."""
SMALLEST, LARGEST = 32, 2048
NOISE = {"none": 0.0, "low": 0.4, "normal": 1.0, "high": 3.0}
"""Named levels: factors of stray light and read noise. Photons stay photons at every level."""


@dataclass(frozen=True)
class Detector:
    """What stays the same for a whole set: size (pixels a side), geometry, fixed defects."""

    size: int = 224
    hole_m: float = 0.0019
    dead: int = 12
    hot: int = 8
    seed: int = 0
    noise: float = 1.0
    """Factor of stray light and read noise."""
    plate_m: float = PLATE_RADIUS_M
    """Radius of what is lit, beyond the image's corners for a square detector."""
    blur: float = 0.5
    """Deviation of the point spread, in pixels of a 224 px image."""
    masked: bool = False
    """Whether what lies off the plate, in the hole and on defects is 0, as behind a mask."""

    def __post_init__(self) -> None:
        if not SMALLEST <= self.size <= LARGEST:
            raise InputError(
                f"patterns of {self.size} pixels a side cannot be simulated",
                mend=f"Choose a size between {SMALLEST} and {LARGEST}.",
            )

    @property
    def pixel_m(self) -> float:
        """Pixel pitch: the plate fills the image but for a small dark margin."""
        return 2 * PLATE_RADIUS_M * 1.03 / self.size

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the plate (y, x) in pixels; the beam may pass beside it."""
        return (self.size - 1) / 2, (self.size - 1) / 2

    def defects(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Flat positions of dead and of hot pixels; their number grows with the area."""
        rng = np.random.default_rng([self.seed, 77])
        area = (self.size / 224) ** 2
        dead, hot = (max(n > 0, round(n * area)) for n in (self.dead, self.hot))
        places = rng.choice(self.size**2, dead + hot, replace=False)
        return places[:dead], places[dead:]

    def _offset(self, centre: tuple[float, float]) -> tuple[Plane, Plane]:
        axis = np.arange(self.size, dtype=np.float32)
        return (axis - np.float32(centre[0]))[:, None], (axis - np.float32(centre[1]))[None, :]

    def plate(self) -> npt.NDArray[np.bool_]:
        """(y, x) True where the plate is."""
        dy, dx = self._offset(self.centre)
        return np.asarray(dy * dy + dx * dx <= (self.plate_m / self.pixel_m) ** 2)

    def hole(self) -> npt.NDArray[np.bool_]:
        """(y, x) True inside the central hole."""
        dy, dx = self._offset(self.centre)
        return np.asarray(dy * dy + dx * dx <= (self.hole_m / self.pixel_m) ** 2)

    def good(self) -> npt.NDArray[np.bool_]:
        """(y, x) True where a pixel can be trusted: on the plate, no hole, no defect."""
        mask = self.plate() & ~self.hole()
        for places in self.defects():
            mask.flat[places] = False
        return mask


@dataclass(frozen=True)
class Exposure:
    """What changes from shot to shot on the detector."""

    photons: float
    """Expected number of scattered photons that the plate detects."""
    centre: tuple[float, float]
    """Where the beam passes (y, x), pixels."""
    gain: float = 6.0
    """Mean counts a photon."""
    spread: bool = True
    """Whether the counts of a photon are spread exponentially, as behind a multichannel plate."""
    stray: float = 0.0
    """Stray light at the middle of the plate, counts a pixel."""
    stray_slope: float = 0.0
    """Its relative change from the middle to the rim, along `stray_angle` (radians)."""
    stray_angle: float = 0.0
    offset: float = 8.0
    read_noise: float = 1.5
    saturation: float = 45000.0
    """Counts that the plate and the screen cannot exceed: c becomes s(1 - exp(-c/s))."""
    shadow: float = 0.5
    """Light that the shadow of the hole's support takes away."""
    shadow_angle: float = 2.0


def directions(
    detector: Detector, centre: tuple[float, float], wavelength: float
) -> tuple[Plane, Plane, Plane]:
    """Of every pixel: sinθ·sinφ, sinθ·cosφ, and the intensity factor of a flat detector.

    x = d·tanθ·cosφ, and the factor (k₀/d)²(K_z/k₀)³ reduces to cos³θ when the number of photons
    on the plate is given.

    Raises InputError where the centre lies outside the image.
    """
    if not all(0 <= c <= detector.size - 1 for c in centre):
        raise InputError(
            f"the centre {centre[0]:.1f}, {centre[1]:.1f} (y, x) lies outside the image of"
            f" {detector.size} pixels",
            mend="Give a centre inside it.",
        )
    scale = np.float32(detector.pixel_m / DISTANCE_M)
    dy, dx = (d * scale for d in detector._offset(centre))
    cosine = 1 / np.sqrt(1 + dy * dy + dx * dx)
    return dy * cosine, dx * cosine, cosine**3


def sample(
    far: FarField, up: Plane, across: Plane, where: npt.NDArray[np.bool_]
) -> npt.NDArray[np.complex64]:
    """The far field (P,) at the pixels `where`, by cubic splines on its real and imaginary part."""
    step = far.sines[1] - far.sines[0]
    places = np.stack([up[where], across[where]]).astype(np.float32)
    places -= np.float32(far.sines[0])
    places /= np.float32(step)
    parts = [
        ndimage.map_coordinates(part, places, np.float32, order=3, mode="nearest")
        for part in (far.amplitude.real, far.amplitude.imag)
    ]
    return np.asarray(parts[0] + np.complex64(1j) * parts[1])


def expose(
    intensity: Plane, detector: Detector, exposure: Exposure, rng: np.random.Generator
) -> npt.NDArray[np.uint16]:
    """(y, x) counts from the relative intensity (y, x), 0 off the plate.

    Photons are Poisson, the plate multiplies each by an exponentially distributed gain, the
    screen blurs a little and saturates, the camera adds its offset and noise.
    """
    plate = detector.plate()
    total = float(intensity.sum(dtype=np.float64))
    light = intensity * np.float32(exposure.photons / total) if total > 0 else 0 * intensity
    light *= _shade(detector, exposure)
    light = light + _stray(detector, exposure) * plate / np.float32(exposure.gain)
    electrons = rng.poisson(light).astype(np.float32)
    counts = rng.standard_gamma(electrons, dtype=np.float32) if exposure.spread else electrons
    counts *= np.float32(exposure.gain)
    counts = ndimage.gaussian_filter(counts, detector.blur * detector.size / 224, truncate=3)
    limit = np.float32(exposure.saturation)
    counts = limit * -np.expm1(-counts / limit)
    noise = rng.standard_normal(counts.shape, dtype=np.float32)
    counts += np.float32(exposure.offset) + np.float32(exposure.read_noise) * noise
    dead, hot = detector.defects()
    counts.flat[dead] = 0
    counts.flat[hot] = np.float32(limit) * (0.1 + 0.9 * rng.random(hot.size, dtype=np.float32))
    if detector.masked:
        counts[~detector.good()] = 0
    return np.rint(np.clip(counts, 0, 65535)).astype(np.uint16)


def _shade(detector: Detector, exposure: Exposure) -> Plane:
    """(y, x) 0 in the hole, less than 1 in the shadow of its support, soft at the hole's edge."""
    dy, dx = detector._offset(detector.centre)
    away = np.sqrt(dy * dy + dx * dx)
    rim = np.float32(detector.hole_m / detector.pixel_m)
    shade = np.clip((away - rim) / np.float32(detector.size / 224) + 0.5, 0, 1)
    c, s = np.cos(exposure.shadow_angle), np.sin(exposure.shadow_angle)
    along, beside = dx * np.float32(c) + dy * np.float32(s), dy * np.float32(c) - dx * np.float32(s)
    width, length = np.float32(detector.size / 90), np.float32(detector.size / 8)
    dip = np.exp(-((beside / width) ** 2)) * np.exp(-np.maximum(along, 0) / length)
    return np.asarray(shade * (1 - np.float32(exposure.shadow) * dip * (along > 0)), np.float32)


def _stray(detector: Detector, exposure: Exposure) -> Plane:
    """(y, x) counts of stray light: a slope across the plate and a halo round the hole."""
    dy, dx = (d / np.float32(detector.size / 2) for d in detector._offset(detector.centre))
    c, s = np.cos(exposure.stray_angle), np.sin(exposure.stray_angle)
    slope = 1 + np.float32(exposure.stray_slope) * (np.float32(c) * dx + np.float32(s) * dy)
    halo = 2 * np.exp(-(dy * dy + dx * dx) / np.float32(0.02))
    return np.maximum(np.float32(exposure.stray) * (slope + halo), 0).astype(np.float32)
