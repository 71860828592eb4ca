"""Beginning from the network that comes with the program."""

import numpy as np
import pytest
import torch

from model.errors import InputError
from model.networks import architectures as networks
from model.runs import backbone, checkpoint
from model.runs.prior import expected_of, prior_of
from model.runs.recipes import NAMES, named
from model.taxonomy.taxonomy import Class, Taxonomy

QUICK = named("quick")


def fresh(classes):
    """A network of the quick recipe before training."""
    torch.manual_seed(1)
    names = tuple(map(str, range(classes)))
    return checkpoint.build(checkpoint.Checkpoint(names, QUICK, QUICK.preprocessing()), "he")


def test_every_recipe_names_a_backbone_that_is_there_or_none():
    for name in NAMES:
        if named(name).backbone:
            assert backbone.shipped(named(name).backbone).is_dir()
    assert not named("paper").backbone
    assert not named("airynet").backbone


def test_known_classes_bring_their_row_of_the_head_wherever_they_stand():
    network, (source, about) = fresh(3), checkpoint.load(backbone.shipped(QUICK.backbone))
    before = network.head.linear.weight[1].clone()
    said = backbone.begin(network, QUICK, Taxonomy.of_names(("Empty", "Spiral", "streak")))
    assert said.endswith("; 2 of 3 classes known by name; it never saw Spiral.")
    weight, theirs = network.head.linear.weight, source.head.linear.weight
    torch.testing.assert_close(weight[0], theirs[about.class_names.index("Empty")])
    torch.testing.assert_close(weight[2], theirs[about.class_names.index("Streak")])
    torch.testing.assert_close(weight[1], before)


def test_a_renamed_class_brings_its_row_and_a_fresh_one_of_its_old_name_none():
    network, (source, about) = fresh(2), checkpoint.load(backbone.shipped(QUICK.backbone))
    before = network.head.linear.weight[0].clone()
    classes = Taxonomy("", [Class("Streak"), Class("Line", was="Streak")], [])
    said = backbone.begin(network, QUICK, classes)
    assert said.endswith("; 1 of 2 classes known by name; it never saw Streak.")
    weight, theirs = network.head.linear.weight, source.head.linear.weight
    torch.testing.assert_close(weight[1], theirs[about.class_names.index("Streak")])
    torch.testing.assert_close(weight[0], before)


def test_a_renamed_class_keeps_its_prior_and_a_fresh_one_of_its_old_name_has_none():
    folder = backbone.shipped(QUICK.backbone)
    plain = prior_of(folder, Taxonomy.of_names(("Streak", "Bent")))
    renamed = Taxonomy("", [Class("Streak"), Class("Line", was="Streak"), Class("Bent")], [])
    found = prior_of(folder, renamed)
    assert found.known.tolist() == [False, True, True]
    np.testing.assert_array_equal(found.weight[1:], plain.weight)
    np.testing.assert_array_equal(found.bias[1:], plain.bias)
    sets = expected_of(folder, checkpoint.describe(folder).class_names).among(renamed)
    assert sets.columns == [1, 2]


def test_the_body_answers_as_the_backbone_does():
    network, (source, _) = fresh(2), checkpoint.load(backbone.shipped(QUICK.backbone))
    backbone.begin(network, QUICK, Taxonomy.of_names("AB"))
    shot = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        ours, theirs = network.eval().features(shot), source.eval().features(shot)
    torch.testing.assert_close(ours, theirs)


def test_a_network_of_another_kind_begins_from_chance_and_says_so():
    network = networks.create("resnet18", classes=2, activation="log")
    before = network.head.linear.weight.clone()
    from dataclasses import replace

    said = backbone.begin(network, replace(QUICK, activation="log"), Taxonomy.of_names("AB"))
    assert "no backbone for resnet18 (log)" in said
    torch.testing.assert_close(network.head.linear.weight, before)


def test_an_unknown_backbone_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="helium-resnet18"):
        backbone.shipped("nobody")


def test_the_backbone_tells_simulated_classes_apart(tmp_path):
    from model.shots.table import open_source
    from model.simulate.generate import simulate

    for _ in simulate(tmp_path / "new.h5", 44, 77, 112, balanced=True, workers=1):
        pass
    network, about = checkpoint.load(backbone.shipped(QUICK.backbone))
    with open_source(tmp_path / "new.h5") as source:
        names, labels = source.labels()
        shots = [about.preprocessing.apply(source.read(i), source.mask(i)) for i in range(44)]
    assert tuple(names) == about.class_names
    with torch.no_grad():
        logits = network(torch.from_numpy(np.stack(shots))).numpy()
    right = (about.decide(logits) == labels.astype(bool)).mean()
    blind = np.maximum(labels.mean(0), 1 - labels.mean(0)).mean()
    assert right > blind + 0.05
