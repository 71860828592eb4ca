"""The whole gauntlet: `python -m tests.gauntlet [KIND …] [--small]`; exit 1 if anything was lost.

One line for each kind: tried, survived, lost. Linux only: it forks, limits and mounts.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from . import damage, failures, gestures, kills
from .places import Tally

Kind = Callable[[Path, bool], Iterator[Tally]]


def _kills(folder: Path, small: bool) -> Iterator[Tally]:
    yield kills.while_labelling(folder, 20 if small else 1000)
    yield kills.while_labelling(folder, 20 if small else 500, pace=0.0, seed=9)


def _window(folder: Path, small: bool) -> Iterator[Tally]:
    yield kills.in_the_window(folder, 2 if small else 40)


def _training(folder: Path, small: bool) -> Iterator[Tally]:
    yield kills.with_a_training(folder, 2 if small else 100)


def _failures(folder: Path, small: bool) -> Iterator[Tally]:
    yield failures.nth_operation(folder)
    yield failures.size_limit(folder, failures.LIMITS[:: 10 if small else 1])
    yield failures.full_disk(folder, failures.ROOMS[:: 10 if small else 1])


def _damage(folder: Path, small: bool) -> Iterator[Tally]:
    for make in damage.TARGETS:
        target = make(folder / make.__name__)
        yield damage.flipped(target, 20 if small else 1000)
        yield damage.cut_off(target, 5 if small else 200)


def _gestures(folder: Path, small: bool) -> Iterator[Tally]:
    yield gestures.there_and_back(folder, 200 if small else 10_000)


KINDS: dict[str, Kind] = {
    "kills": _kills,
    "window": _window,
    "training": _training,
    "failures": _failures,
    "damage": _damage,
    "gestures": _gestures,
}


def main() -> int:
    """Run the kinds that were asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.gauntlet")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--small", action="store_true", help="a few of each, in a minute")
    args = parser.parse_args()
    if sys.platform != "linux":
        print("The gauntlet runs on Linux only.")
        return 2
    lost = 0
    for kind in args.kinds or KINDS:
        with tempfile.TemporaryDirectory(prefix="airylabel-gauntlet-") as folder:
            start = time.monotonic()
            for tally in KINDS[kind](Path(folder), args.small):
                print(f"{tally}  {time.monotonic() - start:.0f} s", flush=True)
                if tally.first:
                    print(f"    first: {tally.first}", flush=True)
                lost += tally.lost
                start = time.monotonic()
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
