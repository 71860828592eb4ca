"""The net under everything: an exception no one caught is shown and logged, and work goes on; the
log file beside the settings.

Every decision is in the store before it is on screen, so nothing is lost with it.
"""

from __future__ import annotations

import logging
import logging.handlers
import sys
import traceback
from collections.abc import Callable
from types import TracebackType

from model.errors import InputError
from model.output_files import user_folder

log = logging.getLogger("airylabel")

Show = Callable[[str, str], None]


class CrashNet:
    """Replaces `sys.excepthook` while the window is open; `show(level, text)` tells the person."""

    def __init__(self, show: Show) -> None:
        self.show = show
        self._before = sys.excepthook
        sys.excepthook = self.caught

    def release(self) -> None:
        """Put the earlier hook back."""
        if sys.excepthook == self.caught:
            sys.excepthook = self._before

    def caught(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """Log the whole trace and show one line; an interrupt from the keyboard passes."""
        if issubclass(kind, KeyboardInterrupt):
            self._before(kind, error, trace)
            return
        if isinstance(error, InputError):
            log.warning("%s", error)
            self.show("error", str(error))
            return
        log.error("%s", "".join(traceback.format_exception(kind, error, trace)))
        last = traceback.extract_tb(trace)[-1] if trace is not None else None
        place = f" in {last.name}, line {last.lineno}" if last else ""
        self.show(
            "error",
            f"A defect of the program: {kind.__name__}: {error}{place}. Your labels are stored;"
            " you can go on. The log has the details.",
        )


LOG_BYTES = 1_000_000


def keep_log() -> None:
    """Keep what happens in a file beside the settings, where that can be written."""
    try:
        user_folder().mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            user_folder() / "airylabel.log", maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8"
        )
    except OSError as error:
        print(f"airylabel: no log is kept: {error}", file=sys.stderr)
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)
