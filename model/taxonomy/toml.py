"""Reads a taxonomy from its TOML file; a mistake in it is named with its line and the mend."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from model.errors import InputError, checked, checked_fields, in_words, parsed_toml, text_of
from model.taxonomy.taxonomy import (
    LONGEST_TEXT,
    MAX_CLASSES,
    TWO_SIDED,
    Class,
    Kind,
    Rule,
    Severity,
    Taxonomy,
    plain,
    rule_in_words,
)


def shipped(name: str = "helium") -> Path:
    """Path of a taxonomy that comes with the program."""
    have = _shipped()
    if name not in have:
        mend = f"There are: {', '.join(sorted(have))}."
        raise InputError(f"no taxonomy called {name!r} is shipped", mend=mend)
    return have[name]


def _shipped() -> dict[str, Path]:
    folder = Path(str(resources.files("resources") / "taxonomies"))
    return {path.stem: path for path in folder.glob("*.toml")}


def find(name_or_path: str | Path) -> Path:
    """A shipped taxonomy by name, whatever lies beside by that name, or a TOML file as given."""
    path, name = Path(name_or_path), str(name_or_path)
    is_path = path.suffix == ".toml" or (path.exists() and name not in _shipped())
    return path if is_path else shipped(name)


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
    return loads(text_of(path, mend="Choose a TOML file of classes and rules."), path)


def loads(text: str, path: Path | str = "taxonomy.toml") -> Taxonomy:
    """Parse the text of a taxonomy file; `path` only names it in messages."""
    return _Reader(text, Path(path)).read(parsed_toml(text, path))


def to_toml(taxonomy: Taxonomy) -> str:
    """The text of a taxonomy file from which `loads` makes the same again."""
    import tomlkit

    classes = [{k: v for k, v in asdict(c).items() if v} for c in taxonomy.classes]
    rules = []
    for rule in taxonomy.rules:
        sides = {"classes": list(rule.left)} | ({"with": list(rule.right)} if rule.right else {})
        rules.append({"kind": rule.kind, "severity": rule.severity, **sides, "text": rule.text})
    return tomlkit.dumps({"name": taxonomy.name, "class": classes, "rule": rules})


@dataclass
class _RuleTable:
    """A [[rule]] as it stands in the file."""

    kind: Kind
    severity: Severity = "hard"
    classes: str | tuple[str, ...] = ()
    with_: str | tuple[str, ...] = ()
    text: str = ""


class _Reader:
    """Turns parsed TOML into a Taxonomy, and finds the line of whatever is wrong."""

    def __init__(self, text: str, path: Path) -> None:
        self.lines: dict[str, list[int]] = {}
        """Which lines of the file, from 1, hold these words."""
        for number, line in enumerate(text.splitlines(), 1):
            self.lines.setdefault(line.strip(), []).append(number)
        self.path = path

    def read(self, data: dict[str, Any]) -> Taxonomy:
        tables, rules = (self._tables(data.get(kind, []), kind) for kind in ("class", "rule"))
        if not tables:
            self._refuse("no classes", "name", 0, "Add [[class]] tables, each with a name.")
        if len(tables) > MAX_CLASSES:
            self._refuse(f"{len(tables)} classes", "class", MAX_CLASSES, "At most 62 fit.")
        classes = [self._class(table, n) for n, table in enumerate(tables)]
        self._check_unique(classes)
        self._check_parents(classes)
        names = {c.name for c in classes}
        name = checked(data.get("name", self.path.stem), str, "name", file=self.path)
        return Taxonomy(name, classes, [self._rule(t, n, names) for n, t in enumerate(rules)])

    def _tables(self, value: Any, kind: str) -> list[dict[str, Any]]:
        if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
            self._refuse(f"{kind!r} is no list of tables", kind, 0, f"Write [[{kind}]] above each.")
        return value

    def _class(self, table: dict[str, Any], n: int) -> Class:
        if not str(table.get("name", "")).strip():
            self._refuse("a class needs a name", "class", n, 'Add name = "…".')
        fields = checked_fields(table, Class, file=self.path, place=self._line("class", n))
        try:
            found = Class(**fields)
        except InputError as error:
            self._refuse(error.what, "class", n, error.mend)
        if found.schematic and not re.fullmatch(r"[\w-]+(\.svg)?", found.schematic):
            what = f"{found.schematic!r} is no name of a schematic"
            self._refuse(what, "class", n, "Name one that comes with the program, or leave it out.")
        return found

    def _check_parents(self, classes: Sequence[Class]) -> None:
        parents = {c.name: c.parent for c in classes}
        for n, c in enumerate(classes):
            if c.parent and (c.parent not in parents or c.parent == c.name):
                mend = "A parent is the name of another class in this file."
                self._refuse(f"class {c.name!r} has no such parent {c.parent!r}", "class", n, mend)
            above, line = c.parent, [c.name]
            while above in parents and above not in line:
                line.append(above)
                above = parents[above]
            if above == c.name:
                what = f"parents in a circle: {' → '.join([*line, c.name])}"
                self._refuse(what, "class", n, "Let one of them have no parent.")

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
        if "kind" not in table:
            self._refuse("a rule needs a kind", "rule", n, f"Add kind: {in_words(Kind)}.")
        values = {"with_" if name == "with" else name: value for name, value in table.items()}
        place = self._line("rule", n)
        rule = _RuleTable(**checked_fields(values, _RuleTable, file=self.path, place=place))
        left, right = _names(rule.classes), _names(rule.with_)
        for name in (*left, *right):
            if name not in names:
                mend = f"Known classes: {', '.join(sorted(names))}."
                self._refuse(f"a rule names an unknown class {name!r}", "rule", n, mend)
        if len(rule.text) > LONGEST_TEXT:
            mend = f"Say it in at most {LONGEST_TEXT:,} letters."
            self._refuse("the text of a rule is too long", "rule", n, mend)
        if not left or bool(right) != (rule.kind in TWO_SIDED):
            mend = "Every rule has classes; never and implies also have with."
            self._refuse(f"the rule {rule.kind!r} lacks its classes", "rule", n, mend)
        text = rule.text or rule_in_words(rule.kind, left, right)[1]
        return Rule(rule.kind, rule.severity, left, right, text)

    def _refuse(self, what: str, table: str, n: int, mend: str) -> NoReturn:
        raise InputError(what, file=self.path, place=self._line(table, n), mend=mend)

    def _line(self, table: str, n: int) -> str:
        heads = self.lines.get(f"[[{table}]]", [])
        return f"line {heads[n]}" if n < len(heads) else "line 1"


def _names(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value
