"""Writes what is done so far: tables.md, tables.csv and tables.html, each whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from model.output_files import write_text
from model.paper import markdown, page
from model.paper.cells import Shelf
from model.paper.contents import Section, sections
from model.paper.curves import svg
from model.paper.plan import Table
from model.paper.study import Study

TITLE = "The paper's tables, measured anew"
PAPER = "Zimmermann et al., Phys. Rev. E 99, 063309 (2019)"
READINGS = (
    "Every number stands beside the paper's. Best: the evaluation with the greatest macro F1 is "
    "chosen, and all numbers are of that epoch. Max: each number is the greatest of all "
    "evaluations on its own, as the paper reports, so that two of them can be of different "
    "epochs. Both are chosen on the shots that judge and so flatter. ± is the standard deviation "
    "over the seeds, each with a split and first weights of its own. Accuracy, precision and "
    "recall are over all label cells; macro F1 and AP (average precision) are means over the "
    'classes that occur, rare F1 over those of fewer than 5 % of the shots. "Break a rule": shots '
    "whose predicted classes contradict each other."
)


def write(study: Study, tables: Sequence[Table], shelf: Shelf) -> dict[str, str]:
    """Write the report about these tables into the study's folder; kind -> path."""
    made = sections(study, tables, shelf)
    facts = _facts(study, tables, shelf)
    intro = (f"{PAPER}.", READINGS)
    out = study.order.out
    told = [f"{name}: {text}  " for name, text in facts]
    texts = {
        "tables.md": markdown.page(TITLE, [*intro, "\n".join(told)], made),
        "tables.csv": markdown.as_csv(made),
        "tables.html": page.page(TITLE, facts, intro, made),
    }
    for name, text in texts.items():
        write_text(out / name, text)
    return {name.rpartition(".")[2]: str(out / name) for name in texts}


def write_page(
    study: Study, tables: Sequence[Table], shelf: Shelf, folder: Path, name: str
) -> list[Path]:
    """Write a page for a repository: NAME.md, NAME.csv and one small SVG for each curve figure."""
    made = sections(study, tables, shelf)
    facts = [f"{n}: {text}  " for n, text in _facts(study, tables, shelf)]
    intro = (f"{PAPER}.", READINGS, "\n".join(facts))
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        f"{name}.md": markdown.page(TITLE, intro, made, f"{name}-table-{{}}.svg"),
        f"{name}.csv": markdown.as_csv(made),
    }
    texts |= {f"{name}-table-{s.number}.svg": _file(s) for s in made if s.curves}
    for file, text in texts.items():
        write_text(folder / file, text)
    return [folder / file for file in texts]


def _file(section: Section) -> str:
    return '<?xml version="1.0" encoding="utf-8"?>\n' + svg(section.curves)


def _facts(study: Study, tables: Sequence[Table], shelf: Shelf) -> list[tuple[str, str]]:
    """What a reader must know of a study, (name, text)."""
    order, budget = study.order, study.order.budget
    keys = {study.key(c) for table in tables for c in table.cells}
    done = [result for key in sorted(keys) if (result := shelf.get(key)) is not None]
    machines = dict.fromkeys(str(result["machine"]) for result in done)
    facts = [("Budget", f"{budget.name}. {budget.about}")]
    for name, table in study.datasets.tables.items():
        files = ", ".join(info.path.name for info in table.sources)
        shots = f"{int(table.labelled.sum()):,} labelled shots"
        facts.append((name, f"{files}: {shots}, fingerprint {table.fingerprint[:16]}"))
    facts.append(("Seeds", ", ".join(str(seed) for seed in range(study.seeds))))
    if machines:
        facts.append(("Machine", "; ".join(machines)))
        minutes = sum(float(result["seconds"]) for result in done) / 60
        trained = f"{len(done)} trainings and baselines, {minutes:.0f} min in all"
        facts.append(("Work", trained))
    missing = len(keys) - len(done)
    if missing:
        facts.append(("Not done yet", f"{missing} cells; the same command goes on"))
    facts.append(("Program", order.program))
    facts.append(("Command", order.command))
    return [(name, text) for name, text in facts if text]
