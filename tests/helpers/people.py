"""Who labels in a project, and what they can take back."""

from labeler.project import people
from labeler.project.project import Project


def label_as(project, name):
    """Label under a name from now on, as a session does that opens the project again."""
    project._be(people.label_as(project.store, name))


def can_undo(store, annotator):
    """Whether `undo` has anything to take back."""
    return store.to_reverse("undo", annotator) > 0


def can_redo(store, annotator):
    """Whether `redo` has anything to bring back."""
    return store.to_reverse("redo", annotator) > 0


def labels_of(folder):
    """Bits of the classes of each shot of a sound project, of who labels."""
    with Project.open(folder) as project:
        assert project.store.audit() == []
        return project.store.load_state(project.annotator).present.tolist()
