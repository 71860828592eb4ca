"""The menu View: what is on screen and how it is drawn. A table, nothing else."""

from __future__ import annotations

from labeler.window.commands.command import Command, command


def _physics(name: str, text: str, key: str) -> Command:
    """A switch of `labeler.session.display.Panes`."""
    return command(
        f"physics_{name}",
        text,
        key,
        "View",
        "project",
        lambda w: w.label.physics.flip(name),
        state=lambda w: getattr(w.session.display.panes, name),
    )


TABLE: tuple[Command, ...] = (
    command("view_label", "Label", "Ctrl+1", "View", "project", lambda w: w.show_tab("Label")),
    command("view_grid", "Grid", "Ctrl+2", "View", "project", lambda w: w.show_tab("Grid")),
    command("view_learn", "Learn", "Ctrl+3", "View", "project", lambda w: w.show_tab("Learn")),
    command(
        "view_inspect", "Inspect", "Ctrl+4", "View", "project", lambda w: w.show_tab("Inspect")
    ),
    command("view_map", "Map", "Ctrl+5", "View", "project", lambda w: w.show_tab("Map")),
    command(
        "view_quality", "Quality", "Ctrl+6", "View", "project", lambda w: w.show_tab("Quality")
    ),
    command("view_live", "Live", "Ctrl+7", "View", "project", lambda w: w.show_tab("Live")),
    command(
        "heat",
        "Heatmap on or off",
        "H",
        "View",
        "shot",
        lambda w: w.session.heat.toggle(),
        icon="heat",
        state=lambda w: w.session.heat.on,
    ),
    command(
        "heat_stronger",
        "Heatmap stronger",
        "Shift+H",
        "View",
        "model",
        lambda w: w.change_strength(0.1),
        repeats=True,
    ),
    command(
        "heat_weaker",
        "Heatmap weaker",
        "Ctrl+H",
        "View",
        "model",
        lambda w: w.change_strength(-0.1),
        repeats=True,
    ),
    command(
        "levels",
        "Histogram and levels",
        "L",
        "View",
        "project",
        lambda w: w.flip_levels(),
        icon="levels",
        state=lambda w: w.levels_shown,
    ),
    command(
        "auto_levels",
        "Levels from this shot",
        "A",
        "View",
        "shot",
        lambda w: w.session.display.auto_levels(),
    ),
    command(
        "follow_levels",
        "Each shot at its own levels",
        "Shift+A",
        "View",
        "project",
        lambda w: w.session.display.follow_levels(not w.session.display.levels_follow),
        state=lambda w: w.session.display.levels_follow,
    ),
    command("norm", "Next norm", "N", "View", "project", lambda w: w.next_norm()),
    command("colormap", "Next colormap", "C", "View", "project", lambda w: w.next_colormap()),
    command(
        "mask",
        "Show masked pixels",
        "K",
        "View",
        "project",
        lambda w: w.flip_mask(),
        state=lambda w: w.session.display.screen.mask,
    ),
    command(
        "prepared",
        "Show shots prepared",
        "D",
        "View",
        "project",
        lambda w: w.session.shots.show_prepared(not w.session.shots.prepared),
        state=lambda w: w.session.shots.prepared,
    ),
    command(
        "centre",
        "Mark the centre",
        "X",
        "View",
        "project",
        lambda w: w.flip_centre(),
        state=lambda w: w.centre_shown,
    ),
    _physics("profile", "Radial profile", "R"),
    _physics("unwrap", "Polar unwrap", "W"),
    _physics("symmetry", "Point symmetry", "T"),
    _physics("correlation", "Correlation map", "V"),
    _physics("beside", "Physics beside the pattern", "Shift+R"),
    command("zoom_in", "Zoom in", "+ =", "View", "shot", lambda w: w.zoom(1.25), repeats=True),
    command("copy_image", "Copy image", "Ctrl+C", "View", "shot", lambda w: w.copy_image()),
    command(
        "copy_number",
        "Copy shot number",
        "Ctrl+Shift+C",
        "View",
        "shot",
        lambda w: w.copy_number(),
    ),
    command("zoom_out", "Zoom out", "-", "View", "shot", lambda w: w.zoom(0.8), repeats=True),
    command("zoom_reset", "Whole shot", "Backspace", "View", "shot", lambda w: w.zoom(None)),
    command(
        "theme", "Dark or light", "Ctrl+T", "View", "always", lambda w: w.flip_theme(), icon="theme"
    ),
)
