"""The file beside the settings that keeps what the window said and what went wrong."""

from __future__ import annotations

import logging
import logging.handlers
import sys

from labeler.window.settings import folder

LOG_BYTES = 1_000_000


def keep() -> None:
    """Keep what happens in a file beside the settings, where that can be written."""
    try:
        folder().mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            folder() / "airylabel.log", maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8"
        )
    except OSError as error:
        print(f"airylabel: no log is kept: {error}", file=sys.stderr)
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)
