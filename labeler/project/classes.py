"""The classes of a project: changed as recorded steps that can be taken back; no label is lost.

The database and taxonomy.toml are always in step: the change is committed first, with the new
text, and a crash before the file is written is made good at the next opening. No Qt, no SQL.
"""

from __future__ import annotations

import logging
from datetime import date

import numpy as np

from labeler.project.decisions import judged
from labeler.project.folder import TAXONOMY
from labeler.project.project import Project, write_waiting
from labeler.project.store.classing import PENDING, TEXT, ClassChange, KeptChange, in_effect
from model.errors import InputError, counted, text_of
from model.taxonomy import edits as taxonomy_edit
from model.taxonomy.edits import ClassEntry
from model.taxonomy.taxonomy import Labels, Rule, Taxonomy
from model.taxonomy.toml import loads

FIRST = 5
"""So many shots that contradict a new rule are named."""

log = logging.getLogger(__name__)


def rename(project: Project, old: str, new: str) -> str:
    """Give a class another name; labels, rules and old files follow. What was done, in words."""
    before, name = _text(project), " ".join(new.split())
    after = taxonomy_edit.rename(before, old, new)
    text = f'rename class "{old}" to "{name}"'
    return _make(project, ClassChange("rename", text, before, after, renamed=(old, name)))


def add(project: Project, name: str, **fields: str) -> str:
    """Add a class, or take back one that was retired."""
    before = _text(project)
    after = taxonomy_edit.add(before, name, **fields)
    name = " ".join(name.split())
    text = f'add class "{name}"'
    return _make(project, ClassChange("add", text, before, after, added=(name,)))


def put(project: Project, old: str, entry: ClassEntry) -> str:
    """Make a class what a form says, one step: the class `old`, or a new one where that is ''."""
    before, name = _text(project), " ".join(entry.name.split())
    after = taxonomy_edit.put(before, old, entry)
    if not old:
        return _make(
            project, ClassChange("add", f'add class "{name}"', before, after, added=(name,))
        )
    if after == before:
        raise InputError("nothing was changed", mend="Change something, or cancel.")
    what, renamed = f'edit class "{old}"', None
    if name != old:
        what, renamed = f'{what}, now "{name}"', (old, name)
    return _make(project, ClassChange("edit", what, before, after, renamed=renamed))


def retire(project: Project, name: str) -> str:
    """Offer a class no more; the labels that carry it keep it."""
    before = _text(project)
    after = taxonomy_edit.retire(before, name, date.today().isoformat())
    text = f'retire class "{name}"'
    return _make(project, ClassChange("retire", text, before, after))


def merge(project: Project, gone: str, into: str) -> str:
    """Make every label with the class `gone` one with `into`, of everybody, and retire it."""
    if gone == into:
        raise InputError("a class cannot be merged into itself", mend="Name two classes.")
    before = _text(project)
    offered = [c.name for c in loads(before).classes if not c.retired]
    if into not in offered:
        raise InputError(f"there is no class {into!r}", mend=f"There are: {', '.join(offered)}.")
    after = taxonomy_edit.retire(before, gone, date.today().isoformat(), children=into)
    text = f'merge class "{gone}" into "{into}"'
    return _make(project, ClassChange("merge", text, before, after, merged=(gone, into)))


def set_rule(project: Project, number: int, severity: str) -> str:
    """Make a rule (from 1) hard or soft, or take it off."""
    before = _text(project)
    after = taxonomy_edit.set_rule(before, number, severity)
    rule = loads(before).rules[number - 1].text
    text = f'remove rule "{rule}"' if severity == "off" else f'make rule "{rule}" {severity}'
    return _make(project, ClassChange("rule", text, before, after))


def add_rule(project: Project, rule: Rule) -> str:
    """Add a rule; InputError for one that contradicts others, or hard where labels break it."""
    before = _text(project)
    after = taxonomy_edit.add_rule(before, rule)
    broken = shots_against(project, rule) if rule.severity == "hard" else []
    if len(broken):
        first = ", ".join(f"{row + 1:,}" for row in broken[:FIRST])
        what = f"labels contradict the rule “{rule.statement}” on {counted(len(broken), 'shot')}"
        mend = "Add it as a soft rule, mend their labels under Quality, then make it hard."
        raise InputError(f"{what}: {first}{' …' * (len(broken) > FIRST)}", mend=mend)
    text = f'add {rule.severity} rule "{loads(after).rules[-1].text}"'
    return _make(project, ClassChange("rule", text, before, after))


def in_words(done: str) -> str:
    """What a verb here returned, for the person: 'Done: add class "X"' or 'Undone: …'."""
    return f"{done[:1].upper()}{done[1:]}" if done.startswith("undone: ") else f"Done: {done}"


def changes(project: Project) -> list[KeptChange]:
    """Every change of the classes, oldest first."""
    return project.store.class_changes()


def undo(project: Project) -> str:
    """Take the last change back that is in effect, with the labels that followed from it.

    A class that labels speak of is retired, not removed, and stays so in every older text.
    """
    done = in_effect(changes(project))
    if not done:
        raise InputError("no change of the classes can be undone", mend="There was none.")
    last, now = done[-1], _text(project)
    if not taxonomy_edit.same(now, _with_retired(last.after, now)):
        mend = "Change the classes one by one instead."
        raise InputError("the classes were changed in another way since", mend=mend)
    used = tuple(n for n in _new_in(last) if project.store.class_was_used(n))
    after = _with_retired(last.before, now, used)
    change = ClassChange(
        "undo",
        f"undone: {last.text}",
        now,
        after,
        renamed=last.renamed and (last.renamed[1], last.renamed[0]),
        removed=tuple(n for n in _new_in(last) if n not in used),
        takes_back=last.gesture,
        unlabel=last.relabelled,
    )
    return _make(project, change)


def shots_with(project: Project, name: str) -> int:
    """How many shots anybody's labels give a class now."""
    bit = np.int64(1) << project.store.class_names().index(name)
    found = np.zeros(project.n_shots, bool)
    for annotator in project.store.annotators():
        found |= (project.store.load_state(annotator.id).present & bit) != 0
    return int(found.sum())


def shots_against(project: Project, rule: Rule) -> list[int]:
    """Rows of the shots on which anybody's labels break a rule of these classes."""
    taxonomy = Taxonomy("", project.taxonomy.classes, [rule])

    def breaks(labels: Labels, decided: Labels) -> Labels:
        return np.asarray(taxonomy.violations(labels, decided)[:, 0])

    found = np.zeros(project.n_shots, bool)
    for annotator in project.store.annotators():
        state = project.store.load_state(annotator.id)
        decided = np.flatnonzero(state.labelled)
        sets = state.present[decided], state.known[decided]
        found[decided] |= judged(breaks, taxonomy, *sets)
    return np.flatnonzero(found).tolist()


def _new_in(change: KeptChange) -> tuple[str, ...]:
    """Classes that a change brought for the first time."""
    known = {c.name for c in loads(change.before).classes}
    return tuple(name for name in change.added if name not in known)


def _with_retired(text: str, now: str, more: tuple[str, ...] = ()) -> str:
    """An older text, with the classes that are retired now (or shall be) and not known to it."""
    known = {c.name for c in loads(text).classes}
    retired = [c.name for c in loads(now).classes if c.retired or c.name in more]
    return taxonomy_edit.keep(text, now, [name for name in retired if name not in known])


def _text(project: Project) -> str:
    if project.store.get_meta(PENDING):  # the file could not be written yet
        return str(project.store.get_meta(TEXT))
    return text_of(project.folder / TAXONOMY)


def _make(project: Project, change: ClassChange) -> str:
    store = project.store
    store.change_classes(project.annotator, change)
    project.take_taxonomy(loads(change.after, project.folder / TAXONOMY))
    try:
        said = write_waiting(project.folder, store)
    except (InputError, OSError) as error:  # the change holds: the database has it
        log.warning("%s; it is written at the next opening", error)
        return f"{change.text} (kept, but not in {TAXONOMY} yet: {error})"
    return f"{change.text} ({said})" if said else change.text
