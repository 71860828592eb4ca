"""What a network must beat: two blind guesses, and three classifiers that are no deep network.

Each is trained on the shots that train and judged on those that judge, by the same numbers as a
network (`model.training.judging`). Chooses no recipe and keeps no model.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from model.active import head
from model.errors import InputError
from model.events import Event, Stop, event
from model.metrics import metrics
from model.paper import features as physics
from model.prediction import embedding
from model.prediction import embedding_file as embedding_parts
from model.processes import one_blas_thread
from model.runs.recipes import Recipe, shipped_network
from model.shots.table import ShotTable
from model.taxonomy.taxonomy import Taxonomy
from model.training.data import TrainingData, prepare
from model.training.judging import Judge

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
FOLDS = 3
"""Of the training shots, for Platt's probabilities."""
MANY = 20_000
"""Training shots from which boosting uses all cores."""
KEPT_VARIANCE = 0.99
"""Of the scaled features, by the principal components that the support vectors see."""


@dataclass(frozen=True)
class Known:
    """What a baseline is given: x (n, F) and y (n, C) to learn from, `asked` (m, F) to answer.

    x and `asked` have no columns where a baseline needs labels only.
    """

    x: Floats
    y: Labels
    asked: Floats
    taxonomy: Taxonomy
    seed: int
    stop: Stop
    known: Labels | None = None
    """(n, C) which of y someone decided on; None: all."""

    @property
    def decided(self) -> Labels:
        """`known`, spelt out."""
        return np.ones_like(self.y) if self.known is None else self.known


@dataclass(frozen=True)
class Answer:
    """(m, C) probabilities and decided labels."""

    probabilities: Floats
    decided: Labels


@dataclass(frozen=True)
class Baseline:
    """`answer` returns None where it was stopped."""

    about: str
    needs: Literal["labels", "features", "embeddings"]
    answer: Callable[[Known], Answer | None]


def run(
    names: Sequence[str], table: ShotTable, seed: int, stop: Stop, cache: Path | None = None
) -> Iterator[Event]:
    """Baselines on the evaluation shots of the table; ends with `finished` or `cancelled`.

    `finished` has the results: name -> numbers, those of `metrics.evaluate`, as in a run's
    metrics.json under "evaluation", with `coverage` and `confident_accuracy` (`metrics.confident`).
    Shots without a role are split as for a training. `cache`: a folder for what was read from the
    shots. InputError for what cannot be trained on.
    """
    for name in names:
        if name not in BASELINES:
            mend = f"There are: {', '.join(BASELINES)}."
            raise InputError(f"there is no baseline {name!r}", mend=mend)
    data = prepare(table, Recipe(), seed)
    for text in data.notes:
        yield event("note", level="warning", text=text)
    results: dict[str, dict[str, Any]] = {}
    seen: dict[str, Floats | None] = {}
    for done, name in enumerate(names):
        needs = BASELINES[name].needs
        if needs not in seen:
            seen[needs] = yield from _seen(needs, data, cache, stop)
        values = seen[needs]
        numbers = None if values is None else _judged(BASELINES[name], data, values, seed, stop)
        if numbers is None:
            yield event("cancelled", text="Stopped.")
            return
        results[name] = numbers
        yield event("progress", what="baselines", done=done + 1, total=len(names))
    counts = {"training": len(data.training), "evaluation": len(data.evaluation)}
    blind = _constant_labels(data)
    yield event("finished", metrics={}, results=results, constant_labels=blind, **counts)


def _constant_labels(data: TrainingData) -> list[str]:
    train = data.training
    blind = metrics.constant_prediction(data.labels[train], data.known[train])
    return [n for n, c in zip(data.table.class_names, blind, strict=True) if c]


def _seen(
    needs: str, data: TrainingData, cache: Path | None, stop: Stop
) -> Generator[Event, None, Floats | None]:
    """Events; returns (len(data.used), F), NaN for shots that cannot be read; None if stopped."""
    used = data.used
    if needs == "labels":
        return np.zeros((len(used), 0), np.float32)
    if needs == "features":
        return (yield from _features(data, cache, stop))
    place = tempfile.TemporaryDirectory() if cache is None else nullcontext(str(cache))
    with place as folder:
        some, network = data.table.some(used), shipped_network()
        for item in embedding.embed(some, network, Path(folder), stop=stop):
            if item["event"] == "failed":
                raise InputError(item["text"])
            if item["event"] == "cancelled":
                return None
            if item["event"] in ("progress", "note"):
                yield item
        parts = embedding_parts.parts_of(some, network, Path(folder))
        found = embedding_parts.read(parts, len(used))
    return None if found is None else np.asarray(found, np.float32)


def _features(
    data: TrainingData, cache: Path | None, stop: Stop
) -> Generator[Event, None, Floats | None]:
    unreadable: list[int] = []
    found = yield from physics.read(
        data.table,
        data.used,
        cache=cache,
        stop=stop,
        on_error=lambda row, _: unreadable.append(row),
    )
    if unreadable:
        text = f"Left out shots that cannot be read: {len(unreadable)}."
        yield event("note", level="warning", text=text)
    return found


def _judged(
    baseline: Baseline, data: TrainingData, seen: Floats, seed: int, stop: Stop
) -> dict[str, Any] | None:
    """Train on what can be read of the training shots, answer and judge the others."""
    at = {int(row): i for i, row in enumerate(data.used)}
    readable = set(data.used[np.isfinite(seen).all(1)].tolist())
    train, judge = (
        rows[[int(r) in readable for r in rows]] for rows in (data.training, data.evaluation)
    )
    if not len(train) or not len(judge):
        what, mend = "too few of the labelled shots can be read", "Check the files of shots."
        raise InputError(what, file=data.table.sources[0].path, mend=mend)
    x, asked = (seen[[at[int(r)] for r in rows]] for rows in (train, judge))
    with one_blas_thread():
        answer = baseline.answer(_known(x, data, train, asked, seed, stop))
    if answer is None:
        return None
    judged = Judge(data, False, np.full(len(data.taxonomy), 0.5, np.float32))
    numbers = judged.numbers(answer.probabilities, judge, answer.decided)
    true, exclusive = data.labels[judge], data.taxonomy.exclusive
    return numbers | metrics.confident(answer.probabilities, true, exclusive, data.known[judge])


def _known(
    x: Floats, data: TrainingData, train: Rows, asked: Floats, seed: int, stop: Stop
) -> Known:
    labels, decided = data.labels[train], data.known[train]
    return Known(x, labels & decided, asked, data.taxonomy, seed, stop, decided)


# -- blind guesses ---------------------------------------------------------------------------------


def _constant(known: Known) -> Answer:
    guess = np.tile(metrics.constant_prediction(known.y, known.decided), (len(known.asked), 1))
    return Answer(guess.astype(np.float32), guess)


def _prevalence(known: Known) -> Answer:
    shares = known.y.sum(0) / np.maximum(known.decided.sum(0), 1)
    return _decided(np.tile(shares.astype(np.float32), (len(known.asked), 1)), known)


def _decided(probabilities: Floats, known: Known) -> Answer:
    """The classes that are likelier than not; of exclusive ones the likeliest, shares of 1."""
    p = np.asarray(probabilities, np.float32)
    if not known.taxonomy.exclusive:
        return Answer(p, p >= 0.5)
    p = np.maximum(p, 1e-6)
    p = p / p.sum(1, keepdims=True)
    return Answer(p, np.eye(p.shape[1], dtype=bool)[p.argmax(1)])


# -- one classifier a class ------------------------------------------------------------------------


def _each_class(known: Known, classifier: Callable[[int], Any]) -> Answer | None:
    """`classifier` of the number of positives or negatives, whichever are fewer, for each class.

    A class with fewer than two of either keeps its frequency: nothing can be learnt of it.
    """
    x, asked = (np.asarray(v, np.float64) for v in (known.x, known.asked))
    columns = []
    for c, some in enumerate(known.decided.T):
        if known.stop():
            return None
        y = known.y[some, c]
        fewer = int(min(y.sum(), (~y).sum()))
        if fewer < 2:
            columns.append(np.full(len(asked), y.mean() if len(y) else 0.0))
            continue
        fitted = classifier(fewer).fit(x[some], y)
        columns.append(fitted.predict_proba(asked)[:, 1])
    return _decided(np.stack(columns, 1).astype(np.float32), known)


def _svm(known: Known) -> Answer | None:
    """Scaled features, principal components, radial basis functions, Platt's probabilities."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.decomposition import PCA
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    if not np.ptp(known.x, axis=0).any():
        mend = "Check that the right dataset was chosen."
        raise InputError("all training shots look the same", mend=mend)

    def classifier(fewer: int) -> Any:
        folds = StratifiedKFold(min(FOLDS, fewer), shuffle=True, random_state=known.seed)
        vectors = make_pipeline(
            StandardScaler(), PCA(KEPT_VARIANCE, svd_solver="full"), SVC(kernel="rbf")
        )
        return CalibratedClassifierCV(vectors, method="sigmoid", cv=folds, ensemble=False)

    return _each_class(known, classifier)


def _boosting(known: Known) -> Answer | None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    leaf = max(2, min(20, len(known.x) // 50))

    def classifier(fewer: int) -> Any:
        return HistGradientBoostingClassifier(
            max_leaf_nodes=15,
            min_samples_leaf=leaf,
            early_stopping=False,
            random_state=known.seed,
        )

    # threads that wait for each other take longer than one alone, until shots are many
    with threadpool_limits(1 if len(known.x) < MANY else None, "openmp"):
        return _each_class(known, classifier)


# -- the shipped backbone --------------------------------------------------------------------------


def _probe(known: Known) -> Answer:
    """Logistic regression over the legal label sets (`model.active.head`), without the backbone's
    own."""
    fitted = head.fit(known.x, known.y, known.taxonomy, known=known.known)
    decided = fitted.decide(known.asked)
    return Answer(fitted.probabilities(known.asked), decided)


BASELINES: dict[str, Baseline] = {
    "constant": Baseline(
        "always the most frequent label set of the training shots", "labels", _constant
    ),
    "prevalence": Baseline("each class at its frequency", "labels", _prevalence),
    "svm": Baseline("support vectors on azimuthal averages and angular waves", "features", _svm),
    "probe": Baseline("logistic regression on the shipped backbone", "embeddings", _probe),
    "boosting": Baseline("gradient boosting on the same averages and waves", "features", _boosting),
}
