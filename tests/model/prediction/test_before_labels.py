"""A predictions file that is answered again by a head fitted to the shots: each its own answer."""

from __future__ import annotations

from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from model.errors import InputError
from model.prediction import before_labels
from model.taxonomy.taxonomy import Taxonomy

N, BLIND = 10, [0, 7]
"""Shots, and those that cannot be read."""
HEAD = SimpleNamespace(
    logits=lambda embeddings: np.asarray(embeddings, np.float32),
    probabilities=lambda embeddings: np.asarray(embeddings, np.float32) / 100,
    decided=lambda probabilities: probabilities >= 0,
    thresholds=(0.25, 0.75),
)
"""Says of a shot what its embedding is, and decides on all that has a number."""


@pytest.fixture
def answered(monkeypatch, tmp_path):
    """The file, and the embeddings that the head was fitted to."""
    fitted = []
    monkeypatch.setattr(before_labels, "expected_of", lambda run, names: 0.5)
    monkeypatch.setattr(before_labels, "_AT_ONCE", 4)
    monkeypatch.setattr(
        before_labels, "adapted_head", lambda run, given, names, seen: fitted.append(seen) or HEAD
    )
    with h5py.File(tmp_path / "predictions.h5", "w") as file:
        file["readable"] = ~np.isin(np.arange(N), BLIND)
        file["embeddings"] = np.arange(2 * N, dtype=np.float16).reshape(N, 2)
        for name in ("logits", "probabilities"):
            file[name] = np.full((N, 2), -1, np.float32)
        file["decided"] = np.zeros((N, 2), bool)
        file.attrs["thresholds"] = (0.5, 0.5)
        table = SimpleNamespace(taxonomy=None)
        said = before_labels.answer_again(file, tmp_path, table, Taxonomy.of_names("AB"))
        yield file, fitted[0], said


def test_every_shot_gets_the_answer_to_its_own_embedding_block_by_block(answered):
    file, _, _ = answered
    fine = file["readable"][()]
    wanted = file["embeddings"][()].astype(np.float32)
    assert np.array_equal(file["logits"][fine], wanted[fine])
    assert np.array_equal(file["probabilities"][fine], wanted[fine] / 100)
    assert file["decided"][fine].all()
    assert file.attrs["thresholds"].tolist() == [0.25, 0.75]


def test_what_cannot_be_read_has_no_number_no_class_and_no_part_in_the_fit(answered):
    file, fitted, said = answered
    assert np.isnan(file["logits"][BLIND]).all()
    assert np.isnan(file["probabilities"][BLIND]).all()
    assert not file["decided"][BLIND].any()
    assert np.array_equal(fitted, file["embeddings"][file["readable"][()]])
    assert said.startswith(f"{N - len(BLIND)} of the ")


def test_damaged_predictions_say_what_to_do_and_missing_ones_are_none(tmp_path):
    assert before_labels.seen_by(tmp_path) is None
    (tmp_path / "predictions.h5").write_bytes(b"no file of predictions")
    with pytest.raises(InputError, match="damaged predictions") as caught:
        before_labels.seen_by(tmp_path)
    assert "Predict again" in caught.value.mend
