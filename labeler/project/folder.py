"""What lies in the folder of a project, by name."""

from __future__ import annotations

from pathlib import Path

DATABASE = "project.sqlite"
SERVER = "project.toml"
"""In the place of the database where that is on a server: it says on which."""
STORES = (DATABASE, SERVER)
TAXONOMY = "taxonomy.toml"
"""The copy that this project uses."""
RUNS = "runs"
BACKUPS = "backups"
CACHE = "cache"
"""What can be computed again, and what jobs wrote on stderr."""


def has_database(folder: Path) -> bool:
    """Whether there is a project whose labels are in a file there."""
    return (folder / DATABASE).is_file()
