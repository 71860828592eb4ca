"""Does the current state follow from the history? Questions only; it mends nothing."""

from __future__ import annotations

from labeler.project.store.connection import Database

_LAST = """
WITH last AS (
    SELECT g.annotator_id AS annotator_id, e.row AS row, max(e.gesture_id) AS gesture_id
    FROM events e JOIN gestures g ON g.id = e.gesture_id GROUP BY 1, 2
), replayed AS (
    SELECT l.annotator_id, l.row, e.present_after, e.status_after, e.note_after, e.known_after
    FROM last l JOIN events e ON e.gesture_id = l.gesture_id AND e.row = l.row
), stored AS (SELECT annotator_id, row, present, status, note, known FROM current)
SELECT annotator_id, row FROM
    (SELECT * FROM (SELECT * FROM replayed EXCEPT SELECT * FROM stored)
     AS one UNION SELECT * FROM (SELECT * FROM stored EXCEPT SELECT * FROM replayed) AS other)
AS differing
GROUP BY 1, 2 ORDER BY 1, 2
"""
_CHAIN = """
WITH chained AS (
    SELECT e.row AS row, e.gesture_id AS gesture_id, e.present_before AS present,
        e.status_before AS status, e.note_before AS note, e.known_before AS known,
        lag(e.present_after, 1, 0) OVER shot AS present_then,
        lag(e.status_after, 1, 0) OVER shot AS status_then,
        lag(e.note_after) OVER shot AS note_then,
        lag(e.known_after, 1, 0) OVER shot AS known_then
    FROM events e JOIN gestures g ON g.id = e.gesture_id
    WINDOW shot AS (PARTITION BY g.annotator_id, e.row ORDER BY e.gesture_id)
)
SELECT gesture_id, row FROM chained
WHERE present IS NOT present_then OR status IS NOT status_then OR note IS NOT note_then
    OR known IS NOT known_then
ORDER BY 1, 2
"""


def differing_states(database: Database) -> list[tuple[int, int]]:
    """(annotator, row) where `current` is not what the last event says."""
    with database.translated():
        return [(int(a), int(r)) for a, r in database.rows(_LAST)]


def broken_chains(database: Database) -> list[tuple[int, int]]:
    """(gesture, row) of events whose state before is not the state after the event before."""
    with database.translated():
        return [(int(g), int(r)) for g, r in database.rows(_CHAIN)]
