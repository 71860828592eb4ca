"""Shots out of a project: copies and links hold the chosen shots with their labels."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from labeler.cli import main
from labeler.exchange.selection import Selection, numbers
from labeler.exchange.shots import export_shots
from labeler.project.project import Project
from model.errors import InputError
from model.shots.table import open_source
from tests.helpers.weeks import decide, open_week


@pytest.fixture
def project(tmp_path):
    with open_week(tmp_path) as made:
        decide(made)
        yield made


def write(project, rows, out, **options):
    return list(export_shots(project, rows, out, **options))[-1]


def original(project, row):
    table = project.shot_table()
    info = table.sources[table.source_of[row]]
    with open_source(info.path, known=info) as source:
        return source.read(int(table.index_of[row]))


@pytest.mark.parametrize("virtual", [False, True])
def test_a_cxi_file_holds_the_chosen_shots_of_each_geometry(project, tmp_path, virtual):
    out = tmp_path / "some.cxi"
    rows = [0, 2, 3, 4, 6, 7, 14]
    last = write(project, rows, out, virtual=virtual)
    assert (last["event"], last["shots"], last["unreadable"]) == ("finished", 7, 0)
    with open_source(out, "entry_1/data_1/data") as source:
        assert source.info.n_shots == 4
        for k, row in enumerate(rows[:4]):
            assert np.array_equal(source.read(k), original(project, row))
            assert source.mask(k).sum() == 19
        names, labels = source.labels()
        assert source.info.geometry.distance_m == pytest.approx(0.065)
        assert [names[c] for c in np.flatnonzero(labels[2])] == ["Prolate", "Bent"]
    with open_source(out, "entry_2/data_1/data") as source:
        assert [int(source.read(k)[0, 0]) for k in range(3)] == [2, 3, 10]
    with h5py.File(out) as f:
        detector = f["entry_1/instrument_1/detector_1"]
        assert detector["data"].is_virtual == virtual
        assert detector["shot"][()].tolist() == [1, 3, 4, 5]
        assert detector["index"][()].tolist() == [0, 2, 0, 1]
        assert detector["file"].asstr()[2].endswith("b.h5")


@pytest.mark.parametrize("options", [{}, {"compress": True}, {"virtual": True}])
def test_plain_hdf5_is_a_stack_that_a_new_project_can_be_made_of(project, tmp_path, options):
    out = tmp_path / "some.h5"
    write(project, [0, 1, 4], out, **options)
    with open_source(out) as source:
        assert source.info.dataset == "images"
        assert np.array_equal(source.read(2), original(project, 4))
        assert source.file_labels().labelled.tolist() == [True, True, False]
        assert source.info.geometry.distance_m == pytest.approx(0.065)
        assert not source.mask(0)[0, 0]


def test_numbers_that_the_files_have_for_each_shot_come_along(tmp_path):
    from labeler.project.project import Project
    from model.shots.layouts.base import JOULES_PER_EV

    with h5py.File(tmp_path / "r.cxi", "w") as f:
        f["cxi_version"] = 160
        f["entry_1/data_1/data"] = np.arange(4 * 30, dtype=np.float32).reshape(4, 5, 6)
        f["entry_1/instrument_1/source_1/energy"] = np.arange(20, 24) * JOULES_PER_EV
        f["entry_1/data_1/radius_nm"] = np.array([1.0, 2.0, 3.0, 4.0])
    with Project.create(tmp_path / "week", [tmp_path / "r.cxi"]) as project:
        write(project, [1, 3], tmp_path / "some.cxi")
    with open_source(tmp_path / "some.cxi") as source:
        assert source.scalars()["radius_nm"].tolist() == [2.0, 4.0]
        assert source.scalars()["photon_energy_ev"] == pytest.approx([21.0, 23.0])


def test_shots_of_several_sizes_need_cxi(project, tmp_path):
    with pytest.raises(InputError, match=r"differ in size or geometry.*\.cxi"):
        write(project, range(16), tmp_path / "all.h5")
    assert not (tmp_path / "all.h5").exists()


def test_a_shot_that_cannot_be_read_is_left_out_and_counted(project, tmp_path):
    with h5py.File(tmp_path / "c.cxi", "a") as f:
        del f["entry_5/instrument_1/detector_1/data"]
    last = write(project, range(5, 16), tmp_path / "some.cxi")
    assert (last["shots"], last["unreadable"]) == (10, 1)
    with open_source(tmp_path / "some.cxi") as source:
        assert source.info.n_shots == 10
        assert int(source.read(4)[0, 0]) == 6


def test_stopping_half_way_leaves_nothing_behind(project, tmp_path):
    events = list(export_shots(project, range(16), tmp_path / "x.cxi", stop=lambda: True))
    assert [e["event"] for e in events] == ["progress", "cancelled"]
    assert not list(tmp_path.glob("*x.cxi*"))


def test_a_file_of_shots_is_never_the_place_of_an_export(project, tmp_path):
    before = (tmp_path / "b.h5").read_bytes()
    with pytest.raises(InputError, match="file of shots"):
        write(project, [3], tmp_path / "b.h5", force=True)
    assert (tmp_path / "b.h5").read_bytes() == before


def test_conditions_hold_together(project):
    assert Selection(having=("bent",)).of(project).tolist() == [3]
    assert Selection(having=("Spherical/Oblate",)).of(project).tolist() == [0]
    assert Selection(lacking=("Bent",), labelled=True).of(project).tolist() == [1, 7]
    assert Selection(flagged=True).of(project).tolist() == [3, 5]
    assert Selection(rows="1-3,8", lacking=("Bent",)).of(project).tolist() == [1, 7]
    assert Selection(queue="flagged").of(project).tolist() == [3, 5]
    project.store.set_meta("queues", {"mine": {"filters": ["class:Bent"], "order": "file"}})
    assert Selection(queue="mine").of(project).tolist() == [3]
    with pytest.raises(InputError, match=r"no queue called 'odd'.*Saved queues: mine"):
        Selection(queue="odd").of(project)
    with pytest.raises(InputError, match="no shot fits"):
        Selection(having=("Layered",)).of(project)
    with pytest.raises(InputError, match="'Odd'"):
        Selection(having=("Odd",)).of(project)


@pytest.mark.parametrize("text", ["0", "3-2", "17", "a", "1,,2", "-4", "²"])
def test_a_number_that_is_no_shot_is_refused(text):
    with pytest.raises(InputError, match="is no shot"):
        numbers(text, 16)


def test_the_command_line_writes_shots_of_a_class(project, tmp_path, capsys):
    words = ["export", str(project.folder), "--shots", "--class", "Bent"]
    assert main([*words, "--out", str(tmp_path / "bent.cxi"), "--virtual"]) == 0
    assert "1 shot written" in capsys.readouterr().out
    assert main([*words, "--out", str(tmp_path / "bent.cxi")]) == 1
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    ["--class Bent", "--without Bent", "--rows 1-5", "--queue flagged", "--labelled", "--flagged",
     "--virtual", "--compress"],
)  # fmt: skip
def test_a_choice_of_shots_is_never_ignored_where_only_labels_are_written(
    option, project, tmp_path, capsys
):
    out = tmp_path / "labels.csv"
    assert main(["export", str(project.folder), *option.split(), "--out", str(out)]) == 1
    assert f"{option.split()[0]} needs --shots" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("option", ["--only-mine", "--format csv"])
def test_what_is_for_labels_alone_is_never_ignored_where_shots_are_written(
    option, project, tmp_path, capsys
):
    out = tmp_path / "shots.cxi"
    words = ["export", str(project.folder), "--shots", *option.split(), "--out", str(out)]
    assert main(words) == 1
    assert f"{option.split()[0]} is for labels alone" in capsys.readouterr().err
    assert not out.exists()


def test_a_file_without_a_single_shot_that_could_be_read_is_a_failure(tmp_path, capsys):
    with h5py.File(tmp_path / "shots.h5", "w") as file:
        file["images"] = np.full((3, 16, 16), np.nan, np.float32)
        file["images"][0] = 1
    Project.create(tmp_path / "week", [tmp_path / "shots.h5"]).close()
    words = ("--shots", "--rows", "2-3", "--out", str(tmp_path / "out.h5"))
    assert main(["export", str(tmp_path / "week"), *words]) == 1
    assert "2 could not be read" in capsys.readouterr().out
