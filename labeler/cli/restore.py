"""Subcommands that change a project as a whole: going back to a backup, changing its classes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from labeler.cli.output import Subparsers, add_output_options, print_json
from model.errors import counted
from model.taxonomy.taxonomy import Kind, Rule, Severity

if TYPE_CHECKING:
    from labeler.project.project import Project

RULES = get_args(Kind)
WORDS = {
    "OLD": "its name so far",
    "NEW": "its name from now on",
    "NAME": "name of the class",
    "GONE": "the class whose labels become those of the other",
    "INTO": "the class that stays",
    "NUMBER": "of the rule, as `airylabel classes PROJECT` counts them",
    "SEVERITY": "hard: a contradiction; soft: a reminder; off: no rule any more",
}
"""What the words after a verb of `classes` are."""


def add_parsers(subparsers: Subparsers) -> None:
    """restore, classes."""
    restore = subparsers.add_parser("restore", help="list the backups, or go back to one of them")
    restore.add_argument("project", type=Path, metavar="PROJECT")
    restore.add_argument(
        "backup",
        nargs="?",
        metavar="BACKUP",
        help="its number in the list (1 is the newest), its file name, or newest",
    )
    add_output_options(restore)
    restore.set_defaults(run=_restore)
    _add_classes(subparsers)


def _add_classes(subparsers: Subparsers) -> None:
    classes = subparsers.add_parser(
        "classes", help="list the classes of a project, or change them and keep all labels"
    )
    classes.add_argument("project", type=Path, metavar="PROJECT")
    add_output_options(classes)
    classes.set_defaults(run=_classes, verb=None)
    verbs = classes.add_subparsers(metavar="VERB", dest="verb")
    for verb, text, words in (
        ("rename", "give a class another name", ("OLD", "NEW")),
        ("add", "add a class, or take a retired one back", ("NAME",)),
        ("merge", "make every label with the first one with the second", ("GONE", "INTO")),
        ("retire", "offer a class no more; labels keep it", ("NAME",)),
        ("add-rule", "add a rule of some classes", ()),
        ("rule", "make a rule hard or soft, or take it off", ("NUMBER", "SEVERITY")),
        ("undo", "take the last change back", ()),
    ):
        parser = verbs.add_parser(verb, help=text)
        parser.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        for word in words:
            kind: Any = int if word == "NUMBER" else str
            choices = ("hard", "soft", "off") if word == "SEVERITY" else None
            parser.add_argument(
                word.lower(), metavar=word, type=kind, choices=choices, help=WORDS[word]
            )
        if verb == "add-rule":
            parser.add_argument("kind", metavar="KIND", choices=RULES, help=", ".join(RULES))
            parser.add_argument("classes", nargs="+", metavar="CLASS", help="a class, by its name")
            parser.add_argument(
                "--with", nargs="+", dest="right", default=(), metavar="CLASS",
                help="the other classes of never and implies",
            )  # fmt: skip
            parser.add_argument("--soft", action="store_true", help="a reminder, no contradiction")
        if verb == "add":
            for option, what in (
                ("key", "that labels it in the window; one letter or digit"),
                ("parent", "the class below which it stands, and which it implies"),
                ("help-text", "what it looks like, in a sentence"),
                ("colour", "such as #ffb000"),
            ):
                parser.add_argument(f"--{option}", default="", help=what)


def _restore(args: argparse.Namespace) -> int:
    from labeler.project import backups

    folder = backups.home(args.project)
    if args.backup is None:
        return _list(folder, args.json)
    chosen = backups.choose(folder, args.backup)
    kept = backups.restore(folder, chosen.path)
    if args.json:
        print_json({"restored": chosen.path.name, "kept": kept.name})
    else:
        print(f"The project is again as of {chosen.time.astimezone():%d %b %Y %H:%M}.")
        print(f"The state before is kept as {kept.name}.")
    return 0


def _list(folder: Path, as_json: bool) -> int:
    from labeler.project import backups

    here = backups.list_backups(folder)
    items = [
        {
            "number": number,
            "file": b.path.name,
            "time": b.time.isoformat(),
            "reason": b.reason,
            "bytes": b.size,
            "shots": b.held and b.held.shots,
            "labelled": b.held and b.held.labelled,
            "labelled_with_files": b.held and b.held.with_files,
            "trouble": b.trouble,
        }
        for number, b in enumerate(here, 1)
    ]
    if as_json:
        print_json({"backups": items})
        return 0
    for number, b in enumerate(here, 1):
        held = b.held.counted if b.held else "damaged"
        print(f"{number:>3}  {b.time.astimezone():%a %d %b %Y %H:%M}  {held}, {b.why}")
    if not here:
        print("There is no backup yet.")
    return 0


def _classes(args: argparse.Namespace) -> int:
    from labeler.project import classes
    from labeler.project.project import Project

    verb = args.verb
    with Project.open(args.project) as project:
        if verb is None:
            return _show_classes(project, args.json)
        if verb == "add":
            fields = {"key": args.key, "parent": args.parent, "colour": args.colour}
            text = classes.add(project, args.name, help=args.help_text, **fields)
        elif verb == "add-rule":
            severity: Severity = "soft" if args.soft else "hard"
            sides = tuple(args.classes), tuple(args.right)
            text = classes.add_rule(project, Rule(args.kind, severity, *sides, text=""))
        else:
            names = {
                "rename": ("old", "new"),
                "merge": ("gone", "into"),
                "retire": ("name",),
                "rule": ("number", "severity"),
                "undo": (),
            }[verb]
            change = classes.set_rule if verb == "rule" else getattr(classes, verb)
            text = change(project, *(getattr(args, name) for name in names))
    if args.json:
        print_json({"changed": text})
    else:
        print(f"{classes.in_words(text)}.")
    return 0


def _show_classes(project: Project, as_json: bool) -> int:
    from labeler.project import classes

    taxonomy, changes = project.taxonomy, classes.changes(project)
    listed = [taxonomy.classes[place] for place in taxonomy.order]
    shots = {c.name: classes.shots_with(project, c.name) for c in listed}
    if as_json:
        items = [
            {"name": c.name, "key": c.key, "parent": c.parent, "retired": c.retired}
            | {"was": c.was, "shots": shots[c.name]}
            for c in listed
        ]
        rules = [{"severity": r.severity, "text": r.text} for r in taxonomy.rules]
        done = [{"time": c.time.isoformat(), "who": c.annotator, "text": c.text} for c in changes]
        print_json({"classes": items, "rules": rules, "changes": done})
        return 0
    for c in listed:
        more = f"  retired {c.retired}" if c.retired else ""
        more += f"  was {c.was.replace(';', ', ')}" if c.was else ""
        print(f"{c.key or ' ':>2}  {c.name:<24}{counted(shots[c.name], 'shot'):>15}{more}")
    for number, rule in enumerate(taxonomy.rules, 1):
        print(f"rule {number:>2}  {rule.severity}  {rule.statement}")
    for change in changes:
        print(f"{change.time.astimezone():%d %b %Y %H:%M}  {change.annotator}: {change.text}")
    return 0
