"""The command line: one small module for each family of subcommands, and the window by default.

`airylabel` and `airylabel PROJECT` open the window. Exit status: 0 fine, 1 failed, 2 wrong use.
Nothing heavy is imported before a subcommand needs it.
"""

from __future__ import annotations

import argparse
import errno
import gc
import importlib
import io
import logging
import os
import select
import sys
from collections.abc import Sequence
from pathlib import Path

from labeler import version
from labeler.cli.output import NUMBERS, only_text
from labeler.cli.targets import SHIPPED
from labeler.jobs.child import die_with_parent
from labeler.project.folder import is_project_folder
from model.errors import InputError, of_a_path

FAMILIES = (
    "projects",
    "restore",
    "exchange",
    "training",
    "live",
    "active",
    "physics",
    "preparation",
    "inspect",
    "bench",
    "paper",
    "demo",
)
"""Modules of this package with an `add_parsers(subparsers)` each."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of every subcommand; each sets `run`, a function from arguments to exit status."""
    parser = argparse.ArgumentParser(
        prog="airylabel",
        description="Label single-shot diffraction patterns, retrain a network, see why it decided."
        " Without a subcommand the window opens: airylabel [PROJECT].",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version()}")
    subparsers = parser.add_subparsers(metavar="SUBCOMMAND", dest="subcommand")
    for family in FAMILIES:
        importlib.import_module(f"labeler.cli.{family}").add_parsers(subparsers)
    _explain(parser)
    return parser


COMMON = {
    "PROJECT": "folder of a project",
    "PROJECT_OR_FILE": "a project, or a file of shots",
    "FILE_OR_PROJECT": "whose shots",
    "RUN": f"folder of a run, or {SHIPPED}: the network that comes with the program",
    "--run": f"folder of a run, in a project its number, or {SHIPPED}: the network that comes with"
    " the program",
    "--class": "a class, by its name",
    "--engine": "what computes; auto: the fastest one that is here",
    "--out": "what is written",
    "--seed": "the same number, the same result",
    "--seeds": "repetitions, each with another seed",
}
"""Placeholder or option -> what it is, in every subcommand that does not say it itself."""


def _explain(parser: argparse.ArgumentParser) -> None:
    """`--help` says what everything is, and what where it is left out, in each subcommand alike;
    what should be a number and is none is refused in words."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                _explain(below)
        elif action.help is not argparse.SUPPRESS:
            action.type = NUMBERS.get(action.type, action.type)
            name = action.option_strings[-1] if action.option_strings else str(action.metavar)
            action.help = action.help or COMMON.get(name)
            default, said = action.default, action.help or ""
            silent = default is None or default is False or default in ("", [], argparse.SUPPRESS)
            if action.option_strings and not silent and "default" not in said:
                action.help = f"{said} (default: %(default)s)".lstrip()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line, by default that of the process; returns the exit status."""
    with only_text():
        status = _ending(argv)
    if argv is None:
        gc.freeze()  # the process ends: no look through all of torch for garbage
    return status


def _ending(argv: Sequence[str] | None) -> int:
    try:
        try:
            return _run(argv)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where a reader that went away is understood
    except InputError as error:
        print(f"airylabel: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("airylabel: interrupted", file=sys.stderr)
        return 1
    except BrokenPipeError:
        if not _unheard():
            raise
        return 1
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            print(f"airylabel: no space left for what it writes ({error}).", file=sys.stderr)
            _to_nowhere()
            return 1
        refused = of_a_path(error)
        if refused is None:
            raise
        print(f"airylabel: {refused}", file=sys.stderr)
        return 1


def _speak_every_script() -> None:
    """Files and pipes get UTF-8; what a console, or a name on the disk, has no letter for is
    written as its number instead of ending the command (in JSON it is still the same name)."""
    for stream in (sys.stdout, sys.stderr):
        stream = getattr(stream, "beneath", stream)
        if isinstance(stream, io.TextIOWrapper):
            if not stream.isatty() and "PYTHONIOENCODING" not in os.environ:
                stream.reconfigure(encoding="utf-8")
            stream.reconfigure(errors="backslashreplace")


def _is_for_people(record: logging.LogRecord) -> bool:
    """Not that matplotlib keeps its cache elsewhere where no folder of the user may be written."""
    return not str(record.msg).startswith(("mkdir -p failed", "Matplotlib created a temporary"))


def _run(argv: Sequence[str] | None) -> int:
    _speak_every_script()
    die_with_parent()
    # Before numpy is loaded. Its products here are small, and while a training has the cores,
    # BLAS threads that wait for each other take a hundred times as long as one.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # For every process that we start: a `random.py` in the current folder is not Python's.
    os.environ["PYTHONSAFEPATH"] = "1"
    logging.getLogger("matplotlib").addFilter(_is_for_people)
    words = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser()
    if not words or _is_project(parser, words):
        words.insert(0, "window")
    args, unknown = parser.parse_known_args(words)
    if unknown:
        _asked(parser, words).error(f"unrecognized arguments: {' '.join(unknown)}")
    if getattr(args, "out", None) is not None:
        from labeler.project.backups import guard

        guard()
    try:
        return int(args.run(args))
    except KeyboardInterrupt:
        how = getattr(args, "goes_on", "")
        kept = f" What was done is kept: {how} goes on." if how else ""
        print(f"airylabel: interrupted.{kept}", file=sys.stderr)
        return 1


def _asked(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of the subcommand that words name, or the subcommand of a subcommand."""
    for word in words:
        if parser._subparsers is not None:
            known = parser._subparsers._group_actions[0].choices or {}
            parser = known.get(word, parser)  # type: ignore[attr-defined]
    return parser


def _is_project(parser: argparse.ArgumentParser, words: list[str]) -> bool:
    """Whether words name a project: no subcommand, or one called `demo`, say, that says too little
    as a subcommand and is the folder of a project."""
    known = parser._subparsers._group_actions[0].choices or {}  # type: ignore[union-attr]
    if words[0] not in known:
        return not words[0].startswith("-")
    below = known[words[0]]._actions  # type: ignore[index]
    needs_more = any(not a.option_strings and a.nargs not in ("?", "*") for a in below)
    return len(words) == 1 and needs_more and is_project_folder(Path(words[0]))


def _unheard() -> bool:
    """Whether whoever read our output went away, as `head` does; then the rest goes nowhere."""
    try:
        out = sys.stdout.fileno()
    except (OSError, ValueError):
        return False
    if hasattr(select, "poll"):
        reader = select.poll()
        reader.register(out, 0)
        if not reader.poll(0):
            return False
    _to_nowhere()
    return True


def _to_nowhere() -> None:
    """What is still to be written to standard output is let go."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
