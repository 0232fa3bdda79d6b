"""The peers by name, each in a file of its own and loaded only when it is asked.

Ours comes first: the others are compared with it.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec

from lapt_rules.bench.peers.peer import Peer
from lapt_rules.errors import LaptError, did_you_mean, listed

OURS = "lapt"

_PLACES = {
    OURS: ("ours", "Engine", ""),
    "z3": ("reasoner", "ThroughZ3", ""),
    "z3-cubes": ("z3_cubes", "Z3Cubes", ""),
    "z3-blocking": ("z3_blocking", "Z3Blocking", ""),
    "cp-sat": ("cpsat_peer", "CpSat", "ortools"),
    "sat": ("sat_peer", "Sat", "pysat"),
    "dd": ("dd_peer", "Dd", "dd"),
    "oxidd": ("oxidd_peer", "Oxidd", "oxidd"),
    "numpy": ("numpy_rejection", "NumpyRejection", ""),
    "numpy-mask": ("numpy_mask", "NumpyMask", ""),
    "configspace": ("configspace_rejection", "ConfigSpaceRejection", "ConfigSpace"),
}
"""For each name: module, class, and what must be importable for it."""

NAMES = tuple(_PLACES)


def is_installed(name: str) -> bool:
    """Whether the library that a peer stands for is there."""
    _, _, library = _PLACES[name]
    return not library or find_spec(library) is not None


def load(name: str) -> type[Peer]:
    """The class of a peer.

    Raises LaptError for a name that is none, and for a library that is not installed.
    """
    if name not in _PLACES:
        near = did_you_mean(name, NAMES)
        fix = f"did you mean `{near}`?" if near else f"use one of {listed(NAMES)}"
        raise LaptError(f"there is no peer `{name}`", fix)
    if not is_installed(name):
        raise LaptError(f"the peer `{name}` is not installed", "pip install 'lapt-rules[bench]'")
    module, attribute, _ = _PLACES[name]
    found: type[Peer] = getattr(
        importlib.import_module(f"lapt_rules.bench.peers.{module}"), attribute
    )
    return found
