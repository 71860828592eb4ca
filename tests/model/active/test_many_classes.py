"""The default recipe trains whatever taxonomy it is given, also where rules cannot be listed."""

from __future__ import annotations

import numpy as np
import pytest

from model.runs import checkpoint
from model.shots.table import table_of_file
from model.taxonomy.taxonomy import Class, Rule, Taxonomy
from model.training.train import train
from tests.helpers.shots import make_shots, tiny_recipe, write_file

pytestmark = pytest.mark.usefixtures("narrow_network")


def taxonomy_of(count):
    names = [f"C{i:02d}" for i in range(count)]
    rule = Rule("never", "hard", ("C00",), ("C01",), "never")
    return Taxonomy("many", [Class(name) for name in names], [rule])


@pytest.mark.parametrize("classes", [25, 18])
def test_too_many_legal_sets_are_said_and_trained_as_independent_classes(classes, tmp_path):
    images, _ = make_shots(24)
    taxonomy = taxonomy_of(classes)
    labels = np.eye(classes, dtype=np.uint8)[np.arange(24) % 3]
    path = write_file(tmp_path / "s.h5", images, labels, taxonomy.names)
    table = table_of_file(path, taxonomy=taxonomy)
    events = list(train(table, tiny_recipe(epochs=1, rule_aware=True), tmp_path / "run"))
    assert events[-1]["event"] == "finished", events[-1]
    said = " ".join(e.get("text", "") for e in events)
    assert f"The legal label sets of {classes} classes are too many to list" in said
    about = checkpoint.describe(tmp_path / "run")
    assert about.legal_sets is None
    assert not about.recipe.rule_aware
