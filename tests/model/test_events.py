"""Events of a long run: what is said, and how often."""

from types import SimpleNamespace

import numpy as np

from model import events
from model.events import event, from_line, now_and_then, to_line


def test_an_event_comes_back_from_its_line_and_a_stray_print_is_no_event():
    item = event("progress", what="reading", done=1, total=2)
    assert from_line(to_line(item)) == item
    assert from_line("a warning of some library") is None
    assert from_line("[1, 2]") is None


def test_numbers_that_json_does_not_know_become_null():
    assert from_line(to_line(event("step", loss=float("nan"))))["loss"] is None


def test_many_counts_are_said_a_few_times_a_second_and_the_last_always(monkeypatch):
    clock = iter(np.linspace(100, 102, 10_000))  # two seconds in all
    monkeypatch.setattr(events, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    said = list(now_and_then((n, 5000) for n in range(1, 5001)))
    assert said[-1] == (5000, 5000)
    assert 5 <= len(said) <= 12
