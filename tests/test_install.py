"""Installed from a wheel, outside this folder, the program finds its resources and works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.helpers.waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parent.parent


def run(words, cwd, **more):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment |= {"QT_QPA_PLATFORM": "offscreen", "AIRYLABEL_CONFIG_DIR": str(cwd / "config")}
    done = subprocess.run(
        words, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE_S, env=environment, **more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A fresh environment with the wheel in it; what the wheel needs is borrowed from ours."""
    folder = tmp_path_factory.mktemp("fresh")
    run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--wheel-dir", str(folder), str(ROOT)],
        folder,
    )  # fmt: skip
    home = folder / "environment"
    venv.create(home, with_pip=False)
    paths = {"base": str(home), "platbase": str(home), "installed_base": str(home)}
    there = Path(sysconfig.get_path("purelib", "venv", vars=paths))
    (wheel,) = folder.glob("airylabel-*.whl")
    run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile",
         "--target", str(there), str(wheel)],
        folder,
    )  # fmt: skip
    ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (there / "borrowed.pth").write_text("\n".join(ours))
    scripts = Path(sysconfig.get_path("scripts", "venv", vars=paths))
    return folder, scripts / ("python.exe" if sys.platform == "win32" else "python")


def test_the_installed_program_is_the_one_from_the_wheel(installed):
    folder, python = installed
    where = run([str(python), "-c", "import labeler; print(labeler.__file__)"], folder)
    assert str(folder) in where


def test_the_installed_program_makes_the_demo_project(installed):
    folder, python = installed
    words = [str(python), "-m", "labeler"]
    run([*words, "demo", "demo", "--shots", "24", "--no-window"], folder)
    told = json.loads(run([*words, "info", "demo", "--json"], folder))
    assert told["shots"] == 24
    assert json.loads(run([*words, "networks", "--json"], folder))["resnet18"] == 11_178_187
    assert "quick" in run([*words, "recipes"], folder)


def test_the_installed_window_finds_styles_icons_and_schematics(installed):
    folder, python = installed
    code = (
        "from importlib.resources import files\n"
        "r = files('resources')\n"
        "for f in ('schematics/streak.svg', 'taxonomies/helium.toml', 'taxonomies/cxidb.toml'):\n"
        "    assert (r / f).is_file(), f\n"
        "assert any((r / 'icons').iterdir()) and any((r / 'style').iterdir())\n"
    )
    run([str(python), "-c", code], folder)
