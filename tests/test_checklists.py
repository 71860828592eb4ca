"""The review check-lists tick their points by tests, commands and files that exist."""

from __future__ import annotations

import argparse
import ast
import re
from pathlib import Path

from labeler.cli import build_parser

ROOT = Path(__file__).resolve().parent.parent
LISTS = (ROOT / "resources/results/checklists.md").read_text("utf-8")
NAMED = set(re.findall(r"`([^`\n]+)`", LISTS))


def functions(file):
    return {n.name for n in ast.walk(ast.parse(file.read_text("utf-8"))) if hasattr(n, "name")}


def test_every_test_that_ticks_a_point_exists():
    tests = {name for name in NAMED if "::" in name}
    assert len(tests) > 10
    parted = [name.split("::") for name in tests]
    assert [p for p in parted if p[1] not in functions(ROOT / p[0])] == []


def test_every_command_that_ticks_a_point_exists():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    asked = {name.split()[1] for name in NAMED if name.startswith("make ")}
    assert asked
    assert asked - targets == set()
    ours = next(a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    asked = {name.split()[1] for name in NAMED if name.startswith("airylabel ")}
    assert asked
    assert asked - set(ours.choices) == set()


def test_every_file_that_ticks_a_point_exists():
    files = {name for name in NAMED if "::" not in name and " " not in name}
    assert files
    assert {name for name in files if not (ROOT / name).exists()} == set()


def test_every_point_is_ticked_or_says_why_not():
    rows = [line.split(" | ", 1) for line in LISTS.splitlines() if line.startswith("| ")]
    points = [row for row in rows if row[0] != "| point"]
    assert len(points) > 30
    unticked = [p for p, by in points if "`" not in by and not by.startswith(("open: ", "no "))]
    assert unticked == []
