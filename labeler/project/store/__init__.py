"""What was decided, kept for good: an append-only history, and the state that follows from it.

The only place with SQL. It knows rows, bits and annotators, and neither files nor windows.
"""

from labeler.project.store.records import (
    FLAGGED,
    LABELLED,
    SKIPPED,
    Annotator,
    Change,
    HistoryEntry,
    State,
    StoredSource,
)
from labeler.project.store.store import Store

__all__ = [
    "FLAGGED",
    "LABELLED",
    "SKIPPED",
    "Annotator",
    "Change",
    "HistoryEntry",
    "State",
    "Store",
    "StoredSource",
]
