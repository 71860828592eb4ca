"""The table of the truth benchmark beside a run: read, in words, and never guessed."""

import json

import pytest

from model.heatmaps.nothing_to_see import no_place
from model.heatmaps.truth_table import RESULT, TruthTable, as_markdown, is_result, table_of
from model.runs.folder import backbone_folder
from model.runs.recipes import named
from model.taxonomy.taxonomy import Class, Taxonomy

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
    expected = (
        "On 30 simulated shots of Streak, 71 % of this heat lies near the ridge (chance: 22 %)."
    )
    assert table.words("Streak", "paper") == expected
    assert "was not measured" in table.words("Bent", "paper")
    assert "was not measured" in table.words("Streak", "sectors")


def row(mean, cold=0):
    return SCORES | {"mean": mean, "share": mean, "cold": cold}


def test_a_score_stands_beside_grad_cam_chance_and_brightness_that_does_as_well(tmp_path):
    scores = {"paper": row(0.81), "repeated": row(0.68), "brightness": row(0.88)}
    classes = {
        "Prolate": {"difference": AXIS | {"scores": scores | {"excess": row(0.56)}}},
        "Streak": {"difference": AXIS | {"scores": scores | {"brightness": row(0.67)}}},
    }
    best = {"Prolate": "repeated", "Streak": "repeated"}
    found = FOUND | {"classes": classes, "best": best, "forms": ["paper", "repeated"]}
    table = table_of(put(tmp_path / "run", found))
    start = "On 30 simulated shots of {}, this heat finds the place with AUC "
    assert table.words("Prolate", "repeated") == start.format("Prolate") + (
        "0.68 (Grad-CAM++: 0.81, brightness alone: 0.88, chance: 0.50)."
    )
    assert table.words("Streak", "repeated").endswith("0.68 (Grad-CAM++: 0.81, chance: 0.50).")
    assert table.words("Streak", "paper").endswith("0.81 (chance: 0.50).")


def test_of_a_class_that_is_asked_by_halves_whole_shots_are_told_of_too(tmp_path):
    half = {"paper": row(0.79), "repeated": row(0.9), "brightness": row(0.58)}
    whole = {"paper": row(0.75), "repeated": row(0.51, cold=9), "brightness": row(0.91)}
    questions = {
        "half": AXIS | {"scores": half},
        "difference": AXIS | {"scores": whole, "cases": 15},
    }
    found = {"classes": {"Layered": questions}, "best": {"Layered": "repeated"}}
    table = table_of(put(tmp_path / "run", FOUND | found | {"forms": ["paper", "repeated"]}))
    first, second = table.words("Layered", "repeated").split("). ")
    assert first.startswith("On 30 simulated shots with Layered in one half, this heat finds")
    assert first.endswith("AUC 0.90 (Grad-CAM++: 0.79, chance: 0.50")
    assert second == (
        "On 15 whole ones: 0.51 (Grad-CAM++: 0.75, brightness alone: 0.91), nothing on 9."
    )


def test_a_class_without_measured_heat_says_why(tmp_path):
    reasons = [
        "Empty is the lack of every feature: nothing on the detector makes it.",
        "Bent: the network took none of 300 simulated shots for it.",
    ]
    table = table_of(put(tmp_path / "run", FOUND | {"unseen": reasons}))
    assert table.words("Empty", "paper") == reasons[0]
    assert table.words("Bent", "paper").startswith("For Bent the network took none of 300")
    assert "was not measured" in table.words("Round", "paper")


def test_a_run_of_correlation_maps_has_no_table_for_its_heat_has_no_place_on_a_detector(tmp_path):
    run, shipped = put(tmp_path / "run", FOUND), put(tmp_path / "shipped", FOUND)
    begun = {"sha256": "0" * 64}
    (shipped / "model.json").write_text(json.dumps(begun))
    (run / "model.json").write_text(json.dumps(begun | {"preprocessing": {"input": "pattern"}}))
    assert table_of(run, shipped).best("Streak") == "paper"
    (run / "model.json").write_text(json.dumps({"preprocessing": {"input": "correlation"}}))
    assert table_of(run, shipped) == TruthTable()


def test_the_shipped_table_stands_on_thirty_shots_of_every_class():
    classes = json.loads((backbone_folder(named("quick").backbone) / RESULT).read_text())["classes"]
    assert all(next(iter(questions.values()))["cases"] >= 30 for questions in classes.values())


def test_where_no_form_tells_of_the_network_that_is_said(tmp_path):
    sentence = "Round: no form of heat tells more of the network than of the shot."
    table = table_of(put(tmp_path / "run", FOUND | {"unseen": [sentence]}))
    assert table.best("Round") == ""
    assert table.words("Round", "paper").startswith("For Round no form of heat tells more")
    assert table.shows_only_shot("ROUND")
    assert not table.shows_only_shot("Streak")
    assert not table.shows_only_shot("Bent")  # of which nothing is known


def test_a_class_is_found_in_the_table_whatever_its_spelling(tmp_path):
    table = table_of(put(tmp_path / "run", FOUND))
    assert (table.best("streak"), table.score("STREAK", "paper")) == ("paper", 3.2)
    assert "of streak, 71 % of this heat" in table.words("streak", "paper")


def test_only_the_lack_of_every_feature_has_no_place_on_the_detector():
    assert no_place("empty") == (
        "empty is the lack of every feature: nothing on the detector makes it."
    )
    assert no_place("Round") == no_place("rhombic") == ""


def test_a_run_that_was_not_measured_has_the_shipped_networks_table_and_says_so(tmp_path):
    run = put(tmp_path / "run", {})
    shipped = put(tmp_path / "shipped", FOUND)
    for folder in (run, shipped):  # a run that is the shipped network itself
        (folder / "model.json").write_text(json.dumps({"sha256": "0" * 64}))
    table = table_of(run, shipped)
    assert table.best("Streak") == "paper"
    assert "for the network that comes with the program" in table.words("Streak", "paper")
    assert table_of(tmp_path / "run").best("Streak") == ""


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "[]",
        "{",
        "{}",
        FOUND | {"best": {"Bent": "paper"}},
        FOUND | {"best": {"Streak": "sun"}},
        FOUND | {"classes": {"Streak": {"axis": AXIS | {"cases": "many"}}}},
        FOUND | {"classes": {"Streak": {"axis": AXIS | {"scores": {"sun": SCORES}}}}},
    ],
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
    assert first.startswith("| Streak | axis | 30 | **paper** | 3.20 (3.00 … 3.40) | 71 % | 1.00 |")
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


RENAMED = Taxonomy("t", [Class("Streifen", was="Streak"), Class("Leer", was="Empty")], [])


def test_a_class_is_found_in_the_table_by_what_it_is_called_now(tmp_path):
    said = "Streak: no form of heat tells more of the network than of the shot."
    for found, only_shot in ((FOUND, False), (FOUND | {"best": {}, "unseen": [said]}, True)):
        table = table_of(put(tmp_path / "run", found), taxonomy=RENAMED)
        assert table.best("Streifen") == ("" if only_shot else "paper")
        assert table.shows_only_shot("Streifen") == only_shot
        assert "Streifen" in table.words("Streifen", "paper")
    assert no_place("Leer", RENAMED).startswith("Leer is the lack of every feature")
    assert not no_place("Leer")
    assert not no_place("Streifen", RENAMED)
    assert no_place("Leer", None, RENAMED)
    again = Taxonomy("t", [Class("Leer", was="Empty"), Class("Empty")], [])
    assert no_place("Leer", again)
    assert not no_place("Empty", again), "the new class is another one"


def test_a_class_that_takes_the_name_of_a_renamed_one_has_none_of_what_was_found_of_that(tmp_path):
    taken = Taxonomy("t", [Class("Streifen", was="Streak"), Class("Streak")], [])
    said = ["Streak: no form of heat tells more of the network than of the shot."]
    for found in (FOUND, FOUND | {"best": {}, "unseen": said}):
        table = table_of(put(tmp_path / "run", found), taxonomy=taken)
        assert table.best("Streifen") == found["best"].get("Streak", "")
        assert table.shows_only_shot("Streifen") == (not found["best"])
        assert table.best("Streak") == ""
        assert not table.shows_only_shot("Streak")
        assert "was not measured" in table.words("Streak", "paper")
    later = dict.fromkeys(("Streak", "Streifen"), FOUND["classes"]["Streak"])
    both = FOUND | {"classes": later, "best": {"Streifen": "paper"}, "unseen": said}
    table = table_of(put(tmp_path / "run", both), taxonomy=taken)
    assert table.best("Streifen") == "paper"
    assert not table.shows_only_shot("Streifen"), "said of the new class, which it knew too"
    assert table.shows_only_shot("Streak")


def test_a_run_knows_what_its_classes_were_called_before(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    names = {"class_names": ["Streifen", "Leer"]}
    (run / "model.json").write_text(json.dumps(names | {"earlier_names": ["Streak;Line", "Empty"]}))
    table = table_of(put(run, FOUND))
    assert table.best("Streifen") == table.best("Line") == "paper"
    assert "Leer is the lack of every feature" in table.words("Leer", "paper")
    for earlier in ({}, {"earlier_names": 5}, {"earlier_names": ["Streak"]}):
        (run / "model.json").write_text(json.dumps(names | earlier))
        assert table_of(run).best("Streifen") == ""


@pytest.mark.parametrize(
    ("recipe", "begun"),
    [
        ({"backbone": "shipped", "network": "resnet18"}, True),
        ({"backbone": "shipped", "network": "vgg16"}, False),
        ({"backbone": "shipped", "network": "resnet18", "activation": "log"}, False),
        ({"backbone": "", "network": "resnet18"}, False),
        ({"backbone": "other", "network": "resnet18"}, False),
        (None, False),
    ],
)
def test_a_run_that_did_not_begin_from_the_shipped_network_has_not_its_table(
    tmp_path, recipe, begun
):
    said = "Round: no form of heat tells more of the network than of the shot."
    shipped, run = put(tmp_path / "shipped", FOUND | {"unseen": [said]}), tmp_path / "run"
    (shipped / "model.json").write_text(json.dumps({"recipe": {"network": "resnet18"}}))
    run.mkdir()
    (run / "model.json").write_text(json.dumps({"recipe": recipe}))
    table = table_of(run, shipped)
    assert table.shows_only_shot("Round") == begun
    assert (table.best("Streak") == "paper") == begun
    assert ("the network that comes with the program" in table.words("Streak", "paper")) == begun
    assert ("was not measured" in table.words("Round", "paper")) == (not begun)
    assert table_of(put(run, FOUND), shipped).best("Streak") == "paper", "its own stands"


def test_what_heat_tells_no_better_than_brightness_chance_or_the_shot_is_said_in_a_few_letters():
    table = table_of(backbone_folder(named("quick").backbone))
    assert table.short("double rings", "repeated") == "no better than chance"  # on whole shots
    assert table.short("Double Rings", "paper") == "no better than brightness"
    assert table.short("Round", "paper") == "heat shows only the shot"
    assert table.short("Streak", "directions") == ""
    assert table.short("Empty", "paper") == table.short("Facets", "paper") == ""
    assert TruthTable().short("Streak", "paper") == ""
