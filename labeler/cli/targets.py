"""The shots that a subcommand is given: a project, a labelled file, or several files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labeler.project.folder import STORES, is_project_folder
from model.errors import InputError

if TYPE_CHECKING:
    from model.prediction.before_labels import Halves
    from model.preprocessing.preparation import Preparation
    from model.shots.table import ShotTable
    from model.taxonomy.taxonomy import Taxonomy


OF_FILES = ("dataset", "taxonomy", "one_class_per_file", "names")


def add_shots_options(parser: argparse.ArgumentParser) -> None:
    """The options that `table_given` reads, apart from the targets themselves."""
    add_file_options(parser)
    add_one_class_options(parser)


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """Where shots lie in a file, and their classes."""
    parser.add_argument("--dataset", metavar="D", help="of a FILE, where it is not obvious")
    parser.add_argument("--taxonomy", metavar="T", help="of a FILE: TOML, or a shipped name")


def add_one_class_options(parser: argparse._ActionsContainer) -> None:
    """The options that `class_of_each` reads."""
    parser.add_argument(
        "--one-class-per-file", action="store_true",
        help="every shot of a FILE is of one class, which the file's sample or name tells",
    )  # fmt: skip
    parser.add_argument(
        "--names", nargs="+", metavar="C", help="that class of each FILE, where it does not tell"
    )


def class_of_each(args: argparse.Namespace) -> list[str] | None:
    """The classes named, [] where the files tell them, None where files are not of one class."""
    if args.names:
        return list(args.names)
    return [] if args.one_class_per_file else None


SHIPPED = "shipped"


def run_folder(text: str) -> Path:
    """An argument's value that names a run: its folder, or `SHIPPED` for the program's own."""
    from model.runs.recipes import shipped_network

    path = Path(text)
    return shipped_network() if text == SHIPPED and not path.exists() else path


def is_project(target: Path) -> bool:
    """Whether a path is a project's; InputError where nothing is there."""
    if not target.exists():
        raise InputError("there is no such file or project", file=target, mend="Check the path.")
    if target.is_dir() and not is_project_folder(target):
        from model.shots.layouts.formats import format_of

        return format_of(target) is None
    return target.is_dir() or target.name in STORES


def table_given(targets: Sequence[Path], args: argparse.Namespace) -> ShotTable:
    """The shots of a project with its labels of today, or of files with those they carry."""
    from model.shots.single_label import open_single_label
    from model.shots.table import table_of_files

    project = the_project(targets)
    if project is not None:
        refuse_file_options(args, project)
        return table_of_project(project)
    taxonomy, each = taxonomy_given(args), class_of_each(args)
    if each is None:
        return table_of_files(targets, args.dataset, taxonomy)
    return open_single_label(targets, each or None, taxonomy=taxonomy, dataset=args.dataset)


def refuse_file_options(args: argparse.Namespace, project: Path) -> None:
    """InputError for an option about files that would change nothing of a project's shots."""
    given = [f"--{n.replace('_', '-')}" for n in OF_FILES if getattr(args, n, None)]
    if given:
        what = f"{', '.join(given)} is for files; a project says that itself"
        raise InputError(what, file=project, mend="Leave it out.")


def taxonomy_given(args: argparse.Namespace) -> Taxonomy | None:
    """What --taxonomy says, or None."""
    from model.taxonomy.toml import find, load

    return load(find(args.taxonomy)) if args.taxonomy else None


def the_project(targets: Sequence[Path]) -> Path | None:
    """The target that is a project, None for files; InputError for a project among others."""
    found = [target for target in targets if is_project(target)]
    if found and len(targets) > 1:
        mend = "Name one project, or files only."
        raise InputError("is a project, and cannot go with others", file=found[0], mend=mend)
    return found[0] if found else None


def table_of_project(folder: Path) -> ShotTable:
    """All shots of a project with its labels of today."""
    from labeler.project.project import Project

    with Project.open(folder) as project:
        project.refuse_changed()
        return project.shot_table()


def run_for(target: Path, run: Path) -> tuple[Path, Preparation | None]:
    """`Project.run_given` and `preparation_for`, where the shots may be of a file, which has
    neither numbers of runs nor a preparation."""
    if not is_project(target):
        return run, None
    from labeler.project.preparation import preparation_for
    from labeler.project.project import Project

    with Project.open(target) as project:
        run = project.run_given(run)
        return run, preparation_for(project, run)


def seen_by(run: Path, target: Path) -> Halves | None:
    """To what a run that is the shipped network is adapted in a project, see `Reader.adapt`; None
    where that is not known yet, and for a file."""
    if not is_project(target):
        return None
    from labeler.active.embeddings import of_shipped
    from labeler.project.project import Project

    with Project.open(target) as project:
        return of_shipped(run, project, whole=True)
