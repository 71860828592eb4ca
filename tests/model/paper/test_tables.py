"""The tables: cells are shared, kept, gone on with and never mixed; the paper's stand beside."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace

import h5py
import numpy as np
import pytest

from model.errors import InputError
from model.events import event
from model.output_files import html_page
from model.paper import cell_runs, reference
from model.paper.cell_runs import devices, run_cell, run_cells
from model.paper.cells import Cell, FinishedCells
from model.paper.contents import Grid, Line, Section
from model.paper.plan import BUDGETS, NUMBERS, Planner, Row, StudyBudget, Table
from model.paper.remarks import of_rows
from model.paper.report import write, write_page
from model.paper.row_results import RowResults, best_of, by_class, maximum_of
from model.paper.running import run
from model.paper.studies import (
    at_budget,
    mean_and_spread,
    read_json,
    thinned,
    with_split,
    write_json,
)
from model.paper.study import Datasets, Order, PaperStudy
from model.runs.recipes import named
from model.shots.table import EVALUATION, TRAINING, table_of_file
from tests.helpers.shots import make_file, make_shots, write_file

pytestmark = pytest.mark.usefixtures("narrow_network")

TINY = StudyBudget("smoke", "tiny", 24, 12, 2, 64, 1, 1, 1)


@pytest.fixture
def shots(tmp_path):
    return make_file(tmp_path / "shots.h5", n=40)


def order(shots, tmp_path, *numbers, **more):
    return Order(shots, tmp_path / "out", numbers, more.pop("budget", TINY), **more)


def finish(wanted, stop=lambda: False):
    return list(run(wanted, write, stop))


@pytest.fixture
def pretend(monkeypatch):
    """Trainings that are over at once; what was trained, in order."""
    trained = []

    def train(table, recipe, out, *, stop=None, options):
        trained.append((recipe, options.seed, table))
        out.mkdir(parents=True, exist_ok=True)
        scores = [0.3, 0.6, 0.5]
        numbers = [
            {"accuracy": 0.9 + s / 100 * e, "precision": s, "recall": 1 - s, "macro_f1": s,
             "rare_f1": None, "macro_ap": s, "contradiction_rate": s}
            for e, s in enumerate(scores)
        ]  # fmt: skip
        report = {
            "history": [{"epoch": e + 1, "loss": 1, "metrics": n} for e, n in enumerate(numbers)],
            "evaluations": [],
            "class_counts": [[[3, 4, 5]] * len(table.class_names)] * 3,
            "epochs": 3,
            "seconds": 30.0,
            "shots": {"training": 24, "evaluation": 12},
            "constant": numbers[0],
            "constant_labels": ["Round"],
            "rare_classes": [],
        }
        (out / "metrics.json").write_text(json.dumps(report), "utf-8")
        yield event("epoch", epoch=1, epochs=3, loss=1.0)
        yield event("finished")

    def guess(names, table, seed, stop, cache):
        numbers = {"accuracy": 0.5, "macro_f1": 0.1, "coverage": 0.4, "confident_accuracy": 0.8}
        yield event("finished", results=dict.fromkeys(names, numbers))

    monkeypatch.setattr(cell_runs, "train", train)
    monkeypatch.setattr(cell_runs, "run_baselines", guess)
    return trained


# -- the paper's numbers -----------------------------------------------------------------------


def test_the_papers_best_row_claims_more_than_its_precision_and_recall_allow():
    best = reference.ACTIVATIONS[0.2]
    assert round(reference.most_accuracy(best["precision"], best["recall"]), 3) == 0.960
    assert reference.too_good(best)
    assert not reference.too_good(reference.ACTIVATIONS[None])


def test_the_bound_is_reached_where_every_miss_and_false_claim_is_counted():
    decided, true = np.random.default_rng(0).random((2, 200, 11)) < 0.3
    right = (decided & true).sum()
    bound = reference.most_accuracy(right / decided.sum(), right / true.sum(), true.mean())
    assert bound == pytest.approx((decided == true).mean())


def test_the_papers_recalls_by_class_are_of_the_whole_data_set():
    assert reference.recalls_that_fit() == (0, 11)
    assert reference.whole_shots(0.25, 4)
    assert not reference.whole_shots(0.26, 4)
    assert round(reference.macro_f1_of_table_10(), 3) == 0.736


def test_table_1_says_what_the_published_labels_say():
    assert list(reference.PER_CLASS) == list(reference.CLASSES) == list(reference.PERCENT)
    for name, count in reference.CLASSES.items():
        percent = 100 * count / reference.SHOTS
        assert reference.PERCENT[name] == pytest.approx(percent, abs=0.06), name


# -- budgets and the plan ----------------------------------------------------------------------


def test_the_paper_budget_is_the_papers_recipe_unchanged():
    assert BUDGETS["paper"].recipe() == named("paper")
    small = BUDGETS["cpu"].recipe()
    assert (small.network, small.activation, small.alpha, small.transform) == (
        "resnet18", "log", 0.2, "raw")  # fmt: skip
    assert (small.tones, small.brightness, small.rule_aware, small.backbone) == (
        "linear", 0.5, False, "")  # fmt: skip
    assert (small.optimiser, small.schedule) == ("adamw", "onecycle")


def test_a_budget_shrinks_to_the_shots_there_are():
    cpu = BUDGETS["cpu"]
    assert cpu.fitted(5000) is cpu
    small = cpu.fitted(550)
    assert (small.training, small.judging) == (300, 250)


def test_a_schedule_keeps_its_shape():
    assert at_budget(named("paper"), 20, 64).milestones == (5, 10, 15)


def plan(numbers=NUMBERS, seeds=2, budget=BUDGETS["cpu"], datasets=("helium",)):
    return {t.number: t for t in Planner(budget, seeds, 1, datasets).tables(numbers)}


def test_rows_change_only_the_variable_of_their_table():
    tables = plan()
    start = BUDGETS["cpu"].recipe()
    assert [t.number for t in tables.values()] == list(NUMBERS)
    for row in tables[4].rows:
        same = replace(row.cells[0].recipe, activation="log", alpha=0.2, transform="raw")
        assert same == start, row.name
    assert [row.cells[0].share for row in tables[5].rows] == [1.0, 0.75, 0.5, 0.25]
    assert all(row.cells[0].recipe == start for row in tables[5].rows)
    kinds = {(row.cells[0].noise, row.cells[0].recipe.input) for row in tables[6].rows}
    assert len(kinds) == 8 == len(tables[6].rows)
    networks = [r.cells[0].recipe for r in tables[9].rows if not r.reference]
    assert [replace(r, network="resnet18") for r in networks] == [networks[0]] * 5
    assert networks[0] == start.with_log_activation(False)


def test_a_cell_of_several_tables_is_one_training():
    tables = plan()
    keys = {n: {c.key("x") for c in t.cells} for n, t in tables.items()}
    shared = keys[4] & keys[5] & keys[6] & keys[10]
    assert len(shared) == 2  # of either seed
    assert len(keys[4] & keys[9] & keys[3]) == 2  # the unmodified ResNet-18
    assert len(keys[4] | keys[5] | keys[6] | keys[10]) == 2 * (8 + 3 + 7)


def test_the_reference_set_has_rows_of_its_own():
    rows = plan([3], datasets=("helium", "cxidb"))[3].rows
    assert {c.dataset for row in rows for c in row.cells} == {"helium", "cxidb"}


def test_a_key_depends_on_everything_that_decides_the_numbers():
    cell = Cell(named("paper"))
    others = [
        replace(cell, seed=1), replace(cell, noise="max"), replace(cell, share=0.5),
        replace(cell, training=9), replace(cell, recipe=replace(cell.recipe, alpha=0.5)),
        replace(cell, baseline="svm"),
    ]  # fmt: skip
    keys = {c.key("a") for c in (cell, *others)} | {cell.key("b")}
    assert len(keys) == 8
    assert cell.key("a") == replace(cell, recipe=replace(cell.recipe, about="other")).key("a")


# -- shots that train and judge ----------------------------------------------------------------


def test_shots_that_neither_train_nor_judge_take_no_part(shots):
    table = with_split(table_of_file(shots), 20, 0, 10)
    assert ((table.role == TRAINING) & table.labelled).sum() == 20
    assert ((table.role == EVALUATION) & table.labelled).sum() == 10
    assert table.labelled.sum() == 30


def test_smaller_training_sets_lie_within_larger_ones_and_the_judges_stay(shots):
    whole = with_split(table_of_file(shots), 24, 3, 12)
    half, quarter = thinned(whole, 0.5, 3), thinned(whole, 0.25, 3)
    rows = [set(np.flatnonzero(t.labelled & (t.role == TRAINING))) for t in (whole, half, quarter)]
    assert [len(r) for r in rows] == [24, 12, 6]
    assert rows[2] < rows[1] < rows[0]
    for table in (half, quarter):
        assert np.array_equal(table.role == EVALUATION, whole.role == EVALUATION)


# -- running -----------------------------------------------------------------------------------


def test_all_tables_are_written_with_the_papers_numbers_beside(shots, tmp_path, pretend):
    last = finish(order(shots, tmp_path, *NUMBERS))[-1]
    assert last["event"] == "finished"
    text = (tmp_path / "out" / "tables.md").read_text("utf-8")
    for number in NUMBERS:
        assert f"## Table {number}: " in text
    assert "| log activation, α = 0.2 | 0.906 | 0.910 | 0.965 | ≤ 0.960 *" in text
    assert "*constant predictor (always Round)*" in text
    assert "| 0.400 | 0.800 | – |" in text  # where a baseline is sure
    page = (tmp_path / "out" / "tables.html").read_text("utf-8")
    assert page.count("<svg") >= 5
    assert "http" not in page.replace("http://www.w3.org", "")
    with (tmp_path / "out" / "tables.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {line["table"] for line in lines} == {str(n) for n in NUMBERS}
    chosen = [line for line in lines if line["table"] == "4" and line["metric"] == "accuracy"]
    assert {line["reading"] for line in chosen} == {"best epoch", "maximum"}
    assert chosen[0]["paper"] == "0.965"


def test_the_report_says_in_which_order_rows_stand_here_and_in_the_paper():
    def row(name, accuracy):
        return Row(name, (Cell(named("paper")),), {"accuracy": accuracy, "recall": 0.8})

    def found(score, spread):
        same = {"macro_f1": (score, spread), "accuracy": (score, 0.0)}
        return RowResults(best=same, maximum=same, constant={"accuracy": (0.55, 0.0)}, seeds=2)

    rows = [(row("a", 0.9), found(0.5, 0.01)), (row("b", 0.8), found(0.6, 0.01)),
            (row("c", 0.7), found(0.59, 0.01))]  # fmt: skip
    table = Table(5, "", "", "", tuple(r for r, _ in rows))
    for r, _ in rows:
        r.paper["precision"] = 0.9
    said = " ".join(of_rows(table, rows))
    assert "in the paper, by accuracy: a (0.900) > b (0.800) > c (0.700)." in said
    assert "by macro F1 (best epoch): b (0.600) > c (0.590) > a (0.500); 1 of 3 pairs" in said
    assert "greater of their standard deviations: c and a. The others do not." in said
    assert "the constant predictor even with their greatest accuracy: a." in said
    assert "below the former lie its rows a 0.900, b 0.800, c 0.700." in said


def test_a_page_for_a_repository_has_its_curves_as_files(shots, tmp_path, pretend):
    def report(study, tables, cache):
        written = write_page(study, tables, cache, tmp_path / "page", "tables-cpu")
        return {p.name: str(p) for p in written}

    list(run(order(shots, tmp_path, 4), report, lambda: False))
    names = {p.name for p in (tmp_path / "page").iterdir()}
    assert names == {"tables-cpu.md", "tables-cpu.csv", "tables-cpu-table-4.svg"}
    text = (tmp_path / "page" / "tables-cpu.md").read_text("utf-8")
    assert "(tables-cpu-table-4.svg)" in text
    assert str(tmp_path) not in text


def test_what_is_done_is_not_trained_again(shots, tmp_path, pretend):
    finish(order(shots, tmp_path, 4))
    done = len(pretend)
    assert done == 8
    events = finish(order(shots, tmp_path, 4, 10))
    assert len(pretend) == done
    assert events[-1]["event"] == "finished"
    finish(order(shots, tmp_path, 5))
    assert len(pretend) == done + 3


def test_weights_are_kept_only_where_figures_need_them(shots, tmp_path, pretend):
    finish(order(shots, tmp_path, 4))
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 1


def test_a_stop_leaves_a_report_and_the_next_call_goes_on(shots, tmp_path, pretend):
    events = finish(order(shots, tmp_path, 4), stop=lambda: len(pretend) >= 3)
    assert events[-1]["event"] == "cancelled"
    assert "Not done yet" in (tmp_path / "out" / "tables.md").read_text("utf-8")
    assert finish(order(shots, tmp_path, 4))[-1]["event"] == "finished"
    assert len({(r, s) for r, s, _ in pretend}) == 8


def test_it_says_how_long_the_rest_takes(shots, tmp_path, pretend):
    events = finish(order(shots, tmp_path, 5))
    told = [e["seconds_left"] for e in events if e.get("what") == "trainings"]
    assert told[-1] == 0
    assert told[0] > told[1] > told[2] > 0


def test_a_file_that_changed_is_refused_by_name(shots, tmp_path, pretend):
    finish(order(shots, tmp_path, 5))
    with h5py.File(shots, "r+") as file:
        file["labels"][0] = file["labels"][1]
    with pytest.raises(InputError, match=r"shots\.h5.*have changed since") as found:
        finish(order(shots, tmp_path, 4))
    assert found.value.file == shots
    assert len(pretend) == 4


def test_a_file_that_changes_between_cells_is_refused(shots, tmp_path, pretend):
    def change():
        if len(pretend) == 2:
            with h5py.File(shots, "r+") as file:
                file["labels"][0] = file["labels"][1]
        return False

    with pytest.raises(InputError, match="have changed since"):
        finish(order(shots, tmp_path, 4), stop=change)
    assert len(pretend) <= 3


def test_a_file_without_labels_is_refused(tmp_path):
    images, _ = make_shots(40)
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file["images"] = images
    with pytest.raises(InputError, match=r"bare\.h5: carries no labels"):
        finish(order(tmp_path / "bare.h5", tmp_path, 1))


def test_a_class_that_no_shot_of_a_split_has_is_named(tmp_path, pretend):
    images, labels = make_shots(40)
    labels[2::3] = 0  # what was Empty
    labels[2::3, 0:2] = 1
    path = write_file(tmp_path / "a.h5", images, labels)
    events = finish(order(path, tmp_path, 10))
    said = [e["text"] for e in events if e["event"] == "note"]
    assert any("none of the shots that train is Empty (the file has 0)" in text for text in said)
    text = (tmp_path / "out" / "tables.md").read_text("utf-8")
    assert "none of the shots that judge is " in text
    assert "Empty" in text


def test_a_cell_that_fails_is_told_and_the_others_go_on(shots, tmp_path, pretend, monkeypatch):
    whole = cell_runs.train

    def sometimes(table, recipe, out, **more):
        if recipe.alpha == 0.5:
            yield event("failed", text="the loss became nan")
        else:
            yield from whole(table, recipe, out, **more)

    monkeypatch.setattr(cell_runs, "train", sometimes)
    last = finish(order(shots, tmp_path, 4))[-1]
    assert list(last["failed"].values()) == ["the loss became nan."]
    text = (tmp_path / "out" / "tables.md").read_text("utf-8")
    assert "| log activation, α = 0.5 | failed |" in text


def test_a_damaged_cell_is_named(tmp_path):
    cache = FinishedCells(tmp_path)
    cache.put("a", {"curve": []})
    (tmp_path / "cells" / "a.json").write_text("{", "utf-8")
    with pytest.raises(InputError, match=r"a\.json: is damaged"):
        cache.get("a")


# -- reading -----------------------------------------------------------------------------------


def test_best_epoch_is_one_epoch_and_the_maximum_is_each_number_on_its_own():
    curve = [
        {"macro_f1": 0.5, "accuracy": 0.9, "recall": None},
        {"macro_f1": 0.7, "accuracy": 0.8, "recall": 0.2},
        {"macro_f1": 0.7, "accuracy": 0.7, "recall": 0.1},
    ]
    assert best_of(curve)["accuracy"] == 0.8
    assert maximum_of(curve, "accuracy") == 0.9
    assert maximum_of(curve, "recall") == 0.2
    assert maximum_of(curve, "precision") is None


def test_numbers_of_a_class_come_from_its_counts():
    result = {
        "curve": [{"macro_f1": 0.5, "classes": [[2, 4, 3]]},
                  {"macro_f1": 0.1, "classes": [[1, 1, 3]]}],
        "shots": {"evaluation": 10}, "class_names": ["Bent"], "constant_labels": [],
    }  # fmt: skip
    best, most, more = by_class([result], 0)
    assert best["precision"] == (0.5, 0.0)
    assert best["accuracy"] == (0.7, 0.0)
    assert most["precision"] == (1.0, 0.0)
    assert most["recall"] == (pytest.approx(2 / 3), 0.0)
    assert (more["shots"], more["constant"]) == ((3, 0.0), (0.7, 0.0))


def test_a_mean_leaves_out_what_is_not_there():
    assert mean_and_spread([None, 1.0, 3.0]) == (2.0, pytest.approx(2**0.5))
    assert mean_and_spread([None]) is None


def test_json_is_replaced_whole(tmp_path):
    write_json(tmp_path / "a.json", {"x": float("nan")})
    assert read_json(tmp_path / "a.json") == {"x": None}
    assert read_json(tmp_path / "b.json") == {}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


# -- in earnest --------------------------------------------------------------------------------


def test_real_trainings_leave_their_curves_and_noise_sets_are_made_once(shots, tmp_path):
    datasets = Datasets.open(shots, (), tmp_path / "out")
    recipe = replace(TINY.recipe(), epochs=1)
    study = PaperStudy(order(shots, tmp_path, 6), datasets, 1)
    cache = FinishedCells(tmp_path / "out")
    for changed in (recipe, recipe.on_maps()):
        cell = Cell(changed, noise="max", training=24, judging=12)
        events = list(run_cell(study, cache, cell, lambda: False))
        assert cache.failed == {}
        result = cache.get(study.key(cell))
        assert [e["epoch"] for e in result["curve"]] == [1]
        right, claimed, true = result["curve"][0]["classes"][0]
        assert right <= claimed
        assert true > 0
        assert set(result["constant"]) >= {"accuracy", "macro_f1"}
    assert not any(e.get("what") == "adding noise" for e in events)
    assert len(list((tmp_path / "out" / "data").iterdir())) == 1


@pytest.mark.slow
def test_several_cells_train_at_a_time_each_in_a_process_of_its_own(shots, tmp_path):
    datasets = Datasets.open(shots, (), tmp_path / "out")
    study, cache = (
        PaperStudy(order(shots, tmp_path, 5), datasets, 1),
        FinishedCells(tmp_path / "out"),
    )
    recipe = replace(TINY.recipe(), epochs=1)
    cells = [Cell(recipe, training=24, judging=12, share=share) for share in (0.5, 1.0)]
    found = list(run_cells(study, cache, cells, 2, lambda: False))
    assert {c.share for c in found if isinstance(c, Cell)} == {0.5, 1.0}
    assert cache.failed == {}
    shots_of = {c.share: cache.get(study.key(c))["shots"]["training"] for c in cells}
    assert shots_of == {0.5: 12, 1.0: 24}
    assert not (tmp_path / "out" / ".stop").exists()


def test_devices_that_cannot_be_are_refused(monkeypatch):
    with pytest.raises(InputError, match="'0' devices cannot be"):
        devices("0")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert (devices(None), devices("1")) == (2, 1)
    with pytest.raises(InputError, match="there are 2 GPUs, not 3"):
        devices(3)


def test_the_reference_set_stands_below_the_helium_shots(shots, tmp_path, pretend):
    images, _ = make_shots(60)
    files = []
    for number, name in enumerate(("nanorice", "t4")):
        files.append(tmp_path / f"{name}.h5")
        with h5py.File(files[-1], "w") as file:
            file["images"] = images[30 * number : 30 * number + 30]
    wanted = order(shots, tmp_path, 3, cxidb=tuple(files))
    assert finish(wanted)[-1]["event"] == "finished"
    text = (tmp_path / "out" / "tables.md").read_text("utf-8")
    assert "| ResNet-18, CXIDB | 0.906 | 0.910 | 0.967 | – |" in text
    assert "CXIDB* | 0.100 | – | – | – | 0.400 | 0.800 | 0.870 |" in text  # Bobkov's, where sure
    assert "*constant predictor (always Round), CXIDB*" in text
    with h5py.File(files[1], "r+") as file:
        file["images"][0] = 1
    with pytest.raises(InputError, match="have changed since") as found:
        finish(wanted)
    assert found.value.file == files[1]


def test_figures_are_vector_files_and_one_that_cannot_be_drawn_is_told(shots, tmp_path, pretend):
    def render(name, side):
        return np.zeros((side, side, 4), np.uint8)

    events = list(run(order(shots, tmp_path, 10), write, lambda: False, render))
    names = {p.name for p in (tmp_path / "out" / "figures").iterdir()}
    assert names == {"figure-2.svg", "figure-4.svg"}
    assert "<svg" in (tmp_path / "out" / "figures" / "figure-4.svg").read_text("utf-8")
    said = [e["text"] for e in events if e["event"] == "note"]
    assert any("figure-5.svg is not drawn: there is no network" in text for text in said)
    assert events[-1]["event"] == "finished"


def test_whatever_a_class_is_called_it_is_text_in_the_page():
    heads = [("", "class"), ("shots", "here"), ("shots", "paper")]
    grid = Grid(heads, [Line(("<img src=x onerror=alert(1)>", "1", "2"))], "<b>Labels</b>")
    section = Section(10, "Classes", "nothing", "all", [grid], ["<i>remark</i>"])
    page = html_page(
        "paper_tables.html", title="<u>", facts=[("<s>", "&")], intro=("<p>",), sections=[section],
        curves=str,
    )  # fmt: skip
    assert not re.search("<img|<b>|<i>|<u>|<s>", page)
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert page.count('class="paper"') == 2
