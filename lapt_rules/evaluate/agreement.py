"""How well two ratings of the same architectures agree, by their order alone."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import numpy.typing as npt


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Kendall's tau-b: of the pairs that differ in both, how many are in the same order.

    1 where both order alike, -1 where one is the other reversed, and NaN where one of them is
    constant. Counted exactly, with n log n comparisons (Knight, 1966, doi:10.2307/2282833).

    >>> kendall_tau([1, 2, 3, 4], [1, 3, 2, 4])
    0.6666666666666666
    """
    pairs = sorted(zip(first, second, strict=True))
    ties = [_pairs(group) for group in (first, second, pairs)]
    total = len(pairs) * (len(pairs) - 1) // 2
    differ = (total - ties[0]) * (total - ties[1])
    agreeing = total - ties[0] - ties[1] + ties[2] - 2 * _inversions([b for _, b in pairs])
    return agreeing / math.sqrt(differ) if differ else math.nan


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rho: the correlation of the ranks; equal values share the mean of theirs.

    >>> spearman([1, 2, 3, 4], [1, 3, 2, 4])
    0.8
    """
    ranks = [_ranks(values) - (len(values) + 1) / 2 for values in (first, second)]
    spread = float(np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    return float(ranks[0] @ ranks[1]) / spread if spread else math.nan


def top_overlap(first: Sequence[float], second: Sequence[float], size: int) -> float:
    """Of the `size` best by one rating, the part that is among the `size` best by the other.

    Of equal values the earlier count as better.

    >>> top_overlap([1, 2, 3, 4], [1, 3, 2, 4], 2)
    0.5
    """
    best = [set(np.argsort(-np.asarray(v), kind="stable")[:size].tolist()) for v in (first, second)]
    return len(best[0] & best[1]) / size


def _pairs(values: Iterable[Hashable]) -> int:
    """How many pairs are equal."""
    return sum(n * (n - 1) // 2 for n in Counter(values).values())


def _inversions(values: Sequence[float]) -> int:
    """How many pairs stand in the wrong order."""
    before: list[float] = []
    number = 0
    for value in values:
        place = bisect_right(before, value)
        number += len(before) - place
        before.insert(place, value)
    return number


def _ranks(values: Sequence[float]) -> npt.NDArray[np.float64]:
    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse], np.float64)
