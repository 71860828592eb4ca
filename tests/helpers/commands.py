"""Subcommands in this process."""

from __future__ import annotations

from labeler.cli import main


def call(capsys, *words):
    """Exit status of `airylabel WORDS`, and what it printed: `out` and `err`."""
    status = main([str(w) for w in words])
    return status, capsys.readouterr()
