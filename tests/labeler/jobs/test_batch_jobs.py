"""Batch jobs from the window: what it asks of which command, how it goes on and stops."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import h5py
import pytest

from labeler.cli import build_parser
from labeler.jobs.batch_job import (
    ADDRESS,
    DASK,
    HERE,
    MAPS,
    NOISE,
    READ,
    SLURM,
    THUMBNAILS,
    BatchJob,
)
from labeler.jobs.job import Job
from labeler.project import classes
from labeler.project.project import Project
from labeler.session.session import Session
from labeler.shots.thumbnail_cache import Thumbnails
from labeler.window.dialogs.batch_jobs import BatchJobs
from labeler.window.main_window import MainWindow
from labeler.window.settings import Settings
from tests.helpers.waiting import serve_events
from tests.helpers.window_parts import make_project, make_session


@pytest.fixture
def project(tmp_path):
    with Project.open(make_project(tmp_path, 40)) as opened:
        yield opened


@pytest.mark.parametrize("engine", [HERE, DASK, SLURM, ADDRESS])
@pytest.mark.parametrize("kind", [READ, THUMBNAILS, MAPS, NOISE])
def test_every_work_by_everyone_is_a_command_that_exists(project, tmp_path, kind, engine):
    project.current_run = int(project.new_run_folder().name)
    file = project.sources[0].path
    order = BatchJob(kind, engine, "tcp://host:8786", 3, file, tmp_path / "out.h5", "max")
    assert order.lacking(project) == ""
    asked = build_parser().parse_args(order.words(project))
    assert asked.scheduler == {HERE: None, ADDRESS: "tcp://host:8786"}.get(engine, engine)
    assert asked.workers == (3 if order.counts_workers else None)
    if kind in (MAPS, NOISE):
        assert (asked.file, asked.out) == (file, tmp_path / "out.h5")
        assert asked.dataset == project.sources[0].dataset
    if kind == NOISE:
        assert asked.level == "max"


def test_it_says_what_is_lacking_before_it_starts(project):
    assert "train one first" in BatchJob(READ).lacking(project)
    assert "file to write" in BatchJob(MAPS).lacking(project)
    assert "tcp://" in BatchJob(THUMBNAILS, ADDRESS).lacking(project)
    assert BatchJob(THUMBNAILS).lacking(project) == ""


@pytest.fixture
def window(qtbot, tmp_path):
    """A window on a project of 40 shots."""
    made = MainWindow(make_session(make_project(tmp_path, 40)), Settings(tmp_path / "mine.toml"))
    qtbot.addWidget(made)
    made.show()
    yield made
    made.close()


def opened(window: MainWindow) -> BatchJobs:
    window.actions_.trigger("long_work")
    (found,) = window.findChildren(BatchJobs)
    assert found.isVisible()
    return found


def choose(dialog: BatchJobs, kind: str, engine: str = HERE) -> None:
    dialog.kind.setCurrentIndex(dialog.kind.findData(kind))
    dialog.engine.setCurrentIndex(dialog.engine.findData(engine))


def test_only_fields_that_matter_are_shown(window):
    dialog = opened(window)
    choose(dialog, READ)
    assert not dialog.button.isEnabled()
    assert "train one first" in dialog.said.text()
    assert not dialog.out.isVisible()
    assert not dialog.workers.isVisible()
    choose(dialog, NOISE, ADDRESS)
    assert dialog.level.isVisible()
    assert dialog.address.isVisible()
    assert not dialog.button.isEnabled()
    dialog.address.setText("tcp://host:8786")
    assert dialog.button.isEnabled()
    choose(dialog, MAPS, DASK)
    assert not dialog.level.isVisible()
    assert dialog.workers.isVisible()
    assert Path(dialog.out.text()).name == "shots-maps.h5"


@pytest.mark.parametrize("engine", [HERE, ADDRESS])
def test_no_field_is_clipped_when_fields_are_added(window, engine):
    dialog = opened(window)
    for kind in (READ, MAPS, NOISE):
        choose(dialog, kind, engine)
        serve_events()
        for field in (dialog.choose, dialog.button, dialog.kind, dialog.file):
            if field.isVisible():
                assert field.height() >= field.sizeHint().height()
    width = dialog.width() + 200
    dialog.resize(width, dialog.height())
    choose(dialog, READ, engine)
    choose(dialog, MAPS, engine)
    assert dialog.width() == width


def test_maps_are_made_by_dask_workers_while_the_dialog_is_closed(window, qtbot):
    dialog = opened(window)
    choose(dialog, MAPS, DASK)
    dialog.workers.setValue(1)
    dialog.button.click()
    assert dialog.short_job.is_running
    assert dialog.button.text() == "Stop"
    assert not dialog.kind.isEnabled()
    dialog.reject()
    assert not dialog.isVisible()
    qtbot.waitUntil(lambda: not dialog.short_job.is_running)
    assert "Done" in opened(window).said.text(), dialog.said.text()
    with h5py.File(dialog.out.text()) as file:
        assert file["maps"].shape[0] == 40
    assert (window.settings["scheduler"], window.settings["workers"]) == ("local", 1)


def test_what_is_stopped_goes_on_where_it_was(window, qtbot):
    project = window.session.opened.project
    dialog = opened(window)
    choose(dialog, THUMBNAILS)
    dialog.button.click()
    dialog.button.click()  # stop, at once
    qtbot.waitUntil(lambda: not dialog.short_job.is_running)
    dialog.button.click()
    qtbot.waitUntil(lambda: not dialog.short_job.is_running)
    assert "Done" in dialog.said.text()
    kept = Thumbnails(project.folder / "thumbnails", project.sources)
    assert kept.made(0).all()
    kept.close()


IMPATIENT = """
import sys
from labeler.cli import main
from model.bulk import dask_clusters
dask_clusters.CONNECT_S = 1
sys.exit(main())
"""
"""The program that waits a second for a scheduler."""


def test_a_scheduler_out_of_reach_is_said_in_the_dialog_and_in_a_note(window, qtbot):
    dialog = opened(window)
    dialog.short_job.make_job = partial(Job, command=("-c", IMPATIENT))
    choose(dialog, THUMBNAILS, ADDRESS)
    dialog.address.setText("tcp://127.0.0.1:9")
    dialog.button.click()
    qtbot.waitUntil(lambda: not dialog.short_job.is_running)
    assert "does not answer" in dialog.said.text()
    assert any("does not answer" in str(entry[-1]) for entry in map(tuple, window.notes.log))


def test_work_goes_on_while_the_project_changes(window, qtbot):
    dialog = opened(window)
    choose(dialog, MAPS)
    dialog.out.setText(str(window.session.opened.folder / "mine.h5"))
    dialog.button.click()
    window.session.change_classes(classes.rename, "Bent", "Curved")
    window.session.label_as("Bob")
    assert dialog.isVisible()
    assert dialog.short_job.is_running
    assert Path(dialog.out.text()).name == "mine.h5"
    qtbot.waitUntil(lambda: not dialog.short_job.is_running)
    assert "Done" in dialog.said.text()


def test_work_ends_with_its_project(window):
    dialog = opened(window)
    choose(dialog, MAPS)
    dialog.button.click()
    window.close_project()
    assert not dialog.short_job.is_running
    assert not dialog.isVisible()
    assert isinstance(window.session, Session)
