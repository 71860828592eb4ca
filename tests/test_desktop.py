"""What is handed to a desktop and to builders: scripts that parse, a menu entry that starts us."""

from __future__ import annotations

import ast
import configparser
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parent.parent
DESKTOP = ROOT / "resources/desktop"
MIME = "{http://www.freedesktop.org/standards/shared-mime-info}"
SCRIPTS = sorted(p for p in (ROOT / ".ci").rglob("*") if p.is_file() and not p.suffix)


def entry(file):
    """The lines of a menu entry, by name."""
    read = configparser.ConfigParser(interpolation=None)
    read.optionxform = str
    read.read(file, "utf-8")
    return read["Desktop Entry"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_a_script_for_builders_parses_and_may_be_run(script):
    text = script.read_text("utf-8")
    shell = re.match(r"#!/(?:usr/)?bin/(?:env )?(bash|sh|python3)\n", text)[1]
    assert os.access(script, os.X_OK)
    if shell == "python3":
        ast.parse(text)
    else:
        subprocess.run([shell, "-n", script], check=True)


def test_the_menu_entry_starts_the_command_that_the_package_installs():
    with (ROOT / "pyproject.toml").open("rb") as file:
        (command,) = tomllib.load(file)["project"]["scripts"]
    read = entry(DESKTOP / "airylabel.desktop")
    assert read["Exec"] == f"{command} %f"
    assert read["Type"] == "Application"
    assert (DESKTOP / f"{read['Icon']}.svg").is_file()


def test_the_kind_of_file_that_the_menu_entry_opens_is_the_one_that_is_declared():
    (kind,) = ElementTree.parse(DESKTOP / "airylabel.xml").getroot()
    assert kind.tag == f"{MIME}mime-type"
    assert entry(DESKTOP / "airylabel.desktop")["MimeType"] == f"{kind.get('type')};"
    assert kind.find(f"{MIME}glob").get("pattern") == "project.sqlite"
    ElementTree.parse(DESKTOP / "airylabel.svg")


def test_a_bundle_is_put_into_the_menu_from_a_folder_of_any_name(tmp_path):
    bundle = tmp_path / "R&D | 100 % ours"
    shutil.copytree(DESKTOP, bundle / "share/desktop")
    shutil.copy(ROOT / ".ci/bundle-desktop", bundle / "install-desktop")
    data = tmp_path / "data"
    environment = {**os.environ, "XDG_DATA_HOME": str(data)}
    subprocess.run([bundle / "install-desktop"], env=environment, check=True, capture_output=True)
    started = shlex.split(entry(data / "applications/airylabel.desktop")["Exec"])
    assert started == [str(bundle / "airylabel").replace("%", "%%"), "%f"]
    assert (data / "mime/packages/airylabel.xml").is_file()


def test_what_is_built_without_a_python_has_all_packages_that_messages_could_miss():
    for name in (".ci/bundle", ".ci/untested/macos", ".ci/untested/windows.ps1"):
        assert '".[all]"' in (ROOT / name).read_text("utf-8"), name
