"""The watch on heat in `bench labelling`: it waits for an answer, not for a clock."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from labeler.cli.bench import inspecting
from model.errors import InputError


class SlowHeat(QObject):
    """Answers each shot once the event loop was idle, after `others`."""

    heat_ready = pyqtSignal(int)
    is_waiting = True

    def __init__(self, cursor, others=(), failure=""):
        super().__init__()
        self.cursor, self.others, self.failure = cursor, others, failure

    def ask(self):
        for row in (*self.others, self.cursor.row):
            QTimer.singleShot(0, lambda row=row: self.heat_ready.emit(row))


def user_of(**how):
    cursor = SimpleNamespace(row=0)
    heat = SlowHeat(cursor, **how)

    def step():
        cursor.row += 1
        heat.ask()

    return SimpleNamespace(session=SimpleNamespace(heat=heat, cursor=cursor), step=step)


def test_heat_is_waited_for_until_that_of_the_shot_has_come(qapp):
    user = user_of(others=(7, 8))
    assert inspecting._until_heat(user, None) > 0
    assert inspecting._until_heat(user, None) > 0


def test_heat_that_could_not_be_computed_is_no_measurement(qapp):
    with pytest.raises(InputError, match="The process that computes heat ended"):
        inspecting._until_heat(user_of(failure="The process that computes heat ended."), None)
