"""The manual in the program: every view and dialog has its page, no link dangles, F1 opens it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from PyQt6.QtCore import Qt, QUrl
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QDialog, QMessageBox, QToolButton

from labeler.window.dialogs.classes import ClassesDialog
from labeler.window.dialogs.people import PeopleDialog
from labeler.window.inspect import view as inspect_view
from labeler.window.main_window import TABS, MainWindow
from labeler.window.quality import view as quality_view
from labeler.window.settings import SETTINGS, Settings
from labeler.window.widgets import manual, theme
from tests.helpers.window_parts import make_project, make_session

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def addresses():
    return {s.address for s in manual.sections()}


@pytest.fixture(scope="module")
def window(qapp, tmp_path_factory):
    folder = tmp_path_factory.mktemp("manual")
    theme.apply(qapp, "dark")
    window = MainWindow(make_session(make_project(folder)), Settings(folder / "settings.toml"))
    window.show()
    yield window
    window.close()
    window.deleteLater()
    qapp.setStyleSheet("")


@pytest.fixture(autouse=True)
def closed():
    """Each test begins without a manual on screen."""
    yield
    while (shown := opened()) is not None:
        shown.close()


def classes_below(parent):
    """Names of all classes of the window that are made of one."""
    for path in (ROOT / "labeler/window").rglob("*.py"):
        found = re.findall(rf"^class (\w+)\({parent}\)", path.read_text("utf-8"), re.MULTILINE)
        yield from found


def test_every_view_and_dialog_has_a_page_that_is_there(addresses):
    views, dialogs = (set(classes_below(parent)) for parent in ("Tab", "QDialog"))
    assert len(views) == len(TABS)
    assert (views | dialogs) - manual.ABOUT.keys() == set()
    assert set(manual.ABOUT.values()) - addresses == set()


def test_every_page_is_linked_from_the_first_one():
    shown = {s.page for s in manual.sections()}
    assert {file.stem for file in manual.folder().glob("*.md")} == shown


def test_no_link_and_no_picture_of_the_manual_dangles(addresses):
    dangling = set()
    for file in manual.folder().glob("*.md"):
        for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", file.read_text("utf-8")):
            name, _, section = link.partition("#")
            target = (file.parent / name).resolve() if name else file
            dangling |= {(file.stem, link)} - ({(file.stem, link)} if target.is_file() else set())
            if section and f"{target.stem}#{section}" not in addresses:
                dangling.add((file.stem, link))
    assert dangling == set()


def test_all_that_the_manual_shows_is_in_the_package():
    import tomllib

    with (ROOT / "pyproject.toml").open("rb") as file:
        wheel = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert "resources" in wheel["packages"]
    assert not wheel.get("exclude")


def test_search_finds_sections_with_all_words_and_headings_first():
    found = manual.find("blind repeats")
    assert found[0].address == "label#blind-repeats"
    assert manual.find("blind xyzzy") == []


def bring_to_front(widget, qtbot):
    widget.show()
    widget.activateWindow()
    qtbot.waitUntil(widget.isActiveWindow)


def opened():
    return next((w for w in QApplication.topLevelWidgets()
                 if isinstance(w, manual.Manual) and w.isVisible()), None)  # fmt: skip


def test_f1_opens_the_page_of_the_view_in_front(window, qtbot):
    for tab in TABS:
        window.show_tab(tab)
        window.actions_.trigger("manual")
        page = manual.ABOUT[type(window.views[tab]).__name__]
        assert opened().address.partition("#")[0] == page
    opened().close()
    window.show_tab("Quality")
    window.views["Quality"].show_page("Drift")
    bring_to_front(window, qtbot)
    QTest.keyClick(window.views["Quality"], Qt.Key.Key_F1)
    assert opened().address == "quality#drift"
    QTest.keyClick(opened(), Qt.Key.Key_Escape)
    assert opened() is None


def test_every_page_of_a_view_has_its_section(addresses):
    for view, pages in (("quality", quality_view.PAGES), ("inspect", inspect_view.PAGES)):
        assert {f"{view}#{manual.slug(page)}" for page in pages} <= addresses


def test_the_question_mark_and_f1_of_a_dialog_open_the_page_about_it(window, qtbot):
    dialog = PeopleDialog(window.session, window)
    dialog.setModal(True)
    bring_to_front(dialog, qtbot)
    QTest.keyClick(dialog, Qt.Key.Key_F1)
    qtbot.waitUntil(lambda: opened() is not None)
    shown = opened()
    assert shown.address == "annotators"
    assert shown.parent() is dialog, "a modal dialog would block a manual beside it"
    dialog.close()
    dialog.deleteLater()


def test_every_dialog_has_a_question_mark(window):
    from labeler.window.commands.keys import KeySheet
    from labeler.window.frame.notes import LogDialog

    classes = ClassesDialog(window.session, window)
    for made in (
        classes.form("Round"),
        classes.rule_form(),
        classes,
        KeySheet(window.actions_.keymap, window),
        LogDialog([], window),
    ):
        assert [b for b in made.findChildren(QToolButton) if b.accessibleName() == "Manual"]
        assert isinstance(made, QDialog)
        made.deleteLater()


def test_an_error_opens_what_the_manual_says_about_it(window):
    window.session.noted.emit("error", "/data/run7.h5: the file is cut short. Copy it again.")
    window.notes.notes[-1].help.click()
    assert opened().address == "messages-shots#damaged"


def test_f1_on_a_question_opens_what_is_said_about_it_else_the_page_about_who_asks(window, qtbot):
    lost = "The project is not where it was. Save what this window holds before it closes?"
    window.show_tab("Quality")
    dialog = ClassesDialog(window.session, window)
    for text, asks, address in (
        (lost, window, "messages-project#the-project-is-not-where-it-was"),
        ("Mend 300 shots? Undo takes it back as one step.", window.views["Quality"], "quality"),
        ("This changes the labels of 300 shots. It can be undone.", dialog, "classes"),
    ):
        box = QMessageBox(QMessageBox.Icon.Question, "Sure?", text, parent=asks)
        bring_to_front(box, qtbot)
        QTest.keyClick(box, Qt.Key.Key_F1)
        qtbot.waitUntil(lambda: opened() is not None)
        assert opened().address.startswith(address)
        box.deleteLater()
        opened().close()
    dialog.deleteLater()


def said_by(node, names):
    """The texts that an expression may be, "7" where a value stands; `names` by assignment."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        return ["".join(v.value if isinstance(v, ast.Constant) else "7" for v in node.values)]
    if isinstance(node, ast.IfExp):
        return said_by(node.body, names) + said_by(node.orelse, names)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = (said_by(side, names) or ["7"] for side in (node.left, node.right))
        return [one + other for one in left for other in right]
    if isinstance(node, (ast.Name, ast.Attribute)):
        values = names.get(ast.unparse(node), ())
        return [text for value in values for text in said_by(value, {})]
    return []


def assigned(nodes, tables=None):
    """What is assigned to each name and attribute, also from the rows of tables."""
    names = {}
    for node in nodes:
        if isinstance(node, ast.Assign):
            given = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.For):
            rows = [row for table in (tables or {}).get(ast.unparse(node.iter), ()) for row in
                    getattr(table, "elts", ())]  # fmt: skip
            given = [(node.target, row) for row in rows]
        else:
            continue
        for target, value in given:
            pairs = [(target, value)]
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = zip(target.elts, value.elts, strict=True)
            for name, part in pairs:
                names.setdefault(ast.unparse(name), []).append(part)
    return names


NOTING = ("noted.emit", "notes.add", "self._note", "self.show")
"""Calls that show a note, of a level and with a text."""


def messages():
    """What our errors and warnings say, as they are raised or noted."""
    for path in (p for half in ("labeler", "model") for p in (ROOT / half).rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        attributes = {n: v for n, v in assigned(ast.walk(tree)).items() if n.startswith("self.")}
        shared = {**assigned(tree.body), **attributes}
        for scope in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
            names = {**shared, **assigned(ast.walk(scope), shared)}
            for call in (n for n in ast.walk(scope) if isinstance(n, ast.Call) and n.args):
                text = None
                if ast.unparse(call.func) == "InputError":
                    text = call.args[0]
                elif ast.unparse(call.func).endswith(NOTING) and len(call.args) == 2:
                    levels = said_by(call.args[0], names)
                    text = call.args[1] if {"error", "warning"} & set(levels) else None
                for said in [] if text is None else said_by(text, names):
                    if len(re.findall("[a-z]+", said)) > 1:
                        yield said


def test_every_message_is_quoted_in_the_manual(addresses):
    """A new message: one line that begins with ">" in a section of resources/manual/messages-*."""
    said = set(messages())
    assert len(said) > 400
    assert {text for text in said if manual.quoted(text) is None} == set()
    assert {manual.about_message(text) for text in said} <= addresses


def test_a_message_that_is_quoted_nowhere_opens_the_overview_and_no_section_that_is_alike():
    assert manual.about_message("the table of shots cannot be painted green") == "messages"
    assert manual.about_message("the hairless file is emptyish") == "messages"


OTHER_EMPHASIS = {
    "Keep run 3", "Bent, not Streak",  # examples of what is made of a number or classes
    "Not saved",  # how such messages begin
    "Paper's", "Chattopadhay's",  # forms of heat
}  # fmt: skip
"""In emphasis, and no name as a whole."""


def test_every_name_of_a_button_or_menu_in_the_manual_is_one_of_the_program():
    """What stands in *emphasis*, with "→" from menu to entry."""
    shown = set()
    for path in (p for half in ("labeler", "model") for p in (ROOT / half).rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        shown |= {str(n.value) for n in ast.walk(tree) if isinstance(n, ast.Constant)}
    names = {text.lower().rstrip("…") for text in shown}
    unknown = set()
    for file in manual.folder().glob("*.md"):
        text = file.read_text("utf-8").replace("\n", " ")
        for named in re.findall(r"(?<![*\w])\*([A-Z][^*]+)\*(?![*\w])", text):
            for part in named.split(" → "):
                if part.lower().rstrip("…") not in names and part not in OTHER_EMPHASIS:
                    unknown.add((file.stem, part))
    assert unknown == set()


def test_links_lead_from_page_to_page_and_back(window):
    page = manual.open_manual(window, "label")
    page.text.anchorClicked.emit(QUrl("quality.md#drift"))
    assert page.address == "quality#drift"
    assert "second time" in page.text.toPlainText()
    page.text.anchorClicked.emit(QUrl("../glossary.md"))
    assert "Glossary" in page.text.toPlainText()
    assert page.address == "../glossary"
    page.back.click()
    page.back.click()
    assert page.address == "label"


def test_a_document_beside_the_manual_opens_at_its_section_and_its_links_lead_on_from_there(window):
    page = manual.open_manual(window, "label")
    page.text.anchorClicked.emit(QUrl("../glossary.md#in-code-and-on-the-screen"))
    assert page.text.textCursor().block().text() == "In code and on the screen"
    page.text.anchorClicked.emit(QUrl("decisions/0005-no-pickle.md"))
    assert page.address == "../decisions/0005-no-pickle"
    page.text.anchorClicked.emit(QUrl("0007-libraries.md"))
    assert page.address == "../decisions/0007-libraries"
    for before in ("../decisions/0005-no-pickle", "../glossary#in-code-and-on-the-screen", "label"):
        page.back.click()
        assert page.address == before


def test_the_field_lists_what_was_found_and_enter_opens_the_first(window, qtbot):
    page = manual.open_manual(window, "label")
    bring_to_front(page, qtbot)
    page.field.setText("lasso rectangle")
    assert page.list.count() == 1
    QTest.keyClick(page.field, Qt.Key.Key_Return)
    assert page.address.startswith("map")


@pytest.mark.parametrize(
    ("words", "address"),
    [
        ("overlay", "label#heatmap"),
        ("shortcut", "keys"),
        ("confidence", "label#suggestions"),
        ("font", "keys#without-a-mouse-with-large-letters-with-a-screen-reader"),
        ("colour blind", "keys#without-a-mouse-with-large-letters-with-a-screen-reader"),
        ("delete a shot", "label#deciding"),
    ],
)
def test_search_knows_what_else_people_call_a_thing(words, address):
    assert address in [section.address for section in manual.find(words)]


@pytest.mark.parametrize(
    ("words", "address"),
    [
        ("undo", "label#deciding"),
        ("How do I delete a label?", "label#deciding"),
        ("keyboard shortcuts", "keys"),
        ("export csv", "labels-in-and-out#export"),
        ("heatmap", "label#heatmap"),
        ("beam center", "label#geometry"),
        ("beam centre", "label#geometry"),
        ("gray colors", "settings#pattern"),
        ("masked", "label#pattern"),
        ("hot pixel", "preprocessing"),
        ("why is it so slow", "facility#when-it-is-slow"),
        ("GPU", "facility#when-it-is-slow"),
        ("how many labels do I need", "quality#forecast"),
        ("next unlabeled", "label#deciding"),
        ("normalizing", "label#pattern"),
        ("license", "index#to-cite-and-the-licence"),
        ("bugs", "messages#a-defect-of-the-program"),
        ("internet", "ports"),
    ],
)
def test_the_first_that_is_found_is_what_a_person_asks_about_in_their_own_words(words, address):
    assert manual.find(words)[0].address == address


def test_what_else_a_thing_is_called_is_not_shown(window):
    page = manual.open_manual(window, "label")
    assert "Grad-CAM" in manual.file_of("label").read_text("utf-8")
    assert "Grad-CAM" not in page.text.toPlainText()


def test_where_nothing_has_all_the_words_the_nearest_sections_are_listed(window):
    page = manual.open_manual(window, "label")
    page.field.setText("lasso xyzzy")
    assert page.list.count() > 0
    assert page.list.accessibleName().endswith("with some of the words")
    page.field.setText("xyzzy")
    assert page.list.count() == 0


def test_every_setting_has_its_line_in_the_manual():
    text = manual.file_of("settings").read_text("utf-8")
    lines = {s.text for s in SETTINGS if s.page and f"- *{s.text}*: " in text}
    assert lines == {s.text for s in SETTINGS if s.page}


def test_a_defect_of_the_program_opens_what_the_manual_says_about_it():
    said = "A defect of the program: KeyError: 'x' in go, line 7. Your labels are stored;"
    address = manual.about_message(f"{said} you can go on. The log has the details.")
    assert address == "messages#a-defect-of-the-program"
