"""The page Forecast: asks for a forecast, shows it, and leads to the class to look for."""

import numpy as np
import pytest

from labeler.project.project import Project
from labeler.project.store.records import LABELLED
from labeler.window.main_window import MainWindow
from labeler.window.quality.forecast import ForecastPage, of_what
from labeler.window.settings import Settings
from labeler.window.widgets import theme
from model.active import audit
from model.active.forecast import FEWEST
from tests.helpers.embeddings import project_with_embeddings
from tests.helpers.window_parts import make_session


@pytest.fixture
def opened(qtbot, qapp, tmp_path):
    """Opens the page on a project of 200 shots of which so many are labelled."""
    theme.apply(qapp, "dark")
    windows = []

    def open_it(labels, together=0):
        week, truth = project_with_embeddings(tmp_path, 200, noise=1.0)
        rows = np.sort(audit.order(200, 0)[:labels])
        with Project.open(week) as project:
            bits = project.taxonomy.pack(truth[rows])
            project.store.record(project.annotator, rows, bits, LABELLED, origin="key")
            if together:
                some = slice(0, together)
                project.store.record(project.annotator, rows[some], 0, 0, origin="key")
                project.store.record(
                    project.annotator, rows[some], bits[some], LABELLED, origin="accepted"
                )
        window = MainWindow(make_session(), Settings(tmp_path / "settings.toml"))
        qtbot.addWidget(window)
        windows.append(window)
        window.resize(1280, 800)
        window.show()
        window.project_files.open_folder(week)
        window.show_tab("Quality")
        view = window.views["Quality"]
        view.show_page("Forecast")
        return window, view.pages["Forecast"]

    yield open_it
    for window in windows:
        window.close()


def test_with_few_labels_it_says_how_many_more_it_needs(opened):
    _, page = opened(12)
    assert page.stack.currentWidget() is page.empty
    assert f"Label {FEWEST - 12} more shots" in page.empty.text.text()
    assert page.empty.button.isHidden()


def test_a_click_foresees_what_more_labels_buy_class_by_class(opened, qtbot, qapp):
    window, page = opened(120, together=3)
    page.empty.button.click()
    assert page.short_job.is_running
    qtbot.waitUntil(lambda: page.found is not None and not page.short_job.is_running)
    assert page.stack.currentWidget() is not page.empty
    assert page.found["labels"] == 120
    assert page.said.text().startswith(page.found["text"])
    names = list(window.session.labels.taxonomy.names_in_order)
    assert [row.name for row in page.gains.rows] == names
    assert [row.name for row in page.shares.rows] == names
    assert "120 random checks" in page.about_shares.text()
    assert "On 3 of them a suggestion was accepted together" in page.about_shares.text()
    closed = [f | {"low": f["share"], "high": f["share"]} for f in page.fractions]
    assert of_what(closed).startswith("All 120 shots were checked: the shares are no")
    forecast_for = {c["name"]: c["then"]["value"] for c in page.found["classes"] if c["then"]}
    shown = {r.name: r.value for r in page.gains.rows if np.isfinite(r.value)}
    assert shown == pytest.approx(forecast_for)
    before = page.grab().toImage().pixelColor(80, 170).lightness()
    window.flip_theme()
    assert before < 100 < page.grab().toImage().pixelColor(80, 170).lightness()


def test_labels_since_the_forecast_are_counted_and_another_project_forgets_it(opened, qtbot):
    window, page = opened(60)
    page.make_forecast()
    qtbot.waitUntil(lambda: page.found is not None and not page.short_job.is_running)
    left = np.flatnonzero((window.session.labels.status & LABELLED) == 0)
    assert window.session.labels.decide(left[:3], 1, LABELLED, "key")
    assert "3 labels came since" in page.said.text()
    window.session.close()
    assert page.found is None


def test_look_for_puts_undecided_shots_that_may_show_the_class_into_the_queue(opened):
    window, page = opened(60)
    session = window.session

    class FakePredictions:
        """Says that shots are the likelier Streak, the later they come."""

        probabilities = np.zeros((200, len(session.labels.taxonomy)), np.float32)

    streak = session.labels.taxonomy.index("Streak")
    FakePredictions.probabilities[:, streak] = np.linspace(0, 1, 200)
    page.found = {"look_for": "Streak"}
    session.predictions.run = FakePredictions()
    shown = ForecastPage(session)
    shown.found = page.found
    shown._look_for()
    rows, title = session.queue.rows, session.queue.choice.title
    undecided = np.flatnonzero((session.labels.status & LABELLED) == 0)
    assert title == "Perhaps Streak"
    assert list(rows) == sorted(undecided, reverse=True)[:100]
    shown.deleteLater()
