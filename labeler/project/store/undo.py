"""Which gestures can be undone and redone, rebuilt from the history; nothing is stored for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class UndoStack:
    """Gestures of one annotator that are in effect (`done`) and that were taken back (`undone`)."""

    done: list[int] = field(default_factory=list)
    undone: list[int] = field(default_factory=list)
    seen: int = 0
    """The newest gesture that is accounted for; another window may have added more."""

    def follow(self, gestures: Iterable[tuple[int, str, int | None, int]]) -> None:
        """Account for further (id, kind, target, changed), oldest first.

        A gesture that changed nothing is history, but there is nothing in it to undo. After a
        repair of a damaged database everything begins anew, and so it does after a "relabel":
        labels that followed from a change of the classes, which is taken back as a whole.
        """
        for gesture, kind, target, changed in gestures:
            self.seen = gesture
            if kind == "undo":
                self._move(target, self.done, self.undone)
            elif kind == "redo":
                self._move(target, self.undone, self.done)
            elif kind in ("salvage", "relabel"):
                self.done.clear()
                self.undone.clear()
            elif changed:
                self.done.append(gesture)
                self.undone.clear()

    def _move(self, target: int | None, start: list[int], end: list[int]) -> None:
        """The last one goes over; of a salvaged history it may be gone, and then nothing does."""
        if start and start[-1] == target:
            end.append(start.pop())
