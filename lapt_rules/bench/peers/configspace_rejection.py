"""ConfigSpace: draws configurations, of which plain evaluation rejects what is not kept.

Counts, sums and paths are beyond its forbidden clauses, so its users evaluate them in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lapt_rules.bench.drawing import groups
from lapt_rules.bench.peers.peer import About, Peer
from lapt_rules.logic.arrays import Rows
from lapt_rules.logic.binding import invariants
from lapt_rules.logic.plain import Plain


class ConfigSpaceRejection(Peer):
    about = About("ConfigSpace", ("samples",))

    def sampler(self) -> Callable[[int], Rows]:
        from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace

        together = groups(self.space)
        names = [f"g{number:03}" for number in range(len(together))]
        configurations = ConfigurationSpace(seed=0)
        for name, (_, values) in zip(names, together, strict=True):
            configurations.add(CategoricalHyperparameter(name, range(len(values))))
        formulas = [principle.keeps for principle in self.principles.principles]
        formulas.append(invariants(self.space))

        def sample(number: int) -> Rows:
            kept = []
            drawn: Any = configurations.sample_configuration(number)
            for configuration in drawn if number > 1 else [drawn]:
                row = [0] * len(self.space.variables)
                for name, (variables, values) in zip(names, together, strict=True):
                    for variable, value in zip(variables, values[configuration[name]], strict=True):
                        row[variable] = value
                plain = Plain(self.space, row)
                if all(plain.holds(formula) for formula in formulas):
                    kept.append(row)
            return np.array(kept, np.int8).reshape(-1, len(self.space.variables))

        return sample
