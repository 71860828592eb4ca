"""The one exception for input that cannot be used: it says what, where, and what to do now."""

from __future__ import annotations

from pathlib import Path


class InputError(Exception):
    """Something a person gave us cannot be used.

    `str()` is one message for that person: the file, the place in it, what is wrong, the mend.
    Anything else that goes wrong is a defect of the program and keeps its own exception.
    """

    def __init__(
        self, what: str, *, file: Path | str | None = None, place: str = "", mend: str = ""
    ) -> None:
        self.what = what
        self.file = None if file is None else Path(file)
        self.place = place
        self.mend = mend
        super().__init__(what)

    def __str__(self) -> str:
        where = ", ".join(part for part in (str(self.file or ""), self.place) if part)
        text = f"{where}: {self.what}" if where else self.what
        text = text.rstrip(".") + "." * (not text.endswith("…"))
        return f"{text} {self.mend}" if self.mend else text
