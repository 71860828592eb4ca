"""Before a training, classes of which many labels are doubted are named."""

import numpy as np
import pytest

from labeler.active.embeddings import of_cache
from labeler.project.folder import CACHE
from labeler.project.preparation import preparation_of
from labeler.project.project import Project
from labeler.project.store.records import LABELLED
from labeler.runs.train_project import _doubts
from model.active import suspicious
from model.prediction import embedding_file
from tests.helpers.window_parts import make_project
from tests.model.active.test_suspicious import HELIUM, SETS, world


@pytest.mark.parametrize("wrong", [False, True])
def test_a_training_warns_where_many_labels_of_a_class_are_wrong(tmp_path, monkeypatch, wrong):
    monkeypatch.setattr(suspicious, "OFTEN", 0.1)  # few shots say little surely
    x, labels = world(240)
    if wrong:  # thirty of the ninety that are called Bent
        for kind in SETS[0], SETS[1]:
            rows = np.flatnonzero(labels[:, HELIUM.index(kind[-1])])[:15]
            labels[rows] = HELIUM.mask(SETS[2])
    folder = make_project(tmp_path, 240)
    with Project.open(folder) as project:
        bits = project.taxonomy.pack(labels)
        project.store.record(project.annotator, np.arange(240), bits, LABELLED, origin="key")
        table, preparation = project.shot_table(), preparation_of(project)
        wide = np.zeros((240, 512), np.float32)
        wide[:, : x.shape[1]] = x
        for part in of_cache(project, table).parts:
            embedding_file.write(part, wide[part.first : part.stop])
    said = [item["text"] for item in _doubts(table, folder / CACHE, preparation)]
    assert len(said) == wrong
    assert not wrong or said[0].startswith("Doubted in many of their labels: Bent (")


def test_a_damaged_part_of_what_the_shipped_network_saw_stops_no_training(tmp_path):
    with Project.open(make_project(tmp_path, 30)) as project:
        table, preparation = project.shot_table(), preparation_of(project)
        for part in of_cache(project, table).parts:
            part.path.parent.mkdir(parents=True, exist_ok=True)
            part.path.write_bytes(b"\x93NUMPY")
        assert list(_doubts(table, project.folder / CACHE, preparation)) == []
