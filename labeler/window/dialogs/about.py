"""What this program is, in a few lines."""

from __future__ import annotations

from PyQt6.QtWidgets import QMessageBox, QWidget

from labeler import version


def show_about(parent: QWidget) -> None:
    """Show name, version and licence."""
    QMessageBox.about(
        parent,
        "airylabel",
        f"airylabel {version()}\n\nLabel single-shot diffraction patterns, retrain a network,"
        " see why it decided.\n\nFree software under the GNU GPL, version 3 or later.",
    )
