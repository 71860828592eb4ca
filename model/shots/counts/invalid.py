"""Counts that are no counts: what detectors write into gaps, dead and saturated pixels.

The rule, by the type of the numbers: the largest unsigned number of 16 bits or more (gaps of Eiger
and Jungfrau, saturation of a 16-bit camera), -1 and -2 where nothing else is negative and the least
signed number (Pilatus, CBF), NaN and infinity. Other negative counts are noise about a pedestal
that was subtracted: they stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

GAP = float(2**32 - 1)
"""The marker of 32-bit counters, also after someone made floating-point numbers of it."""
PILATUS = (-1, -2)


def invalid(counts: npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
    """(y, x) True at pixels whose number is a marker; None where there is none such."""
    kind, size = counts.dtype.kind, counts.dtype.itemsize
    if not counts.size:
        return None
    if kind == "u" and size >= 2:
        largest = np.iinfo(counts.dtype).max
        return counts == largest if counts.max() == largest else None
    if kind == "i":
        lowest = counts.min()
        if lowest >= 0:
            return None
        least = np.iinfo(counts.dtype).min
        if lowest == least:
            return counts == least
        return counts < 0 if int(lowest) in PILATUS else None
    if kind == "f":
        with np.errstate(invalid="ignore"):
            bad = ~np.isfinite(counts)
        if float(np.finfo(counts.dtype).max) > GAP:
            bad |= counts == counts.dtype.type(GAP)
        return bad if bad.any() else None
    return None


def said(dtype: np.dtype[Any], first: npt.NDArray[Any]) -> str:
    """What a person should know of the markers in a first shot; '' without."""
    bad = invalid(first)
    if bad is None:
        return ""
    values = np.unique(first[bad].astype(np.float64))
    names = ", ".join(f"{v:.0f}" if np.isfinite(v) else str(v) for v in values[:3])
    return f"{int(bad.sum()):,} pixels of the first shot hold {names} ({dtype}): masked"
