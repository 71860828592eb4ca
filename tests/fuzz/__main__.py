"""python -m tests.fuzz [--runs N] [PARSER ...]: fuzz parsers, each in a process of its own.

Inputs that reach new code stay in tests/fuzz/corpus/PARSER, the next run begins with them. `--keep`
only puts them into corpus.zip, which the tests ask the parsers about and a fresh clone begins with.
What a parser stumbles over is written to tests/fuzz/found and said. Needs the package atheris.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
LONGEST = 4096
"""Bytes of an input."""


def main() -> int:
    """Fuzz the parsers that were asked for; 1 where one of them stumbled."""
    ask = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    ask.add_argument("parsers", nargs="*")
    ask.add_argument("--runs", type=int, default=1_000_000, help="inputs for each parser")
    ask.add_argument("--seconds", type=int, default=0, help="no longer than this for each")
    ask.add_argument("--keep", action="store_true", help="only keep what earlier runs left")
    ask.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = ask.parse_args()
    if asked.one:
        return fuzz(asked.parsers[0], asked.runs, asked.seconds)
    from tests.fuzz.parsers import PARSERS

    if asked.keep:
        keep(asked.parsers or list(PARSERS))
        return 0
    stumbled = []
    for name in asked.parsers or PARSERS:
        began = time.monotonic()
        words = [sys.executable, "-m", "tests.fuzz", "--one", name]
        words += ["--runs", str(asked.runs), "--seconds", str(asked.seconds)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        runs = [line for line in done.stderr.splitlines() if "Done " in line]
        said = runs[-1].strip() if runs else "\n".join(done.stderr.splitlines()[-30:])
        print(f"{name}: {said} ({time.monotonic() - began:.0f} s)", flush=True)
        if done.returncode:
            stumbled.append(name)
    print(f"stumbled: {', '.join(stumbled) or 'none'}")
    return 1 if stumbled else 0


def fuzz(name: str, runs: int, seconds: int) -> int:
    """Fuzz one parser in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["labeler", "model", "tomlkit", "tomllib", "csv"]):
        from tests.fuzz.parsers import PARSERS, accepts, kept
    parser, seeds = PARSERS[name]
    corpus, found = HERE / "corpus" / name, HERE / "found"
    for place in (corpus, found):
        place.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate([*seeds(), *kept(name)]):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup(
        [sys.argv[0], str(corpus), f"-runs={runs}", f"-max_total_time={seconds}",
         f"-max_len={LONGEST}", f"-artifact_prefix={found}/{name}-", "-timeout=20",
         "-rss_limit_mb=4096"],
        lambda data: accepts(parser, data) and None,
    )  # fmt: skip
    atheris.Fuzz()
    return 0


def keep(names: list[str]) -> None:
    """Put the inputs of these parsers into corpus.zip, in place of those in it."""
    from tests.fuzz.parsers import CORPUS, PARSERS, kept

    inputs = {name: kept(name) for name in PARSERS}
    for name in names:
        inputs[name] = sorted({file.read_bytes() for file in (HERE / "corpus" / name).iterdir()})
    with zipfile.ZipFile(CORPUS, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, each in inputs.items():
            for number, data in enumerate(each):
                entry = zipfile.ZipInfo(f"{name}/{number}")  # without a time: the same bytes again
                archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    print(f"kept {sum(map(len, inputs.values()))} inputs in {CORPUS}")


if __name__ == "__main__":
    sys.exit(main())
