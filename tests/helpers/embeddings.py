"""Projects with embeddings that tell their classes, for tests of what is learnt while labelling."""

import numpy as np

from labeler.active import embeddings
from labeler.project.project import Project
from model.prediction import embedding_file as embedding_parts
from tests.helpers.window_parts import make_project

CHOICES = {"instant": True, "ask_strategy": "asked", "audit_share": 0.1, "hidden_share": 0.0}


def made_up_truth(taxonomy, n, seed=0):
    """(n, C) label sets, the frequent ones more frequent."""
    rng = np.random.default_rng(seed)
    legal = taxonomy.legal_sets[taxonomy.legal_sets.any(1)]
    legal = legal[(taxonomy.complete(legal) == legal).all(1)]
    few = legal[rng.permutation(len(legal))[:12]]
    share = 0.6 ** np.arange(len(few))
    return few[rng.choice(len(few), n, p=share / share.sum())]


def project_with_embeddings(folder, n=300, noise=0.6):
    """(folder of a project, (n, C) its truth): embeddings lie in its cache, nothing is labelled."""
    week = make_project(folder, n)
    with Project.open(week) as project:
        truth = made_up_truth(project.taxonomy, n)
        rng = np.random.default_rng(1)
        way = rng.normal(size=(truth.shape[1], 512))
        values = truth @ way * 0.3 + noise * rng.normal(size=(n, 512))
        source = embeddings.of_cache(project, project.shot_table())
        for part in source.parts:
            embedding_parts.write(part, values[part.first : part.stop])
    return week, truth
