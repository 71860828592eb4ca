"""One training of a project at a time, in windows and terminals alike."""

from __future__ import annotations

import pytest

from labeler.cli import main
from labeler.jobs.child import FOLLOWED
from labeler.project.project import Project
from labeler.runs import train_project
from labeler.runs.training_lock import lock_training
from model.errors import InputError
from model.events import event
from tests.helpers.shots import make_file

BUSY = "is being trained, or its shots predicted, in another window or terminal"


@pytest.fixture
def week(tmp_path):
    folder = tmp_path / "week"
    Project.create(folder, [make_file(tmp_path / "a.h5", 12)]).close()
    return folder


@pytest.fixture
def trained(monkeypatch):
    """What a training of a few lines yields; whether others could train meanwhile."""
    free = []

    def train(folder, recipe, request, stop):
        try:
            lock_training(folder).release()
            free.append(True)
        except InputError:
            free.append(False)
        yield event("finished", run="")

    monkeypatch.setattr(train_project, "train_project", train)
    return free


def test_a_terminal_trains_no_project_that_a_window_trains(week, trained, capsys):
    lock = lock_training(week)
    assert main(["train", str(week)]) == 1
    assert BUSY in capsys.readouterr().err
    assert trained == []
    lock.release()
    assert main(["train", str(week)]) == 0
    assert trained == [False], "and no window meanwhile"
    lock_training(week).release()


def test_the_job_of_a_window_trains_where_the_window_may(week, trained, monkeypatch):
    lock = lock_training(week)
    monkeypatch.setenv(FOLLOWED, "1")
    monkeypatch.setattr("labeler.cli.training.listen", lambda: lambda: False)
    assert main(["train", str(week), "--events"]) == 0
    assert trained == [False]
    lock.release()


def test_where_no_lock_is_to_be_had_every_process_may(week, monkeypatch):
    def refuse(*args, **kwargs):
        raise NotImplementedError

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    assert lock_training(week) is None
