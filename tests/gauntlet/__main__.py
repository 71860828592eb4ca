"""The whole gauntlet: `python -m tests.gauntlet [KIND …] [--size S]`; exit 1 if anything was lost.

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

from . import beside, damage, failures, gestures, kills, strangers
from .places import Tally

SIZES = ("tiny", "small", "full")
"""In seconds, for the default tests; in a few minutes; the whole of it."""
Kind = Callable[[Path, int], Iterator[Tally]]
"""From a folder and the place of the size in SIZES to the lines."""


def _kills(folder: Path, size: int) -> Iterator[Tally]:
    yield kills.while_labelling(folder, (5, 50, 1000)[size])
    yield kills.while_labelling(folder, (6, 50, 500)[size], pace=0.0, seed=9)


def _window(folder: Path, size: int) -> Iterator[Tally]:
    yield kills.in_the_window(folder, (1, 5, 40)[size])


def _training(folder: Path, size: int) -> Iterator[Tally]:
    yield kills.with_a_training(folder, (1, 4, 100)[size])


def _failures(folder: Path, size: int) -> Iterator[Tally]:
    works = failures.WORKS if size else failures.WORKS[:1]
    every = (16, 4, 1)[size]
    yield failures.nth_operation(folder, works)
    yield failures.size_limit(folder, works, failures.LIMITS[::every])
    if size:
        yield failures.full_disk(folder, works, failures.ROOMS[::every])


def _damage(folder: Path, size: int) -> Iterator[Tally]:
    for make in damage.TARGETS:
        if size or make is not damage.weights:  # which load torch
            target = make(folder / make.__name__)
            yield damage.flipped(target, (6, 50, 1000)[size])
            yield damage.cut_off(target, (3, 10, 200)[size])


def _gestures(folder: Path, size: int) -> Iterator[Tally]:
    yield gestures.there_and_back(folder, (60, 500, 10_000)[size])


def _beside(folder: Path, size: int) -> Iterator[Tally]:
    yield beside.while_labelling(folder, (6, 30, 300)[size])


def _clock(folder: Path, size: int) -> Iterator[Tally]:
    yield beside.clock(folder, (15, 60, 300)[size])


def _people(folder: Path, size: int) -> Iterator[Tally]:
    yield beside.two_people(folder, (40, 200, 2000)[size])


def _dialogs(folder: Path, size: int) -> Iterator[Tally]:
    yield beside.dialogs(folder, (1, 5, 40)[size])


def _postgres(folder: Path, size: int) -> Iterator[Tally]:
    yield beside.postgres(folder, (10, 40, 200)[size])


def _sources(folder: Path, size: int) -> Iterator[Tally]:
    yield strangers.sources(folder, (2, 16, 120)[size])


def _strangers(folder: Path, size: int) -> Iterator[Tally]:
    yield strangers.project(folder, (12, 200, 2000)[size])
    yield strangers.stream(folder, (300, 5000, 100_000)[size])


KINDS: dict[str, Kind] = {
    "kills": _kills,
    "window": _window,
    "training": _training,
    "failures": _failures,
    "damage": _damage,
    "gestures": _gestures,
    "beside": _beside,
    "clock": _clock,
    "people": _people,
    "dialogs": _dialogs,
    "postgres": _postgres,
    "sources": _sources,
    "strangers": _strangers,
}


def main() -> int:
    """Run the kinds that were asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.gauntlet")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--size", choices=SIZES, default="full")
    args = parser.parse_args()
    if sys.platform != "linux":
        print("The gauntlet runs on Linux only.")
        return 2
    lost = 0
    for kind in args.kinds or KINDS:
        with tempfile.TemporaryDirectory(prefix="airylabel-gauntlet-") as folder:
            start = time.monotonic()
            for tally in KINDS[kind](Path(folder), SIZES.index(args.size)):
                print(f"{tally}  {time.monotonic() - start:.0f} s", flush=True)
                if tally.first:
                    print(f"    first: {tally.first}", flush=True)
                lost += tally.lost
                start = time.monotonic()
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
