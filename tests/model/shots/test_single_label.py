"""Reference sets of one class a file: which class a file is of, and one answer for each shot."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import replace

import h5py
import numpy as np
import pytest

from model.benchmarks.ablation import with_split
from model.errors import InputError
from model.prediction.predict import predict
from model.shots.single_label import classes_of, exclusive, open_single_label
from model.shots.table import table_of_files
from model.taxonomy.toml import find, load, loads, to_toml
from model.training.train import train
from tests.helpers.baselines import run_baseline
from tests.helpers.shots import make_file, make_shots, tiny_recipe, write_cxi, write_file

pytestmark = pytest.mark.usefixtures("narrow_network")


def never():
    return False


@pytest.fixture
def species(tmp_path):
    """Nanorice, TMV and T4, by the names of the files."""
    names = ("nanorice.cxi", "kassemeyer_TMV_02.cxi", "run_t4.cxi")
    return [write_cxi(tmp_path / name, kind, n=14 - kind) for kind, name in enumerate(names)]


def test_every_shot_has_the_class_of_its_file_and_no_other(species):
    table = open_single_label(species)
    assert table.class_names == ("Nanorice", "Magnetosomes", "TMV", "T4", "PBCV-1")
    assert len(table) == 14 + 13 + 12
    assert table.labelled.all()
    assert (table.labels.sum(1) == 1).all()
    assert table.labels.sum(0).tolist() == [14, 0, 13, 12, 0]
    assert (table.labels.argmax(1) == np.array([0, 2, 3])[table.source_of]).all()
    assert len(list(table.iter_shots([0, 14, 27]))) == 3


def test_the_sample_that_a_file_names_counts_more_than_its_own_name(tmp_path):
    path = write_cxi(tmp_path / "nanorice_or_so.cxi", 0, sample="PBCV-1 virus")
    assert classes_of([path], taxonomy=load(find("cxidb")))[1] == ["PBCV-1"]
    number = write_cxi(tmp_path / "r0093.cxi", 0, sample="sample_tmv")
    assert classes_of([path, number])[1] == ["PBCV-1", "TMV"]


@pytest.mark.parametrize(
    ("stem", "name"),
    [("t4", "T4"), ("run_T4_7", "T4"), ("pbcv1-all", "PBCV-1"), ("nanorice2", "Nanorice")],
)
def test_a_class_is_found_as_a_word_of_the_name(tmp_path, stem, name):
    path = write_cxi(tmp_path / f"{stem}.cxi", 0, n=1)
    assert classes_of([path])[1] == [name]


@pytest.mark.parametrize("stem", ["test47", "nanorice_tmv", "cxidb10"])
def test_a_name_that_tells_nothing_or_two_things_is_refused(tmp_path, stem):
    path = write_cxi(tmp_path / f"{stem}.cxi", 0, n=1)
    with pytest.raises(InputError, match=r"does not tell.*--names, one of: Nanorice"):
        classes_of([path], taxonomy=load(find("cxidb")))


def test_classes_that_are_named_make_a_taxonomy_of_their_own(species):
    taxonomy, names = classes_of(species, ["rice", "lysozyme", "rice"])
    assert (taxonomy.names, names) == (("rice", "lysozyme"), ["rice", "lysozyme", "rice"])
    assert taxonomy.exclusive
    assert taxonomy.legal_sets.sum(1).tolist() == [1, 1]
    again = loads(to_toml(taxonomy))
    assert (again.classes, again.rules) == (taxonomy.classes, taxonomy.rules)
    table = open_single_label(species, ["rice", "lysozyme", "rice"])
    assert table.labels.sum(0).tolist() == [26, 13]


def test_wrong_uses_are_said(species):
    with pytest.raises(InputError, match="2 classes are named for 3 files"):
        open_single_label(species, ["a", "b"])
    with pytest.raises(InputError, match="is the same as"):
        open_single_label([species[0], species[0]])
    with pytest.raises(InputError, match="do not exclude each other"):
        open_single_label(species, taxonomy=load(find("helium")))
    with pytest.raises(InputError, match=r"no class 'Virus'.*Nanorice"):
        open_single_label(species[:1], ["Virus"], taxonomy=load(find("cxidb")))
    with pytest.raises(InputError, match="of 1 class"):
        exclusive(["one", "ONE"])
    with pytest.raises(InputError, match="no file"):
        open_single_label([])


def test_no_mend_is_offered_where_only_a_person_can_name_the_class():
    cxidb = load(find("cxidb"))
    nothing = np.zeros(5, bool)
    broken = np.flatnonzero(cxidb.violations(nothing))
    assert len(broken) == 1
    assert cxidb.fix(nothing, int(broken[0])) is None
    one = cxidb.toggle(nothing, 0)
    assert cxidb.toggle(one, 3).tolist() == cxidb.mask(["T4"]).tolist()


def test_a_network_answers_with_exactly_one_class(species, tmp_path):
    table = with_split(open_single_label(species), 27, 0)
    recipe = replace(tiny_recipe(epochs=1), rule_aware=True)
    last = deque(train(table, recipe, tmp_path / "run", stop=never), maxlen=1).pop()
    assert last["event"] == "finished", last
    numbers = json.loads((tmp_path / "run" / "metrics.json").read_text("utf-8"))["evaluation"]
    assert numbers["contradiction_rate"] == 0
    out = tmp_path / "predictions.h5"
    assert (
        deque(predict(table, tmp_path / "run", out, engine="torch"), maxlen=1).pop()["event"]
        == "finished"
    )
    with h5py.File(out) as file:
        p = file["probabilities"][()].astype(float)
    np.testing.assert_allclose(p.sum(1), 1, atol=5e-3)


def test_baselines_answer_with_one_class_and_count_shots_that_are_sure(species):
    table = with_split(open_single_label(species), 27, 0)
    numbers = run_baseline("svm", table, 0, never)
    assert numbers["contradiction_rate"] == 0
    assert numbers["exact_match"] > 0.9
    assert 0 < numbers["coverage"] <= 1
    blind = run_baseline("constant", table, 0, never)
    assert blind["confident_accuracy"] == blind["exact_match"]


def test_several_labelled_files_are_one_table_where_their_classes_agree(tmp_path):
    one, two = (make_file(tmp_path / f"{seed}.h5", 12, seed=seed) for seed in (1, 2))
    table = table_of_files([one, two])
    assert len(table) == 24
    assert table.labels.sum(0).tolist() == (2 * table_of_files([one]).labels.sum(0)).tolist()
    images, _ = make_shots(3)
    other = write_file(tmp_path / "c.h5", images, np.eye(3, dtype=np.uint8), ("cat", "dog", "cow"))
    with pytest.raises(InputError, match=r"c\.h5.*other classes than 1\.h5.*--taxonomy"):
        table_of_files([one, other])
    with pytest.raises(InputError, match="is the same as"):
        table_of_files([one, one])
