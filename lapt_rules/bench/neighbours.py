"""The neighbours of many architectures at once, for whoever can decide membership of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lapt_rules.logic.arrays import Mask, Rows
from lapt_rules.space import Architecture
from lapt_rules.subspace import moves


def kept_moves(
    architectures: Sequence[Architecture], members: Callable[[Rows], Mask]
) -> list[Rows]:
    """For each architecture the rows one move away that are members."""
    reachable = [moves(architecture) for architecture in architectures]
    kept = members(np.concatenate(reachable))
    ends = np.cumsum([len(rows) for rows in reachable])[:-1]
    parts = zip(reachable, np.split(kept, ends), strict=True)
    return [rows[mask] for rows, mask in parts]
