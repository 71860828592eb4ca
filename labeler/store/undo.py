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

        A gesture that changed nothing is history, but there is nothing in it to undo.
        """
        for gesture, kind, target, changed in gestures:
            self.seen = gesture
            if kind == "undo":
                self.undone.append(self.done.pop())
                assert self.undone[-1] == target
            elif kind == "redo":
                self.done.append(self.undone.pop())
                assert self.done[-1] == target
            elif changed:
                self.done.append(gesture)
                self.undone.clear()
