"""How much a run of the tables may cost, and which recipe it therefore starts from.

A budget decides shots, pixels, epochs and optimiser once for all tables; a table then changes its
own variable and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from model.errors import InputError
from model.paper.studies import at_budget
from model.runs.recipes import Recipe, named


@dataclass(frozen=True)
class Budget:
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

    def fitted(self, shots: int) -> Budget:
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
    "smoke": Budget(
        "smoke",
        "Only to see that everything runs: the networks have hardly seen any shots, and no number "
        f"says anything about a method. {_CHANGED}",
        training=48, judging=32, epochs=2, size=64, seeds=1, deep_seeds=1, deep_epochs=1,
    ),
    "cpu": Budget(
        "cpu",
        f"Sized for two cores without a GPU: small patterns, few shots, few epochs. {_CHANGED}",
        training=600, judging=500, epochs=8, size=64, seeds=2, deep_seeds=1,
    ),
    "paper": Budget(
        "paper",
        "The paper's recipe as printed: 85 % of the labelled shots train, 224 pixels, batch 48, "
        "SGD at 0.1 with a tenth of it every 50 epochs, 200 epochs, evaluated every 2500 steps.",
        training=0, judging=0, epochs=200, size=224, seeds=1, deep_seeds=1,
    ),
}  # fmt: skip


def budget(name: str) -> Budget:
    """A budget by name; InputError where there is none of that name."""
    if name not in BUDGETS:
        raise InputError(f"no budget called {name!r}", mend=f"There are: {', '.join(BUDGETS)}.")
    return BUDGETS[name]
