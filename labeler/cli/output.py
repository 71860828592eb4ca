"""How a subcommand speaks: progress for people, JSON for scripts, events for the window."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import Segment

from model.errors import InputError
from model.events import Event, event, to_line

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""To which a family adds its subcommands."""
THE_SAME = "the same command"
"""What goes on where a subcommand was broken off, as its parser's `goes_on` says."""
_UNSEEN = {n: f"\\u{n:04x}" for n in (*range(32), *range(127, 160)) if n not in (9, 10)}
_UNSEEN |= {n: f"\\u{n:04x}" for n in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
"""What moves the cursor, colours, renames the terminal or turns the writing round."""


def seen(text: str) -> str:
    """A text in which nothing acts on a terminal; in JSON it stays the same text."""
    return text.translate(_UNSEEN)


class PlainStream:
    """A stream of text to which `seen` is done: names, notes and paths may come from strangers."""

    def __init__(self, beneath: TextIO) -> None:
        self.beneath = beneath

    def write(self, text: str) -> int:
        return self.beneath.write(seen(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.beneath, name)


@contextmanager
def only_text() -> Iterator[None]:
    """Whatever is printed meanwhile is a `PlainStream`."""
    before = sys.stdout, sys.stderr
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, PlainStream):
            setattr(sys, name, PlainStream(stream))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class PlainConsole(Console):
    """Tables, bars and words for people, in which no text is markup and none acts on a terminal."""

    def __init__(self, *, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        beneath = stream.beneath if isinstance(stream, PlainStream) else stream
        super().__init__(file=beneath, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: Any = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(seen(segment.text), segment.style)


def add_output_options(parser: argparse.ArgumentParser, events: bool = False) -> None:
    """The options that `follow` reads; one of them at a time, for they share the output."""
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--json", action="store_true", help="print the result as one JSON object")
    if events:
        one.add_argument("--events", action="store_true", help="print one JSON event a line")


def add_engine_options(parser: argparse.ArgumentParser, *, only_dask: bool = False) -> None:
    """Who does bulk work: processes of this machine, or the workers of a Dask cluster; with
    `only_dask`, one process here without one."""
    words = "workers that --scheduler starts" if only_dask else "processes (default: one a core)"
    parser.add_argument("--workers", type=int, metavar="W", help=words)
    parser.add_argument(
        "--scheduler",
        metavar="S",
        help="by Dask: local, slurm, or the address of a scheduler (tcp://host:8786)",
    )


def _reader_of(kind: type, such: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number: give {such}.") from None

    return read


NUMBERS: dict[Any, Any] = {
    int: _reader_of(int, "a whole one, such as 3"),
    float: _reader_of(float, "one such as 0.5"),
}
"""Type of an argument -> what reads it and refuses it in words."""


def seed(text: str) -> int:
    """An option's value that begins a random series: a whole number from 0 to 2³² - 1."""
    if not (text.isdecimal() and int(text) < 2**32):
        raise argparse.ArgumentTypeError(f"{text} is no seed: give a number from 0 to {2**32 - 1}.")
    return int(text)


def count(text: str) -> int:
    """An option's value that counts something there must be: a whole number from 1 to 2³¹ - 1."""
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text} cannot be: give a whole number from 1 up.")
    if int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text} is too many: give at most {2**31 - 1}.")
    return int(text)


def folder(text: str) -> Path:
    """An option's value that names a folder to write into, there already or to be made."""
    path = Path(text)
    there = next(p for p in (path, *path.absolute().parents) if os.access(p, os.F_OK))
    if not there.is_dir():
        raise argparse.ArgumentTypeError(f"{there} is a file: name a folder, or a new place.")
    if not os.access(there, os.W_OK):
        raise argparse.ArgumentTypeError(f"{there} may not be written to: name another place.")
    return path


def print_json(value: Any) -> None:
    """One JSON object on stdout, indented, numbers of numpy allowed; NaN becomes null."""
    plain = json.loads(to_line(value) if isinstance(value, dict) else json.dumps(value))
    print(json.dumps(plain, indent=2, ensure_ascii=False))


def ending_in_failure(events: Iterable[Event]) -> Iterator[Event]:
    """The stream, with an error that a person causes as its last event."""
    try:
        yield from events
    except InputError as error:
        yield event("failed", text=str(error))


def follow(events: Iterable[Event], args: argparse.Namespace) -> Event:
    """Show a stream of events as the arguments ask and return its last one.

    Raises InputError with the stream's own message where it ends in `failed`.
    """
    events = ending_in_failure(events)
    last: Event = {}
    if getattr(args, "events", False):
        for last in events:
            print(to_line(last), flush=True)
    elif getattr(args, "json", False):
        kept = deque(events, maxlen=1)
        last = (
            kept.pop() if kept else {}
        )  # one of several processes, which leaves the word to the first
    else:
        last = _with_bars(events)
    if last.get("event") == "failed":
        if getattr(args, "events", False):
            sys.exit(1)
        raise InputError(str(last.get("text", "failed")))
    return last


def status_of(last: Event) -> int:
    """The exit status of a study: 1 where it did not finish, or any training of it `failed`."""
    return int(last["event"] != "finished" or bool(last.get("failed")))


def _with_bars(events: Iterable[Event]) -> Event:
    console = PlainConsole(stderr=True)
    last: Event = {}
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=False) as progress:
        tasks: dict[str, Any] = {}
        always = ""
        for last in events:
            kind = last["event"]
            if kind == "started" and (last.get("constant") or {}).get("macro_f1") is not None:
                always = f" (constant answer {last['constant']['macro_f1']:.3f})"
            if kind == "epoch":
                shown, done, total = "training", last["epoch"], last["epochs"]
                metrics = last.get("metrics", {})
                if "macro_f1" in metrics:
                    progress.console.print(
                        f"epoch {done}: loss {last['loss']:.4f},"
                        f" macro F1 {metrics['macro_f1']:.3f}{always}"
                    )
            elif kind == "progress":
                shown, done, total = last["what"], last["done"], last["total"]
            else:
                if kind in ("note", "cancelled") and last.get("text"):
                    progress.console.print(last["text"])
                continue
            if shown not in tasks:
                tasks[shown] = progress.add_task(shown, total=total)
            progress.update(tasks[shown], completed=done, total=total)
        if last.get("event") == "finished":  # work of one step never says that it is done
            for task in progress.tasks:
                progress.update(task.id, completed=task.total)
    return last
