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


def give_bent(session):
    """Its index; two shots at least have it."""
    taxonomy = session.labels.taxonomy
    session.labels.decide(
        [3, 4], taxonomy.pack(taxonomy.mask(["Prolate", "Bent"])), LABELLED, "key"
    )
    return taxonomy.index("Bent")


def offered_in(window):
    """The names of the classes that each list and menu offers."""
    session = window.session
    names = session.labels.taxonomy.names
    for tab in ("Grid", "Inspect", "Quality"):
        window.show_tab(tab)
    inspect = window.views["Inspect"]
    inspect.refresh()
    shot, gallery = inspect.shot, inspect.gallery
    window.views["Quality"].show_page("Drift")
    drift = window.views["Quality"].stack.currentWidget()
    menus = (FILTERS[f].choices(session.queue.known) for f in ("class", "absent", "predicted"))
    return (
        [names[i] for i in window.label.classes.rows],
        [names[i] for i in window.views["Grid"].tags.buttons],
        [shot.kinds.itemText(i) for i in range(shot.kinds.count())],
        [shot.rivals.itemText(i)[4:] for i in range(1, shot.rivals.count())],
        [gallery.classes.item(i).text() for i in range(gallery.classes.count())],
        [names[c] for c in drift._order],
        *menus,
    )


def test_filter_inspect_and_drift_offer_a_retired_class_only_while_a_shot_carries_it(window):
    session = window.session
    bent = give_bent(session)
    session.change_classes(classes.retire, "Bent")
    for found in offered_in(window):
        assert found == [*session.labels.taxonomy.names_in_order]
        assert "Bent" in found
    rows = np.flatnonzero(session.labels.present >> bent & 1)
    without = session.labels.present[rows] & ~(1 << bent)
    session.labels.decide(rows, without, LABELLED, "key")
    for found in offered_in(window):
        assert found == [name for name in ORDER if name != "Bent"]
    session.labelling.undo()
    for found in offered_in(window):
        assert "Bent" in found


@pytest.mark.parametrize("tab", ["Label", "Grid"])
def test_a_retired_class_is_taken_off_by_a_command_and_given_to_no_shot(window, tab):
    session = window.session
    bent = give_bent(session)
    session.change_classes(classes.retire, "Bent")
    has = (session.labels.present >> bent & 1).astype(bool)
    one, other = int(has.argmax()), int((~has).argmax())
    said = []
    session.noted.connect(lambda level, text: said.append(text))
    before = session.labels.present.copy()

    def look_at(row):
        window.show_tab(tab)
        session.cursor.show(row)
        if tab == "Grid":
            chosen = window.views["Grid"].canvas.chosen
            chosen.choose(np.array([chosen.place_of(row)]), add=False)
            window.views["Grid"].canvas.selection_changed.emit()

    def offered():
        return [c for c, _ in window.actions_.for_palette() if c.id == "class.Bent"]

    look_at(other)
    assert not offered()
    window.target.toggle(bent)
    assert "Bent is retired and can only be taken off shots." in said[-1]
    np.testing.assert_array_equal(session.labels.present, before)
    look_at(one)
    assert [c.text for c in offered()] == ["Take off Bent (retired)"]
    window.actions_.trigger("class.Bent")
    assert session.labels.present[one] == before[one] & ~(1 << bent)
    session.labelling.undo()
    assert session.labels.present[one] == before[one]


def test_no_run_of_before_suggests_a_retired_class(window):
    session = window.session
    bent = session.labels.taxonomy.index("Bent")
    rows = np.arange(session.labels.n_shots)
    session.labels.decide(rows[20:], 0, 0, "key")
    session.suggestions.hidden_share, session.suggestions.enough = 0.0, 0
    likely = session.predictions.run.likely()[:, bent]
    assert likely.any()
    session.change_classes(classes.retire, "Bent")
    assert not (session.suggestions.bits(rows) >> bent & 1).any()
    assert not (session.suggestions.sure(0.0).present >> bent & 1).any()
    assert not any(session.suggestions.unhidden(row)[bent] for row in np.flatnonzero(likely))


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
