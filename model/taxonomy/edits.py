"""Edits the text of a taxonomy.toml: comments and order stay, and the result always loads.

Text in, text out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

import tomlkit
from tomlkit.items import AoT

from model.errors import InputError
from model.taxonomy.taxonomy import Rule, Severity, Taxonomy, names_enough, plain
from model.taxonomy.toml import loads

LISTS = ("classes", "with")


def rename(text: str, old: str, new: str) -> str:
    """Give a class another name, wherever it is written; files with the old one still match."""
    document = tomlkit.parse(text)
    entry = _entry(document, old)
    new = _fresh(document, new, but=old)
    was = [n for n in str(entry.get("was", "")).split(";") if n and plain(n) != plain(new)]
    entry["name"] = new
    entry["was"] = ";".join([*was, old])
    for other in _tables(document, "class"):
        if other.get("parent") == old:
            other["parent"] = new
    _in_rules(document, lambda names: [new if n == old else n for n in names])
    names = [old, *(str(table["name"]) for table in _tables(document, "class"))]
    for rule in _tables(document, "rule"):
        if old in str(rule.get("text", "")):
            rule["text"] = _renamed_in(str(rule["text"]), old, new, names)
    return _checked(document)


def _renamed_in(text: str, old: str, new: str, names: Sequence[str]) -> str:
    """A text with the new name of a class; a longer name that holds the old one stays."""
    each = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<!\w)({each})(?!\w)", lambda m: new if m[0] == old else m[0], text)


def add(text: str, name: str, **fields: str) -> str:
    """Add a class at the end, or take one back that was retired."""
    document = tomlkit.parse(text)
    for entry in _tables(document, "class"):
        if plain(entry["name"]) == plain(name) and entry.get("retired"):
            del entry["retired"]
            entry.update({k: v for k, v in fields.items() if v})
            return _checked(document)
    entry = tomlkit.table()
    entry["name"] = _fresh(document, name)
    entry.update({k: v for k, v in fields.items() if v})
    _append(document, "class", entry)
    return _checked(document)


@dataclass(frozen=True)
class ClassEntry:
    """All that a person says of one class at once.

    `implies` and `excludes` name other classes; rules that say so are made, of a severity, and
    those that say so no more are taken off.
    """

    name: str
    key: str = ""
    parent: str = ""
    colour: str = ""
    help: str = ""
    implies: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    severity: Severity = "hard"


@dataclass(frozen=True)
class Bonds:
    """Classes that one class implies, and that exclude it, by rules.

    `wider` (class -> the rule in words) has those of rules about more classes than these two, which
    are changed as rules.
    """

    implies: tuple[str, ...]
    excludes: tuple[str, ...]
    wider: dict[str, str]


def bonds(taxonomy: Taxonomy, name: str) -> Bonds:
    """What the rules say of a class and each other one."""
    implies: dict[str, None] = {}
    excludes: dict[str, None] = {}
    wider: dict[str, str] = {}
    for rule in taxonomy.rules:
        if rule.kind == "implies" and name in rule.left and len(rule.right) == 1:
            implies[rule.right[0]] = None
        others = _excluded(rule, name, taxonomy.names)
        excludes |= dict.fromkeys(others)
        if not _is_of_two(rule, name):
            wider |= dict.fromkeys(others, rule.text)
    return Bonds(tuple(implies), tuple(excludes), wider)


def _excluded(rule: Rule, name: str, names: Sequence[str]) -> list[str]:
    """Classes that a rule forbids beside one."""
    if rule.kind == "never":
        return [
            *(rule.right if name in rule.left else ()),
            *(rule.left if name in rule.right else ()),
        ]
    if rule.kind == "one_of" and name in rule.left:
        return [n for n in rule.left if n != name]
    if rule.kind == "alone":
        return [n for n in (names if name in rule.left else rule.left) if n != name]
    return []


def _is_of_two(rule: Rule, name: str) -> bool:
    """Whether one partner can be taken off an exclusion without touching what it says of others."""
    if rule.kind == "one_of":
        return len(rule.left) == 2
    return rule.kind == "never" and (name,) in (rule.left, rule.right)


def put(text: str, old: str, entry: ClassEntry) -> str:
    """Make a class what an entry says: the class `old`, or a new one where that is ''."""
    if not old:
        text = add(text, entry.name)
    elif " ".join(entry.name.split()) != old:
        text = rename(text, old, entry.name)
    name = " ".join(entry.name.split())
    document = tomlkit.parse(text)
    table = _entry(document, name)
    for field in ("key", "parent", "colour", "help"):
        value = getattr(entry, field)
        if value:
            table[field] = value
        else:
            table.pop(field, None)
    before = bonds(loads(text), name)
    for other in set(before.implies) - set(entry.implies):
        _part(document, name, other, "implies")
    for other in set(before.excludes) - set(entry.excludes) - set(before.wider):
        _part(document, name, other, "never")
        _part(document, other, name, "never")
        _drop_rules(document, partial(_says_one_of, {name, other}))
    for kind, others, had in (
        ("implies", entry.implies, before.implies),
        ("never", entry.excludes, before.excludes),
    ):
        for other in others:
            if other not in had:
                rule = tomlkit.table()
                rule |= {"kind": kind, "severity": entry.severity, "classes": name, "with": other}
                _append(document, "rule", rule)
    return _checked(document)


def _part(document: tomlkit.TOMLDocument, left: str, right: str, kind: str) -> None:
    """Let no rule of two sides have `left` on one side and `right` on the other any more."""
    for rule in _tables(document, "rule"):
        if rule.get("kind") != kind or left not in _names(rule, "classes"):
            continue
        names = _names(rule, "with")
        if right not in names:
            continue
        side, gone = ("with", right) if len(names) > 1 else ("classes", left)
        rule[side] = [n for n in _names(rule, side) if n != gone]
        rule.pop("text", None)
    _drop_rules(document, _is_empty)


def _says_one_of(pair: set[str], rule: Any) -> bool:
    return rule.get("kind") == "one_of" and set(_names(rule, "classes")) == pair


def _names(rule: Any, side: str) -> list[str]:
    found = rule.get(side, [])
    return [str(found)] if isinstance(found, str) else [str(n) for n in found]


def retire(text: str, name: str, day: str, children: str = "") -> str:
    """Offer a class no more: without key and rules; its children go to `children`."""
    document = tomlkit.parse(text)
    entry = _entry(document, name)
    if entry.get("retired"):
        raise InputError(f"the class {name} is retired already", mend="Nothing is to be done.")
    if all(other is entry or other.get("retired") for other in _tables(document, "class")):
        raise InputError(f"the class {name} is the last one", mend="Add another one first.")
    for key in ("key", "parent"):
        entry.pop(key, None)
    entry["retired"] = day
    for other in _tables(document, "class"):
        if other.get("parent") == name:
            other["parent"] = "" if other["name"] == children else children
    _in_rules(document, lambda names: [n for n in names if n != name])
    _drop_rules(document, _is_empty)
    return _checked(document)


def keep(text: str, now: str, names: Sequence[str]) -> str:
    """A text of before, with classes that it does not know carried over from `now`, as retired."""
    document, later = tomlkit.parse(text), tomlkit.parse(now)
    for name in names:
        entry = _entry(later, name)
        kept = tomlkit.table()
        kept.update({k: v for k, v in entry.unwrap().items() if k not in ("key", "parent")})
        kept["name"] = _fresh(document, name)
        kept.setdefault("retired", date.today().isoformat())
        _append(document, "class", kept)
    return _checked(document)


def same(one: str, other: str) -> bool:
    """Whether two texts say the same of the classes; comments and spaces aside."""
    return bool(tomlkit.parse(one).unwrap() == tomlkit.parse(other).unwrap())


def set_rule(text: str, number: int, severity: str) -> str:
    """Make a rule (from 1) hard or soft, or take it `off`."""
    document = tomlkit.parse(text)
    rules = _tables(document, "rule")
    if not 1 <= number <= len(rules):
        mend = f"There are rules 1 to {len(rules)}." if rules else "There is none."
        raise InputError(f"there is no rule {number}", mend=mend)
    if severity == "off":
        _drop_rules(document, lambda rule: rule is rules[number - 1])
    else:
        rules[number - 1]["severity"] = severity
    return _checked(document)


def add_rule(text: str, rule: Rule) -> str:
    """Add a rule at the end; its words are made where it has none.

    InputError for one that is there already, says nothing, or contradicts the others.
    """
    _refuse_senseless(loads(text).offered, rule)
    document = tomlkit.parse(text)
    entry = tomlkit.table()
    entry.update({"kind": rule.kind, "severity": rule.severity, "classes": list(rule.left)})
    if rule.right:
        entry["with"] = list(rule.right)
    if rule.text:
        entry["text"] = rule.text
    _append(document, "rule", entry)
    return _checked(document)


def _refuse_senseless(offered: Taxonomy, rule: Rule) -> None:
    """InputError for a rule that adds nothing to those of the offered classes, or after which no
    shot could have some class and break none, though it may now."""
    for name in (*rule.left, *rule.right):
        if name not in offered.names:
            mend = f"There are: {', '.join(offered.names_in_order)}."
            raise InputError(f"there is no class {name!r}", mend=mend)
    left, right = set(rule.left), set(rule.right)
    if not names_enough(rule.kind, left, right) or left & right:
        mend = "Name two classes that exclude each other, or other classes on each side."
        raise InputError("the rule says nothing of these classes", mend=mend)
    for other in offered.rules:
        if (other.kind, set(other.left), set(other.right)) == (rule.kind, left, right):
            mend = "Make that one hard or soft instead."
            raise InputError(f"the rule “{rule.statement}” is there already", mend=mend)
    rules = [replace(each, severity="hard") for each in (*offered.rules, rule)]
    before, after = (
        Taxonomy(offered.name, offered.classes, some).possible for some in (rules[:-1], rules)
    )
    lost = [offered.names[c] for c in offered.order if before[c] and not after[c]]
    if lost:
        said, names = rule.statement, " or ".join(lost)
        what = f"with the rule “{said}” no shot could have {names} without breaking a rule"
        mend = "It contradicts others: take the one that is wrong off first."
        raise InputError(what, mend=mend)


def _tables(document: tomlkit.TOMLDocument, kind: str) -> list[Any]:
    found = document.get(kind)
    return list(found.body) if isinstance(found, AoT) else []


def _append(document: tomlkit.TOMLDocument, kind: str, entry: Any) -> None:
    if kind not in document:
        document[kind] = tomlkit.aot()
    document[kind].append(entry)


def _entry(document: tomlkit.TOMLDocument, name: str) -> Any:
    tables = _tables(document, "class")
    for entry in tables:
        if entry["name"] == name:
            return entry
    mend = f"There are: {', '.join(str(t['name']) for t in tables)}."
    raise InputError(f"there is no class {name!r}", mend=mend)


def _fresh(document: tomlkit.TOMLDocument, name: str, but: str = "") -> str:
    """A name that no other class has or had, without spaces around it.

    Runs and files from before a renaming find their class by the name that it had.
    """
    name = " ".join(name.split())
    others = [t for t in _tables(document, "class") if t["name"] != but]
    if not name or plain(name) in (plain(str(t["name"])) for t in others):
        what = "a class needs a name" if not name else f"there is a class {name!r} already"
        raise InputError(what, mend="Give a name of its own, or merge the two classes.")
    for other in others:
        if plain(name) in map(plain, str(other.get("was", "")).split(";")):
            what = f"{name!r} is what the class {str(other['name'])!r} was called"
            mend = "Give another name: runs and files from then would take the one for the other."
            raise InputError(what, mend=mend)
    return name


def _in_rules(document: tomlkit.TOMLDocument, change: Callable[[Sequence[str]], list[str]]) -> None:
    for rule in _tables(document, "rule"):
        for side in LISTS:
            if side in rule:
                names = [rule[side]] if isinstance(rule[side], str) else list(rule[side])
                if change(names) != names:
                    rule[side] = change(names)
                    if len(change(names)) < len(names):
                        rule.pop("text", None)


def _is_empty(rule: Any) -> bool:
    """Whether a rule has too few classes left to say anything."""
    return not names_enough(rule["kind"], *(_names(rule, side) for side in LISTS))


def _drop_rules(document: tomlkit.TOMLDocument, gone: Callable[[Any], bool]) -> None:
    kept = [rule for rule in _tables(document, "rule") if not gone(rule)]
    if len(kept) == len(_tables(document, "rule")):
        return
    document.remove("rule")
    if kept:
        document["rule"] = tomlkit.aot()
        for rule in kept:
            document["rule"].append(rule)


def _checked(document: tomlkit.TOMLDocument) -> str:
    text = tomlkit.dumps(document)
    loads(text)
    return text
