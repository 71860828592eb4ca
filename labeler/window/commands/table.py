"""Everything a person can do in the window, as one table.

Menus, shortcuts, the palette, tooltips and the key sheet are all made from here.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from labeler.window.commands.command import Command, Window, command
from labeler.window.dialogs import accept_sure, batch_jobs, exchange, people, restore, sources
from labeler.window.label import history
from model.taxonomy.taxonomy import Taxonomy

project, label, go, view, help = (
    partial(command, menu) for menu in ("Project", "Label", "Go", "View", "Help")
)


def _physics(name: str, text: str, key: str) -> Command:
    """A switch of `labeler.session.display.Panes`."""
    return view(
        f"physics_{name}", text, key, "project",
        lambda w: w.label.physics.flip(name),
        state=lambda w: getattr(w.session.display.panes, name),
    )  # fmt: skip


def _select(window: Window, which: str) -> None:
    if window.selection is not None:
        window.selection.choose(f"select:{which}")


# fmt: off
COMMANDS: tuple[Command, ...] = (
    project("new", "New project from files of shots…", "Ctrl+N", "always",
        lambda w: w.project_files.new_project(), icon="new"),
    project("open", "Open project…", "Ctrl+O", "always",
        lambda w: w.project_files.choose_project(), icon="open"),
    project("add_source", "Add a file of shots…", "", "project",
        lambda w: w.project_files.choose_source()),
    project("sources", "Files of shots…", "", "project",
        lambda w: sources.ask_sources(w.session, w.host)),
    project("geometry", "Geometry…", "", "project", lambda w: w.show_geometry()),
    project("import_labels", "Import labels…", "", "project",
        lambda w: exchange.import_labels(w.session, w.host)),
    project("export_labels", "Export labels…", "", "project",
        lambda w: exchange.export_labels(w.session, w.host)),
    project("export_shots", "Export the shots of the queue…", "", "project",
        lambda w: exchange.export_shots(w.session, w.host)),
    project("write_report", "Write the labelling report…", "", "project",
        lambda w: exchange.write_report(w.session, w.host)),
    project("prepare", "Preprocessing…", "", "project", lambda w: w.project_files.prepare()),
    project("long_work", "Batch jobs…", "", "project",
        lambda w: batch_jobs.show_batch_jobs(w.session, w.settings, w.host)),
    project("people", "Annotator…", "", "project",
        lambda w: people.show_people(w.session, w.host)),
    project("classes", "Classes and rules…", "", "project",
        lambda w: w.show_classes()),
    project("backups", "Restore a backup…", "", "project",
        lambda w: restore.show_backups(w.session, w.host)),
    project("settings", "Settings…", "Ctrl+,", "always", lambda w: w.show_settings()),
    project("close", "Close project", "Ctrl+W", "project", lambda w: w.close_project()),
    project("quit", "Quit", "Ctrl+Q", "always", lambda w: w.close()),

    label("accept", "Accept and next", "Enter", "shot", lambda w: w.session.labelling.accept()),
    label("accept_sure", "Accept all sure suggestions…", "Shift+Enter", "project",
        lambda w: accept_sure.open_card(w.session, w.views[w.tab])),
    label("fix", "Apply the offered fix", "F", "shots", lambda w: w.target.fix()),
    label("undo", "Undo", "Ctrl+Z", "project", lambda w: w.session.labelling.undo(), icon="undo"),
    label("redo", "Redo", "Ctrl+Shift+Z Ctrl+Y", "project",
        lambda w: w.session.labelling.redo(), icon="redo"),
    label("skip", "Skip: leave undecided and go on", "S", "shots", lambda w: w.target.skip()),
    label("flag", "Flag with a note…", "M", "shots", lambda w: w.ask_note(), icon="flag"),
    label("unflag", "Flag on or off", "Shift+M", "shots", lambda w: w.target.flag()),
    label("history", "History of the shot", "Y", "shot",
        lambda w: history.flip(w.session, w.label.pattern),
        state=lambda w: history.is_shown(w.label.pattern)),
    label("suggestions", "Suggestions on undecided shots", "Ctrl+U", "project",
        lambda w: w.session.suggestions.turn(not w.session.suggestions.on),
        state=lambda w: w.session.suggestions.on),
    label("auto_advance", "Auto-advance", "Ctrl+G", "project",
        lambda w: w.session.labelling.flip_auto_advance(),
        state=lambda w: w.session.labelling.auto_advance),
    label("accept_all", "Accept what is shown on all selected", "Ctrl+Enter", "many",
        lambda w: w.target.accept()),
    label("select_all", "Select all shown", "Ctrl+A", "many",
        lambda w: _select(w, "all")),
    label("select_others", "Invert selection", "Ctrl+I", "many",
        lambda w: _select(w, "others")),
    label("retrain", "Retrain the network", "Ctrl+R", "project", lambda w: w.retrain_bar.start()),
    label("use_new_run", "Use the new run", "Ctrl+Shift+Enter", "project",
        lambda w: w.retrain_bar.retraining.use_offered()),
    label("run_before", "Back to the run used before", "Ctrl+Shift+R", "project",
        lambda w: w.retrain_bar.retraining.go_back()),

    go("next", "Next shot", "Right PgDown", "shot",
        lambda w: w.session.cursor.next(), icon="next", repeats=True),
    go("previous", "Previous shot", "Left PgUp", "shot",
        lambda w: w.session.cursor.previous(), icon="previous", repeats=True),
    go("next_undecided", "Next undecided shot", "U", "shot",
        lambda w: w.session.cursor.next_undecided()),
    go("asked", "Next most informative shot", "Q", "project",
        lambda w: w.session.queue.choose(filter="all", order="asked")),
    go("similar", "More like this", "Shift+L", "shot",
        lambda w: w.session.learning.similar(w.session.cursor.row)),
    go("first", "First shot", "Home", "shot", lambda w: w.session.cursor.first()),
    go("last", "Last shot", "End", "shot", lambda w: w.session.cursor.last()),
    go("jump", "Jump to shot…", "G", "shot", lambda w: w.ask_number()),
    go("refresh", "Refresh queue", "F5", "project", lambda w: w.session.queue.choose()),

    view("view_label", "Label", "Ctrl+1", "project", lambda w: w.show_tab("Label")),
    view("view_grid", "Grid", "Ctrl+2", "project", lambda w: w.show_tab("Grid")),
    view("view_learn", "Learn", "Ctrl+3", "project", lambda w: w.show_tab("Learn")),
    view("view_inspect", "Inspect", "Ctrl+4", "project", lambda w: w.show_tab("Inspect")),
    view("view_map", "Map", "Ctrl+5", "project", lambda w: w.show_tab("Map")),
    view("view_quality", "Quality", "Ctrl+6", "project", lambda w: w.show_tab("Quality")),
    view("view_live", "Live", "Ctrl+7", "project", lambda w: w.show_tab("Live")),
    view("heat", "Heatmap on or off", "H", "shot",
        lambda w: w.session.heat.toggle(), icon="heat", state=lambda w: w.session.heat.on),
    view("heat_stronger", "Heatmap stronger", "Shift+H", "model",
        lambda w: w.session.display.change_strength(0.1), repeats=True),
    view("heat_weaker", "Heatmap weaker", "Ctrl+H", "model",
        lambda w: w.session.display.change_strength(-0.1), repeats=True),
    view("heat_form", "Form of heat…", "", "model",
        lambda w: w.bar.picture.show_overlays(w.bar.picture.controls.form)),
    view("levels", "Histogram and levels", "L", "project",
        lambda w: w.flip_levels(), icon="levels", state=lambda w: w.levels_shown),
    view("auto_levels", "Levels from this shot", "A", "shot",
        lambda w: w.session.display.auto_levels()),
    view("follow_levels", "Each shot at its own levels", "Shift+A", "project",
        lambda w: w.session.display.follow_levels(not w.session.display.levels_follow),
        state=lambda w: w.session.display.levels_follow),
    view("norm", "Next norm", "N", "project", lambda w: w.session.display.next_norm()),
    view("colormap", "Next colormap", "C", "project", lambda w: w.session.display.next_colormap()),
    view("mask", "Show masked pixels", "K", "project",
        lambda w: w.session.display.change(mask=not w.session.display.screen.mask),
        state=lambda w: w.session.display.screen.mask),
    view("prepared", "Show shots preprocessed", "D", "project",
        lambda w: w.session.shots.show_prepared(not w.session.shots.prepared),
        state=lambda w: w.session.shots.prepared),
    view("centre", "Mark the centre", "X", "project",
        lambda w: w.flip_centre(), state=lambda w: w.centre_shown),
    _physics("profile", "Radial profile", "R"),
    _physics("unwrap", "Polar unwrap", "W"),
    _physics("symmetry", "Point symmetry", "T"),
    _physics("correlation", "Correlation map", "V"),
    _physics("beside", "Physics beside the pattern", "Shift+R"),
    view("zoom_in", "Zoom in", "+ =", "shot", lambda w: w.label.pattern.zoom(1.25), repeats=True),
    view("pin", "Pin the shot beside the pattern", "B", "shot",
        lambda w: w.session.display.pin(w.session.cursor.row),
        state=lambda w: w.session.cursor.row in w.session.display.pinned),
    view("copy_image", "Copy image", "Ctrl+C", "shot", lambda w: w.copy_image()),
    view("copy_number", "Copy shot number", "Ctrl+Shift+C", "shot", lambda w: w.copy_number()),
    view("zoom_out", "Zoom out", "-", "shot", lambda w: w.label.pattern.zoom(0.8), repeats=True),
    view("zoom_reset", "Whole shot", "Backspace", "shot", lambda w: w.label.pattern.zoom(None)),
    view("theme", "Dark or light", "Ctrl+T", "always", lambda w: w.flip_theme(), icon="theme"),

    help("palette", "All commands…", "Ctrl+K", "always", lambda w: w.show_palette(), icon="search"),
    help("manual", "Manual", "F1", "always", lambda w: w.show_manual(), icon="info"),
    help("guide", "Guided first label", "", "project", lambda w: w.show_guide()),
    help("keys", "Keys…", "?", "always", lambda w: w.show_keys(), icon="keys"),
    help("menu", "Menu", "F10", "always", lambda w: w.bar.open_menu()),
    help("log", "Messages…", "Ctrl+L", "always", lambda w: w.show_log()),
    help("about", "About", "", "always", lambda w: w.show_about()),
)
# fmt: on


def _toggle(class_index: int, window: Window) -> None:
    window.target.toggle(class_index)


def _carries(class_index: int, window: Window) -> bool:
    return window.target.carries(class_index)


def of_classes(taxonomy: Taxonomy, shown: Collection[int] = ()) -> tuple[Command, ...]:
    """One toggle for each class that is not retired, with its key of the taxonomy; and one for each
    retired class that is still `shown`, which takes it off."""
    toggles = tuple(
        Command(
            f"class.{taxonomy.names[i]}",
            taxonomy.names[i],
            (taxonomy.classes[i].key.upper(),) if taxonomy.classes[i].key else (),
            "Label",
            "shots",
            partial(_toggle, i),
        )
        for i in taxonomy.order
        if not taxonomy.retired[i]
    )
    retired = tuple(
        Command(
            f"class.{taxonomy.names[i]}",
            f"Take off {taxonomy.names[i]} (retired)",
            (),
            "Label",
            "shots",
            partial(_toggle, i),
            applies=partial(_carries, i),
        )
        for i in taxonomy.order
        if taxonomy.retired[i] and i in shown
    )
    return toggles + retired
