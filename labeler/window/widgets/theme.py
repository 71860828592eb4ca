"""One neutral dark and one neutral light theme: palette, style sheet, icons and their colours.

The only place where colours of the window are written down. Widgets that paint themselves ask
`current()` while painting, so that a change of theme needs nothing but a repaint.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QByteArray, QRectF, Qt
from PyQt6.QtGui import QColor, QFont, QFontInfo, QFontMetrics, QIcon, QPainter, QPalette, QPixmap
from PyQt6.QtSvg import QSvgRenderer
from PyQt6.QtWidgets import QApplication, QLabel, QProxyStyle


@dataclass(frozen=True)
class Theme:
    """Colours by what they are for: backgrounds, lines, inks, signs.

    Every ink has a contrast of 4.5 on the backgrounds where it stands; `rim`, the border of what
    takes input, has 3. What is `disabled` needs none.
    """

    name: str
    window: str
    panel: str
    card: str
    stage: str
    field: str
    button: str
    popup: str
    banner: str
    hover: str
    press: str
    select: str
    line: str
    edge: str
    rim: str
    scroll: str
    strong: str
    text: str
    muted: str
    faint: str
    disabled: str
    accent: str
    accent_hover: str
    accent_text: str
    on_accent: str
    warning: str
    error: str
    good: str


DARK = Theme(
    name="dark",
    window="#19191a",
    panel="#1f1f20",
    card="#252527",
    stage="#121213",
    field="#19191a",
    button="#2b2b2d",
    popup="#28282a",
    banner="#2d2922",
    hover="#2c2c2e",
    press="#363639",
    select="#2f3d4f",
    line="#2d2d2f",
    edge="#3c3c3f",
    rim="#74747a",
    scroll="#434347",
    strong="#f4f4f5",
    text="#d4d4d6",
    muted="#a5a5aa",
    faint="#919199",
    disabled="#6a6a70",
    accent="#5b9fe3",
    accent_hover="#72afea",
    accent_text="#7bb4ee",
    on_accent="#0d1622",
    warning="#e0a83e",
    error="#ef7b6c",
    good="#62b98a",
)
LIGHT = Theme(
    name="light",
    window="#efeff0",
    panel="#f8f8f8",
    card="#ffffff",
    stage="#dcdcde",
    field="#ffffff",
    button="#ffffff",
    popup="#ffffff",
    banner="#fbf3e0",
    hover="#e9e9eb",
    press="#dddde0",
    select="#d5e5f7",
    line="#e0e0e2",
    edge="#cbcbcf",
    rim="#89898c",
    scroll="#c3c3c8",
    strong="#0e0e10",
    text="#2a2a2d",
    muted="#606066",
    faint="#6c6c70",
    disabled="#96969c",
    accent="#1f6fc0",
    accent_hover="#185c9f",
    accent_text="#175ea6",
    on_accent="#ffffff",
    warning="#925e00",
    error="#b8321f",
    good="#1e784b",
)
TITLE, FIELD = 1.6, 1.4
"""Letters of titles, and of a field that stands alone, to those of the system."""
BUTTON = 18
"""Pixels of a button for its text, at least."""
THEMES = {t.name: t for t in (DARK, LIGHT)}
_current = DARK


def current() -> Theme:
    """The theme in use."""
    return _current


def colour(name: str, alpha: float = 1.0) -> QColor:
    """A colour of the theme in use, by what it is for; to be copied before it is changed."""
    return _colour(getattr(_current, name), alpha)


@lru_cache(maxsize=256)
def _colour(code: str, alpha: float) -> QColor:
    found = QColor(code)
    found.setAlphaF(alpha)
    return found


class PlainStyle(QProxyStyle):
    """Shows every text as it is, tooltips and message boxes too: names and notes may come from
    strangers, and Qt takes whatever looks like HTML for HTML, and opens the files that it names."""

    def polish(self, what: Any) -> Any:
        if isinstance(what, QLabel) and what.textFormat() == Qt.TextFormat.AutoText:
            what.setTextFormat(Qt.TextFormat.PlainText)
        return super().polish(what)


def shown(text: str) -> str:
    """A text as buttons and menus want it, which take & for the mark of a key."""
    return text.replace("&", "&&")


def apply(app: QApplication, name: str) -> None:
    """Dress the whole program."""
    global _current
    _current = THEMES[name]
    app.setStyle(PlainStyle("Fusion"))
    app.setPalette(_palette(_current))
    app.setStyleSheet(_style_sheet(_current))


def _palette(theme: Theme) -> QPalette:
    palette = QPalette()
    roles = QPalette.ColorRole
    for role, name in {
        roles.Window: theme.window,
        roles.WindowText: theme.text,
        roles.Base: theme.field,
        roles.AlternateBase: theme.panel,
        roles.Text: theme.text,
        roles.Button: theme.button,
        roles.ButtonText: theme.text,
        roles.BrightText: theme.strong,
        roles.ToolTipBase: theme.popup,
        roles.ToolTipText: theme.text,
        roles.PlaceholderText: theme.faint,
        roles.Highlight: theme.accent,
        roles.HighlightedText: theme.on_accent,
        roles.Link: theme.accent_text,
    }.items():
        palette.setColor(role, QColor(name))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.disabled))
    return palette


def _resource(*parts: str) -> Path:
    return Path(str(resources.files("resources") / parts[0]), *parts[1:])


def _style_sheet(theme: Theme) -> str:
    sheet = _resource("style", "window.qss").read_text("utf-8")
    drawings = {"check": "check" if theme.name == "dark" else "check-light", "down": "down"}
    names = asdict(theme) | {
        name: _resource("style", f"{file}.svg").as_posix() for name, file in drawings.items()
    }
    size = QApplication.font().pointSizeF()
    names |= {"title_size": f"{TITLE * size:.3g}pt", "field_size": f"{FIELD * size:.3g}pt"}
    letters = QFontMetrics(QApplication.font()).height()
    names["letter_height"] = f"{max(BUTTON, letters)}px"
    for name in sorted(names, key=len, reverse=True):  # longest first: on_accent before accent
        sheet = sheet.replace(f"@{name}", names[name])
    return sheet


# -- drawings ------------------------------------------------------------------------------------


def icon(name: str, of: str = "text") -> QIcon:
    """One of our icons in a colour of the theme, sharp at every scale; greyed where disabled."""
    return _icon(name, getattr(_current, of), _current.disabled)


@lru_cache(maxsize=256)
def _icon(name: str, ink: str, disabled: str) -> QIcon:
    found = QIcon()
    for size in (16, 20, 24, 32, 48):
        found.addPixmap(drawing(f"icons/{name}.svg", size, ink))
        grey = drawing(f"icons/{name}.svg", size, disabled)
        found.addPixmap(grey, QIcon.Mode.Disabled)
    return found


@lru_cache(maxsize=512)
def drawing(path: str, pixels: int, ink: str) -> QPixmap:
    """A square drawing of ours (below resources/) with `currentColor` as ink; null if missing."""
    file = _resource(*path.split("/"))
    if not file.is_file():
        return QPixmap()
    text = file.read_text("utf-8").replace("currentColor", ink)
    renderer = QSvgRenderer(QByteArray(text.encode()))
    picture = QPixmap(pixels, pixels)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    renderer.render(painter, QRectF(0, 0, pixels, pixels))
    painter.end()
    return picture


def draw(painter: QPainter, path: str, where: QRectF, ink: str) -> None:
    """Paint a drawing of ours into a rectangle at the device's own resolution."""
    device = painter.device()
    ratio = device.devicePixelRatioF() if device is not None else 1.0
    picture = drawing(path, max(1, round(where.width() * ratio)), ink)
    if not picture.isNull():
        painter.drawPixmap(where, picture, QRectF(picture.rect()))


def grown(pixels: float) -> int:
    """Pixels that fit letters of 12 pixels, for the letters in use; never fewer."""
    return round(pixels * max(1.0, QFontInfo(QApplication.font()).pixelSize() / 12))


def font(points: float, bold: bool = False) -> QFont:
    """The system's font at a size in points."""
    found = QApplication.font()
    found.setPointSizeF(points)
    found.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
    return found


def numbers(points: float) -> QFont:
    """The system's font with figures of equal width, so that numbers do not jump."""
    found = font(points)
    found.setFeature(QFont.Tag("tnum"), 1)
    return found


def numbers_in(height: float) -> QFont:
    """The same as large as a chip of that height in pixels wants them, at every resolution."""
    found = numbers(QApplication.font().pointSizeF())
    found.setPixelSize(max(1, round(height * 2 / 3)))
    return found
