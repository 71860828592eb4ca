"""One baseline of the paper at a time."""

from collections import deque

from model.paper.baselines import run


def run_baseline(name, table, seed, stop, cache=None):
    """The numbers of one baseline, see `run`; {} where it was stopped."""
    last = deque(run((name,), table, seed, stop, cache), maxlen=1).pop()
    return last["results"][name] if last["event"] == "finished" else {}
