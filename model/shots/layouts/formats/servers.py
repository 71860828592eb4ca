"""Which servers this user lets the program call: a project of a stranger may name any."""

from __future__ import annotations

from model.output_files import user_folder, written_whole

CALLED = "servers"
"""The file of servers that may be called, beside a user's settings."""


def may_be_called(shown: str) -> bool:
    """Whether this user allowed a server."""
    return shown in _called()


def allow_server(shown: str) -> None:
    """Remember that a server may be called from here, by this user."""
    if shown not in _called():
        place = user_folder()
        place.mkdir(parents=True, exist_ok=True)
        with written_whole(place / CALLED) as part:
            part.write_text("\n".join([*_called(), shown, ""]), encoding="utf-8")


def _called() -> list[str]:
    try:
        return (user_folder() / CALLED).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
