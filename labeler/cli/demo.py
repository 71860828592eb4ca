"""Subcommands of this family are added by the part that owns them."""

from __future__ import annotations

from typing import Any


def add_parsers(subparsers: Any) -> None:
    """Nothing yet."""
