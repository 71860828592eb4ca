"""Where every thumbnail of the grid lies: arithmetic for any number of shots, without a widget.

Places count the shots as shown, from 0; lines are rows of thumbnails; sections have a heading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]
HEADING = 34
"""Height of a section's heading."""
AFTER = 10
"""Room below a section."""
MARGIN = 8


@dataclass(frozen=True)
class Heading:
    """A section's heading in sight, at y in the whole grid."""

    section: int
    y: int


@dataclass(frozen=True)
class GridRow:
    """One line of thumbnails in sight: its first place, how many, and its y in the whole grid."""

    first: int
    count: int
    y: int


class GridPlan:
    """Sections of `counts` shots in lines of as many cells of `pitch` pixels as `width` holds."""

    def __init__(self, counts: Sequence[int], width: int, pitch: int, *, headed: bool) -> None:
        self.pitch = pitch
        self.columns = max(1, (width - 2 * MARGIN) // pitch)
        self.heading = HEADING if headed else 0
        n = np.asarray(counts, np.int64).reshape(-1)
        lines = -(-n // self.columns)
        heights = self.heading + lines * pitch + (AFTER if headed else 0)
        self.first = np.concatenate([[0], np.cumsum(n)])
        """(S + 1,) first place of each section."""
        self.top = MARGIN + np.concatenate([[0], np.cumsum(heights)])
        """(S + 1,) y of each section."""
        self.left = max(MARGIN, (width - self.columns * pitch) // 2) if len(n) else MARGIN

    def __len__(self) -> int:
        return int(self.first[-1])

    @property
    def height(self) -> int:
        """Of the whole grid."""
        return int(self.top[-1]) + MARGIN

    def section_of(self, place: int) -> int:
        """The section that a place is in."""
        return int(np.searchsorted(self.first, place, "right")) - 1

    def corner(self, place: int) -> tuple[int, int]:
        """(x, y) of a cell in the whole grid."""
        s = self.section_of(place)
        line, column = divmod(place - int(self.first[s]), self.columns)
        y = int(self.top[s]) + self.heading + line * self.pitch
        return self.left + column * self.pitch, y

    def line_start(self, place: int) -> int:
        """The first place of the line that a place is in."""
        first = int(self.first[self.section_of(place)])
        return first + (place - first) // self.columns * self.columns

    def at(self, x: int, y: int) -> int | None:
        """The place under a point of the whole grid; None beside every cell."""
        s = int(np.searchsorted(self.top, y, "right")) - 1
        column = (x - self.left) // self.pitch
        if not 0 <= s < len(self.first) - 1 or not 0 <= column < self.columns:
            return None
        line = (y - int(self.top[s]) - self.heading) // self.pitch
        place = int(self.first[s]) + line * self.columns + column
        return place if line >= 0 and place < self.first[s + 1] else None

    def heading_at(self, y: int) -> int | None:
        """The section whose heading is at a height of the whole grid."""
        s = int(np.searchsorted(self.top, y, "right")) - 1
        inside = 0 <= s < len(self.first) - 1 and y < self.top[s] + self.heading
        return s if inside else None

    def between(self, start: int, end: int) -> Iterator[Heading | GridRow]:
        """Headings and lines that lie anywhere in y = start … end, from top to bottom."""
        s = max(int(np.searchsorted(self.top, start, "right")) - 1, 0)
        while s < len(self.first) - 1 and self.top[s] < end:
            top = int(self.top[s])
            if self.heading and top + self.heading > start:
                yield Heading(s, top)
            y0 = top + self.heading
            first, last = int(self.first[s]), int(self.first[s + 1])
            line = max((start - y0) // self.pitch, 0)
            while first + line * self.columns < last and y0 + line * self.pitch < end:
                place = first + line * self.columns
                yield GridRow(place, min(self.columns, last - place), y0 + line * self.pitch)
                line += 1
            s += 1

    def within(self, x0: int, y0: int, x1: int, y1: int) -> Places:
        """Places of all cells that a rectangle touches."""
        c0 = max((x0 - self.left) // self.pitch, 0)
        c1 = min((x1 - self.left) // self.pitch, self.columns - 1)
        found = []
        s = max(int(np.searchsorted(self.top, y0, "right")) - 1, 0)
        while s < len(self.first) - 1 and self.top[s] <= y1 and c0 <= c1:
            start = int(self.top[s]) + self.heading
            first, last = int(self.first[s]), int(self.first[s + 1])
            most = -(-(last - first) // self.columns) - 1
            l0, l1 = max((y0 - start) // self.pitch, 0), min((y1 - start) // self.pitch, most)
            lines, columns = np.arange(l0, l1 + 1), np.arange(c0, c1 + 1)
            places = (first + lines[:, None] * self.columns + columns).reshape(-1)
            found.append(places[places < last])
            s += 1
        return np.concatenate(found).astype(np.int64) if found else np.zeros(0, np.int64)

    def beside(self, place: int, right: int, down: int) -> int:
        """The place some cells away, held at the ends; lines of other sections count too."""
        if right:
            return min(max(place + right, 0), len(self) - 1)
        x, y = self.corner(place)
        step = 1 if down > 0 else -1
        for _ in range(abs(down)):
            target = y + step * self.pitch
            found = self._nearest(x, target, step)
            if found is None:
                break
            place = found
            y = self.corner(place)[1]
        return place

    def _nearest(self, x: int, y: int, step: int) -> int | None:
        """The place at x in the line at y, or in the next line over a heading."""
        span = (y, y + self.pitch + self.heading + AFTER)
        if step < 0:
            span = (y - self.heading - AFTER, y + 1)
        lines = [b for b in self.between(*span) if isinstance(b, GridRow)]
        lines = [b for b in lines if (b.y >= y if step > 0 else b.y <= y)]
        if not lines:
            return None
        line = lines[0] if step > 0 else lines[-1]
        return line.first + min((x - self.left) // self.pitch, line.count - 1)
