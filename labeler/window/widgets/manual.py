"""The manual in the program: Markdown pages of resources/manual, searched, and opened where needed.

An address is a page, or a page and a section: "quality", "quality#drift". Other documents are pages
too, by the way to them: "../glossary".
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QRect, Qt, QUrl
from PyQt6.QtGui import (
    QDesktopServices,
    QImage,
    QKeySequence,
    QShowEvent,
    QTextCursor,
    QTextDocument,
)
from PyQt6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QSplitter,
    QTextBrowser,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

COMMENT = re.compile(r"<!--(.*?)-->\n?", re.DOTALL)
ASIDE = re.compile(
    "a|about|am|an|and|are|be|can|do|does|for|from|get|has|have|how|i|if|in|is|it|its|me|my|of|on|or"
    "|so|that|the|this|to|what|when|where|which|why|with|you"
)
"""Words of a question that say nothing of what it is about."""
SPELT = ("center", "centre"), ("color", "colour"), ("gray", "grey"), ("license", "licence")
FIRST = "index"
MESSAGES = "messages"
NEAREST = 12
"""So many sections are listed where none has all the words."""
MARGIN = 16
PICTURE = 720
"""Pixels: pictures are shown at most this wide."""
ABOUT = {
    "StartPage": "start",
    "LabelView": "label",
    "GridView": "grid",
    "LearnView": "learn",
    "InspectView": "inspect",
    "MapView": "map",
    "QualityView": "quality",
    "LiveView": "live",
    "AcceptSure": "label#many-at-once",
    "Palette": "keys#all-commands",
    "KeySheet": "keys",
    "NewProject": "new-project",
    "ImportLabels": "labels-in-and-out#import",
    "PreparationDialog": "preprocessing",
    "BatchJobs": "batch-jobs",
    "PeopleDialog": "annotators",
    "ClassesDialog": "classes",
    "ClassForm": "classes",
    "RuleForm": "classes",
    "SourcesDialog": "new-project#files-of-the-project",
    "RestoreDialog": "backups",
    "GeometryDialog": "label#geometry",
    "SettingsPage": "settings",
    "Guide": "start#guided-first-label",
    "LogDialog": MESSAGES,
    "Manual": FIRST,
}
"""The page about a view or dialog, by the name of its class."""


def folder() -> Path:
    """Where the pages are."""
    return Path(str(resources.files("resources") / "manual"))


def file_of(page: str) -> Path:
    """Where a page is, or would be."""
    return (folder() / f"{page}.md").resolve()


@dataclass(frozen=True)
class ManualSection:
    """A heading and what stands below it, in Markdown. `slug` is its name in an address."""

    page: str
    title: str
    heading: str
    slug: str
    text: str

    @property
    def address(self) -> str:
        return f"{self.page}#{self.slug}" if self.slug else self.page


def slug(heading: str) -> str:
    """The name of a heading in an address, as code hosts make it."""
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


@lru_cache(maxsize=1)
def sections() -> tuple[ManualSection, ...]:
    """All sections, pages in the order of the first one's links; the first of each has no slug."""
    index = (folder() / f"{FIRST}.md").read_text("utf-8")
    order = [f"{FIRST}.md", *re.findall(r"\]\(([\w-]+\.md)\)", index)]
    found = []
    for file in map(folder().joinpath, dict.fromkeys(order)):
        first, *parts = re.split(r"^## ", file.read_text("utf-8"), flags=re.MULTILINE)
        title = first.partition("\n")[0].lstrip("# ")
        found.append(ManualSection(file.stem, title, title, "", first))
        for part in parts:
            heading, _, text = part.partition("\n")
            found.append(ManualSection(file.stem, title, heading, slug(heading), text))
    return tuple(found)


def _plain(text: str) -> str:
    """In one case and one spelling, British or American."""
    text = text.lower()
    for one, other in SPELT:
        text = text.replace(one, other)
    return re.sub("(label|model|cancel)(ed|ing)", r"\1l\2", text).replace("z", "s")


def _stem(word: str) -> str:
    """Without what makes a word more than one or a thing that is going on."""
    one = re.sub("(?<=ss)es$|(?<=[^s]{3})s$", "", word)
    return re.sub("(?<=.{4})(ing|ed)$", "", one)


@lru_cache(maxsize=1)
def _to_search() -> list[tuple[ManualSection, str, str, str]]:
    """Each section with its heading, what else people call the thing, and its text."""
    return [
        (s, _plain(s.heading), _plain(" ".join(COMMENT.findall(s.text))), _plain(s.text))
        for s in sections()
    ]


def find(words: str, some: bool = False) -> list[ManualSection]:
    """Sections with all the words, those first that have them in the heading and most often; with
    `some`, those that have at least one of more than two letters, most of them first. Of sections
    alike the one that the first page names first.

    What else people call a thing stands in its section as a comment of HTML, which is not shown.
    """
    asked = [w for w in _plain(words).strip("?!. ").split() if not ASIDE.fullmatch(w)]
    wanted = [re.compile(rf"(?<!\w){re.escape(_stem(w))}") for w in asked if len(w) > 2 or not some]
    weighed = []
    for section, heading, called, text in _to_search():
        counts = [len(w.findall(heading)) + len(w.findall(text)) for w in wanted]
        if not any(counts) or not (some or all(counts)):
            continue
        named = sum(50 * bool(w.search(heading)) + 40 * bool(w.search(called)) for w in wanted)
        weight = 1000 * sum(map(bool, counts)) + named + sum(min(n, 3) for n in counts)
        weighed.append((weight, section))
    return [section for _, section in sorted(weighed, key=lambda w: -w[0])]


@lru_cache(maxsize=1)
def _quotes() -> list[tuple[re.Pattern[str], str]]:
    """Every quoted message as a pattern, and the address of its section; the longest first."""
    found = []
    for section in sections():
        for line in re.findall(r"^> (.+?)\s*$", section.text, flags=re.MULTILINE):
            words = ".+?".join(map(re.escape, line.split("…")))
            pattern = re.compile(rf"(?<!\w){words}(?!\w)", flags=re.IGNORECASE | re.DOTALL)
            found.append((len(line), pattern, section.address))
    found.sort(key=lambda q: -q[0])
    return [(pattern, address) for _, pattern, address in found]


def quoted(message: str) -> str | None:
    """The address of the section that quotes a message; None where none does."""
    return next((address for pattern, address in _quotes() if pattern.search(message)), None)


def about_message(text: str) -> str:
    """The address of what to do about a message: where it is quoted, else the list of sections."""
    return quoted(text) or MESSAGES


def about(widget: QWidget | None) -> str:
    """The address of the page about a widget: that of the nearest view or dialog around it."""
    while widget is not None:
        page = ABOUT.get(type(widget).__name__)
        if page is not None:
            section = slug(str(getattr(widget, "section", "")))
            return f"{page}#{section}" if section else page
        widget = widget.parentWidget()
    return FIRST


def open_manual(widget: QWidget, address: str = "") -> Manual:
    """Show a page, by default that about the widget, in a window beside the widget's own."""
    window = widget.window() or widget
    found = [window] if isinstance(window, Manual) else window.findChildren(Manual)
    manual = found[0] if found else Manual(window)
    manual.go(address or about(widget))
    manual.show()
    manual.activateWindow()
    return manual


def question_mark() -> QToolButton:
    """The "?" of a dialog, pressed by the key for help too: opens the page about it."""
    button = QToolButton()
    button.setText("?")
    button.setAccessibleName("Manual")
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setShortcut(QKeySequence(QKeySequence.StandardKey.HelpContents))
    button.setToolTip(f"What this is for ({button.shortcut().toString()})")
    button.clicked.connect(lambda: open_manual(button))
    return button


class _Text(QTextBrowser):
    """A page; its pictures fit the window."""

    def loadResource(self, kind: int, name: QUrl) -> Any:
        place = self.document()
        if kind == QTextDocument.ResourceType.ImageResource.value and place is not None:
            picture = QImage(place.baseUrl().resolved(name).toLocalFile())
            if picture.width() > PICTURE:
                smooth = Qt.TransformationMode.SmoothTransformation
                picture = picture.scaledToWidth(PICTURE, smooth)
            return picture
        return super().loadResource(kind, name)


class Manual(QDialog):
    """Not modal: one reads while one labels. Escape closes it, Alt+Left goes back."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Manual")
        self.address = ""
        self._past: list[str] = []
        self.back = QToolButton()
        self.back.setText("Back")
        self.back.setAccessibleName("Back to the page before")
        self.back.setToolTip("Back (Alt+←)")
        self.back.setShortcut(QKeySequence("Alt+Left"))
        self.back.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.back.clicked.connect(self.go_back)
        self.field = QLineEdit()
        self.field.setPlaceholderText("Search the manual")
        self.field.setAccessibleName("Search the manual")
        self.field.setClearButtonEnabled(True)
        self.field.textChanged.connect(self._list)
        self.field.returnPressed.connect(self._take_first)
        self.list = QListWidget()
        self.list.setAccessibleName("Pages")
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemActivated.connect(self._take)
        self.list.itemClicked.connect(self._take)
        self.text = _Text()
        self.text.setAccessibleName("Page of the manual")
        self.text.setOpenLinks(False)
        self.text.anchorClicked.connect(self._follow)
        side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(12, 12, 6, 12)
        row = QHBoxLayout()
        row.addWidget(self.field, 1)
        row.addWidget(self.back)
        column.addLayout(row)
        column.addWidget(self.list, 1)
        split = QSplitter()
        split.addWidget(side)
        split.addWidget(self.text)
        split.setStretchFactor(1, 1)
        split.setSizes([250, 790])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(split)
        self._place()
        self._list()

    def _place(self) -> None:
        """At the right of the screen, so that what it is about stays in sight."""
        self.resize(1040, 720)
        screen = self.screen()
        room = QRect(0, 0, 1280, 800) if screen is None else screen.availableGeometry()
        self.resize(min(self.width(), room.width()), min(self.height(), room.height() - 60))
        self.move(room.right() - self.width(), room.top() + 40)

    def go(self, address: str) -> None:
        """Show a page from one of its sections on; the first page where there is no such page."""
        if self.address and address != self.address:
            self._past.append(self.address)
        self._show(address)

    def go_back(self) -> None:
        """Show the page before."""
        if self._past:
            self._show(self._past.pop())

    def _show(self, address: str) -> None:
        page, _, section = address.partition("#")
        file = file_of(page)
        if not file.is_file():
            file, address = file_of(FIRST), FIRST
        self.address = address
        self.back.setEnabled(bool(self._past))
        self._read(file, section)
        self._list()

    def _read(self, file: Path, section: str = "") -> None:
        place = self.text.document()
        if place is None:
            return
        place.setDocumentMargin(MARGIN)
        place.setBaseUrl(QUrl.fromLocalFile(f"{file.parent}/"))
        self.text.setMarkdown(COMMENT.sub("", file.read_text("utf-8")))
        self._scroll_to(section)

    def _scroll_to(self, section: str) -> None:
        """Bring a section's heading to the top."""
        place, bar = self.text.document(), self.text.verticalScrollBar()
        layout = None if place is None else place.documentLayout()
        if place is None or layout is None or bar is None or not section:
            return
        block = place.begin()
        while block.isValid():
            if block.blockFormat().headingLevel() and slug(block.text()) == section:
                self.text.setTextCursor(QTextCursor(block))
                bar.setValue(round(layout.blockBoundingRect(block).top()))
                return
            block = block.next()

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        if (layout := self.layout()) is not None:
            layout.activate()  # only now is known how wide the text is
        self._scroll_to(self.address.partition("#")[2])

    def _list(self) -> None:
        """All pages, or what was found."""
        words, page = self.field.text().strip(), self.address.partition("#")[0]
        self.list.clear()
        if words:
            all_words = find(words)
            for found in all_words or find(words, some=True)[:NEAREST]:
                whole = not found.slug
                text = found.title if whole else f"{found.title} › {found.heading}"
                self._add(text, found.address)
            least = "" if all_words else ", with some of the words"
            self.list.setAccessibleName(f"{self.list.count()} found{least}")
            return
        self.list.setAccessibleName("Pages")
        for found in sections():
            if not found.slug:
                self._add(found.title, found.page)
                if found.page == page:
                    self.list.setCurrentRow(self.list.count() - 1)

    def _add(self, text: str, address: str) -> None:
        item = QListWidgetItem(text)
        item.setToolTip(text)
        item.setData(Qt.ItemDataRole.UserRole, address)
        self.list.addItem(item)

    def _take(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.go(str(item.data(Qt.ItemDataRole.UserRole)))

    def _take_first(self) -> None:
        if self.list.count():
            self._take(self.list.item(0))

    def _follow(self, link: QUrl) -> None:
        """A page, another document of ours, or an address for the browser."""
        if link.scheme() in ("http", "https"):
            QDesktopServices.openUrl(link)
            return
        here = file_of(self.address.partition("#")[0])
        file = (here.parent / link.path()).resolve() if link.path() else here
        if file.suffix == ".md" and file.is_file():
            page = Path(os.path.relpath(file.with_suffix(""), folder().resolve())).as_posix()
            self.go(f"{page}#{link.fragment()}" if link.fragment() else page)
