"""What a part that was checked says of the rest: exact bounds, without a model of the errors."""

from __future__ import annotations

import math
from bisect import bisect_left


def most_wrong(missed: int, checked: int, n: int) -> int:
    """How many of n shots are wrong at most, with 95 %, where `missed` of `checked` others are.

    Exact where both were drawn alike (Konijn 1973): of more wrong ones among all, so few would be
    among the checked with less than 5 %, by the hypergeometric distribution.
    """

    def chance(wrong: int) -> float:
        each = [
            _ways(checked, k) + _ways(n, missed + wrong - k) - _ways(checked + n, missed + wrong)
            for k in range(max(0, missed + wrong - n), missed + 1)
        ]
        return sum(map(math.exp, each))

    return bisect_left(range(n), True, key=lambda wrong: chance(wrong + 1) < 0.05)


def _ways(of: int, some: int) -> float:
    """Logarithm of the number of ways to choose."""
    return math.lgamma(of + 1) - math.lgamma(some + 1) - math.lgamma(of - some + 1)
