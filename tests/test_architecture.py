"""The house keeps its shape: small rooms, short functions, every module says its purpose."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(p for half in ("model", "labeler") for p in (ROOT / half).rglob("*.py"))


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_has_outgrown_its_room(path):
    assert lines(path) <= 400


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_function_is_longer_than_a_screen(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > 60
    }
    assert long == {}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path):
    if path.stat().st_size:
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_the_usual_module_is_short():
    assert median(map(lines, MODULES)) < 170


def test_the_readme_names_every_room_of_the_house():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rooms = {p.name for half in ("model", "labeler") for p in (ROOT / half).iterdir() if p.is_dir()}
    missing = {r for r in rooms - {"__pycache__"} if f"{r}/" not in text}
    assert missing == set()
