"""Embeddings ahead of the first run: in parts, resumed, never of other shots or networks."""

from dataclasses import replace

import numpy as np
import pytest

from model.prediction import embedding
from model.prediction import embedding_file as embedding_parts
from model.preprocessing.preparation import Preparation
from model.runs.folder import backbone_folder
from model.shots.layouts import Geometry
from model.shots.table import table_of_file, table_of_files
from tests.helpers.shots import make_file, make_shots, write_file

NETWORK = backbone_folder("helium-resnet18")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return table_of_file(make_file(tmp_path_factory.mktemp("embed") / "shots.h5", 14))


def run(table, cache, stop=lambda: False):
    return list(embedding.embed(table, NETWORK, cache, stop=stop, engine="torch", size=5))


def test_an_interrupted_pass_goes_on_and_ends_with_the_same_numbers(table, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert run(table, whole)[-1]["event"] == "finished"
    answers = iter([False, True])
    assert run(table, broken, lambda: next(answers))[-1]["event"] == "cancelled"
    parts = embedding_parts.parts_of(table, NETWORK, broken, 5)
    assert [part.is_there for part in parts] == [True, False, False]
    half = embedding_parts.read(parts, len(table))
    assert np.isfinite(half[:5]).all()
    assert np.isnan(half[5:]).all()
    events = run(table, broken)
    assert [e["first"] for e in events if e["event"] == "part"] == [5, 10]
    found = [
        embedding_parts.read(embedding_parts.parts_of(table, NETWORK, place, 5), len(table))
        for place in (whole, broken)
    ]
    np.testing.assert_array_equal(*found)
    assert found[0].shape == (14, 512)
    assert run(table, whole)[-1]["seconds"] < 1  # nothing is computed twice


def test_doubts_about_counts_and_shots_that_get_no_suggestion_are_said(tmp_path):
    images, labels = make_shots(20)
    images = -images.astype(np.int32)
    images[:3] = 7
    path = write_file(tmp_path / "turned.h5", images, labels)
    said = [e.get("text", "") for e in run(table_of_file(path), tmp_path / "cache")]
    assert any(text.startswith("turned.h5: light lies below the background") for text in said)
    (left,) = [text for text in said if "no suggestions" in text]
    assert left.startswith("3 of 20 shots")
    assert "turned.h5, shot 1: each of its pixels holds 7" in left


def test_a_damaged_part_counts_as_not_there(tmp_path):
    part = embedding_parts.Part(0, 3, tmp_path / "x.npy")
    part.path.write_bytes(b"nonsense")
    assert embedding_parts.read([part], 3) is None
    embedding_parts.write(part, np.ones((2, 4)))  # of two shots, not of three
    assert embedding_parts.read([part], 3) is None


def test_parts_of_another_file_have_other_names(table, tmp_path):
    other = table_of_file(make_file(tmp_path / "other.h5", 15))
    mine, theirs = (
        {part.path.name for part in embedding_parts.parts_of(t, NETWORK, tmp_path, 5)}
        for t in (table, other)
    )
    assert not mine & theirs


def test_parts_of_some_shots_tell_another_scale_than_those_of_all(table, tmp_path):
    some = table.some(np.arange(10))
    all_of, few = (embedding_parts.parts_of(t, NETWORK, tmp_path, 5) for t in (table, some))
    assert not {p.path.name for p in all_of} & {p.path.name for p in few}


def names_at(table, place, steps, **geometry):
    """Of the parts where the files say so of detector and beam."""
    sources = (replace(source, geometry=Geometry(**geometry)) for source in table.sources)
    table = replace(table, sources=tuple(sources))
    parts = embedding_parts.parts_of(table, NETWORK, place, preparation=steps)
    return [part.path.name for part in parts]


def test_a_beam_makes_parts_anew_only_where_it_changes_what_the_network_sees(table, tmp_path):
    wide = table_of_file(write_file(tmp_path / "wide.h5", np.zeros((3, 8, 20)), make_shots(3)[1]))
    middle, beside = (3.5, 9.5), (3.5, 5.0)

    def moved(shots, steps=None):
        places = [names_at(shots, tmp_path, steps, centre=beam) for beam in (None, middle, beside)]
        return [place != places[0] for place in places[1:]]

    assert moved(table) == [False, False]
    assert moved(wide) == [False, True]
    assert moved(table, Preparation(stray_light="smooth")) == [False, False]
    assert moved(table, Preparation(centre=True)) == [True, True]


def test_a_beam_makes_parts_of_a_full_detector_anew(tmp_path):
    images, labels = make_shots(20)
    full = np.minimum(images, np.quantile(images, 0.97))
    table = table_of_file(write_file(tmp_path / "full.h5", full, labels))

    def there(centre):
        sources = tuple(replace(s, geometry=Geometry(centre=centre)) for s in table.sources)
        moved = replace(table, sources=sources)
        return moved, embedding_parts.parts_of(moved, NETWORK, tmp_path / "cache", 5)

    run(table, tmp_path / "cache")
    assert all(part.is_there for part in there(None)[1])
    moved, parts = there((20.0, 24.0))
    assert not any(part.is_there for part in parts)
    run(moved, tmp_path / "cache")
    found = [embedding_parts.read(there(c)[1], len(table)) for c in (None, (20.0, 24.0))]
    assert np.isfinite(found).all()
    assert (found[0] != found[1]).any()


def test_a_further_small_file_makes_parts_of_those_anew_that_are_judged_with_it(tmp_path):
    files = [make_file(tmp_path / f"{i}.h5", n) for i, n in enumerate((20, 3, 4, 5))]

    def first_name(some, size):
        parts = embedding_parts.parts_of(table_of_files(some), NETWORK, tmp_path, size)
        return parts[0].path.name

    assert first_name(files[:3], 20) == first_name(files, 20), "that file tells its own scale"
    assert first_name(files[1:3], 3) != first_name(files[1:], 3)


def test_another_distance_makes_parts_of_a_flat_detector_anew(table, tmp_path):
    for steps in (Preparation(), Preparation(flat_detector=True)):
        near, far = (
            names_at(table, tmp_path, steps, distance_m=d, pixel_m=1e-4) for d in (0.1, 0.2)
        )
        assert (near != far) == steps.flat_detector
