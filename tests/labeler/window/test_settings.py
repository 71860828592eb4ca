"""Settings: one file, written whole or not at all, and never a reason not to start."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from labeler.session.session import Session
from labeler.window.dialogs.settings_page import COLUMNS, SettingsPage
from labeler.window.main_window import MainWindow
from labeler.window.settings import RECENT, SETTINGS, Settings, Strategy
from model.active.strategies import STRATEGIES
from model.errors import InputError, checked
from model.output_files import user_folder


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
    assert again.path == user_folder() / "settings.toml"
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


@pytest.fixture
def window(qtbot, place):
    window = MainWindow(Session(), Settings())
    qtbot.addWidget(window)
    window.show()
    yield window
    window.close()


def page_of(qtbot, window):
    page = SettingsPage(
        window.settings, window.refused_keys, window.apply_settings, window.show_keys, window
    )
    qtbot.addWidget(page)
    page.show()
    return page


def test_every_setting_of_a_person_stands_on_the_page(qtbot, window):
    page = page_of(qtbot, window)
    remembered = {"keys", "recent", "progress", "window", "panes"}
    assert page.fields.keys() | remembered == {s.id for s in SETTINGS}
    assert {s.page for s in SETTINGS if s.page} <= {part for column in COLUMNS for part in column}


def test_what_is_changed_on_the_page_is_seen_at_once_and_saved(qtbot, window, place):
    page = page_of(qtbot, window)
    page.fields["show_mask"].click()
    page.fields["hidden_share"].setValue(20)
    page.fields["norm"].activated.emit(page.fields["norm"].findData("sqrt"))
    assert not window.session.display.screen.mask
    assert window.session.suggestions.hidden_share == 0.2
    assert window.session.display.screen.norm == "sqrt"
    qtbot.waitUntil(lambda: Settings()["norm"] == "sqrt")
    assert (Settings()["show_mask"], Settings()["hidden_share"]) == (False, 0.2)


def test_what_a_key_changes_is_saved_without_closing(qtbot, window):
    window.actions_.trigger("theme")
    window.session.display.change(colormap="magma")
    qtbot.waitUntil(lambda: Settings()["colormap"] == "magma")
    assert Settings()["theme"] == "light"
    window.actions_.trigger("theme")


def test_a_bad_entry_is_said_under_its_setting_and_stays_until_another_is_chosen(
    qtbot, place, request
):
    (place / "settings.toml").write_text('theme = "pink"\nfuture = 1\n[keys]\nnothing = ["J"]\n')
    window = request.getfixturevalue("window")
    page = page_of(qtbot, window)
    assert "dark or light" in page.words["theme"].text()
    assert "'nothing', which is no command" in page.words["keys"].text()
    assert not page.words["norm"].text()
    window.settings.set("norm", "sqrt")
    window.settings.save()
    assert 'theme = "pink"' in window.settings.path.read_text()
    page.fields["theme"].activated.emit(page.fields["theme"].findData("light"))
    window.settings.save()
    text = window.settings.path.read_text()
    assert 'theme = "light"' in text
    assert "future = 1" in text
    assert not page.words["theme"].text()
    page.reset.click()
    assert window.settings["theme"] == "dark"


def test_keys_go_back_to_the_shipped_ones_from_the_page(qtbot, place, request):
    (place / "settings.toml").write_text('[keys]\nskip = ["J"]\n')
    window = request.getfixturevalue("window")
    page = page_of(qtbot, window)
    assert window.actions_.keymap.keys("skip") == ("J",)
    page.reset_keys.click()
    assert window.actions_.keymap.keys("skip") == ("S",)
    qtbot.waitUntil(lambda: Settings()["keys"] == {})


def test_two_windows_do_not_take_back_each_others_settings(place):
    first, second = Settings(), Settings()
    first.set("theme", "light")
    first.save()
    second.set("norm", "sqrt")
    second.save()
    assert (Settings()["theme"], Settings()["norm"]) == ("light", "sqrt")


def test_settings_that_cannot_be_saved_are_said_once(qtbot, window, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("model.output_files.os.fsync", full)
    for norm in ("sqrt", "linear"):
        window.settings.set("norm", norm)
        window.session.display.change(norm=norm)
        window._save_settings()
    notes = [text for _, _, text in window.notes.log if "not saved" in text]
    assert len(notes) == 1
