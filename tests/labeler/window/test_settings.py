"""Settings: one file, written whole or not at all, and never a reason not to start."""

from __future__ import annotations

from pathlib import Path

import pytest

from labeler.window.settings import RECENT, SETTINGS, Settings, folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRYLABEL_CONFIG_DIR", str(tmp_path))
    return tmp_path


def test_every_shipped_value_fits_its_own_setting():
    assert all(s.fits(s.default) for s in SETTINGS)


def test_what_was_chosen_is_there_after_a_restart(place):
    settings = Settings()
    settings.set("theme", "light")
    settings.set("heat_strength", 0.25)
    settings.set("keys", {"skip": ["J"]})
    settings.remember(Path("/data/week42"))
    settings.save()
    again = Settings()
    assert again.path == folder() / "settings.toml"
    assert (again["theme"], again["heat_strength"]) == ("light", 0.25)
    assert again["keys"] == {"skip": ["J"]}
    assert again["recent"] == [str(Path("/data/week42"))]
    assert [p.name for p in place.iterdir()] == ["settings.toml"]


def test_a_damaged_file_is_put_aside_and_named(place):
    (place / "settings.toml").write_text("theme = [oh no")
    settings = Settings()
    assert settings["theme"] == "dark"
    assert "settings.damaged.toml" in settings.trouble
    assert (place / "settings.damaged.toml").read_text() == "theme = [oh no"


def test_a_value_that_does_not_fit_falls_back_and_is_named(place):
    (place / "settings.toml").write_text('theme = "pink"\nnorm = "sqrt"\nfuture = 1\n')
    settings = Settings()
    assert (settings["theme"], settings["norm"]) == ("dark", "sqrt")
    assert "theme" in settings.trouble
    with pytest.raises(ValueError, match="norm"):
        settings.set("norm", "cubic")


def test_a_write_that_fails_leaves_the_old_file(place, monkeypatch):
    settings = Settings()
    settings.save()
    before = settings.path.read_text()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("labeler.window.settings.os.fsync", full)
    settings.set("theme", "light")
    with pytest.raises(OSError, match="No space"):
        settings.save()
    assert settings.path.read_text() == before
    assert [p.name for p in place.iterdir()] == ["settings.toml"]


def test_recent_projects_are_few_and_the_last_comes_first(place):
    settings = Settings()
    for n in range(12):
        settings.remember(Path(f"p{n}"))
    settings.remember(Path("p9"))
    assert settings["recent"][:2] == ["p9", "p11"]
    assert len(settings["recent"]) == RECENT
