"""The menu Help. A table, nothing else."""

from __future__ import annotations

from labeler.window.commands.command import Command, command

TABLE: tuple[Command, ...] = (
    command(
        "palette",
        "All commands…",
        "Ctrl+K",
        "Help",
        "always",
        lambda w: w.show_palette(),
        icon="search",
    ),
    command("manual", "Manual", "F1", "Help", "always", lambda w: w.show_manual(), icon="info"),
    command("guide", "Guided first label", "", "Help", "project", lambda w: w.show_guide()),
    command("keys", "Keys…", "?", "Help", "always", lambda w: w.show_keys(), icon="keys"),
    command("menu", "Menu", "F10", "Help", "always", lambda w: w.bar.open_menu()),
    command("log", "Messages…", "Ctrl+L", "Help", "always", lambda w: w.show_log()),
    command("about", "About", "", "Help", "always", lambda w: w.show_about()),
)
