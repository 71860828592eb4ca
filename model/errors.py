"""Input that cannot be used: the one exception that says what, where, and what to do now, and the
checks of what stands in TOML files (their types are declared, and msgspec holds values to them)."""

from __future__ import annotations

import errno
import json
import sys
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_type_hints

LONGEST = 80
"""Of a value that stands in a message."""


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
        where = on_one_line(where)
        text = f"{where}: {self.what}" if where else self.what
        text = text.rstrip(".") + "." * (not text.endswith("…"))
        return f"{text} {self.mend}" if self.mend else text


def install(*packages: str) -> str:
    """What brings missing packages, named as pip knows them, into the environment of this program,
    which pipx and uv keep out of sight."""
    pip = f'"{sys.executable}" -m pip install'
    if find_spec("pip") is None:  # as uv leaves it
        pip = f'uv pip install --python "{sys.executable}"'
    named = (f'"{p}"' if set(p) & set("[<") else p for p in packages)
    return f"Install it: {pip} {' '.join(named)}"


_OF_A_PATH = frozenset(
    getattr(errno, name, 0)
    for name in ("ENAMETOOLONG", "ELOOP", "EACCES", "EPERM", "EROFS", "EIO", "ESTALE")
)


def of_a_path(error: Exception) -> InputError | None:
    """What a system answers about a path that a person named, in words; None for other trouble."""
    if not isinstance(error, OSError) or error.errno not in _OF_A_PATH or not error.filename:
        return None
    mend = "Check the path, and whether you may read and write there."
    return InputError(f"cannot be used ({error.strerror})", file=error.filename, mend=mend)


_TURNS = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))


def one_line(text: str) -> bool:
    """Whether a text is letters on one line: none that breaks it, acts on a terminal or turns the
    direction of what is written round it."""
    return not any(map(_breaks, text))


def on_one_line(text: str) -> str:
    """A name of a file or folder as it is shown: what breaks the line or turns the direction is
    written as its number, or one name would look like two lines, or like another one."""
    return "".join(c.encode("unicode_escape").decode() if _breaks(c) else c for c in text)


def _breaks(c: str) -> bool:
    return c in _TURNS or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")


def folded(name: str) -> str:
    """A name as it is compared: without case, and however its letters are put together, which
    differs between systems."""
    return unicodedata.normalize("NFC", name.casefold())


def is_visible(text: str) -> bool:
    """Whether there is anything in a text that a reader sees."""
    return any(unicodedata.category(c)[0] not in "CMZ" for c in text)


LARGEST_TEXT = 16 << 20
"""Bytes of a file that people or programs describe something in."""
LARGEST_TOML, DEEPEST = 1 << 20, 50
"""Letters of a TOML file, and dots of one of its keys."""


def text_of(file: Path | str, most: int = LARGEST_TEXT, mend: str = "Choose another file.") -> str:
    """The text of a small file in UTF-8, without the mark that some editors begin one with;
    InputError for one that is none, or too large for one."""
    path = Path(file)
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise InputError("is no file", file=path, mend=mend)
        if size > most:
            what = f"has {size / 1e6:,.0f} MB, and no such file has more than {most >> 20} MB"
            raise InputError(what, file=path, mend=mend)
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=path, mend=mend) from error
    except UnicodeDecodeError as error:
        raise InputError("is no text in UTF-8", file=path, mend=mend) from error


def parsed_json(text: str, file: Path | str) -> Any:
    """The value of a JSON text; InputError where it is none, or nested beyond reason."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        mend = "Mend it, or take the file from its origin again."
        raise InputError(f"not valid JSON: {error}", file=file, mend=mend) from error


def parsed_toml(text: str, file: Path | str) -> dict[str, Any]:
    """The values of a TOML file; InputError where it is none, or large or nested beyond reason."""
    if len(text) > LARGEST_TOML:
        what = f"has {len(text):,} letters, and no such file has more than {LARGEST_TOML:,}"
        raise InputError(what, file=file, mend="Take the file from its origin again.")
    for number, line in enumerate(text.splitlines(), 1):  # tomllib takes minutes for such keys
        if line.count(".") > DEEPEST and max(p.count(".") for p in line.split("=")) > DEEPEST:
            mend = "Mend that line and try again."
            place = f"line {number}"
            raise InputError("a key has too many parts", file=file, place=place, mend=mend)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        mend = "Mend that line and try again."
        raise InputError(f"not valid TOML: {error}", file=file, mend=mend) from error


def checked_fields(
    values: Mapping[str, Any], kind: type, *, file: Path | None = None, place: str = "",
    ranges: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """The values as the types of a dataclass's fields want them; InputError for one that is not.

    `place` is where they stand, else the name of the field is. Without `ranges` numbers may be
    beyond what their field can mean.
    """
    hints = _hints_of(kind, ranges)
    for name in values:
        if name not in hints:
            mend = f"There are: {', '.join(hints)}."
            raise InputError(f"unknown field {name!r}", file=file, place=place, mend=mend)
    return {
        name: checked(value, hints[name], name, file=file, place=place or name)
        for name, value in values.items()
    }


@cache
def _hints_of(kind: type, ranges: bool) -> Mapping[str, Any]:
    return get_type_hints(kind, include_extras=ranges)


def checked(value: Any, kind: Any, name: str, *, file: Path | None = None, place: str = "") -> Any:
    """The value as a type wants it (`Annotated` with `msgspec.Meta` for ranges), or InputError."""
    import msgspec

    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        given = repr(value)
        given = given if len(given) <= LONGEST else f"{given[:LONGEST]}…"
        what, mend = f"{name} = {given} cannot be used", f"Give {in_words(kind)}."
        raise InputError(what, file=file, place=place, mend=mend) from error


def counted(n: int, what: str) -> str:
    """'1 shot', '2,000 shots', '3 classes'."""
    return f"{n:,} {what}" + ("" if n == 1 else "es" if what.endswith("s") else "s")


def in_words(kind: Any) -> str:
    """What values a type takes, for a person."""
    from msgspec import inspect

    match inspect.type_info(kind):
        case inspect.LiteralType(values=values):
            *others, last = map(str, values)
            return f"{', '.join(others)} or {last}"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType(ge=low):
            return f"a whole number from {low} up" if low is not None else "a whole number"
        case inspect.FloatType(le=float() as most) if most < sys.float_info.max:
            return f"a number from 0 to {most:g}"
        case inspect.FloatType(lt=float() as bound):
            return f"a number from 0 to below {bound:g}"
        case inspect.FloatType():
            return "a finite number, not negative"
        case inspect.VarTupleType(item_type=inspect.IntType()):
            return "a list of whole numbers such as [50, 100]"
        case inspect.ListType(item_type=inspect.LiteralType(values=values)):
            return f"a list of some of {', '.join(map(str, values))}"
        case inspect.VarTupleType() | inspect.ListType():
            return "a list"
        case inspect.DictType():
            return "a table"
    return "text"
