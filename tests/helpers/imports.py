"""What a piece of code makes a fresh process load."""

from __future__ import annotations

import subprocess
import sys


def loaded_by(code: str, *modules: str) -> set[str]:
    """Those of the modules that are there after the code ran in a process of its own."""
    code = f"import sys; {code}; print(*({set(modules)!r} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
