"""Reads a taxonomy from its TOML file; a mistake in it is named with its line and the mend."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from model.errors import InputError
from model.taxonomy.taxonomy import MAX_CLASSES, Class, Rule, Taxonomy, plain


def shipped(name: str = "helium") -> Path:
    """Path of a taxonomy that comes with the program."""
    folder = Path(str(resources.files("resources") / "taxonomies"))
    path = folder / f"{name}.toml"
    if not path.is_file():
        have = ", ".join(sorted(p.stem for p in folder.glob("*.toml")))
        raise InputError(f"no taxonomy called {name!r} is shipped", mend=f"There are: {have}.")
    return path


def find(name_or_path: str | Path) -> Path:
    """A TOML file as given, or a shipped taxonomy by name."""
    path = Path(name_or_path)
    return path if path.suffix == ".toml" or path.exists() else shipped(str(name_or_path))


def known_for(class_names: Sequence[str]) -> Taxonomy | None:
    """The helium taxonomy where it has all these classes, else None."""
    helium = load(shipped("helium"))
    try:
        helium.columns(class_names)
    except InputError:
        return None
    return helium


def load(path: str | Path) -> Taxonomy:
    """Read a taxonomy file; InputError names the line and the mend."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot be read ({error})", file=path, mend="Choose a TOML file of classes and rules."
        ) from error
    return loads(text, path)


def loads(text: str, path: Path | str = "taxonomy.toml") -> Taxonomy:
    """Parse the text of a taxonomy file; `path` only names it in messages."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            f"not valid TOML: {error}", file=path, mend="Mend that line and try again."
        ) from error
    return _Reader(text, Path(path)).read(data)


def to_toml(taxonomy: Taxonomy) -> str:
    """The text of a taxonomy file from which `loads` makes the same again."""
    import tomlkit

    classes = [{k: v for k, v in asdict(c).items() if v} for c in taxonomy.classes]
    rules = []
    for rule in taxonomy.rules:
        sides = {"classes": list(rule.left)} | ({"with": list(rule.right)} if rule.right else {})
        rules.append({"kind": rule.kind, "severity": rule.severity, **sides, "text": rule.text})
    return tomlkit.dumps({"name": taxonomy.name, "class": classes, "rule": rules})


class _Reader:
    """Turns parsed TOML into a Taxonomy, and finds the line of whatever is wrong."""

    def __init__(self, text: str, path: Path) -> None:
        self.lines = text.splitlines()
        self.path = path

    def read(self, data: dict[str, Any]) -> Taxonomy:
        tables = data.get("class", [])
        if not isinstance(tables, list) or not tables:
            self._refuse("no classes", "name", 0, "Add [[class]] tables, each with a name.")
        if len(tables) > MAX_CLASSES:
            self._refuse(f"{len(tables)} classes", "[[class]]", MAX_CLASSES, "At most 62 fit.")
        classes = [self._class(table, n) for n, table in enumerate(tables)]
        self._check_unique(classes)
        names = {c.name for c in classes}
        for n, c in enumerate(classes):
            if c.parent and (c.parent not in names or c.parent == c.name):
                mend = "A parent is the name of another class in this file."
                self._refuse(f"class {c.name!r} has no such parent {c.parent!r}", "class", n, mend)
        rules = [self._rule(table, n, names) for n, table in enumerate(data.get("rule", []))]
        return Taxonomy(str(data.get("name", self.path.stem)), classes, rules)

    def _class(self, table: dict[str, Any], n: int) -> Class:
        unknown = set(table) - set(Class.__dataclass_fields__)
        if unknown:
            have = ", ".join(Class.__dataclass_fields__)
            self._refuse(f"unknown field {sorted(unknown)[0]!r}", "class", n, f"Fields: {have}.")
        if not all(isinstance(v, str) for v in table.values()) or not table.get("name", "").strip():
            self._refuse("a class needs a name, and text in every field", "class", n, "Quote it.")
        return Class(**table)

    def _check_unique(self, classes: Sequence[Class]) -> None:
        for field in ("name", "key"):
            seen: dict[str, str] = {}
            for n, c in enumerate(classes):
                value = plain(c.name) if field == "name" else c.key.upper()
                if value and value in seen:
                    what = f"{c.name!r} and {seen[value]!r} have the same {field}"
                    self._refuse(what, "class", n, f"Give each class a {field} of its own.")
                seen[value] = c.name

    def _rule(self, table: dict[str, Any], n: int, names: set[str]) -> Rule:
        kind, severity = table.get("kind"), table.get("severity", "hard")
        if kind not in ("one_of", "never", "implies", "alone", "some"):
            mend = "Use one_of, never, implies, alone or some."
            self._refuse(f"unknown kind of rule {kind!r}", "rule", n, mend)
        if severity not in ("hard", "soft"):
            self._refuse(f"unknown severity {severity!r}", "rule", n, "Use hard or soft.")
        left, right = _names(table.get("classes")), _names(table.get("with"))
        for name in (*left, *right):
            if name not in names:
                mend = f"Known classes: {', '.join(sorted(names))}."
                self._refuse(f"a rule names an unknown class {name!r}", "rule", n, mend)
        if not left or bool(right) != (kind in ("never", "implies")):
            mend = "Every rule has classes; never and implies also have with."
            self._refuse(f"the rule {kind!r} lacks its classes", "rule", n, mend)
        text = table.get("text") or _in_words(kind, left, right)
        return Rule(kind, severity, left, right, str(text))

    def _refuse(self, what: str, table: str, n: int, mend: str) -> NoReturn:
        heads = [i for i, s in enumerate(self.lines, 1) if s.strip() == f"[[{table}]]"]
        place = f"line {heads[n]}" if n < len(heads) else "line 1"
        raise InputError(what, file=self.path, place=place, mend=mend)


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _in_words(kind: str, left: Sequence[str], right: Sequence[str]) -> str:
    a, b = " or ".join(left), " or ".join(right)
    return {
        "one_of": f"{' and '.join(left)} exclude each other",
        "never": f"{a} never with {b}",
        "implies": f"{a} without {b}",
        "alone": f"{a} stands alone",
        "some": f"neither {' nor '.join(left)}" if len(left) > 1 else f"not {a}",
    }[kind]
