"""Backups: when, which are kept, whole or not at all, and the way back."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.cli import main
from labeler.project import backups
from labeler.project.project import Project
from labeler.project.store import LABELLED, copies
from labeler.window.dialogs.restore import HEADS, RestoreDialog, go_back
from model.errors import InputError
from model.output_files import sweep, written_whole
from tests.helpers.people import labels_of
from tests.helpers.waiting import PATIENCE_S
from tests.helpers.window_parts import make_project, make_session

NOW = datetime(2025, 11, 22, 15, 30, tzinfo=UTC)
TIMES = st.lists(st.integers(0, 500 * 24 * 60), max_size=200).map(
    lambda minutes: [NOW - timedelta(minutes=m) for m in minutes]
)


@given(TIMES)
def test_of_the_last_two_days_every_backup_is_kept(times):
    kept = backups.which_to_keep(times, NOW)
    assert {t for t in times if NOW - t <= timedelta(days=2)} <= kept <= set(times)


@given(TIMES)
def test_of_older_ones_at_most_one_a_day_and_31_in_all_are_kept(times):
    old = [t for t in backups.which_to_keep(times, NOW) if NOW - t > timedelta(days=2)]
    assert len(old) <= 12 + 10 + 9
    assert len({t.date() for t in old}) == len(old)


@given(TIMES)
def test_the_newest_is_kept_and_thinning_again_deletes_nothing_more(times):
    kept = backups.which_to_keep(times, NOW)
    assert not times or max(times) in kept
    assert backups.which_to_keep(kept, NOW) == kept


def test_a_year_of_half_hourly_backups_ends_with_days_weeks_and_months():
    kept: set[datetime] = set()
    start = NOW - timedelta(days=400)
    for day in range(401):
        now = start + timedelta(days=day)
        kept |= {now - timedelta(minutes=30 * k) for k in range(16)}  # a day at work
        kept = backups.which_to_keep(kept, now)
    ages = sorted((NOW - t).days for t in kept)
    assert sum(a < 2 for a in ages) >= 32
    days = [a for a in ages if 2 <= a <= 14]
    assert len(days) >= 12
    assert max(a for a in ages if a < 95) >= 70
    assert 270 <= ages[-1] <= 400
    old = [t for t in kept if NOW - t > timedelta(days=2)]
    assert len(old) == 12 + 10 + 9


@settings(max_examples=30)
@given(st.integers(0, 3000))
def test_a_backup_is_due_only_after_half_an_hour_and_a_change(minutes):
    now = NOW + timedelta(minutes=minutes)
    held = copies.Glance(10, 3, 7)
    last = backups.Backup(None, NOW, "auto", 1, held)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backups, "newest", lambda folder: last)
        assert not backups.is_due(None, 7, now)
        assert backups.is_due(None, 8, now) == (minutes >= 30)


def test_a_clock_that_was_ahead_does_not_put_backups_off(monkeypatch):
    ahead = backups.Backup(None, NOW + timedelta(days=400), "auto", 1, copies.Glance(10, 3, 7))
    monkeypatch.setattr(backups, "newest", lambda folder: ahead)
    assert backups.is_due(None, 8, NOW)
    assert not backups.is_due(None, 7, NOW)


# -- on the disk ---------------------------------------------------------------------------------


@pytest.fixture
def week(tmp_path):
    return make_project(tmp_path, 6)


def label(folder, row, present):
    with Project.open(folder) as project:
        project.store.record(project.annotator, row, present, LABELLED, origin="key")


def test_a_backup_says_what_it_holds(week):
    label(week, 0, 3)
    label(week, 1, 3)
    made = backups.back_up(week, "hand")
    (listed,) = backups.list_backups(week)
    assert listed.path == made
    assert (listed.held.shots, listed.held.labelled, listed.held.gesture) == (6, 2, 2)
    assert listed.why == "by hand"
    assert sorted(p.name for p in made.parent.iterdir()) == [made.name]


def test_a_backup_counts_labels_of_people_and_of_files_but_no_second_readings(tmp_path, capsys):
    labels = np.zeros((6, 11), np.uint8)
    labels[:, 0] = 1
    week = make_project(tmp_path, 6, labels=labels)
    label(week, 0, 3)
    with Project.open(week) as project:
        for kind in ("repeat", "consensus"):
            other = project.store.annotator(f"of {kind}", kind=kind)
            project.store.record(other, [1, 2], 3, LABELLED, origin="key")
    backups.back_up(week, "hand")
    (listed,) = backups.list_backups(week)
    assert (listed.held.labelled, listed.held.with_files) == (1, 6)
    assert main(["restore", str(week)]) == 0
    assert "1 of 6 labelled by people (6 with the files), by hand" in capsys.readouterr().out


def test_an_older_backup_that_does_not_tell_labels_of_files_says_only_what_it_knows():
    assert copies.Glance(480, 10, 7).counted == "10 of 480 labelled by people"


def test_going_back_keeps_the_present_state_and_can_itself_be_taken_back(week):
    label(week, 0, 3)
    first = backups.back_up(week, "hand")
    label(week, 1, 5)
    kept = backups.restore(week, first)
    assert labels_of(week) == [3, 0, 0, 0, 0, 0]
    assert backups.list_backups(week)[0].path == kept
    backups.restore(week, kept)
    assert labels_of(week) == [3, 5, 0, 0, 0, 0]


def test_going_back_brings_the_taxonomy_of_that_time(week):
    label(week, 0, 1)
    first = backups.back_up(week, "hand")
    taxonomy = week / "taxonomy.toml"
    then = taxonomy.read_text()
    taxonomy.write_text(then.replace('name = "Layered"', 'name = "Striped"'))
    label(week, 1, 1)
    backups.restore(week, first)
    assert taxonomy.read_text() == then


def test_an_open_window_goes_on_after_another_one_went_back(week):
    label(week, 0, 3)
    first = backups.back_up(week, "hand")
    with Project.open(week) as project:
        ada = project.annotator
        project.store.record(ada, 1, 5, LABELLED, origin="key")
        backups.restore(week, first)
        assert project.store.load_state(ada).present.tolist()[:2] == [3, 0]
        project.store.record(ada, 2, 1, LABELLED, origin="key")
    assert labels_of(week)[:3] == [3, 0, 1]


def test_a_damaged_database_is_replaced_and_kept(week):
    label(week, 0, 3)
    first = backups.back_up(week, "hand")
    path = week / "project.sqlite"
    raw = bytearray(path.read_bytes())
    raw[4096:16384] = b"\7" * (16384 - 4096)
    path.write_bytes(raw)
    kept = backups.restore(week, first)
    assert kept.read_bytes() == bytes(raw)
    assert "damaged" in kept.name
    assert labels_of(week)[0] == 3
    path.write_bytes(b"nothing of a database" * 300)
    backups.restore(week, first)
    assert labels_of(week)[0] == 3


def test_a_damaged_backup_is_refused_and_nothing_changes(week):
    label(week, 0, 3)
    made = backups.back_up(week, "hand")
    raw = made.read_bytes()
    made.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(InputError, match="damaged"):
        backups.restore(week, made)
    assert labels_of(week)[0] == 3
    assert len(backups.list_backups(week)) == 1
    made.write_bytes(b"x" * 5000)
    assert backups.list_backups(week)[0].trouble


def test_a_damaged_database_never_becomes_a_backup(week):
    label(week, 0, 3)
    path = week / "project.sqlite"
    raw = bytearray(path.read_bytes())
    raw[20480:40960] = b"\7" * 20480
    path.write_bytes(raw)
    with pytest.raises(InputError, match="damaged"):
        backups.back_up(week, "auto")
    assert not list((week / "backups").iterdir())


def test_old_backups_are_thinned_and_those_before_an_update_stay(week):
    label(week, 0, 3)
    made = backups.back_up(week, "auto")
    now = datetime.now(UTC)
    for minutes in range(0, 60 * 24 * 6, 120):
        stamp = (now - timedelta(minutes=minutes)).strftime("%Y%m%dT%H%M%S.%fZ")
        for reason in ("auto", "before-0002") if minutes == 60 * 24 * 5 else ("auto",):
            copy = made.with_name(f"project-{stamp}-{reason}.sqlite")
            copy.write_bytes(made.read_bytes())
    backups.thin(week, now)
    left = backups.list_backups(week)
    old = [b for b in left if now - b.time > timedelta(days=2)]
    assert len([b for b in old if b.reason == "auto"]) in (4, 5)
    assert len([b for b in old if b.reason == "before-0002"]) == 1


class Clock(datetime):
    """What the copies take for the time."""

    ahead = timedelta(0)

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + cls.ahead


def test_backups_follow_each_other_as_they_were_made_whatever_the_clock_says(week, monkeypatch):
    monkeypatch.setattr(copies, "datetime", Clock)
    monkeypatch.setattr(backups, "datetime", Clock)
    for row, days in ((0, 0), (1, 3650), (2, 0), (3, -40)):
        monkeypatch.setattr(Clock, "ahead", timedelta(days=days))
        label(week, row, 3)
        backups.back_up(week)
    assert [b.held.labelled for b in backups.list_backups(week)] == [4, 3, 2, 1]
    assert backups.newest(week).held.labelled == 4
    assert backups.choose(week, "newest").held.labelled == 4


def test_a_clock_far_ahead_costs_none_of_the_days_backups(week, monkeypatch):
    label(week, 0, 3)
    made = [backups.back_up(week) for _ in range(12)]
    gone = backups.thin(week, datetime.now(UTC) + timedelta(days=3650))
    assert gone == []
    assert all(path.is_file() for path in made)


def test_what_a_kill_left_half_written_is_swept_when_the_project_is_opened(week):
    backups.back_up(week, "hand")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    mine = os.getpid()
    for folder, name in ((week, "taxonomy.toml"), (week / "backups", "project-x.sqlite")):
        for end in (f"{ended.pid}.part", f"{ended.pid}.part-journal", f"{mine}.part"):
            (folder / f".{name}.{end}").write_text("half")
    Project.open(week).close()
    left = [p.name for p in week.rglob("*.part*")]
    assert sorted(left) == [f".project-x.sqlite.{mine}.part", f".taxonomy.toml.{mine}.part"]


def test_a_file_that_a_window_saved_can_be_gone_back_to(week, tmp_path):
    label(week, 0, 3)
    with Project.open(week) as project:
        project.store.save_copy(tmp_path / "saved.sqlite")
    label(week, 1, 3)
    assert main(["restore", str(week), str(tmp_path / "saved.sqlite")]) == 0
    assert labels_of(week)[:2] == [3, 0]


def test_labels_are_stored_while_a_backup_is_made(week):
    with Project.open(week) as project:
        ada, store = project.annotator, project.store
        rows = [(k % 6) for k in range(600)]
        for k, row in enumerate(rows):
            store.record(ada, row, k % 7, LABELLED, origin="key")
        failed: list[InputError] = []

        def many() -> None:
            try:
                for _ in range(3):
                    backups.back_up(week, "auto")
            except InputError as error:
                failed.append(error)

        thread = threading.Thread(target=many)
        thread.start()
        meanwhile = 0
        while thread.is_alive():
            store.record(ada, 0, meanwhile % 7, LABELLED, origin="key")
            meanwhile += 1
        thread.join()
        assert not failed
        assert meanwhile > 3  # none of them waited for a whole backup
    for backup in backups.list_backups(week):
        with sqlite3.connect(backup.path) as copy:
            assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        copy.close()
        assert backup.held.gesture >= 600


def test_no_label_waits_for_the_end_of_a_backup(week, monkeypatch):
    looking, may_end = threading.Event(), threading.Event()
    refuse_damage = copies._refuse_damage

    def held(*words):
        looking.set()
        assert may_end.wait(PATIENCE_S)
        refuse_damage(*words)

    monkeypatch.setattr(copies, "_refuse_damage", held)
    with Project.open(week) as project:
        thread = threading.Thread(target=backups.back_up, args=(week, "auto"))
        thread.start()
        try:
            assert looking.wait(PATIENCE_S)
            for k in range(20):
                project.store.record(project.annotator, k % 6, 1, LABELLED, origin="key")
            assert thread.is_alive()
            assert backups.list_backups(week) == []
        finally:
            may_end.set()
            thread.join()
    assert [b.reason for b in backups.list_backups(week)] == ["auto"]


def test_a_full_disk_leaves_no_half_backup(week, monkeypatch):
    label(week, 0, 3)

    def refuse(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(InputError, match="no backup could be written"):
        backups.back_up(week, "auto")
    assert not list((week / "backups").iterdir())


# -- in the window -------------------------------------------------------------------------------


def test_the_window_makes_a_backup_in_a_pause_of_labelling(qtbot, week):
    session = make_session(week)
    session.labelling.toggle(1)
    session.backup.look()
    assert not session.backup.is_busy  # a key was pressed just now
    session.backup._heard = 0.0
    with qtbot.waitSignal(session.backup.made):
        session.backup.look()
    session.labelling.toggle(3)
    session.backup._heard = 0.0
    session.backup.look()
    session.backup.wait()
    (made,) = backups.list_backups(week)  # not a second one within half an hour
    assert (made.reason, made.held.labelled) == ("auto", 1)
    session.close()


def test_a_backup_asked_for_while_one_is_ending_is_made_too(qtbot, week, monkeypatch):
    session = make_session(week)
    session.labelling.toggle(1)
    slow, may_end = backups.back_up, threading.Event()

    def back_up(folder, reason):
        made = slow(folder, reason)
        may_end.wait(PATIENCE_S)
        return made

    monkeypatch.setattr(backups, "back_up", back_up)
    session.backup.make("auto")
    session.backup.make("hand")
    assert session.backup.is_busy
    may_end.set()
    qtbot.waitUntil(lambda: not session.backup.is_busy)
    assert [b.reason for b in backups.list_backups(week)] == ["hand", "auto"]
    session.close()


def test_a_backup_that_cannot_be_made_is_said_once(qtbot, week, monkeypatch):
    session = make_session(week)
    said = []
    session.noted.connect(lambda level, text: said.append((level, text)))

    def refuse(folder, reason):
        raise InputError("no backup could be written (no space)", mend="Free some space.")

    monkeypatch.setattr(backups, "back_up", refuse)
    for _ in range(2):
        with qtbot.waitSignal(session.backup.failed):
            session.backup.make("auto")
    assert len(said) == 1
    assert "no space" in said[0][1]
    session.close()


def test_the_list_of_backups_shows_each_and_goes_back(qtbot, week, tmp_path):
    session = make_session(week)
    empty = RestoreDialog(session)
    qtbot.addWidget(empty)
    assert not empty.go.isEnabled()
    session.labelling.toggle(1)
    with qtbot.waitSignal(session.backup.made):
        empty.back_up()
    session.labelling.toggle(1)
    dialog = RestoreDialog(session)
    qtbot.addWidget(dialog)
    assert dialog.list.topLevelItemCount() == 1
    line = dialog.list.topLevelItem(0)
    shown = {head: line.text(k) for k, head in enumerate(HEADS)}
    assert (shown["Labelled"], shown["By people"], shown["Shots"]) == ("1", "1", "6")
    assert shown["Made"] == "by hand"
    dialog.go.click()
    go_back(session, dialog.chosen)
    assert session.labelling.shown_labels()[1]
    assert len(backups.list_backups(week)) == 2
    session.close()


def test_who_labels_stays_the_same_where_a_backup_knows_another(qapp, week):
    session = make_session(week)
    first = session.require().project.annotator_name
    session.labelling.toggle(1)
    backups.back_up(week, "hand")
    session.label_as("Bob")
    said = []
    session.noted.connect(lambda level, text: said.append(text))
    go_back(session, backups.list_backups(week)[0])
    assert session.require().project.annotator_name == "Bob"
    assert "You label as Bob now." in said
    session.cursor.show(0)
    assert not session.labels.status.any()
    session.labelling.toggle(2)
    session.label_as(first)
    assert session.labelling.shown_labels(0)[1]
    assert not session.labelling.shown_labels(0)[2]
    session.close()


def test_restore_on_the_command_line_lists_and_goes_back(week, capsys):
    assert main(["restore", str(week)]) == 0
    assert "no backup yet" in capsys.readouterr().out
    label(week, 0, 3)
    backups.back_up(week, "hand")
    label(week, 0, 5)
    assert main(["restore", str(week)]) == 0
    assert "1 of 6 labelled by people, by hand" in capsys.readouterr().out
    assert main(["restore", str(week), "newest"]) == 0
    assert labels_of(week)[0] == 3
    assert main(["restore", str(week), "99"]) == 1
    assert "lists all" in capsys.readouterr().err


def test_restore_says_that_there_is_no_project_rather_than_no_backup(week, capsys):
    assert main(["restore", str(week / "project.sqlite")]) == 0
    capsys.readouterr()
    for folder in (week.parent / "gone", week.parent):
        assert main(["restore", str(folder)]) == 1
        out, err = capsys.readouterr()
        assert "Name the folder of a project." in err
        assert "no backup" not in out


def test_a_project_without_its_database_is_sent_to_its_backups(week, capsys):
    label(week, 0, 3)
    backups.back_up(week, "hand")
    (week / "project.sqlite").unlink()
    for words in (["info", str(week)], ["restore", str(week), "newest"]):
        assert main(words) == 1
        said = capsys.readouterr().err
        assert f"database is gone. `airylabel check --repair {week.name}`" in said
    assert main(["restore", str(week)]) == 0
    assert "by hand" in capsys.readouterr().out
    assert main(["check", "--repair", str(week)]) == 0
    assert labels_of(week)[0] == 3


def test_a_backup_that_is_not_there_is_named_as_it_was_asked_for(week, capsys):
    assert main(["restore", str(week), "newest"]) == 1
    assert "there is no backup 'newest'" in capsys.readouterr().err


def test_a_copy_that_fails_half_way_leaves_nothing_beside_it(tmp_path):
    def copy_and_fail():
        with written_whole(tmp_path / "copy.sqlite") as part:
            for end in ("", "-journal", "-wal", "-shm"):
                part.with_name(part.name + end).write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        copy_and_fail()
    assert not list(tmp_path.iterdir())
    (tmp_path / ".copy.sqlite.999999999.part-shm").write_text("of one that was killed")
    sweep(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_damaged_database_that_finds_no_room_leaves_no_part_of_its_copy(tmp_path, monkeypatch):
    week = make_project(tmp_path, 3)
    for end in ("", "-wal", "-shm"):
        (week / f"project.sqlite{end}").write_bytes(b"no database")
    real = backups._copy_file

    def full(source, target):
        if target.suffix == ".sqlite":
            raise InputError("cannot be written (No space left on device)", file=target)
        real(source, target)

    monkeypatch.setattr(backups, "_copy_file", full)
    before = sorted((week / "backups").glob("*"))
    with pytest.raises(InputError, match="No space left"):
        backups.keep_aside(week, "before-restore")
    assert sorted((week / "backups").glob("*")) == before
