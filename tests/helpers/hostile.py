"""A project as a stranger could send it: names, notes and people that mean something to whatever
shows them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from labeler.project.project import Project
from labeler.project.store import FLAGGED, LABELLED
from model.taxonomy.toml import shipped
from tests.helpers.window_parts import write_shots

IMAGE = "<img src='x.png'>R&D <b>[/red]"
"""HTML, the mark of a key of Qt, and markup of a terminal."""
FORMULA = "=1+1 $\\frac{$ {0} %s"
"""A formula of a spreadsheet, broken mathematics, and places to fill in."""
PERSON = "<i>Eve</i> & =2+2 [bold]"
NOTE = "<img src='note.png'> & [/b] \x1b]0;owned\x07"
TURN = "\u202e"
"""What is written after it is shown from right to left."""
FILE, WEEK = f"<b>shots & [red]\nsecond {TURN}5h.txt.h5", f"<u>week & [dim]\nsecond {TURN}"
NUMBER = f"pulse\nsecond {TURN}"
HOSTILE = (IMAGE, FORMULA, PERSON)


def make_hostile(folder: Path, n: int = 12) -> Path:
    """A project of n shots, half of them labelled, by a person with a name of that kind."""
    folder.mkdir(parents=True, exist_ok=True)
    text = shipped("helium").read_text("utf-8")
    text = text.replace('"Elliptical"', f'"{IMAGE}"')
    text = text.replace('"Bent"', '"' + FORMULA.replace("\\", "\\\\") + '"')
    (folder / "classes.toml").write_text(text, encoding="utf-8")
    shots = write_shots(folder / FILE, n)
    with h5py.File(shots, "a") as file:
        file[NUMBER] = np.linspace(0, 1, n)
    week = folder / WEEK
    with Project.create(week, [shots], folder / "classes.toml", PERSON) as project:
        ada = project.annotator
        project.store.record(ada, range(n // 2), 5, LABELLED, origin="bulk", note=NOTE)
        bent = 1 << project.taxonomy.index(FORMULA)
        project.store.record(ada, [0, 1], bent, LABELLED | FLAGGED, origin="key", note=NOTE)
    return week
