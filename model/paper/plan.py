"""Which rows each table has, which cells each row needs, and at what cost.

A budget decides shots, pixels, epochs and optimiser once for all tables. A row says what it changes
against the budget's recipe, and nothing else, and what the paper prints for it. The same cell in
several tables (the logarithmic activation with alpha = 0.2 on all clean shots stands in five of
them) is one training. Nothing here trains or reads a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from model.errors import InputError, counted
from model.networks.table import NETWORKS
from model.paper import reference
from model.paper.cells import Cell
from model.paper.studies import at_budget
from model.runs.recipes import Recipe, named


@dataclass(frozen=True)
class StudyBudget:
    """One size of study. With `training` 0, 85 % of the labelled shots train, as in the paper."""

    name: str
    about: str
    """What it holds, for the report."""
    training: int
    judging: int
    epochs: int
    size: int
    seeds: int
    deep_seeds: int
    """For networks that are deeper than ResNet-18."""
    deep_epochs: int = 0
    """For the tables of networks; 0: as all others."""

    def recipe(self) -> Recipe:
        """What every cell starts from: the paper's recipe, its schedule fitted to the budget.

        Where there are few epochs, the paper's SGD of rate 0.1 from chance stays at the constant
        predictor, and nothing could be compared: there the optimiser of `quick` takes its place,
        without the elastic net, whose gradient would be rescaled by it. Network, activation, input,
        changes of the shots, loss and threshold stay the paper's.
        """
        paper = named("paper")
        if self.name == "paper":
            return paper
        quick = named("quick")
        return replace(
            at_budget(paper, self.epochs, self.size),
            optimiser=quick.optimiser,
            rate=quick.rate,
            weight_decay=quick.weight_decay,
            schedule=quick.schedule,
            batch=quick.batch,
            clip=quick.clip,
            ema=quick.ema,
            milestones=(),
            l1=0.0,
            l2=0.0,
            evaluate_every=0,
            precision="32",
        )

    def fitted(self, shots: int) -> StudyBudget:
        """The same for a file with fewer usable shots: both parts smaller, in proportion."""
        wanted = self.training + self.judging
        if shots >= wanted:
            return self
        training = round(shots * self.training / wanted)
        return replace(self, training=training, judging=shots - training)

    def deep_recipe(self) -> Recipe:
        """The same for the tables of networks."""
        recipe = self.recipe()
        return replace(recipe, epochs=self.deep_epochs) if self.deep_epochs else recipe


_CHANGED = (
    "At this budget the paper's own schedule (SGD at 0.1 from chance, 200 epochs) does not leave "
    "the constant predictor, so every row is trained by AdamW with one cycle of the learning rate "
    "(rate 1e-3, weight decay 0.05, batch 32, averaged weights) and without the elastic net. "
    "Network, activations, input, changes of the training shots, loss and threshold are the "
    "paper's; only the variable of the table differs between its rows. These numbers are "
    "therefore no reproduction of the paper's: they show which way its variables act here."
)
BUDGETS = {
    "smoke": StudyBudget(
        "smoke",
        "Only to see that everything runs: the networks have hardly seen any shots, and no number "
        f"says anything about a method. {_CHANGED}",
        training=48, judging=32, epochs=2, size=64, seeds=1, deep_seeds=1, deep_epochs=1,
    ),
    "cpu": StudyBudget(
        "cpu",
        f"Sized for two cores without a GPU: small patterns, few shots, few epochs. {_CHANGED}",
        training=600, judging=500, epochs=8, size=64, seeds=2, deep_seeds=1,
    ),
    "paper": StudyBudget(
        "paper",
        "The paper's recipe as printed: 85 % of the labelled shots train, 224 pixels, batch 48, "
        "SGD at 0.1 with a tenth of it every 50 epochs, 200 epochs, evaluated every 2500 steps.",
        training=0, judging=0, epochs=200, size=224, seeds=1, deep_seeds=1,
    ),
}  # fmt: skip


def budget(name: str) -> StudyBudget:
    """A budget by name; InputError where there is none of that name."""
    if name not in BUDGETS:
        raise InputError(f"no budget called {name!r}", mend=f"There are: {', '.join(BUDGETS)}.")
    return BUDGETS[name]


NUMBERS = (1, 3, 4, 5, 6, 9, 10)
BASELINES = {
    "prevalence": "prevalence of each class",
    "svm": "SVM on physics features (Bobkov)",
    "probe": "linear probe on the shipped backbone",
    "boosting": "gradient boosting on physics features",
}
OPTIMISERS = {"sgd": "SGD", "nesterov": "SGD with Nesterov momentum", "adamw": "AdamW"}
LEVELS = {
    "": "no noise",
    "mean": "noise up to the mean",
    "mean+std": "noise up to mean + std",
    "max": "noise up to the maximum",
}


@dataclass(frozen=True)
class Row:
    """One line: its cells, one of each seed, and what the paper prints for it."""

    name: str
    cells: tuple[Cell, ...]
    paper: Mapping[str, float] = field(default_factory=dict)
    group: str = ""
    """Rows of one group are compared with each other."""
    reference: bool = False
    """A baseline or a variant that the paper does not have."""

    @property
    def of_helium(self) -> bool:
        """Whether the paper's share of positive cells is known for it."""
        return not self.cells or self.cells[0].dataset == "helium"


@dataclass(frozen=True)
class Table:
    """A table of the paper: what varies between its rows, and what does not."""

    number: int
    title: str
    varied: str
    held: str
    rows: tuple[Row, ...] = ()

    @property
    def cells(self) -> list[Cell]:
        """Of all rows."""
        return [cell for row in self.rows for cell in row.cells]


@dataclass(frozen=True)
class Planner:
    """Makes the tables for a budget, a number of seeds and the data at hand."""

    budget: StudyBudget
    seeds: int
    deep_seeds: int
    """Of networks that are deeper than ResNet-18."""
    datasets: tuple[str, ...] = ("helium",)

    def tables(self, numbers: Sequence[int]) -> list[Table]:
        """The tables asked for, in the paper's order; InputError for one that there is not."""
        makers = {
            1: self.statistics,
            3: self.vanilla,
            4: self.activations,
            5: self.sizes,
            6: self.noise,
            9: self.networks,
            10: self.per_class,
        }
        for number in numbers:
            if number not in makers:
                known = ", ".join(map(str, makers))
                raise InputError(f"Table {number} is not one of these: {known}, all")
        return [makers[number]() for number in NUMBERS if number in set(numbers)]

    # -- the tables ----------------------------------------------------------------------------

    def statistics(self) -> Table:
        """Table 1; it needs no training."""
        return Table(
            1,
            "Classes of the data set and rules that its labels break",
            "nothing: these are counts of the labels in the file",
            "all labelled shots of the file; the paper's are its 7,264",
        )

    def vanilla(self) -> Table:
        """Table 3: the unmodified ResNet-18 on every data set at hand."""
        rows = [self._network("resnet18", name) for name in self.datasets]
        rows += [row for name in self.datasets for row in self._baselines(name)]
        return Table(
            3,
            "The unmodified ResNet-18 and what it has to beat",
            "the data set, and the method (baselines)",
            f"{self._held(deep=True)}; LeakyReLU after the first convolution, counts in 0..1",
            tuple(rows),
        )

    def activations(self) -> Table:
        """Table 4, and which part of its gain is the activation's, which the input scale's."""
        recipe = self.budget.recipe()
        rows = [
            Row(f"log activation, α = {alpha}", self._cells(replace(recipe, alpha=alpha)),
                reference.ACTIVATIONS[alpha], "α")
            for alpha in (0.2, 0.5, 1.0)
        ]  # fmt: skip
        plain = recipe.with_log_activation(False)
        rows.append(Row("unmodified", self._cells(plain), reference.ACTIVATIONS[None], "α"))
        variants = {
            "log input, LeakyReLU": replace(plain, transform="log"),
            "log input and log activation, α = 0.2": replace(recipe, transform="log"),
            "raw counts, LeakyReLU": replace(plain, transform="raw"),
            "counts in 0..1, log activation, α = 0.2": replace(recipe, transform="unit"),
        }
        rows += [
            Row(name, self._cells(changed), group="input scale", reference=True)
            for name, changed in variants.items()
        ]
        return Table(
            4,
            "The logarithmic activation",
            "the activation after the first convolution. The authors' code feeds raw counts with "
            "the logarithmic activation and counts scaled to 0..1 without it, so that two things "
            "change at once; the rows below the paper's take both apart",
            f"{self._held()}; ResNet-18",
            tuple(rows),
        )

    def sizes(self) -> Table:
        """Table 5: shares of the training shots, judged on the same shots."""
        rows = []
        for share, paper in reference.SIZES.items():
            cells = self._cells(self.budget.recipe(), share=share)
            count = (
                f" ({round(share * self.budget.training)} shots)" if self.budget.training else ""
            )
            name = f"{100 * share:.0f} % of the training shots{count}"
            rows.append(Row(name, cells, paper, "size"))
        return Table(
            5,
            "The size of the training set",
            "how many of the training shots are used, drawn uniformly; smaller sets lie within "
            "larger ones, and the evaluation shots stay the same",
            f"{self._held()}; ResNet-18 with α = 0.2. Fewer shots at the same number of epochs "
            "also mean fewer steps, as in the paper",
            tuple(rows),
        )

    def noise(self) -> Table:
        """Table 6: noise x pattern or correlation map."""
        recipe = self.budget.recipe()
        rows = []
        for level, words in LEVELS.items():
            for kind in ("pattern", "correlation"):
                changed = recipe if kind == "pattern" else recipe.on_maps()
                what = "patterns" if kind == "pattern" else "correlation maps"
                cells = self._cells(changed, noise=level)
                rows.append(Row(f"{words}, {what}", cells, reference.NOISE[level, kind], level))
        return Table(
            6,
            "Noise, and patterns against correlation maps",
            "uniform noise on [0, b], b being the median over the shots of their mean, mean + "
            "standard deviation or maximum, on training and evaluation shots alike; and whether "
            "the network sees the pattern or its correlation map (orders 0 and 8)",
            f"{self._held()}; ResNet-18 with α = 0.2. Maps are not mirrored or brightened, which "
            "would make other maps of them",
            tuple(rows),
        )

    def networks(self) -> Table:
        """Table 9: five networks on every data set at hand, and the baselines."""
        rows = [self._network(n, name) for name in self.datasets for n in reference.NETWORKS[name]]
        rows += [row for name in self.datasets for row in self._baselines(name)]
        return Table(
            9,
            "Depth and architecture",
            "the network, unmodified (LeakyReLU after the first convolution, counts in 0..1)",
            f"{self._held(deep=True)}. The paper's times are those of two GTX 1080 Ti",
            tuple(rows),
        )

    def per_class(self) -> Table:
        """Table 10, of the paper's ResNet-101 at its own budget, else of the row that Tables 4, 5
        and 6 share."""
        if self.budget.name == "paper":
            row = self._network("resnet101", "helium")
            what = "ResNet-101, unmodified, as in the paper"
        else:
            row = Row("ResNet-18, α = 0.2", self._cells(self.budget.recipe()))
            what = "ResNet-18 with α = 0.2 (the paper's is the unmodified ResNet-101)"
        held = f"{self._held()}; {what}"
        return Table(10, "Class by class", "the class", held, (row,))

    # -- their parts ---------------------------------------------------------------------------

    def _held(self, deep: bool = False) -> str:
        b = self.budget
        recipe = b.deep_recipe() if deep else b.recipe()
        shots = f"{b.training:,} training and {b.judging:,} evaluation shots"
        if not b.training:
            shots = "85 % of the labelled shots train, 15 % judge"
        epochs = counted(recipe.epochs, "epoch")
        return f"{shots}, {recipe.size} pixels, {epochs}, {OPTIMISERS[recipe.optimiser]}"

    def _cells(
        self, recipe: Recipe, dataset: str = "helium", noise: str = "", share: float = 1.0,
        baseline: str = "", seeds: int = 0,
    ) -> tuple[Cell, ...]:  # fmt: skip
        b = self.budget
        return tuple(
            Cell(recipe, seed, dataset, noise, b.training, b.judging, share, baseline)
            for seed in range(seeds or self.seeds)
        )

    def _network(self, network: str, dataset: str) -> Row:
        recipe = replace(self.budget.deep_recipe().with_log_activation(False), network=network)
        seeds = self.seeds if network == "resnet18" else self.deep_seeds
        name = NETWORKS[network].title + ("" if dataset == "helium" else ", CXIDB")
        cells = self._cells(recipe, dataset, seeds=seeds)
        return Row(name, cells, reference.NETWORKS[dataset][network], dataset)

    def _baselines(self, dataset: str) -> list[Row]:
        tail = "" if dataset == "helium" else ", CXIDB"
        rows = []
        for baseline, words in BASELINES.items():
            cells = self._cells(self.budget.recipe(), dataset, baseline=baseline)
            svm = baseline == "svm" and dataset == "cxidb"
            paper = reference.BOBKOV if svm else {}
            rows.append(Row(f"{words}{tail}", cells, paper, dataset, reference=True))
        return rows
