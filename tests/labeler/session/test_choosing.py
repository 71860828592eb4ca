"""Filters, orders and groups by table; queues that are saved and resumed; numbers of the files."""

from __future__ import annotations

import time
from dataclasses import replace

import h5py
import numpy as np
import pytest

from labeler.exchange.selection import rows_of_queue
from labeler.project import classes
from labeler.project.decisions import Decisions
from labeler.project.project import Project
from labeler.project.store.records import FLAGGED, LABELLED
from labeler.queue import queue as queues
from labeler.queue.filters import FILTERS, Filter, fits, passes, range_of, text_of
from labeler.queue.groups import GROUPS, grouped
from labeler.queue.orders import ORDERS, Order
from labeler.shots import numbers
from labeler.shots.numbers import Numbers
from model.errors import InputError
from model.taxonomy.toml import load, shipped
from tests.helpers.window_parts import make_project, make_session, use_made_up_run, write_shots

TAXONOMY = load(shipped("helium"))


def bits(*names):
    return int(TAXONOMY.pack(TAXONOMY.mask(names)))


class FakePredictions:
    """A run that is sure of Round on even shots and of nothing on odd ones."""

    def __init__(self, n):
        self._likely = np.zeros((n, len(TAXONOMY)), bool)
        self._likely[::2, TAXONOMY.index("Round")] = True

    def likely(self):
        return self._likely

    def uncertainty(self):
        return np.linspace(0, 1, len(self._likely))

    def contradictions(self):
        return np.zeros(len(self._likely), bool)

    def disagreement(self, present, status, rows=slice(None)):
        wrong = self._likely[rows] != TAXONOMY.unpack(present)
        return wrong.sum(1) * (np.asarray(status) & LABELLED)


@pytest.fixture
def known():
    d = Decisions.none(8)
    d.put([0, 1], bits("Round", "Spherical/Oblate"), LABELLED)
    d.put([2, 3], bits("Bent"), LABELLED)
    d.put(4, bits("Round", "Empty"), LABELLED | FLAGGED)
    numbers = {"pulse_uj": np.array([1, 2, np.nan, 4, 5, 6, 7, 8.0])}
    return queues.ShotFacts(
        d,
        TAXONOMY,
        FakePredictions(8),
        ("a.h5", "b.h5"),
        np.repeat([0, 1], 4).astype(np.int32),
        numbers,
        lambda: ("anna",),
        lambda name: type("State", (), {"status": np.array([1, 0] * 4, np.uint8)}),
        lambda: np.where(np.arange(8) < 4, time.time() - 60.0 * np.arange(8), np.nan),
    )


EXPECTED = {
    "class:Round": [0, 1, 4],
    "absent:Round": [2, 3],
    "predicted:Round": [0, 2, 4, 6],
    "differs:Round": [1, 2],
    "error": [4],
    "labelled": [0, 1, 2, 3, 4],
    "by:anna": [0, 2, 4, 6],
    "file:b.h5": [4, 5, 6, 7],
    "time:the last hour": [0, 1, 2, 3],
    "number:pulse_uj:2..5": [1, 3, 4],
    "number:pulse_uj:..2": [0, 1],
}


@pytest.mark.parametrize("condition", EXPECTED)
def test_every_kind_of_condition_finds_its_shots(known, condition):
    assert np.flatnonzero(passes(condition, known)).tolist() == EXPECTED[condition]
    rows = np.array([7, 4, 1, 2])
    assert passes(condition, known, rows).tolist() == [r in EXPECTED[condition] for r in rows]
    assert fits(condition, known)
    assert text_of(condition)


def test_a_broken_rule_is_a_condition_of_its_own(known):
    found = {
        rule.text: np.flatnonzero(passes(f"rule:{rule.text}", known)).tolist()
        for rule in TAXONOMY.rules
    }
    broken = TAXONOMY.violations(TAXONOMY.unpack(known.decided.present))
    for r, rule in enumerate(TAXONOMY.rules):
        wanted = [i for i in range(5) if broken[i, r]]
        assert found[rule.text] == wanted


def test_conditions_combine_and_numbers_order_both_ways(known):
    choice = queues.Choice(("labelled", "number:pulse_uj:2..9"), "number:pulse_uj:down")
    assert queues.build(choice, known).tolist() == [4, 3, 1]
    assert queues.build(queues.Choice((), "number:pulse_uj"), known).tolist() == [
        0, 1, 3, 4, 5, 6, 7, 2,
    ]  # fmt: skip
    assert choice.text() == "Labelled · pulse_uj 2 … 9"


def test_a_line_in_a_table_is_a_new_filter_and_a_new_order(known, monkeypatch):
    monkeypatch.setitem(FILTERS, "even", Filter("Even", lambda k, a, r: np.arange(k.n)[r] % 2 == 0))
    monkeypatch.setitem(
        ORDERS, "asked", Order("Asked first", lambda k: k.numbers["asked"], "asked")
    )
    choice = queues.Choice(("even",), "asked")
    assert queues.build(choice, known).tolist() == [0, 2, 4, 6], "nothing asked yet: file order"
    known.numbers["asked"] = np.array([0, 9, 3, 9, 2, 9, 7, 9.0])
    assert queues.build(choice, known).tolist() == [6, 2, 4, 0]


def test_what_is_not_to_be_had_says_what_it_lacks(known):
    assert known.lacking("") == known.lacking("pulse_uj") == known.lacking("model") == ""
    assert known.lacking("total_counts") == "no number total_counts"
    assert replace(known, predictions=None).lacking("model") == "no run in use"


@pytest.mark.parametrize("argument", ["pulse_uj:5..2", "pulse_uj:many", "pulse_uj:1", "1..2"])
def test_a_range_that_is_none_is_refused_in_words(argument):
    with pytest.raises(InputError, match="range"):
        range_of(argument)


def test_what_means_nothing_any_more_is_left_out_of_a_kept_queue(known):
    kept = {"filters": ["class:Gone", "flagged", "nonsense", 7], "order": "tea", "title": None}
    assert queues.from_json(kept, known) == queues.Choice(("flagged",), "file", "")
    assert queues.from_json("rubbish", known) == queues.Choice()
    choice = queues.Choice(("flagged", "class:Bent"), "newest")
    assert queues.from_json(queues.to_json(choice), known) == choice


def test_every_grouping_keeps_every_shot_once(known):
    rows = np.array([7, 0, 2, 1, 4, 3])
    for name in GROUPS:
        shown, sections = grouped(name, rows, known)
        assert sorted(shown.tolist()) == sorted(rows.tolist())
        assert sum(s.count for s in sections) == len(rows)
    shown, sections = grouped("labels", rows, known)
    assert [(s.title, s.count) for s in sections][-1] == ("undecided", 1)
    assert ("Bent", 2) in [(s.title, s.count) for s in sections]
    assert [s.title for s in grouped("file", rows, known)[1]] == ["a.h5", "b.h5"]
    assert [s.title for s in grouped("time", rows, known)[1]][-1] == "not yet labelled"


def test_clusters_of_the_map_are_a_grouping_largest_first_and_those_of_none_last(known):
    assert known.lacking(GROUPS["cluster"].needs) == "no map yet"
    known.numbers["cluster"] = np.array([2, 1, np.nan, 1, 1, 2, np.nan, 1.0])
    shown, sections = grouped("cluster", np.arange(8), known)
    assert shown.tolist() == [1, 3, 4, 7, 0, 5, 2, 6]
    assert [(s.title, s.count) for s in sections] == [
        ("cluster 1", 4), ("cluster 2", 2), ("in no cluster", 2)
    ]  # fmt: skip


# -- in a session ----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    return make_project(tmp_path)


def test_queue_and_shot_are_where_the_person_left_them(qapp, folder):
    session = make_session(folder)
    session.labels.decide([2, 3, 5, 7], bits("Empty"), LABELLED, "bulk")
    session.queue.set_filters(("labelled", "class:Empty"))
    session.queue.choose(order="newest")
    session.cursor.jump("6")
    session.close()
    session.open(folder)
    assert session.queue.choice == queues.Choice(("labelled", "class:Empty"), "newest")
    assert sorted(session.queue.rows.tolist()) == [2, 3, 5, 7]
    assert session.cursor.row == 5
    session.queue.show_rows([9, 1, 4], "Like shot 3")
    session.close()
    session.open(folder)
    assert (session.queue.choice.title, session.queue.rows.tolist()) == ("Like shot 3", [9, 1, 4])
    session.close()


def test_a_saved_queue_follows_a_class_and_is_refused_where_it_asks_for_what_is_gone(qapp, folder):
    session = make_session(folder)
    session.labels.decide([2, 3], bits("Bent"), LABELLED, "bulk")
    saved = {"bent": ("class:Bent",), "late": ("by:Eve",)}
    kept = {name: queues.to_json(queues.Choice(filters)) for name, filters in saved.items()}
    session.opened.project.store.set_meta(queues.SAVED, kept)
    session.change_classes(classes.rename, "Bent", "Curved")
    session.queue.use_saved("bent")
    assert session.queue.choice.filters == ("class:Curved",)
    assert session.queue.rows.tolist() == [2, 3]
    said = []
    session.noted.connect(lambda level, text: said.append((level, text)))
    session.queue.use_saved("late")
    assert session.queue.rows.tolist() == [2, 3]
    ((level, text),) = said
    assert level == "error"
    assert "'by:Eve'" in text
    assert rows_of_queue(session.opened.project, "class:Bent").tolist() == [2, 3]
    with pytest.raises(InputError, match="by:Eve"):
        rows_of_queue(session.opened.project, "late")
    session.close()


def test_a_label_that_was_taken_back_was_not_made_in_the_last_hour(qapp, folder):
    session = make_session(folder)
    session.labels.decide([2, 3], bits("Empty"), LABELLED, "bulk")
    session.labelling.undo()
    session.labels.decide([5], bits("Empty"), LABELLED, "bulk")
    session.cursor.show(7)
    session.labelling.skip()
    session.queue.choose("time:the last hour")
    assert session.queue.rows.tolist() == [5]
    session.close()


def test_a_saved_queue_has_a_name_of_one_line(qapp, qtbot, folder):
    session = make_session(folder)
    for name in ("  ", "q\0", "q\ud800", "two\x7f", "\u202etxt", "x" * 61, "\u200b"):
        with qtbot.waitSignal(session.noted) as said:
            session.queue.save(name)
        assert said.args[0] == "error"
        assert session.queue.saved() == {}
    session.close()


def test_half_of_a_letter_in_a_note_is_refused_in_words(qapp, qtbot, folder):
    """A field for text lets it through, and no database takes it."""
    session = make_session(folder)
    with qtbot.waitSignal(session.noted) as said:
        session.labelling.flag("broken \ud83d")
    assert "a character in it that is none" in said.args[1]
    assert not session.labels.status.any()
    session.labelling.flag("whole \U0001f600")
    assert session.labelling.note() == "whole \U0001f600"
    session.close()


def test_queues_are_saved_by_name_for_the_project(qapp, folder):
    session = make_session(folder)
    session.queue.set_filters(("unlabelled",))
    session.queue.save("to do")
    session.queue.choose(filter="all")
    session.close()
    session.open(folder)
    assert session.queue.saved() == {"to do": queues.Choice(("unlabelled",))}
    session.queue.use_saved("to do")
    assert session.queue.choice.filters == ("unlabelled",)
    session.queue.delete_saved("to do")
    assert session.queue.saved() == {}
    session.close()


def test_what_no_longer_matches_is_counted_as_labels_come_and_go(qapp, folder):
    session = make_session(folder)
    session.queue.set_filters(("unlabelled",))
    session.labels.decide([0, 3, 4], bits("Empty"), LABELLED, "bulk")
    assert session.queue.gone == 3
    session.labelling.undo()
    assert session.queue.gone == 0
    use_made_up_run(session)
    session.queue.set_filters(("disagree",))
    assert len(session.queue.rows) == 0
    session.close()


def test_numbers_of_the_files_are_read_once_and_kept(qapp, tmp_path, qtbot):
    source = write_shots(tmp_path / "shots.h5")
    with h5py.File(source, "a") as file:
        file["pulse_energy"] = np.arange(12) * 0.5
    Project.create(tmp_path / "week", [source]).close()
    session = make_session(tmp_path / "week")
    assert list(session.queue.numbers) == []
    with qtbot.waitSignal(session.queue.numbers_changed):
        session.queue.want_numbers()
    assert list(session.queue.numbers) == ["pulse_energy"]
    session.queue.set_filters(("number:pulse_energy:1..2",))
    assert session.queue.rows.tolist() == [2, 3, 4]
    session.close()
    kept = tmp_path / "week" / "scalars.npz"
    session.open(tmp_path / "week")
    assert not session.queue.numbers.unread()
    assert session.queue.numbers["pulse_energy"].tolist() == (np.arange(12) * 0.5).tolist()
    sources = session.opened.project.sources
    session.close()
    kept.write_bytes(kept.read_bytes()[:40])
    damaged = Numbers(tmp_path / "week", sources)
    assert damaged.unread()
    assert list(damaged) == []


def test_numbers_kept_before_there_was_another_one_are_read_again(
    qapp, tmp_path, qtbot, monkeypatch
):
    Project.create(tmp_path / "week", [write_shots(tmp_path / "shots.h5")]).close()
    session = make_session(tmp_path / "week")
    with qtbot.waitSignal(session.queue.numbers_changed):
        session.queue.want_numbers()
    sources = session.opened.project.sources
    session.close()
    assert not Numbers(tmp_path / "week", sources).unread()
    monkeypatch.setattr(numbers, "FORM", numbers.FORM + 1)
    assert Numbers(tmp_path / "week", sources).unread() == {0: sources[0]}


def test_numbers_of_a_file_that_was_away_are_read_when_it_is_back(qapp, tmp_path, qtbot):
    files = [write_shots(tmp_path / f"{name}.h5", n) for n, name in ((12, "a"), (13, "b"))]
    for k, source in enumerate(files):
        with h5py.File(source, "a") as file:
            file["pulse_energy"] = np.arange(12 + k) + 100.0 * k
    Project.create(tmp_path / "week", files).close()
    away = files[0].rename(tmp_path / "away")
    session = make_session(tmp_path / "week")
    with qtbot.waitSignal(session.queue.numbers_changed):
        session.queue.want_numbers()
    values = session.queue.numbers["pulse_energy"]
    assert np.isnan(values[:12]).all()
    assert values[12:].tolist() == (np.arange(13) + 100).tolist()
    session.close()
    away.rename(files[0])
    session.open(tmp_path / "week")
    with qtbot.waitSignal(session.queue.numbers_changed):
        session.queue.want_numbers()
    assert session.queue.numbers["pulse_energy"].tolist() == [*range(12), *range(100, 113)]
    assert not Numbers(tmp_path / "week", session.opened.project.sources).unread()
    session.close()
