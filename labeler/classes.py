"""The classes of a project: taxonomy.toml and the database, always in step.

The database holds the text of the file too, so that a backup has everything. No Qt, no SQL.
"""

from __future__ import annotations

from pathlib import Path

from labeler.backups import write_taxonomy
from labeler.store import Store
from model.taxonomy import Taxonomy
from model.taxonomy_toml import load

TEXT, PENDING = "taxonomy", "taxonomy_pending"
"""Named values: the file's text; True while a change of it is not yet in the file."""


def in_step(path: Path, store: Store) -> Taxonomy:
    """The taxonomy of a project that is being opened.

    A change that a crash kept from the file is written now; what was edited by hand is taken over.
    """
    if not store.read_only and store.get_meta(PENDING):
        write_taxonomy(path.parent, store.get_meta(TEXT))
        store.set_meta(PENDING, False)
    taxonomy = load(path)
    text = path.read_text(encoding="utf-8")
    if not store.read_only and text != store.get_meta(TEXT):
        store.set_meta(TEXT, text)
    return taxonomy
