"""The shape of the house: small packages, one arrow, plain names, documents that fit the code.

Import contracts (which floor may call which) are held by import-linter, types by mypy.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import grimp
import networkx
import pytest

ROOT = Path(__file__).resolve().parent.parent
HALVES = ("labeler", "model")

OWN = {
    "annotator", "checkpoint", "cursor", "display", "finder", "geometry", "grid", "head",
    "host", "job", "labels", "opened", "page", "pane", "predictions", "preparation",
    "project", "queue", "reader", "recipe", "repeats", "run", "session", "settings", "source",
    "steps", "study", "subparsers", "suggestions", "table", "tables", "taxonomy", "view", "views",
    "window",
}  # fmt: skip
"""Words that always mean a type of ours."""
TAKE_ANYTHING = {
    "model/bulk/engines.py",  # what a worker is told and answers is its caller's
    "model/bulk/plain.py",
    "model/taxonomy/edits.py",  # parts of a document of tomlkit
}
"""Modules with callables whose arguments are `Any`."""

STRING_TABLES = {"labeler/cli/__init__.py"}
"""Modules with a documented table of modules that are loaded by name: subcommands."""


@cache
def trees() -> dict[str, ast.Module]:
    """Path below the repository -> syntax tree, of every module of ours."""
    files = (p for half in HALVES for p in sorted((ROOT / half).rglob("*.py")))
    return {p.relative_to(ROOT).as_posix(): ast.parse(p.read_text(encoding="utf-8")) for p in files}


def packages() -> Iterator[Path]:
    for half in HALVES:
        yield from (p.parent for p in sorted((ROOT / half).rglob("__init__.py")))


def nodes(kind: type | tuple[type, ...]) -> Iterator[tuple[str, ast.AST]]:
    for path, tree in trees().items():
        yield from ((path, node) for node in ast.walk(tree) if isinstance(node, kind))


def texts(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """(text, line) of all texts with a space in them that are no docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        said = node.value if isinstance(node, ast.Constant) else None
        if isinstance(said, str) and " " in said and id(node) not in docstrings:
            yield said, node.lineno


def check(rule: str, offenders: set[str]) -> None:
    assert not offenders, f"{rule}: " + "\n".join(sorted(offenders))


def test_every_module_says_what_it_is_for():
    silent = {path for path, tree in trees().items() if tree.body and not ast.get_docstring(tree)}
    check("purpose", silent)


def test_a_package_has_at_most_14_entries():
    crowded = set()
    for folder in packages():
        entries = [
            p for p in folder.iterdir()
            if (p / "__init__.py").exists() or (p.suffix == ".py" and p.name != "__init__.py")
        ]  # fmt: skip
        if len(entries) > 14 and folder.parent != ROOT:
            crowded.add(folder.relative_to(ROOT).as_posix())
    check("entries", crowded)


def test_the_halves_show_at_most_13_and_22_entries():
    for half, most in (("labeler", 13), ("model", 22)):
        assert len([p for p in (ROOT / half).iterdir() if p.name != "__pycache__"]) <= most, half


def test_own_classes_are_at_most_two_deep():
    """Below Qt's, or Python's: a class, and one that is made of it."""
    deep = set()
    for half in HALVES:
        parents = {
            node.name: {ast.unparse(base).split(".")[-1].split("[")[0] for base in node.bases}
            for path, node in nodes(ast.ClassDef)
            if path.startswith(half)
        }

        def depth(name: str, parents=parents) -> int:
            return 1 + max(
                (depth(p) for p in parents[name] if p in parents and p != name), default=0
            )

        deep |= {f"{half}: {name}" for name in parents if depth(name) > 2}
    check("inheritance", deep)


def test_no_public_class_name_stands_twice_in_a_half():
    places = defaultdict(set)
    for path, node in nodes(ast.ClassDef):
        if not node.name.startswith("_"):
            places[path.split("/")[0], node.name].add(path)
    check("twice", {f"{half}: {name}" for (half, name), where in places.items() if len(where) > 1})


def test_timers_of_the_window_call_methods():
    """Qt holds a method weakly. A lambda that goes with its widget into the garbage is emptied
    first, and the timer that fires in between brings the process down."""
    emptied = {
        f"{path}:{node.lineno}"
        for path, node in nodes(ast.Call)
        if path.startswith(("labeler/window", "labeler/session", "labeler/jobs"))
        and ast.unparse(node.func).endswith(("timeout.connect", "singleShot"))
        and any(isinstance(arg, ast.Lambda) for arg in node.args)
    }
    check("timers", emptied)


def test_own_types_are_named():
    """No parameter, attribute or answer that means a type of ours is `Any`; and no function that is
    handed over takes one."""
    bare = set()
    for path, node in nodes((ast.arg, ast.AnnAssign, ast.FunctionDef)):
        if isinstance(node, ast.FunctionDef):
            name, said = node.name, node.returns
        else:
            name = node.arg if isinstance(node, ast.arg) else ast.unparse(node.target)
            said = node.annotation
        kind = "" if said is None else ast.unparse(said)
        words = set(name.split(".")[-1].split("_"))
        if (words & OWN and kind in ("Any", "Any | None")) or (
            re.search(r"Callable\[\[[^]]*\bAny\b", kind) and path not in TAKE_ANYTHING
        ):
            bare.add(f"{path}:{node.lineno} {name}: {kind}")
    check("any", bare)


def test_a_name_for_arrays_means_the_same_numbers_everywhere_in_a_half():
    meant = defaultdict(set)
    for path, tree in trees().items():
        for node in tree.body:
            if isinstance(node, ast.Assign) and "NDArray[" in ast.unparse(node.value):
                kind = ast.unparse(node.value).split("NDArray[")[1]
                if re.match(r"np\.(bool_|u?int\d+|intp|float\d+)\]", kind):
                    meant[path.split("/")[0], ast.unparse(node.targets[0])].add(kind)
    check("arrays", {f"{half}: {name}" for (half, name), kinds in meant.items() if len(kinds) > 1})


def test_modules_of_ours_are_loaded_by_name_only_in_one_table():
    offenders = set()
    for path, node in nodes(ast.Call):
        if ast.unparse(node.func).split(".")[-1] not in ("import_module", "__import__"):
            continue
        first = node.args[0]
        if isinstance(first, ast.JoinedStr):
            first = first.values[0]
        outside = isinstance(first, ast.Constant) and str(first.value).split(".")[0] not in HALVES
        if not outside and path not in STRING_TABLES:
            offenders.add(path)
    check("strings", offenders)


def test_no_circle_between_or_inside_packages():
    graph = grimp.build_graph(*HALVES, cache_dir=None)
    arrows = [(a, b) for a in graph.modules for b in graph.find_modules_directly_imported_by(a)]
    circles = set()
    for folder in packages():
        package = ".".join(folder.relative_to(ROOT).parts)
        level = networkx.DiGraph()
        for arrow in arrows:
            if all(end == package or end.startswith(package + ".") for end in arrow):
                a, b = (".".join(end.split(".")[: package.count(".") + 2]) for end in arrow)
                if a != b:
                    level.add_edge(a, b)
        circles |= {
            " ↔ ".join(sorted(part))
            for part in networkx.strongly_connected_components(level)
            if len(part) > 1
        }
    check("circles", circles)


# -- words -----------------------------------------------------------------------------------------


@cache
def avoided(section: str = "") -> set[str]:
    """The words in `this type` of the glossary's columns of words to avoid, or of one section."""
    words, column = set(), 0
    text = (ROOT / "resources/glossary.md").read_text(encoding="utf-8")
    if section:
        text = text.split(f"## {section}\n")[1].split("\n## ")[0]
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if "avoid" in cells or "instead of" in cells:
            column = cells.index("avoid" if "avoid" in cells else "instead of")
        elif line.startswith("|"):
            words |= {word.strip("_") for word in re.findall(r"`(\w+)`", cells[column])}
    return words


def words_of(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def test_the_glossary_names_words_to_avoid():
    assert {"errand", "dress", "anew", "reading", "ground", "wish", "lesson"} <= avoided()
    assert "dress" not in avoided("In code and on the screen")


def test_names_in_code_avoid_the_words_that_the_glossary_avoids():
    used, words_to_avoid = set(), avoided() - avoided("On the screen")
    for path, tree in trees().items():
        names = {path.rsplit("/", 1)[-1].removesuffix(".py")}
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names.add(node.name)
            elif isinstance(node, ast.arg):
                names.add(node.arg)
            elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
                names.add(node.id if isinstance(node, ast.Name) else node.attr)
            elif isinstance(node, ast.alias) and node.asname:
                names.add(node.asname)
        words = {word for name in names for word in words_of(name)}
        used |= {word for word in words if {word, word.removesuffix("s")} & words_to_avoid}
    check("names", used)


def test_texts_on_the_screen_avoid_the_words_that_the_glossary_avoids():
    used, both, screen = set(), avoided("In code and on the screen"), avoided("On the screen")
    for path, tree in trees().items():
        if not path.startswith("labeler/"):
            continue
        words = both if path.startswith("labeler/project/store/") else both | screen  # SQL there
        for said, _ in texts(tree):
            used |= set(re.findall(r"[a-z]+", said.lower())) & words
    check("texts", used)


OF_OTHERS = {
    "entry_7264",  # of a file at the CXIDB
    "p2746_r12_vds",
    "job_script",  # of a cluster of dask_jobqueue
    "heatmap_scale_chattopadhay",  # put together
}
"""Names in docstrings that stand nowhere in the code."""
A_FILE = re.compile(r"\.(csv|h5|jsonl?|md|onnx|py|toml)$")


def test_names_in_docstrings_exist():
    """`name`, `Type.name` or `module.name`: each part is a name somewhere, a module's in it."""
    words: dict[str, set[str]] = {}
    said = []
    for path, tree in trees().items():
        prose = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
        mine = words[path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")] = set()
        for node in ast.walk(tree):
            for _, value in ast.iter_fields(node):
                if isinstance(value, str) and id(node) not in prose:
                    mine |= set(re.findall(r"\w+", value))
                elif isinstance(value, str):
                    names = re.findall(r"`([A-Za-z_][\w.]*)(?:\(\))?`", value)
                    said += [(f"{path}:{node.lineno}", name) for name in names]
    everything = set().union(*words.values(), *(m.split(".") for m in words)) | OF_OTHERS

    def exists(name: str) -> bool:
        owner, _, last = name.rpartition(".")
        if A_FILE.search(name) or any(f".{module}".endswith(f".{name}") for module in words):
            return True
        mine = [found for module, found in words.items() if f".{module}".endswith(f".{owner}")]
        return set(name.split(".")) <= everything and (
            not owner.islower() or not mine or any(last in found for found in mine)
        )

    check("names in docstrings", {f"{at} {name}" for at, name in said if not exists(name)})


NAMES_KEYS = {
    "labeler/window/commands/table.py",  # the shipped keys
}
A_KEY = re.compile(r"Ctrl\+|\((?:[A-Z]|F\d+)\)|\bpress [A-Z]\b|\bor [A-Z] to\b")


def test_a_percentage_stands_apart_from_its_sign():
    close = {
        f"{path}:{node.lineno}"
        for path, node in nodes(ast.FormattedValue)
        if node.format_spec is not None and ast.unparse(node.format_spec).endswith("%'")
    }
    check("write {100 * share:.0f} %", close)


def test_texts_name_no_key_that_a_person_may_have_changed():
    found = set()
    for path, tree in trees().items():
        if not path.startswith(("labeler/session", "labeler/window")) or path in NAMES_KEYS:
            continue
        for said, line in texts(tree):
            if A_KEY.search(said):
                found.add(f"{path}:{line}")
    check("texts that name a key", found)


# -- tests -----------------------------------------------------------------------------------------


CLOCKS = {
    "helpers/waiting.py",  # does it for all others
    "labeler/test_day.py",  # types at a pace
    "fuzz/__main__.py",  # says how long it took
}
"""Tests that may look at a clock; so may the gauntlet, whose kills come at random times."""


def given_up_after(call):
    """The seconds that a call waits at most, where they are written as a number; else None."""
    given = [word.value for word in call.keywords if word.arg == "timeout"]
    if getattr(call.func, "attr", "") in ("wait", "join", "poll", "result"):
        given += call.args[:1]
    said = [v.value for v in given if isinstance(v, ast.Constant)]
    return next((value for value in said if isinstance(value, int | float)), None)


def test_tests_wait_for_states_and_look_at_no_clock():
    offenders = set()
    for path in sorted((ROOT / "tests").rglob("*.py")):
        name = path.relative_to(ROOT / "tests").as_posix()
        if name in CLOCKS or name.startswith("gauntlet/"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            used = getattr(node, "attr", getattr(node, "id", ""))
            of = ast.unparse(node.value) if isinstance(node, ast.Attribute) else ""
            if isinstance(node, ast.Call) and given_up_after(node):
                offenders.add(f"tests/{name}:{node.lineno}: gives up sooner than PATIENCE_S")
            waits = used in ("sleep", "qWait", "qSleep") or (used == "wait" and of == "qtbot")
            if waits or used in ("perf_counter", "monotonic"):
                offenders.add(f"tests/{name}: {used}")
    check("clocks", offenders)


# -- documents -------------------------------------------------------------------------------------


def test_contributing_has_a_sentence_for_every_package():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = {
        p.name for half in HALVES for p in (ROOT / half).iterdir() if (p / "__init__.py").exists()
    }
    assert {room for room in rooms if f"`{room}/`" not in text} == set()


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_files_that_the_documents_name_are_there(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text))
    named |= set(re.findall(r"`((?:labeler|model|tests|resources)/[\w./-]+)`", text))
    assert named
    assert {name for name in named if not (ROOT / name).exists()} == set()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a checkout says which files there are")
def test_the_source_distribution_has_every_file_of_the_repository():
    with (ROOT / "pyproject.toml").open("rb") as file:
        sdist = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["sdist"]
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    outside = {
        name
        for name in listed.stdout.split()
        if not any(
            fnmatch(f"/{name}", p) or f"/{name}".startswith(f"{p}/") for p in sdist["include"]
        )
    }
    check("files left out", outside)


def test_a_release_is_refused_where_the_tree_is_not_that_of_a_commit(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    made = subprocess.run(["make", "committed"], cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode
    assert "?? Makefile" in made.stdout


def test_the_licence_of_the_package_names_that_of_every_colour_map():
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    assert "LICENSES/*" in project["license-files"]
    notice = (ROOT / "LICENSES/colormaps.md").read_text(encoding="utf-8")
    for table in (ROOT / "resources/colormaps").glob("*.txt"):
        head = table.read_text(encoding="utf-8").partition("\n")[0]
        licence = {"CC BY 4.0": "CC-BY-4.0", "CC0": "CC0-1.0"}[head.rpartition(", ")[2].rstrip(".")]
        assert licence in project["license"]
        assert licence in notice
        assert any(fnmatch(table.name, named) for named in re.findall(r"`([^`]+)`", notice))


def test_package_workflow_and_readme_name_the_same_versions_of_python():
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    said = [c.rpartition(" ")[2] for c in project["classifiers"] if re.search(r":: 3\.\d", c)]
    assert project["requires-python"] == f">={said[0]}"
    workflow = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    assert f"python: {said}".replace("'", '"') in workflow
    assert f"(Python {' or '.join(said)};" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_citation_is_of_this_version():
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {project['version']}" in citation
    assert f"license: {project['license'].partition(' AND ')[0]}" in citation
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = project["version"].partition(".dev")[0]
    assert f"## [{released}]" in changes
