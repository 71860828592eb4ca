"""Small files that describe something are refused in words and at once, however deep or large."""

import ast
import json
import os
import re
import sys
import tomllib
from pathlib import Path

import pytest

from labeler.project.folder import list_runs
from labeler.runs.run_report import Curves, read_events, read_report
from labeler.window.settings import Settings
from model.errors import (
    LARGEST_TOML,
    InputError,
    counted,
    install,
    on_one_line,
    parsed_json,
    parsed_toml,
    text_of,
)
from model.prediction.embedding_file import network_key
from model.runs import checkpoint, recipes
from model.runs.folder import backbone_folder
from model.runs.prior import prior_of
from model.taxonomy.toml import load, shipped
from tests.helpers.waiting import processor_s

DEEP = {
    "toml brackets": "a = " + "[" * 100_000,
    "toml tables": "a = " + "{b = " * 50_000,
    "toml dots": "a." * 200_000 + "a = 1",
    "toml digits": "a = " + "9" * 100_000,
    "toml length": "# x\n" * (LARGEST_TOML // 4 + 1),
    "json brackets": "[" * 200_000,
    "json objects": '{"a":' * 100_000,
    "json digits": '{"format": ' + "9" * 5000 + "}",
}


@pytest.mark.parametrize("name", DEEP)
def test_what_is_deep_or_large_is_refused_in_words_at_once(name, tmp_path):
    parse = parsed_toml if name.startswith("toml") else parsed_json

    def refused():
        with pytest.raises(InputError, match="notes"):
            parse(DEEP[name], "notes")

    assert processor_s(refused, 1) < 5


READERS = {
    "taxonomy.toml": load,
    "recipe.toml": recipes.read,
    "model.json": lambda path: checkpoint.describe(path.parent),
    "model.json of an embedding": lambda path: network_key(path.parent),
    "model.json of a prior": lambda path: prior_of(path.parent, load(shipped("helium"))),
}
"""What raises InputError over a file of this name."""


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["deep", "pipe", "no text", "huge"])
def test_every_reader_of_a_small_file_says_what_is_wrong(name, kind, tmp_path):
    path = tmp_path / name.split(" of ")[0]
    if kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("there are no named pipes here")
        os.mkfifo(path)
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(1 << 33)
    else:
        deep = DEEP["toml brackets" if path.suffix == ".toml" else "json brackets"]
        path.write_bytes(deep.encode() if kind == "deep" else b"\xff\xfe\x00")
    with pytest.raises(InputError):
        READERS[name](path)


def test_a_run_of_a_stranger_is_listed_whatever_its_files_say(tmp_path):
    run = tmp_path / "0001"
    run.mkdir()
    lines = (
        '{"event":"started","time":1e300,"shots":"many","evaluation":[1]}',
        '{"event":"epoch","epoch":' + "9" * 5000 + "}",
        '{"event":"epoch","epoch":"x","loss":"y","metrics":[1]}',
        '{"event":"evaluated","epoch":2,"loss":0.5,"metrics":{"macro_f1":"x"}}',
        "[" * 100_000,
        '{"event":"finished","time":-1e300,"text":{"a":1}}',
    )
    (run / "events.jsonl").write_text("\n".join(lines))
    (run / "metrics.json").write_text(
        '{"evaluation": {"macro_f1": "x"}, "per_class": 5, "intervals": 7, "seconds": "x"}'
    )
    (run / "recipe.toml").write_text(DEEP["toml brackets"])
    (found,) = list_runs(tmp_path)
    assert found.state == "finished"
    report = read_report(1, run)
    assert (report.state, report.shots, report.metrics) == ("finished", 0, {})
    assert len(Curves.of(read_events(run)).epochs) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"class_names": []},
        {"class_names": [f"c{i}" for i in range(100_000)]},
        {"thresholds": [0.5] * 3},
        {"thresholds": [float("nan")] * 11},
        {"worth": ["x"] * 11},
        {"legal_sets": [1 << 40]},
        {"legal_sets": ["x"]},
        {"temperature": float("nan")},
        {"channels": 10**9},
        {"preprocessing": {"size": 2_000_000}},
        {"preprocessing": 5},
        {"recipe": {"alpha": "x"}},
        {"recipe": {"network": "../../etc"}},
    ],
    ids=str,
)
def test_a_network_that_cannot_be_is_damaged_in_words(change, tmp_path):
    network = backbone_folder("helium-resnet18")
    about = json.loads((network / "model.json").read_text("utf-8"))
    checkpoint.describe(network)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(about[key], dict)
        about[key] = about[key] | value if both else value
    (tmp_path / "model.json").write_text(json.dumps(about))
    with pytest.raises(InputError):
        checkpoint.describe(tmp_path)


def test_settings_that_are_a_pipe_or_a_bomb_are_put_aside(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text(DEEP["toml dots"])
    assert "too many parts" in Settings(path).trouble
    assert not path.exists()


def test_a_text_is_read_as_it_is(tmp_path):
    (tmp_path / "a.txt").write_text("é\n", "utf-8")
    assert text_of(tmp_path / "a.txt") == "é\n"


def test_the_name_of_a_file_is_shown_on_one_line_and_in_its_own_direction():
    """A project that someone sent names its files: one must not look like a message of ours."""
    error = InputError("is gone", file=Path("/data/run\nall is well\u202e5h.exe"))
    assert str(error) == "/data/run\\nall is well\\u202e5h.exe: is gone."
    assert on_one_line("Größe 5 µm, シリーズ") == "Größe 5 µm, シリーズ"


def test_one_is_no_plural():
    assert [counted(n, "shot") for n in (0, 1, 2000)] == ["0 shots", "1 shot", "2,000 shots"]
    assert counted(3, "class") == "3 classes"


ROOT = Path(__file__).parents[2]


def test_a_missing_package_is_installed_into_the_python_that_lacks_it(monkeypatch):
    """The project is on no index, and pipx and uv hide the environment that they made."""
    monkeypatch.setattr("model.errors.find_spec", lambda name: name)
    python = f'"{sys.executable}"'
    assert install("umap-learn") == f"Install it: {python} -m pip install umap-learn"
    assert install("onnx", "pydantic<2").endswith(' -m pip install onnx "pydantic<2"')
    monkeypatch.setattr("model.errors.find_spec", lambda name: None)  # as `uv tool` leaves it
    assert install("umap-learn") == f"Install it: uv pip install --python {python} umap-learn"


def test_packages_that_messages_name_are_those_of_the_extras():
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    known = {re.sub("[>=].*", "", package) for extra in extras.values() for package in extra}
    known |= {package for extra in extras.values() for package in extra}
    named = set()
    for path in (p for half in ("labeler", "model") for p in (ROOT / half).rglob("*.py")):
        text = path.read_text("utf-8")
        assert "pip install 'airylabel[" not in text, path
        for call in (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call)):
            skipped = {"install": 0, "optional": 2}.get(ast.unparse(call.func))
            if skipped is not None:
                named |= {a.value for a in call.args[skipped:] if isinstance(a, ast.Constant)}
    assert len(named) >= 12
    assert named - known == set()
