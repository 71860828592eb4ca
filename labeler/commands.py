"""Everything a person can do in the window, as one table; and which key does it.

Menus, shortcuts, the palette, tooltips and the key sheet are all made from here. A Command says
what it does through `run`, which gets the window's controller; it holds no state and no Qt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from model.errors import InputError
from model.taxonomy import Taxonomy

When = Literal["always", "project", "shot", "model"]
"""always; a project is open; a shot is on screen in Label; and a run has predicted."""

MENUS = ("Project", "Label", "Go", "View", "Help")


@dataclass(frozen=True)
class Command:
    """One thing a person can do. `keys` are the shipped ones, the first is shown in menus.

    `state` tells whether a switch is on; a command without it is no switch.
    """

    id: str
    text: str
    keys: tuple[str, ...]
    menu: str
    when: When
    run: Callable[[Any], object]
    icon: str = ""
    state: Callable[[Any], bool] | None = None


def _c(
    id: str, text: str, keys: str, menu: str, when: When, run: Callable[[Any], object], **more: Any
) -> Command:
    return Command(id, text, tuple(keys.split()), menu, when, run, **more)


COMMANDS: tuple[Command, ...] = (
    _c("new", "New project from files of shots…", "Ctrl+N", "Project", "always",
       lambda w: w.doors.new_project(), icon="new"),
    _c("open", "Open project…", "Ctrl+O", "Project", "always",
       lambda w: w.doors.choose_project(), icon="open"),
    _c("add_source", "Add a file of shots…", "", "Project", "project",
       lambda w: w.doors.choose_source()),
    _c("close", "Close project", "Ctrl+W", "Project", "project", lambda w: w.close_project()),
    _c("quit", "Quit", "Ctrl+Q", "Project", "always", lambda w: w.close()),
    _c("accept", "Accept and go on", "Return Enter", "Label", "shot",
       lambda w: w.session.accept()),
    _c("fix", "Apply the offered fix", "F", "Label", "shot", lambda w: w.session.fix()),
    _c("undo", "Undo", "Ctrl+Z", "Label", "shot", lambda w: w.session.undo(), icon="undo"),
    _c("redo", "Redo", "Ctrl+Shift+Z Ctrl+Y", "Label", "shot", lambda w: w.session.redo(),
       icon="redo"),
    _c("skip", "Skip: leave undecided and go on", "S", "Label", "shot",
       lambda w: w.session.skip()),
    _c("flag", "Flag with a note…", "M", "Label", "shot", lambda w: w.ask_note(), icon="flag"),
    _c("unflag", "Flag on or off", "Shift+M", "Label", "shot", lambda w: w.session.flag()),
    _c("auto_advance", "Go on after each key", "Ctrl+G", "Label", "project",
       lambda w: w.flip_auto_advance(), state=lambda w: w.session.auto_advance),
    _c("retrain", "Retrain the network", "Ctrl+R", "Label", "project", lambda w: w.retrain()),
    _c("next", "Next shot", "Right PgDown", "Go", "shot", lambda w: w.session.next(),
       icon="next"),
    _c("previous", "Previous shot", "Left PgUp", "Go", "shot",
       lambda w: w.session.previous(), icon="previous"),
    _c("next_undecided", "Next undecided shot", "U", "Go", "shot",
       lambda w: w.session.next_unlabelled()),
    _c("first", "First shot", "Home", "Go", "shot", lambda w: w.session.first()),
    _c("last", "Last shot", "End", "Go", "shot", lambda w: w.session.last()),
    _c("jump", "Jump to shot…", "G", "Go", "shot", lambda w: w.ask_number()),
    _c("refresh", "Build the queue anew", "F5", "Go", "project",
       lambda w: w.session.set_queue()),
    _c("view_label", "Label", "Ctrl+1", "View", "project", lambda w: w.show_tab("Label")),
    _c("view_learn", "Learn", "Ctrl+2", "View", "project", lambda w: w.show_tab("Learn")),
    _c("view_inspect", "Inspect", "Ctrl+3", "View", "project",
       lambda w: w.show_tab("Inspect")),
    _c("heat", "Heatmap on or off", "H", "View", "model", lambda w: w.session.flip_heat(),
       icon="heat", state=lambda w: w.session.heat_on),
    _c("heat_stronger", "Heatmap stronger", "Shift+H", "View", "model",
       lambda w: w.change_strength(0.1)),
    _c("heat_weaker", "Heatmap weaker", "Ctrl+H", "View", "model",
       lambda w: w.change_strength(-0.1)),
    _c("levels", "Histogram and levels", "L", "View", "project", lambda w: w.flip_levels(),
       icon="levels", state=lambda w: w.levels_shown),
    _c("auto_levels", "Levels from this shot", "A", "View", "shot",
       lambda w: w.session.auto_levels()),
    _c("follow_levels", "Each shot at its own levels", "Shift+A", "View", "project",
       lambda w: w.session.follow_levels(not w.session.levels_follow),
       state=lambda w: w.session.levels_follow),
    _c("norm", "Next norm", "N", "View", "project",
       lambda w: w.next_norm()),
    _c("colormap", "Next colormap", "C", "View", "project", lambda w: w.next_colormap()),
    _c("mask", "Show masked pixels", "K", "View", "project", lambda w: w.flip_mask(),
       state=lambda w: w.session.screen.mask),
    _c("centre", "Mark the centre", "X", "View", "project", lambda w: w.flip_centre(),
       state=lambda w: w.centre_shown),
    _c("zoom_in", "Zoom in", "+ =", "View", "shot", lambda w: w.zoom(1.25)),
    _c("zoom_out", "Zoom out", "-", "View", "shot", lambda w: w.zoom(0.8)),
    _c("zoom_reset", "Whole shot", "Backspace", "View", "shot", lambda w: w.zoom(None)),
    _c("theme", "Dark or light", "Ctrl+T", "View", "always", lambda w: w.flip_theme(),
       icon="theme"),
    _c("palette", "All commands…", "Ctrl+K", "Help", "always", lambda w: w.show_palette(),
       icon="search"),
    _c("keys", "Keys…", "F1 ?", "Help", "always", lambda w: w.show_keys(), icon="keys"),
    _c("menu", "Menu", "F10", "Help", "always", lambda w: w.bar.open_menu()),
    _c("log", "Notes so far…", "Ctrl+L", "Help", "always", lambda w: w.show_log()),
    _c("about", "About", "", "Help", "always", lambda w: w.show_about()),
)  # fmt: skip


def of_classes(taxonomy: Taxonomy) -> tuple[Command, ...]:
    """One toggle for each class, with its key of the taxonomy."""
    return tuple(
        Command(
            f"class.{c.name}",
            c.name,
            (c.key.upper(),) if c.key else (),
            "Label",
            "shot",
            lambda w, i=i: w.session.toggle(i),  # type: ignore[misc]
        )
        for i, c in enumerate(taxonomy.classes)
    )


class Keymap:
    """Which keys do what: the shipped ones, and a person's own in their place.

    Class keys of a taxonomy go first: a shipped key that one of them needs is not used.
    """

    def __init__(
        self, commands: Iterable[Command], own: Mapping[str, Iterable[str]] | None = None
    ) -> None:
        self.commands = {c.id: c for c in commands}
        self._keys: dict[str, tuple[str, ...]] = {}
        own = own or {}
        ordered = sorted(
            self.commands.values(), key=lambda c: (c.id not in own, not c.id.startswith("class."))
        )
        taken: set[str] = set()
        for command in ordered:
            wanted = own.get(command.id, command.keys)
            keys = tuple(dict.fromkeys(k for k in map(normal, wanted) if k not in taken))
            self._keys[command.id] = keys
            taken.update(keys)

    def keys(self, id: str) -> tuple[str, ...]:
        """Keys of a command, the shown one first."""
        return self._keys[id]

    def owner(self, key: str) -> Command | None:
        """The command that a key runs."""
        key = normal(key)
        return next((self.commands[i] for i, keys in self._keys.items() if key in keys), None)

    def rebind(self, id: str, keys: Iterable[str]) -> None:
        """Give a command other keys; InputError names the command that already has one."""
        wanted = tuple(dict.fromkeys(normal(k) for k in keys))
        for key in wanted:
            owner = self.owner(key)
            if owner is not None and owner.id != id:
                raise InputError(
                    f"the key {key} already means “{owner.text}”",
                    mend=f"Choose another key, or change that of “{owner.text}” first.",
                )
        self._keys[id] = wanted

    def own(self) -> dict[str, tuple[str, ...]]:
        """What differs from the shipped keys, to be stored."""
        fresh = Keymap(self.commands.values())
        return {i: keys for i, keys in self._keys.items() if keys != fresh._keys[i]}


def normal(key: str) -> str:
    """One spelling for each key: modifiers in a fixed order, single letters in capitals."""
    parts = [p.strip() for p in key.split("+")] if key.strip("+") else [key]
    if key.endswith("++"):
        parts = [*parts[:-2], "+"]
    *modifiers, last = parts
    order = ("Ctrl", "Meta", "Alt", "Shift")
    names = {m.casefold(): m for m in order}
    found = {names[m.casefold()] for m in modifiers if m.casefold() in names}
    last = last.upper() if len(last) == 1 else last[:1].upper() + last[1:]
    return "+".join([*(m for m in order if m in found), last])
