"""The figure of a class shows what is hot, dashes its contours and comes in three formats."""

from __future__ import annotations

import numpy as np
import pytest

from model.errors import InputError
from model.heatmaps.geometry import enlarge
from model.inspection import figures
from model.inspection.figures import ClassRow, ShownShot, picture, save


def shown(seed=0, title="0.93", size=56):
    rng = np.random.default_rng(seed)
    cells = np.zeros((7, 7))
    cells[2, 4] = 1
    counts = rng.poisson(40, (size, size)).astype(np.uint16)
    return ShownShot(counts, enlarge(cells, (size, size)), title=title)


def rows():
    schematic = np.full((20, 20, 4), 128, np.uint8)
    return [
        ClassRow("Streak", [shown(n) for n in range(5)], schematic),
        ClassRow("Bent", [shown(n) for n in range(3)], form="Grad-CAM++"),
        ClassRow("Layered", []),
    ]


@pytest.mark.parametrize(
    ("suffix", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<")]
)
def test_a_figure_is_written_in_the_format_of_its_name_and_the_same_twice(tmp_path, suffix, start):
    out = tmp_path / f"classes.{suffix}"
    assert save(rows(), out, dpi=60) == out
    first = out.read_bytes()
    assert first.startswith(start)
    save(rows(), out, dpi=60)
    assert out.read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


def test_an_svg_carries_class_names_as_text_and_dashed_contours(tmp_path):
    text = save(rows(), tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "Streak" in text
    assert "Bent" in text
    assert text.count("Grad-CAM++") == 1
    assert "Layered" not in text
    assert text.count("stroke-dasharray") == 3 * 8


def test_hot_places_are_bright_and_cold_ones_black():
    pixels = picture(shown(), "viridis", 1.0)
    assert pixels[20, 36].sum() > 100
    assert pixels[50, 4].sum() == 0
    assert picture(shown(), "viridis", 0.0)[50, 4].sum() > 0


def test_a_shot_without_heat_is_drawn_whole_and_without_contours(tmp_path):
    heated = shown()
    bare = ShownShot(heated.counts, None, title="p .98 · true\nno heat: the same everywhere")
    whole = picture(heated, "viridis", 0.0)
    np.testing.assert_array_equal(picture(bare, "viridis", 1.0), whole)
    text = save([ClassRow("Empty", [bare])], tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "stroke-dasharray" not in text
    assert "no heat" in text


def test_the_name_of_a_form_stands_beside_the_drawing_of_the_class_not_on_it():
    figure = figures._drawn(rows(), "viridis", figures.LEVELS, 1)
    figure.draw_without_rendering()
    axes = next(a for a in figure.axes if any("CAM" in t.get_text() for t in a.texts))
    (name,) = axes.texts
    assert name.get_window_extent().y1 <= axes.get_window_extent().y0


def test_masked_and_nan_pixels_are_dark_and_disturb_nothing():
    shot = shown()
    counts = shot.counts.astype(float)
    counts[20, 36] = np.nan
    mask = np.ones(counts.shape, bool)
    mask[22, 36] = False
    pixels = picture(ShownShot(counts, shot.heat, mask), "viridis", 0.0)
    assert not pixels[20, 36].any()
    assert not pixels[22, 36].any()
    assert pixels[21, 36].any()


@pytest.mark.parametrize("counts", [np.zeros((8, 8)), np.full((8, 8), 9), np.full((8, 8), np.nan)])
def test_an_empty_or_constant_shot_is_drawn(tmp_path, counts):
    shot = ShownShot(counts, enlarge(np.zeros((2, 2)), (8, 8)))
    save([ClassRow("Empty", [shot])], tmp_path / "a.png", dpi=40)
    assert (tmp_path / "a.png").stat().st_size


def test_wrong_endings_no_shots_and_no_folder_are_said(tmp_path):
    with pytest.raises(InputError, match=r"\.bmp.*Use one of \.png, \.pdf, \.svg"):
        save(rows(), tmp_path / "a.bmp")
    with pytest.raises(InputError, match="no shots to draw"):
        save([ClassRow("Empty", [])], tmp_path / "a.png")
    with pytest.raises(InputError, match="cannot be written"):
        save(rows(), tmp_path / "none" / "a.png", dpi=40)


def test_no_contour_runs_beyond_the_detector():
    from matplotlib.figure import Figure

    y, x = np.indices((64, 64))
    disc = np.hypot(y - 31.5, x - 31.5) < 32
    counts = np.where(disc, 50, 0).astype(np.uint16)
    heat = (x / 64).astype(np.float32)  # its contour at .1 is a line from corner to corner
    for mask in (disc, None):
        axes = Figure().subplots()
        shot = ShownShot(counts, heat, mask, "")
        figures._draw_shot(axes, shot, np.zeros((64, 64, 3), np.uint8), (0.1,))
        lines = [path.vertices for drawn in axes.collections for path in drawn.get_paths()]
        points = np.concatenate(lines)
        assert len(points) > 10
        assert np.hypot(*(points - 32).T).max() < 33


def test_what_is_cold_or_masked_is_like_no_light_in_a_map_that_runs_from_white():
    shot = shown()
    cold = ShownShot(shot.counts, np.zeros_like(shot.heat), shot.mask)
    for name, nothing in (("viridis", 0), ("gray", 0), ("gray_r", 255)):
        np.testing.assert_array_equal(picture(cold, name, 1.0), nothing)
        mask = np.zeros(shot.counts.shape, bool)
        mask[:9] = True
        part = picture(ShownShot(shot.counts, None, mask), name, 1.0)
        np.testing.assert_array_equal(part[9:], nothing)
