"""The menu Go: from shot to shot, from queue to queue. A table, nothing else."""

from __future__ import annotations

from labeler.session.instant_learning import Suggesting
from labeler.window.commands.command import Command, command

TABLE: tuple[Command, ...] = (
    command(
        "next",
        "Next shot",
        "Right PgDown",
        "Go",
        "shot",
        lambda w: w.session.next(),
        icon="next",
        repeats=True,
    ),
    command(
        "previous",
        "Previous shot",
        "Left PgUp",
        "Go",
        "shot",
        lambda w: w.session.previous(),
        icon="previous",
        repeats=True,
    ),
    command(
        "next_undecided",
        "Next undecided shot",
        "U",
        "Go",
        "shot",
        lambda w: w.session.next_unlabelled(),
    ),
    command(
        "asked",
        "Next asked: the shots that teach most",
        "Q",
        "Go",
        "project",
        lambda w: w.session.set_queue(filter="all", order="asked"),
    ),
    command(
        "similar",
        "More like this",
        "Shift+L",
        "Go",
        "shot",
        lambda w: Suggesting.of(w.session).similar(w.session.row),
    ),
    command("first", "First shot", "Home", "Go", "shot", lambda w: w.session.first()),
    command("last", "Last shot", "End", "Go", "shot", lambda w: w.session.last()),
    command("jump", "Jump to shot…", "G", "Go", "shot", lambda w: w.ask_number()),
    command(
        "refresh", "Build the queue anew", "F5", "Go", "project", lambda w: w.session.set_queue()
    ),
)
