"""The benchmark of forms says what was opened as written, and what could not be tried."""

import json

from labeler.cli import main
from labeler.cli.bench import formats


def test_forms_are_opened_compared_and_counted(monkeypatch):
    def absent(home, counts):
        raise ImportError(name="nothing")
        yield

    def wrong(home, counts):
        path, dataset, _ = next(formats.FORMS["NPY"](home, counts))
        yield path, dataset, counts + 1

    known = formats.FORMS
    few = {"NPY": known["NPY"], "emc": known["Dragonfly emc"], "wrong": wrong, "absent": absent}
    monkeypatch.setattr(formats, "FORMS", few)
    monkeypatch.setattr(formats, "_run", lambda folder, **_: next(absent(folder, None)))
    found = formats.measure(shots=3, files=3, each=4)
    assert (found["forms_tried"], found["forms_opened"]) == (3, 2)
    assert [f["form"] for f in found["forms"] if not f["opened"]] == ["wrong"]
    assert found["left_out"] == {"absent": "nothing is not installed"}
    assert found["files_open_s"] > 0
    assert "run_open_s" not in found


def test_what_a_writer_prints_does_not_get_into_the_json(monkeypatch, capsys):
    def talks(home, counts):
        print("Source: detector, module 1")
        yield from known["NPY"](home, counts)

    known = formats.FORMS
    monkeypatch.setattr(formats, "FORMS", {"talks": talks})
    monkeypatch.setattr(formats, "_large", lambda *_: {})
    assert main(["bench", "formats", "--shots", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["forms_opened"] == 1
