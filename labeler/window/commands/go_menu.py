"""The menu Go: from shot to shot, from queue to queue. A table, nothing else."""

from __future__ import annotations

from labeler.window.commands.command import Command, command

TABLE: tuple[Command, ...] = (
    command(
        "next",
        "Next shot",
        "Right PgDown",
        "Go",
        "shot",
        lambda w: w.session.cursor.next(),
        icon="next",
        repeats=True,
    ),
    command(
        "previous",
        "Previous shot",
        "Left PgUp",
        "Go",
        "shot",
        lambda w: w.session.cursor.previous(),
        icon="previous",
        repeats=True,
    ),
    command(
        "next_undecided",
        "Next undecided shot",
        "U",
        "Go",
        "shot",
        lambda w: w.session.cursor.next_undecided(),
    ),
    command(
        "asked",
        "Next most informative shot",
        "Q",
        "Go",
        "project",
        lambda w: w.session.queue.choose(filter="all", order="asked"),
    ),
    command(
        "similar",
        "More like this",
        "Shift+L",
        "Go",
        "shot",
        lambda w: w.session.learning.similar(w.session.cursor.row),
    ),
    command("first", "First shot", "Home", "Go", "shot", lambda w: w.session.cursor.first()),
    command("last", "Last shot", "End", "Go", "shot", lambda w: w.session.cursor.last()),
    command("jump", "Jump to shot…", "G", "Go", "shot", lambda w: w.ask_number()),
    command("refresh", "Refresh queue", "F5", "Go", "project", lambda w: w.session.queue.choose()),
)
