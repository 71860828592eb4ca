"""Children of a script that is no module: the script runs once, and what it asks for works."""

import os
import queue
import subprocess
import sys

from model.processes import Worker
from tests.helpers.waiting import PATIENCE_S


def serve(connection):
    """Answers with the source and the request; of a request "die" it dies."""
    source = None
    while True:
        request = connection.recv()
        if isinstance(request, tuple):
            source = request
            connection.send(None)
        elif request == "die":
            os._exit(1)
        else:
            connection.send((*source, request))


class Asked(Worker):
    """A worker that a test asks by words, each in place of the one that begins alike."""

    def __init__(self, answers):
        super().__init__(serve, answers.put, lambda request: f"died of {request}", name="a test")

    def ask(self, word):
        self._add(word, word[0], 10)

    def urgency(self, key):
        return key == "u"


def test_a_worker_whose_child_dies_goes_on_on_the_same_ground():
    answers = queue.Queue()
    worker = Asked(answers)
    worker.use(("sand",))
    worker.ask("die")
    assert answers.get(timeout=PATIENCE_S) == "died of die"
    worker.ask("learn")  # what kills it is that request, not all of them
    assert answers.get(timeout=PATIENCE_S) == ("sand", "learn")
    worker.use(("rock",))
    worker.ask("learn")
    assert answers.get(timeout=PATIENCE_S) == ("rock", "learn")
    worker.ask("die")
    worker.ask("urgent")
    both = {answers.get(timeout=PATIENCE_S) for _ in range(2)}
    assert both == {("rock", "urgent"), "died of die"}
    worker.close()
    assert not worker._thread.is_alive()


SCRIPT = """
import sys
from pathlib import Path
from model.shots.child import FileReader
print("begins")
with FileReader(Path.stat) as ask:
    print("bytes", ask(Path(sys.argv[1])).st_size)
"""


def test_a_script_without_a_main_guard_reads_in_a_child_and_runs_once(tmp_path):
    path = tmp_path / "shots.h5"
    path.write_bytes(bytes(80))
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT)
    ran = subprocess.run(
        [sys.executable, script, path],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert ran.stderr == ""
    assert ran.stdout.split() == ["begins", "bytes", "80"]
