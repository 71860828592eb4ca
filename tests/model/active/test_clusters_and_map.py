"""Places on the map and clusters without labels: islands are found, borders hold them."""

import numpy as np
import pytest

from model.active import clusters, embedding_map


def islands(n=60, seed=0):
    """(3n, 16) embeddings in three groups, and which is which."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(3, 16)) * 4
    which = np.repeat(np.arange(3), n)
    return (middles[which] + 0.3 * rng.normal(size=(3 * n, 16))).astype(np.float32), which


def test_principal_components_are_those_of_the_singular_value_decomposition():
    x = np.random.default_rng(0).normal(size=(200, 12)) @ np.random.default_rng(1).normal(
        size=(12, 12)
    )
    left, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    found = embedding_map.components(x.astype(np.float32), 3)
    np.testing.assert_allclose(np.abs(found), np.abs(left[:, :3] * s[:3]), rtol=1e-3, atol=1e-3)


def test_the_map_fits_its_square_and_is_the_same_every_time():
    x, _ = islands()
    places = embedding_map.pca(x)
    assert np.abs(places).max() <= 1.15
    np.testing.assert_array_equal(places, embedding_map.pca(x))
    assert embedding_map.pca(x[:1]).tolist() == [[0, 0]]
    assert embedding_map.pca(x[:0]).shape == (0, 2)


def test_islands_are_found_without_labels_and_each_has_typical_shots_and_a_closed_border():
    x, which = islands()
    places = embedding_map.pca(x)
    found = clusters.propose(x, places)
    assert len(found.typical) == 3
    for k in range(3):
        rows = np.flatnonzero(found.of == k)
        assert len(set(which[rows].tolist())) == 1
        assert set(found.typical[k].tolist()) <= set(rows.tolist())
        assert found.borders[k]
        for ring in found.borders[k]:
            np.testing.assert_allclose(ring[0], ring[-1], atol=1e-6)
    assert (found.of >= 0).mean() > 0.8


def test_a_handful_of_shots_has_no_clusters():
    found = clusters.propose(np.eye(4, dtype=np.float32), np.eye(4, 2, dtype=np.float32))
    assert found.of.tolist() == [-1] * 4
    assert found.typical == ()


def test_shots_that_are_alike_have_their_places_and_no_clusters_where_umap_finds_none(monkeypatch):
    class Mapper:
        def __init__(self, **how):
            pass

        def fit_transform(self, x):  # as UMAP does for shots without any difference
            return np.full((len(x), 2), np.nan)

    monkeypatch.setattr(embedding_map, "_umap", lambda: type("umap", (), {"UMAP": Mapper}))
    alike = np.full((30, 16), 3, np.float32)
    places = embedding_map.umap(alike)
    assert np.isfinite(places).all()
    assert clusters.propose(alike, places).of.shape == (30,)


@pytest.mark.slow
def test_umap_keeps_islands_apart_and_is_the_same_for_a_seed():
    x, which = islands()
    places = embedding_map.umap(x, seed=1)
    np.testing.assert_array_equal(places, embedding_map.umap(x, seed=1))
    middles = np.stack([places[which == k].mean(0) for k in range(3)])
    nearest = np.linalg.norm(places[:, None] - middles, axis=2).argmin(1)
    assert (nearest == which).mean() > 0.98


def test_clusters_are_measured_against_labels_one_is_the_same_division_and_zero_is_chance():
    which = np.repeat(np.arange(4), 50)
    same = clusters.agreement((which + 1) % 4, which * 8)  # other names, the same division
    assert same == {"adjusted_rand": 1.0, "mutual_information": 1.0, "clustered": 1.0}
    chance = clusters.agreement(np.random.default_rng(0).integers(0, 4, 200), which)
    assert abs(chance["adjusted_rand"]) < 0.05
    half = clusters.agreement(np.where(np.arange(200) % 2, which, -1), which)
    assert half == {"adjusted_rand": 1.0, "mutual_information": 1.0, "clustered": 0.5}
    assert clusters.agreement(np.full(200, -1), which) is None
