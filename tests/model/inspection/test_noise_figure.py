"""Fig. 4: the right noise on the right shot, its maps, and what is refused."""

from __future__ import annotations

from collections import deque

import h5py
import numpy as np
import pytest

from model.errors import InputError
from model.inspection import noise_figure
from model.inspection.noise_figure import figure4
from model.physics.noise import LEVELS
from model.physics.noise_file import add_noise_file
from model.shots.table import open_source


@pytest.fixture
def shots(tmp_path):
    """Nine shots, each brighter than the one before."""
    counts = np.random.default_rng(0).poisson(np.arange(1, 10)[:, None, None] * 20, (9, 32, 32))
    with h5py.File(tmp_path / "shots.h5", "w") as file:
        file["images"] = counts.astype(np.uint16)
    return tmp_path / "shots.h5"


def draw(*args, **options):
    return deque(figure4(*args, **options), maxlen=1).pop()


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_a_fairly_bright_shot_is_drawn_with_its_bounds(shots, tmp_path, suffix):
    out = tmp_path / f"fig4.{suffix}"
    last = draw(shots, out)
    assert (last["event"], last["shot"]) == ("finished", 7)
    bounds = [last["bounds"][level] for level in LEVELS]
    assert bounds == sorted(bounds)
    assert bounds[0] == pytest.approx(100, rel=0.05)
    if suffix == "svg":
        text = out.read_text(encoding="utf-8")
        assert "no noise" in text
        assert f"max, b = {bounds[2]:.0f}" in text
        assert text.count("<image") >= 8


def test_the_noise_is_that_of_the_noise_sets(shots, tmp_path, monkeypatch):
    stages = []
    whole = noise_figure._stages
    monkeypatch.setattr(noise_figure, "_stages", lambda *a: stages.extend(whole(*a)) or stages[-4:])
    draw(shots, tmp_path / "fig4.png", row=2, seed=5, dpi=40)
    for level, stage in zip(LEVELS, stages[1:], strict=True):
        noisy = tmp_path / f"{level}.h5"
        deque(add_noise_file(shots, noisy, level, 5), maxlen=0)
        with open_source(noisy) as source:
            np.testing.assert_array_equal(source.read(2), stage)


def test_what_cannot_be_is_said_and_nothing_replaced_unasked(shots, tmp_path):
    out = tmp_path / "fig4.png"
    with pytest.raises(InputError, match=r"no shot 10.*from 1 to 9"):
        draw(shots, out, row=9)
    with pytest.raises(InputError, match=r"\.bmp"):
        draw(shots, tmp_path / "a.bmp")
    out.write_bytes(b"mine")
    with pytest.raises(InputError, match="--force"):
        draw(shots, out)
    assert draw(shots, out, force=True, stop=lambda: True)["event"] == "cancelled"
    assert out.read_bytes() == b"mine"
