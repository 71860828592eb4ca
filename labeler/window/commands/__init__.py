"""Everything a person can do in the window, as one table; and which key does it.

Menus, shortcuts, the palette, tooltips and the key sheet are all made from here. Each menu has a
table of its own beside this file; a new Command is a new line there.
"""

from __future__ import annotations

from labeler.window.commands import go_menu, help_menu, label_menu, project_menu, view_menu
from labeler.window.commands.command import MENUS, Command, When
from labeler.window.commands.keymap import Keymap, normal
from model.taxonomy.taxonomy import Taxonomy

COMMANDS: tuple[Command, ...] = (
    *project_menu.TABLE,
    *label_menu.TABLE,
    *go_menu.TABLE,
    *view_menu.TABLE,
    *help_menu.TABLE,
)


def of_classes(taxonomy: Taxonomy) -> tuple[Command, ...]:
    """One toggle for each class, with its key of the taxonomy."""
    return tuple(
        Command(
            f"class.{taxonomy.names[i]}",
            taxonomy.names[i],
            (taxonomy.classes[i].key.upper(),) if taxonomy.classes[i].key else (),
            "Label",
            "shots",
            lambda w, i=i: w.target.toggle(i),  # type: ignore[misc]
        )
        for i in taxonomy.order
    )


__all__ = ["COMMANDS", "MENUS", "Command", "Keymap", "When", "normal", "of_classes"]
