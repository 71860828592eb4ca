"""Bands in which a share should stay, and whether it has left one. Never loads torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from model.errors import InputError
from model.taxonomy.taxonomy import plain

HITS = "hits"
"""The name of the share of shots that are hits, beside the names of the classes."""
FEWEST = 20
"""Shots without which no share is called out of its band."""

Share = tuple[float, float, float]
"""A share with its lower and upper bound (Wilson, 95 %)."""
UNKNOWN: Share = (math.nan, 0.0, 1.0)


@dataclass(frozen=True)
class Band:
    """A share of a class, or of hits, should stay within low … high."""

    name: str
    low: float
    high: float

    def left_by(self, share: Share, shots: int) -> bool:
        """Whether the share is outside so clearly that its whole interval is."""
        return shots >= FEWEST and (share[2] < self.low or share[1] > self.high)

    def words(self) -> str:
        """For people."""
        return f"{100 * self.low:.0f} … {100 * self.high:.0f} %"


def parse(text: str, class_names: Iterable[str]) -> Band:
    """`Streak=0.1..0.3`, or `hits=5%..60%`; InputError where it means nothing."""
    name, _, limits = text.partition("=")
    low, _, high = limits.partition("..")
    known = {plain(n): n for n in (*class_names, HITS)}
    try:
        band = Band(known[plain(name)], _share(low, 0.0), _share(high, 1.0))
    except KeyError as error:
        mend = f"Names: {', '.join(known.values())}."
        raise InputError(f"the band {text!r} is of no class", mend=mend) from error
    except ValueError as error:
        mend = "Write it like Streak=0.1..0.3, or hits=5%..60%."
        raise InputError(f"the band {text!r} has no limits", mend=mend) from error
    if not 0 <= band.low < band.high <= 1:
        raise InputError(f"the band {text!r} is empty", mend="Write the lower limit first.")
    return band


def _share(text: str, missing: float) -> float:
    text = text.strip()
    if not text:
        return missing
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


class Alarms:
    """Which bands are left now; `look` says what has changed since the last look."""

    def __init__(self, bands: Iterable[Band]) -> None:
        self.bands = tuple(bands)
        self.left: set[str] = set()

    def look(
        self, shares: Mapping[str, Share], shots: Mapping[str, int]
    ) -> list[tuple[Band, bool]]:
        """Bands that were left (True) or come back to (False); `shots` by the name of a share.

        A band counts as left until the share itself is inside again.
        """
        changed = []
        for band in self.bands:
            if band.name not in shares:
                continue
            share = shares[band.name]
            if band.name in self.left:
                if band.low <= share[0] <= band.high:
                    self.left.discard(band.name)
                    changed.append((band, False))
            elif band.left_by(share, shots.get(band.name, 0)):
                self.left.add(band.name)
                changed.append((band, True))
        return changed
