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
    values = np.array([architecture.values for architecture in architectures], np.int8)
    reachable = moves(architectures[0].space, values)
    kept = members(reachable.reshape(-1, values.shape[1])).reshape(reachable.shape[:2])
    return [rows[mask] for rows, mask in zip(reachable, kept, strict=True)]
