"""The list of parts names a licence of every part whose own package says one, and guesses none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.helpers.waiting import PATIENCE_S

ROOT = Path(__file__).parent.parent


def package(site, name, header="", licence=""):
    folder = site / f"{name}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{header}")
    files = ["METADATA"]
    if licence:
        (folder / "LICENSE").write_text(licence)
        files.append("LICENSE")
    (folder / "RECORD").write_text("".join(f"{folder.name}/{file},,\n" for file in files))


def test_a_part_without_a_licence_gets_the_words_of_its_own_package(tmp_path):
    site, parts = tmp_path / "site", tmp_path / "parts.json"
    package(site, "Field", "License: BSD 3-Clause\n", "Copyright somebody\n")
    package(site, "text", licence="\n  MIT  License\n\nCopyright somebody\n")
    package(site, "known", "License: another\n")
    package(site, "silent")
    known = [{"license": {"id": "MIT"}}]
    names = ("field", "text", "known", "silent", "elsewhere")
    listed = [{"name": n} | ({"licenses": known} if n == "known" else {}) for n in names]
    parts.write_text(json.dumps({"components": listed}))
    done = subprocess.run(
        [sys.executable, ROOT / ".ci/licences", parts, site],
        capture_output=True, text=True, check=True, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.stdout == "5 parts; without a licence in their own package: silent, elsewhere\n"
    found = {
        part["name"]: part.get("licenses") for part in json.loads(parts.read_text())["components"]
    }
    assert found["field"][0]["license"]["name"] == "BSD 3-Clause"
    assert found["field"][0]["license"]["text"]["content"] == "Copyright somebody\n"
    assert found["text"][0]["license"]["name"] == "MIT License"
    assert found["known"] == known
    assert found["silent"] is found["elsewhere"] is None
