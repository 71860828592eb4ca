"""The table of the truth benchmark beside a run: read, in words, and never guessed."""

import json

import pytest

from model.heatmaps.truth_table import RESULT, as_markdown, is_result, table_of
from model.runs.folder import backbone_folder
from model.runs.recipes import named

SCORES = {"mean": 3.2, "low": 3.0, "high": 3.4, "share": 0.71, "cold": 2, "gap": None}
AXIS = {"cases": 30, "tried": 40, "fallback": 0, "scores": {"paper": SCORES}}
FOUND = {
    "classes": {"Streak": {"axis": AXIS}},
    "best": {"Streak": "paper"},
    "unseen": [],
    "forms": ["paper"],
}


def put(folder, found):
    folder.mkdir(exist_ok=True)
    (folder / RESULT).write_text(found if isinstance(found, str) else json.dumps(found))
    return folder


def test_a_run_says_how_well_a_form_did_for_a_class(tmp_path):
    table = table_of(put(tmp_path / "run", FOUND))
    assert table.best("Streak") == "paper"
    expected = "On 30 simulated shots of Streak, 71% of this heat lies near the ridge."
    assert table.words("Streak", "paper") == expected
    assert "was not measured" in table.words("Bent", "paper")
    assert "was not measured" in table.words("Streak", "sectors")


def test_the_shipped_table_stands_on_thirty_shots_of_every_class():
    classes = json.loads((backbone_folder(named("quick").backbone) / RESULT).read_text())["classes"]
    assert all(next(iter(questions.values()))["cases"] >= 30 for questions in classes.values())


def test_where_no_form_tells_of_the_network_that_is_said(tmp_path):
    sentence = "Round: no form of heat tells more of the network than of the shot."
    table = table_of(put(tmp_path / "run", FOUND | {"unseen": [sentence]}))
    assert table.best("Round") == ""
    assert table.words("Round", "paper").startswith("For Round no form of heat tells more")


def test_a_run_that_was_not_measured_has_the_shipped_networks_table_and_says_so(tmp_path):
    table = table_of(tmp_path / "run", put(tmp_path / "shipped", FOUND))
    assert table.best("Streak") == "paper"
    assert "for the network that comes with the program" in table.words("Streak", "paper")
    assert table_of(tmp_path / "run").best("Streak") == ""


@pytest.mark.parametrize(
    "damaged",
    ["", "[]", "{", "{}", FOUND | {"best": {"Bent": "paper"}}, FOUND | {"best": {"Streak": "sun"}}],
)
def test_a_damaged_table_counts_as_none(tmp_path, damaged):
    run = put(tmp_path / "run", damaged)
    assert not is_result(run / RESULT)
    assert table_of(run).best("Streak") == ""


def test_every_score_is_a_row_beside_what_it_falls_to_where_nothing_was_learnt():
    blank = SCORES | {"mean": 1.0}
    deleted = SCORES | {"gap": 0.34, "gap_low": 0.28, "gap_high": 0.4, "deleted": 20}
    scores = {"paper": deleted, "paper, random weights": blank, "excess": SCORES}
    axis = AXIS | {"scores": scores | {"shown": SCORES | {"cold": 0}}}
    _, _, first, control = as_markdown(FOUND | {"classes": {"Streak": {"axis": axis}}}).split("\n")
    assert first.startswith("| Streak | axis | 30 | **paper** | 3.20 (3.00 … 3.40) | 71% | 1.00 |")
    assert first.endswith("| 2 | +0.34 (+0.28 … +0.40) |")
    assert "| excess |" in control
    helped = as_markdown(FOUND | {"classes": {"Streak": {"axis": axis | {"fallback": 2}}}})
    assert "| Streak | axis | 30 | shown |" in helped


def test_the_bench_takes_the_best_forms_and_the_worst_control(monkeypatch):
    from model.benchmarks import explain

    scores = {
        "directions": SCORES | {"gap": 0.3, "gap_low": 0.2, "gap_high": 0.4},
        "directions, random weights": SCORES | {"mean": 1.04},
        "directions, shuffled labels": SCORES | {"mean": 0.9},
    }
    last = {
        "classes": {"Streak": {"axis": {"cases": 30, "tried": 40, "scores": scores}}},
        "best": {"Streak": "directions"}, "unseen": [], "forms": ["directions"], "composites": None,
    }  # fmt: skip
    monkeypatch.setattr(explain.truth, "measure", lambda run, study: iter([last]))
    monkeypatch.setattr(explain, "_times", lambda run, seed: {"ms_directions": 1.0})
    found = explain.measure_heat()
    assert (found["axis_streak"], found["gap_streak"]) == (3.2, 0.3)
    assert found["random_weights"] == pytest.approx(0.04)
    assert found["shuffled_labels"] == pytest.approx(0.1)
    assert "axis_bent" not in found
