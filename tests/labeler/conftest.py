"""What every test of the program gets: a project that is opened is there, on a busy machine too."""

from __future__ import annotations

import pytest

from labeler.session.background import sources
from tests.helpers.waiting import PATIENCE_S


@pytest.fixture(autouse=True)
def opened_is_compared(monkeypatch):
    """Shots are withheld while their files are compared: who opens a project waits for that."""
    monkeypatch.setattr(sources, "AT_ONCE_S", PATIENCE_S)
