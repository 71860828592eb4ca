"""Children of a script that is no module: the script runs once, and what it asks for works."""

import subprocess
import sys

SCRIPT = """
import sys
from pathlib import Path
from model.shots.child import FileReader
print("begins")
with FileReader(Path.stat) as ask:
    print("bytes", ask(Path(sys.argv[1])).st_size)
"""


def test_a_script_without_a_main_guard_reads_in_a_child_and_runs_once(tmp_path):
    path = tmp_path / "shots.h5"
    path.write_bytes(bytes(80))
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT)
    ran = subprocess.run(
        [sys.executable, script, path], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stderr == ""
    assert ran.stdout.split() == ["begins", "bytes", "80"]
