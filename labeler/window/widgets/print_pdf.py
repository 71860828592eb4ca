"""A page of HTML to PDF by Qt's document layout: A4, figures as vectors, pages numbered."""

from __future__ import annotations

import re
from pathlib import Path

from PyQt6.QtCore import QBuffer, QByteArray, QMarginsF, QObject, QRectF, QSizeF, Qt
from PyQt6.QtGui import (
    QAbstractTextDocumentLayout,
    QColor,
    QFont,
    QPageSize,
    QPainter,
    QPdfWriter,
    QTextBlock,
    QTextBlockFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextObjectInterface,
)
from PyQt6.QtSvg import QSvgRenderer

from labeler.window.widgets.schematics import need_application

DPI = 1200
"""Of the coordinates in the file; nothing is drawn in pixels."""
MARGIN_MM, POINTS, SMALL = 20.0, 9.5, 7.5
"""Margins of a page, and the size of its text and of the page numbers."""
_SPACE = re.compile(r'(<path id="[^"]+") (?=transform)')
"""The glyph of a space is a path of nothing, which Qt does not take."""


def print_pdf(html: str, out: Path) -> None:
    """Write the page to a PDF file, its <svg> elements as figures; OSError where that fails."""
    need_application()
    made = QBuffer()  # Qt says nothing of a disk that fills while it writes
    made.open(QBuffer.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(made)
    writer.setResolution(DPI)
    writer.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
    writer.setPageMargins(QMarginsF(*4 * (MARGIN_MM,)), writer.pageLayout().Unit.Millimeter)
    writer.setCreator("airylabel")
    document, _figures = _laid_out(html, writer)
    writer.setTitle(document.metaInformation(QTextDocument.MetaInformation.DocumentTitle))
    painter = QPainter(writer)
    for number in range(document.pageCount()):
        if number:
            writer.newPage()
        _paint(painter, document, number)
    painter.end()
    out.write_bytes(made.data().data())


class _Figures(QObject, QTextObjectInterface):
    """The <svg> elements of a page, in their order, where the text has <img src="0"> and so on."""

    def __init__(self, document: QTextDocument, svgs: list[str], width: float) -> None:
        super().__init__(document)
        drawn = (_SPACE.sub(r'\1 d="M 0 0" ', svg) for svg in svgs)
        self._drawings = [QSvgRenderer(QByteArray(svg.encode())) for svg in drawn]
        self._width = width

    def _drawing(self, format: QTextFormat) -> QSvgRenderer:
        return self._drawings[int(format.toImageFormat().name())]

    def intrinsicSize(self, document: object, place: int, format: QTextFormat) -> QSizeF:
        size = QSizeF(self._drawing(format).defaultSize())
        return size * (self._width / size.width())

    def drawObject(
        self, painter: QPainter | None, box: QRectF, document: object, place: int,
        format: QTextFormat,
    ) -> None:  # fmt: skip
        self._drawing(format).render(painter, box)


def _laid_out(html: str, writer: QPdfWriter) -> tuple[QTextDocument, _Figures]:
    svgs = re.findall(r"<svg\b.*?</svg>", html, re.DOTALL)
    count = iter(range(len(svgs)))
    text = re.sub(r"<svg\b.*?</svg>", lambda _: f'<img src="{next(count)}">', html, flags=re.DOTALL)
    document = QTextDocument()
    layout = document.documentLayout()
    assert layout is not None
    layout.setPaintDevice(writer)
    font = QFont("sans-serif")
    font.setPointSizeF(POINTS)
    document.setDefaultFont(font)
    document.setDocumentMargin(0)
    document.setMetaInformation(QTextDocument.MetaInformation.CssMedia, "print")
    page = QSizeF(writer.width(), writer.height())
    figures = _Figures(document, svgs, page.width())
    layout.registerHandler(QTextFormat.ObjectTypes.ImageObject.value, figures)
    document.setHtml(text)
    document.setPageSize(page)
    _keep_together(document)
    return document, figures


def _keep_together(document: QTextDocument) -> None:
    """Begin a page before a heading whose section would else be parted."""
    layout, block = document.documentLayout(), document.begin()
    assert layout is not None
    while block.isValid():
        if block.blockFormat().headingLevel() > 1 and _parted(layout, block, document):
            format = QTextBlockFormat()
            format.setPageBreakPolicy(QTextFormat.PageBreakFlag.PageBreak_AlwaysBefore)
            QTextCursor(block).mergeBlockFormat(format)
            document.markContentsDirty(0, document.characterCount())  # else the end may be cut off
        block = block.next()


def _parted(
    layout: QAbstractTextDocumentLayout, heading: QTextBlock, document: QTextDocument
) -> bool:
    page = document.pageSize().height()
    first, last = layout.blockBoundingRect(heading), heading.next()
    while last.next().isValid() and not last.next().blockFormat().headingLevel():
        last = last.next()
    at_top = first.top() % page < page / 10
    return (
        not at_top and first.top() // page != (layout.blockBoundingRect(last).bottom() - 1) // page
    )


def _paint(painter: QPainter, document: QTextDocument, number: int) -> None:
    page, layout = document.pageSize(), document.documentLayout()
    assert layout is not None
    context = layout.PaintContext()
    # a point less, or the lines next to the edge would be in both pages
    context.clip = QRectF(0, number * page.height() + 1, page.width(), page.height() - 2)
    painter.save()
    painter.translate(0, -number * page.height())
    painter.setClipRect(context.clip)
    layout.draw(painter, context)
    painter.restore()
    font = document.defaultFont()
    font.setPointSizeF(SMALL)
    painter.setFont(font)
    painter.setPen(QColor("#77777c"))
    foot = QRectF(0, page.height() + 0.3 * DPI, page.width(), 0.3 * DPI)
    painter.drawText(foot, Qt.AlignmentFlag.AlignRight, f"{number + 1} / {document.pageCount()}")
