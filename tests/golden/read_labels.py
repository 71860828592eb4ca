"""Reads the labels of a project with nothing but Python, by resources/manual/project-format.md.

usage: python read_labels.py PROJECT    one line a decided shot: annotator, file, shot, classes

It shares no code with the program: as long as its test passes, a project can be read without it.
"""

import contextlib
import json
import sqlite3
import sys
from pathlib import Path

LABELLED, FLAGGED, SKIPPED = 1, 2, 4


def opened(folder):
    """The database of a project, read-only, closed at the end of a `with`.

    While the program is open, labels may still be in the file -wal beside it, which SQLite reads
    with a file of its own in the folder. Without it the database is read as it lies (immutable),
    also in a folder in which nothing may be written.
    """
    database = (Path(folder) / "project.sqlite").resolve(strict=True)
    wal = database.with_name("project.sqlite-wal")
    alone = not wal.is_file() or not wal.stat().st_size
    uri = f"{database.as_uri()}?mode=ro{'&immutable=1' * alone}"
    return contextlib.closing(sqlite3.connect(uri, uri=True))


def labels(folder):
    """Yields (annotator, file, shot from 1, class names, flagged, note, undecided class names).

    Of every decided shot. A class is undecided where it was added after the decision, and neither
    present nor absent; projects of form 0001 do not say so, and no class is.
    """
    with opened(folder) as db:
        classes = dict(db.execute("SELECT bit, name FROM classes"))
        sources = db.execute(
            "SELECT first_row, n_shots, path FROM sources ORDER BY first_row"
        ).fetchall()
        ((form,),) = db.execute("SELECT version_num FROM alembic_version")
        known = "c.known" if form >= "0002" else "-1"
        decided = db.execute(
            f"SELECT a.name, c.row, c.present, c.status, c.note, {known} FROM current c"
            " JOIN annotators a ON a.id = c.annotator_id WHERE c.status & ? ORDER BY a.id, c.row",
            (LABELLED,),
        )
        for annotator, row, present, status, note, spoken in decided:
            first, _, path = next(s for s in sources if s[0] <= row < s[0] + s[1])
            names = [name for bit, name in sorted(classes.items()) if present >> bit & 1]
            undecided = [name for bit, name in sorted(classes.items()) if not spoken >> bit & 1]
            yield annotator, path, row - first + 1, names, bool(status & FLAGGED), note, undecided


def replayed(folder):
    """The same states worked out from the history alone: {(annotator id, row): (present, status)}.

    Every event holds the state after it, so the newest event of a shot is its state.
    """
    with opened(folder) as db:
        found = db.execute(
            "SELECT g.annotator_id, e.row, e.present_after, e.status_after FROM events e"
            " JOIN gestures g ON g.id = e.gesture_id ORDER BY g.id"
        )
        return {(who, row): (present, status) for who, row, present, status in found}


def main(arguments):
    if len(arguments) != 1:
        return "Name one project: python read_labels.py PROJECT"
    try:
        for annotator, path, shot, names, flagged, note, undecided in labels(arguments[0]):
            line = {"annotator": annotator, "file": path, "shot": shot, "classes": names}
            line |= {"undecided": undecided, "flagged": flagged, "note": note}
            print(json.dumps(line, ensure_ascii=False))
    except (FileNotFoundError, NotADirectoryError, PermissionError, sqlite3.Error) as error:
        return f"{arguments[0]}: no project that can be read ({error})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
