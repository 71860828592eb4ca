"""One order of the classes: that of the panel, in every list, menu, table and chart."""

from __future__ import annotations

import numpy as np
import pytest

from labeler.cli import main
from labeler.project import classes
from labeler.project.project import Project
from labeler.project.store.records import LABELLED
from labeler.project.summary import summary
from labeler.queue.filters import FILTERS
from labeler.window.map.colours import by_class, by_label
from model.taxonomy.toml import load, shipped
from tests.helpers.runs import give_roles, make_project, make_run
from tests.helpers.window_parts import window_on

ORDER = (
    "Spherical/Oblate",
    "Round",
    "Elliptical",
    "Double Rings",
    "Prolate",
    "Streak",
    "Bent",
    "Newton Rings",
    "Asymmetric",
    "Layered",
    "Empty",
)


@pytest.fixture
def window(qtbot, tmp_path):
    with make_project(tmp_path) as project:
        give_roles(project)
        project.current_run = make_run(project)
        other = project.store.annotator("Ada")
        everything = np.full(project.n_shots, LABELLED, np.uint8)
        project.store.record(
            other, range(project.n_shots), project.merged_state().present, everything, origin="key"
        )
        week = project.folder
    yield from window_on(week, qtbot, tmp_path)


def in_order(names):
    """The names that are classes, which must come as the panel has them."""
    found = [name for name in names if name in ORDER]
    assert found == [name for name in ORDER if name in found]
    return found


def test_a_retired_class_is_offered_nowhere_unless_a_shot_carries_it(window):
    session = window.session
    names = session.labels.taxonomy.names
    left = [name for name in ORDER if name != "Layered"]
    session.change_classes(classes.merge, "Layered", "Newton Rings")
    window.show_tab("Grid")
    tags = window.views["Grid"].tags
    assert [names[i] for i in tags.buttons] == left
    assert in_order(c.text for c in window.actions_.keymap.commands.values()) == left
    window.show_tab("Learn")
    assert [name for name, _ in window.views["Learn"].form.counts.lines()] == left
    assert in_order(line.text for line in by_class(session).legend) == left
    window.show_tab("Quality")
    window.views["Quality"].show_page("Agreement")
    shown = window.views["Quality"].stack.currentWidget()
    assert [row.name for row in shown.chart.rows] == left
    session.change_classes(classes.undo)
    window.show_tab("Grid")
    assert [names[i] for i in tags.buttons] == list(ORDER)


def test_the_panel_and_all_commands_name_the_classes_in_one_order(window):
    names = window.session.labels.taxonomy.names
    assert tuple(names[i] for i in window.label.classes.rows) == ORDER
    window.show_tab("Grid")
    assert tuple(names[i] for i in window.views["Grid"].tags.buttons) == ORDER
    assert len(in_order(c.text for c in window.actions_.keymap.commands.values())) == 11
    for name in ("class", "predicted"):
        choices = FILTERS[name].choices
        assert tuple(choices(window.session.queue.known)) == ORDER


def test_learn_inspect_map_and_quality_name_the_classes_in_that_order(window):
    window.show_tab("Learn")
    learn = window.views["Learn"]
    assert tuple(name for name, _ in learn.form.counts.lines()) == ORDER
    model = learn.changes.table.classes
    assert len(in_order(line.cells[0] for line in model._lines)) > 3
    window.show_tab("Inspect")
    shot, gallery = window.views["Inspect"].shot, window.views["Inspect"].gallery
    window.views["Inspect"].refresh()
    assert tuple(shot.kinds.itemText(i) for i in range(shot.kinds.count())) == ORDER
    assert tuple(gallery.classes.item(i).text() for i in range(11)) == ORDER
    assert gallery.classes.currentItem().text() == "Streak"
    for colour in (by_class, by_label):
        assert tuple(entry.text for entry in colour(window.session).legend) == ORDER
    window.show_tab("Quality")
    quality = window.views["Quality"]
    quality.show_page("Agreement")
    page = quality.stack.currentWidget()
    assert tuple(row.name for row in page.chart.rows) == ORDER
    page.chart.chosen.emit(ORDER.index("Bent"))
    assert "Bent" in page.pairs_title.text()


def test_an_inspected_class_is_the_one_that_is_named(window):
    window.show_tab("Inspect")
    shot = window.views["Inspect"].shot
    window.views["Inspect"].refresh()
    taxonomy = window.session.labels.taxonomy
    for name in ORDER:
        shot.kinds.setCurrentText(name)
        assert shot.kind == taxonomy.index(name)
    shot.kinds.setCurrentText("Bent")
    shot.rivals.setCurrentText("not Streak")
    assert shot.rival == taxonomy.index("Streak")


def test_the_colours_of_the_map_are_those_of_the_legend(window):
    session = window.session
    labels, taxonomy = session.labels, session.labels.taxonomy
    found = by_label(session)
    for row in np.flatnonzero(labels.status & LABELLED)[:8]:
        name = found.legend[found.codes[row]].text
        assert taxonomy.unpack(labels.present[row])[taxonomy.index(name)]


def test_marks_on_thumbnails_and_words_come_in_that_order():
    taxonomy = load(shipped("helium"))
    labels = taxonomy.mask(("Newton Rings", "Double Rings", "Asymmetric", "Round"))
    assert taxonomy.named(labels) == ["Round", "Double Rings", "Newton Rings", "Asymmetric"]
    assert [taxonomy.classes[c].key for c in taxonomy.present(labels)] == ["1", "3", "6", "7"]
    assert taxonomy.place("Round") < taxonomy.place("Empty") < taxonomy.place("no such class")


def test_the_command_line_counts_the_classes_in_that_order(window, tmp_path):
    with Project.open(window.session.require().folder) as project:
        assert tuple(summary(project)["labels"]["merged"]) == ORDER


def test_agreement_on_the_command_line_is_in_that_order(window, capsys):
    assert main(["agreement", str(window.session.require().folder)]) == 0
    out = capsys.readouterr().out
    places = [out.index(f"{name} ") for name in ORDER]
    assert places == sorted(places)


def test_live_shows_the_latest_of_each_class_in_that_order(window):
    window.show_tab("Live")
    view = window.views["Live"]
    one = {"picture": "", "height": 0, "width": 0, "probability": 0.5, "since": 1.0, "id": "1"}
    view.watch.seen.examples = dict.fromkeys(reversed(ORDER), one)
    view.board.refresh()
    assert tuple(view.board.examples.shown) == ORDER
