"""Settings: one file, written whole or not at all, and never a reason not to start."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from labeler.session.session import Session
from labeler.window.main_window import MainWindow
from labeler.window.settings import RECENT, SETTINGS, Settings, Strategy, folder
from model.active.strategies import STRATEGIES
from model.errors import InputError, checked


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRYLABEL_CONFIG_DIR", str(tmp_path))
    return tmp_path


def test_every_shipped_value_fits_its_own_setting():
    assert all(checked(s.default, s.kind, s.id) == s.default for s in SETTINGS)


def test_every_strategy_can_be_chosen():
    assert get_args(Strategy) == tuple(STRATEGIES)


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
    assert "dark or light" in settings.trouble
    with pytest.raises(InputError, match="norm = 'cubic'"):
        settings.set("norm", "cubic")


def test_a_write_that_fails_leaves_the_old_file(place, monkeypatch):
    settings = Settings()
    settings.save()
    before = settings.path.read_text()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("model.output_files.os.fsync", full)
    settings.set("theme", "light")
    with pytest.raises(InputError, match="No space"):
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


@pytest.mark.parametrize(
    ("line", "id"),
    [
        ('window = "ü"', "window"),
        ('window = "abc"', "window"),
        ('panes = ["a", "b", "c"]', "panes"),
        ("panes = [1e300, -5, 3]", "panes"),
        ("panes = [nan, 1, 1]", "panes"),
        ('recent = ["/tmp/\\u0000x"]', "recent"),
        ("recent = [" + ",".join(f'"/n{i}"' for i in range(100_000)) + "]", "recent"),
        ("workers = 99999999999", "workers"),
        ("heat_strength = nan", "heat_strength"),
        ('ask_strategy = "__class__"', "ask_strategy"),
        ('ask_strategy = "sideways"', "ask_strategy"),
        ('keys = ["Ctrl+Z"]', "keys"),
        ('[keys]\nskip = "J"', "keys"),
        ("[progress]\nx = 1", "progress"),
    ],
)
def test_one_senseless_value_falls_back_and_the_others_stay(place, line, id):
    (place / "settings.toml").write_text(f'theme = "light"\n{line}\n', "utf-8")
    settings = Settings()
    assert settings["theme"] == "light"
    assert settings[id] == next(s.default for s in SETTINGS if s.id == id)
    assert id in settings.trouble


@pytest.mark.parametrize("text", ["x = " + "[" * 5000, "workers = " + "9" * 5000])
def test_what_no_reader_of_toml_can_hold_is_put_aside(place, text):
    (place / "settings.toml").write_text(text)
    assert "settings.damaged.toml" in Settings().trouble


def test_a_folder_in_the_place_of_the_file_is_put_aside(place):
    (place / "settings.toml").mkdir()
    settings = Settings()
    assert "settings.damaged.toml" in settings.trouble
    settings.save()
    assert settings.path.is_file()


@pytest.mark.parametrize(
    "text",
    [
        '[keys]\n"class.Round" = ["☃☃", ""]\n"nothing.here" = ["Ctrl+Z"]',
        '[keys]\nundo = ["1"]\nnext = ["1"]\n"class.Round" = ["1"]',
        f'recent = ["{"x" * 4000}"]\n[progress]\n"/x" = "<img src=/etc/passwd>"',
        'physics = ["../..", "profile", "profile"]',
        'window = "abcd"\npanes = [0, 0, 0]',
    ],
)
def test_the_window_opens_whatever_a_person_wrote_there(qtbot, place, text):
    (place / "settings.toml").write_text(text, "utf-8")
    window = MainWindow(Session(), Settings())
    qtbot.addWidget(window)
    window.show()
    qtbot.waitExposed(window)
    assert window.isVisible()
    window.close()
