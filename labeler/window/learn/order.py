"""The form of the next training: recipe, network, start and epochs in words; labels and time."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QFormLayout,
    QGridLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from labeler.runs.judging_shots import number_to_judge
from labeler.runs.run_report import RunReport
from labeler.runs.training_choices import (
    WORDS,
    TrainingOrder,
    duration,
    expected_seconds,
    own_start,
    possible_starts,
    usable_shots,
)
from labeler.session.session import Session
from labeler.window.widgets import theme
from labeler.window.widgets.fields import ListField
from labeler.window.widgets.parts import label, set_role
from model.errors import counted
from model.networks.table import NETWORKS
from model.runs import recipes

TEXT_WIDTH = 224
"""Of the form's texts, in pixels: a form layout gives wrapped lines too little height."""


class OrderForm(QWidget):
    """Choose what to train next. Emits `train_requested` with the Order."""

    train_requested = pyqtSignal(object)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._runs: list[RunReport] = []
        self._judging = ""
        self.recipe = ListField("Recipe")
        for name in recipes.NAMES:
            self.recipe.addItem(WORDS.get(name, name).split(" · ")[0], name)
        self.network = ListField("Network")
        for name, kind in NETWORKS.items():
            self.network.addItem(kind.title, name)
        self.start = ListField("Start from")
        self.start.setToolTip(
            "The weights that the training starts from: those that the recipe says (pre-trained:\n"
            "on simulated shots), or those of an earlier run, which saves time where only some\n"
            "labels were added."
        )
        self.epochs = QSpinBox()
        self.epochs.setRange(0, 1000)
        self.epochs.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.epochs.setAccessibleName("Epochs")
        self.about, self.network_about = label("", "muted", wrap=True), label("", "muted", True)
        self.facts = label("", wrap=True)
        self.counts = LabelCounts(session)
        self.button = QPushButton("Train")
        set_role(self.button, "main")
        self.needed = label("", "muted", wrap=True)
        self.counts_title = label("Training labels", "heading")
        self._build()
        self.recipe.currentIndexChanged.connect(self._take_recipe)
        self.network.currentIndexChanged.connect(self._take_network)
        self.start.currentIndexChanged.connect(self._describe)
        self.epochs.valueChanged.connect(self._describe)
        self.button.clicked.connect(lambda: self.train_requested.emit(self.order()))
        self._take_recipe()

    def _build(self) -> None:
        form = QFormLayout()
        form.setVerticalSpacing(8)
        form.setHorizontalSpacing(14)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(self._name("&Recipe", self.recipe), self.recipe)
        form.addRow(self.about)
        form.addRow(self._name("&Network", self.network), self.network)
        form.addRow(self.network_about)
        form.addRow(self._name("&Start", self.start), self.start)
        form.addRow(self._name("&Epochs", self.epochs), self.epochs)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 16)
        layout.setSpacing(12)
        layout.addWidget(label("Next training", "heading"))
        layout.addLayout(form)
        layout.addSpacing(4)
        layout.addWidget(self.facts)
        layout.addWidget(self.needed)
        layout.addWidget(self.button)
        layout.addSpacing(8)
        layout.addWidget(self.counts_title)
        layout.addWidget(self.counts)
        layout.addStretch(1)

    @staticmethod
    def _name(text: str, buddy: QWidget) -> QLabel:
        made = QLabel(text)
        made.setBuddy(buddy)
        return made

    def order(self) -> TrainingOrder:
        """What the form says; where it says what the recipe says, the recipe decides."""
        name = self.recipe.currentData()
        network = self.network.currentData()
        own = network == recipes.named(name).network
        begin = int(self.start.currentData() or 0)
        return TrainingOrder(name, "" if own else network, self.epochs.value(), begin)

    def refresh(self, runs: list[RunReport], lacking: str, running: bool) -> None:
        """Say what a training would use and take, or what it lacks."""
        self._runs = runs
        self.needed.setText(f"{lacking}." if lacking else "")
        self.needed.setVisible(bool(lacking))
        self.button.setEnabled(not lacking and not running)
        self.button.setToolTip("A training is under way" if running else "")
        self.counts_title.setVisible(self.session.opened is not None)
        self.counts.refresh()
        self._judging = "" if lacking else self._evaluation_shots()
        self._offer_starts()
        self._describe()

    def _take_recipe(self) -> None:
        recipe = recipes.named(self.recipe.currentData())
        self.about.setText(recipe.about)
        self.about.setMinimumHeight(self.about.heightForWidth(theme.grown(TEXT_WIDTH)))
        self.network.setCurrentIndex(self.network.findData(recipe.network))
        self.epochs.setValue(0)
        self._take_network()

    def _take_network(self) -> None:
        self._offer_starts()
        self._describe()

    def _offer_starts(self) -> None:
        """The recipe's own start and all runs of its kind; what was chosen stays if it can."""
        before = self.start.currentData()
        order = self.order()
        self.start.blockSignals(True)
        self.start.clear()
        self.start.addItem(own_start(order), 0)
        for run in possible_starts(order, self._runs):
            self.start.addItem(f"Run {run.number}", run.number)
        self.start.setCurrentIndex(max(0, self.start.findData(before)))
        self.start.blockSignals(False)

    def _describe(self) -> None:
        self.network_about.setText(NETWORKS[self.network.currentData()].about)
        if self.session.opened is None:
            self.facts.setText("")
            return
        self.network_about.setVisible(bool(self.network_about.text()))
        session = self.session
        rows = usable_shots(session.labels.taxonomy, session.labels.decided)
        used = len(rows)
        _, epochs = TrainingOrder(self.recipe.currentData()).comes_to(used)
        self.epochs.setSpecialValueText(f"{epochs}, as the recipe says")
        left_out = int((session.labels.status & 1).sum()) - used
        seconds = expected_seconds(self.order(), used, session.labels.n_shots, self._runs)
        lines = [counted(used, "labelled shot")]
        if left_out:
            lines.append(f"{counted(left_out, 'shot')} in error left out")
        if not self.needed.text():
            lines += [self._judging, f"about {duration(seconds)} on this machine"]
        self.facts.setText("\n".join(lines))

    def _evaluation_shots(self) -> str:
        """How many of the shots that a training would use judge it, as the training finds them."""
        session = self.session
        run = session.predictions.run
        judging = number_to_judge(
            session.require().project, session.labels.decided, None if run is None else run.readable
        )
        if not judging:
            return "none of them can judge: label some yourself"
        return f"{judging:,} of them kept for evaluation"


FEW = 10
"""Shots of a class below which a network hardly learns it."""


class LabelCounts(QWidget):
    """Class by class: its labelled shots; the few ones are marked."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.setAccessibleName("Training labels")
        self._cells: list[tuple[QLabel, QLabel]] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(0, 1)

    def refresh(self) -> None:
        """Count again."""
        session = self.session
        self.setVisible(session.opened is not None)
        if session.opened is None:
            return
        used = usable_shots(session.labels.taxonomy, session.labels.decided)
        sets = session.labels.taxonomy.unpack(session.labels.present[used])
        counts = sets.sum(0)
        taxonomy = session.labels.taxonomy
        trained = [i for i in taxonomy.order if not taxonomy.retired[i]]
        self._make_room(len(trained))
        for i, (name, number) in zip(trained, self._cells, strict=False):
            count = int(counts[i])
            name.setText(session.labels.taxonomy.names[i])
            number.setText(
                f"{count:,}" if count >= FEW else f"{count} · too few" if count else "none"
            )
            tip = counted(count, "labelled shot")
            if count < FEW:
                tip += f"\nBelow {FEW} a network hardly learns a class: label more of them"
            for cell in (name, number):
                cell.setToolTip(tip)
                set_role(cell, "warning" if count < FEW else "muted")

    def _make_room(self, count: int) -> None:
        """A line for every class of the taxonomy, and no more."""
        while len(self._cells) < count:
            name, number = label("", "muted"), label("", "muted")
            number.setFont(theme.numbers(self.font().pointSizeF()))
            row = len(self._cells)
            self._grid.addWidget(name, row, 0)
            self._grid.addWidget(number, row, 1, Qt.AlignmentFlag.AlignRight)
            self._cells.append((name, number))
        for i, cells in enumerate(self._cells):
            for cell in cells:
                cell.setVisible(i < count)

    def lines(self) -> list[tuple[str, str]]:
        """What is shown, class by class."""
        return [(n.text(), c.text()) for n, c in self._cells if not n.isHidden()]
