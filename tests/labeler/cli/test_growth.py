"""`bench scale`: every operation works on what the one before it left."""

import numpy as np
import pytest

from labeler.cli import main
from labeler.cli.bench import scale as growth
from labeler.project.project import Project


def test_the_operations_follow_each_other_on_one_project(tmp_path):
    found = {}
    for name, operation in growth.OPERATIONS.items():
        if name != "window":
            found |= operation(tmp_path, 60)
    with Project.open(tmp_path / "week") as project:
        labelled = project.shot_table().labelled
        assert labelled.sum() == 60 - growth.LEFT
        assert (project.run_folder(1) / "predictions.h5").is_file()
    assert len((tmp_path / "labels.csv").read_text("utf-8").splitlines()) > 60
    times = {k for k in found if k.endswith(("_s", "_ms"))}
    assert times >= {"create_s", "label_one_ms", "predict_write_s", "order_s", "ask_s", "export_s"}
    assert all(found[name] > 0 for name in times)
    assert found["predict_bytes_per_shot"] > 3000


def test_an_exponent_is_one_for_what_grows_with_n_and_none_for_what_does_not():
    rows = [{"shots": n, "all_s": 1e-3 * n, "one_ms": 2.0, "all_mb": n} for n in (100, 1000, 10000)]
    assert growth.exponents(rows) == pytest.approx({"all_s": 1.0, "one_ms": 0.0})
    assert growth.exponents(rows[:1]) == {}


def test_the_figure_is_drawn(tmp_path):
    row = {"create_s": 1.0, "label_one_ms": 2.0, "create_mb": 100.0}
    rows = [row | {"shots": n} for n in (1000, 10000)]
    growth.draw({"rows": rows}, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 10_000


@pytest.mark.slow
def test_bench_scale_has_a_row_for_each_power_of_ten(capsys):
    import json

    assert main(["bench", "scale", "--to", "10000", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["shots"] for row in found["rows"]] == [1000, 10000]
    assert np.isfinite(list(found["exponents"].values())).all()
    assert all(row["window_mb"] > 50 for row in found["rows"])
