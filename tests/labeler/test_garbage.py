"""Garbage is collected by the event loop, never by the thread that happens to allocate."""

import gc
import threading
import weakref

from PyQt6.QtCore import QObject

from labeler.garbage import GarbageCollector


class Knot:
    """An object that only a collection can free."""

    def __init__(self):
        self.self = self


def test_nothing_is_collected_in_another_thread(qtbot):
    owner = QObject()
    collector = GarbageCollector(owner)
    collected_in = []
    gc.callbacks.append(lambda phase, info: collected_in.append(threading.current_thread()))
    try:
        thread = threading.Thread(target=lambda: [Knot() for _ in range(5000)])
        thread.start()
        thread.join()
        assert collected_in == []
        collector.collect()
        assert set(collected_in) == {threading.main_thread()}
    finally:
        gc.callbacks.pop()


def test_the_event_loop_collects_what_is_forgotten(qtbot):
    owner = QObject()
    GarbageCollector(owner)
    knot = Knot()
    forgotten = weakref.ref(knot)
    del knot
    keep = [[] for _ in range(2 * gc.get_threshold()[0])]
    qtbot.waitUntil(lambda: forgotten() is None, timeout=5000)
    assert keep
