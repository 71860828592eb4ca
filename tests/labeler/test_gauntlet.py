"""A small gauntlet, each kind of accident a few times; the whole: `python -m tests.gauntlet`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

KINDS = (
    ("kills", "damage", "sources"),
    ("failures", "gestures", "beside", "clock"),
    ("people", "postgres", "strangers"),
)
"""Of accidents, as one process after the other tries them."""
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="the gauntlet forks and sets limits")
@pytest.mark.parametrize("kinds", KINDS, ids=" ".join)
def test_nothing_is_lost_in_a_small_gauntlet(kinds):
    done = subprocess.run(
        [sys.executable, "-m", "tests.gauntlet", *kinds, "--size", "tiny"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    lines = re.findall(r"tried +([\d,]+) +survived +([\d,]+) +lost +(\d+)", done.stdout)
    assert len(lines) >= len(kinds)
    for tried, survived, lost in lines:
        assert tried == survived
        assert int(tried.replace(",", "")) > 0 or "left out" in done.stdout
        assert lost == "0"


def test_the_gauntlet_names_what_was_lost(tmp_path):
    from tests.gauntlet.places import Tally, make_project, trouble_with

    tally = Tally("a kind")
    tally.add("")
    tally.add("half a file")
    assert "tried      2  survived      1  lost    1" in str(tally)
    project = make_project(tmp_path / "p", 3, 8)
    assert trouble_with(project) == ""
    raw = bytearray((project / "project.sqlite").read_bytes())
    raw[8192:12288] = bytes(4096)
    (project / "project.sqlite").write_bytes(raw)
    assert "integrity" in trouble_with(project)
