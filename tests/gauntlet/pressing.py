"""The child of the gauntlet that presses keys in a real window, off screen, 20 times a second.

What is told to the parent is told when the session says that labels changed, as the screen hears.
"""

from __future__ import annotations

import os
import struct
import sys
import tempfile
from pathlib import Path

from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication


def main(project: Path, dialogs: bool) -> None:
    os.environ["AIRYLABEL_CONFIG_DIR"] = tempfile.mkdtemp()
    from labeler.session.session import Session
    from labeler.window.main_window import MainWindow

    told = struct.Struct("<ii")
    app = QApplication([])
    session = Session()
    window = MainWindow(session)
    window.show()
    session.open(project)

    def tell(rows: object) -> None:
        row = session.cursor.row
        os.write(1, told.pack(row, int(session.labels.decided.own_present[row])))

    session.labels.labels_changed.connect(tell)
    count = session.opened.project.store.newest_gesture()

    def press() -> None:
        nonlocal count
        session.cursor.show(count % session.labels.n_shots)
        session.labelling.toggle((count // session.labels.n_shots) % len(session.labels.taxonomy))
        count += 1

    if dialogs:
        from labeler.window.dialogs import file_dialogs

        shown = file_dialogs.dialog(window, "Save figure", "", "All files (*)")

        def come_and_go() -> None:
            shown.setDirectory(str(project if shown.isHidden() else project.parent))
            shown.setVisible(shown.isHidden())

        coming = QTimer()
        coming.timeout.connect(come_and_go)
        coming.start(150)
    timer = QTimer()
    timer.timeout.connect(press)
    timer.start(50)
    os.write(1, b".")
    app.exec()


if __name__ == "__main__":
    main(Path(sys.argv[1]), "dialogs" in sys.argv[2:])
