"""The page Side by side: counted in a child, sorted, exported; a line leads to its shots."""

import csv

import pytest

from labeler.project.project import Project
from labeler.window.quality.side_by_side import SideBySidePage
from tests.helpers.window_parts import make_session, write_shots
from tests.labeler.window.test_live import labels


@pytest.fixture
def page(qtbot, tmp_path):
    """On a project of three files, of which the labels of two are known."""
    files = [write_shots(tmp_path / f"r000{k}.h5", n) for k, n in enumerate((9, 12, 6), 1)]
    with Project.create(tmp_path / "week", files, annotator="Ada") as project:
        rows = list(range(21))
        bits = project.taxonomy.pack(labels(21))
        project.store.record(project.annotator, rows, bits, 1, origin="bulk")
    session = make_session()
    session.open(tmp_path / "week")
    made = SideBySidePage(session)
    qtbot.addWidget(made)
    made.resize(1080, 700)
    made.show()
    yield made
    session.close()


def test_files_are_counted_in_a_child_sorted_by_a_click_and_exported(page, qtbot, tmp_path):
    assert page.stack.currentWidget() is page.empty
    page.by_labels.setChecked(True)
    page.empty.button.click()
    qtbot.waitUntil(lambda: bool(page.found) and not page.short_job.is_running)
    sources = lambda: [line[0] for line in page.table.lines.lines]  # noqa: E731
    assert sources() == ["r0001.h5", "r0002.h5", "r0003.h5"]
    assert page.table.lines.heads[:3] == ("Source", "Judged", "Hit rate")
    assert page.table.lines.lines[0][1:3] == ["9", "67 % (35–88)"]
    assert page.table.lines.lines[2][2] == "–"
    assert "labels of Ada" in page.said.text()
    page.sort(1)
    assert sources() == ["r0002.h5", "r0001.h5", "r0003.h5"]
    page.sort(1)
    assert sources() == ["r0003.h5", "r0001.h5", "r0002.h5"]
    page.sort(2)
    assert sources()[-1] == "r0003.h5"
    page.write(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8-sig") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["source"] for line in lines] == sources()
    assert float(lines[0]["hit rate low"]) < float(lines[0]["hit rate"])
    assert lines[-1]["hit rate"] == ""
    with qtbot.waitSignal(page.label_requested):
        page.table.opened.emit(sources().index("r0002.h5"))
    assert page.session.queue.rows.tolist() == list(range(9, 21))
    page.session.labelling.toggle(page.session.labels.taxonomy.index("Bent"))
    assert "Labels changed since" in page.said.text()


def test_what_cannot_be_counted_or_written_is_a_note(page, qtbot, tmp_path):
    said = []
    page.session.noted.connect(lambda level, text: said.append((level, text)))
    page.found = [{"source": "a", "judged": 1}]
    page.write(tmp_path / "missing" / "table.csv")
    assert said[-1][0] == "error"
