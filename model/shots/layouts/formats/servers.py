"""Which servers this user lets the program call: a project of a stranger may name any."""

from __future__ import annotations

import os
from pathlib import Path

from model.output_files import written_whole

CALLED = "servers"
"""The file of servers that may be called, beside a user's settings."""


def may_be_called(shown: str) -> bool:
    """Whether this user allowed a server."""
    return shown in _called()


def allow_server(shown: str) -> None:
    """Remember that a server may be called from here, by this user."""
    if shown not in _called():
        place = _config_folder()
        place.mkdir(parents=True, exist_ok=True)
        with written_whole(place / CALLED) as part:
            part.write_text("\n".join([*_called(), shown, ""]), encoding="utf-8")


def _called() -> list[str]:
    try:
        return (_config_folder() / CALLED).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _config_folder() -> Path:
    """Where a user's settings lie: AIRYLABEL_CONFIG_DIR, else the system's place for them."""
    named = os.environ.get("AIRYLABEL_CONFIG_DIR")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_config_dir("airylabel", appauthor=False))
