"""lapt-rules: design principles as code, for neural architecture search.

    import lapt_rules as lapt

    space = lapt.load_space("nas201")
    principles = lapt.parse_file("mine.lapt")
    subspace = space.refine(principles)          # exact; raises with a minimal conflict
    subspace.count(), subspace.sample(10, seed=0)
    lapt.explain(principles, subspace.unrank(0))
    lapt.run(space, target=my_function)          # a function of an architecture, larger is better

The names below are imported when they are first used, so that the command starts at once.
"""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the one list of public names: `_homes` reads it too
    from lapt_rules.analysis import Analysis as Analysis
    from lapt_rules.analysis import refine as refine
    from lapt_rules.audit.diff import difference as difference
    from lapt_rules.audit.explain import Explanation as Explanation
    from lapt_rules.audit.explain import explain as explain
    from lapt_rules.authors.author import Author as Author
    from lapt_rules.authors.author import Brief as Brief
    from lapt_rules.authors.backend import AuthorError as AuthorError
    from lapt_rules.authors.dialogue import LanguageModel as LanguageModel
    from lapt_rules.authors.fixed import FixedPrinciples as FixedPrinciples
    from lapt_rules.authors.miner import Miner as Miner
    from lapt_rules.authors.naming import author_of as author_of
    from lapt_rules.authors.naming import backend_named as backend_named
    from lapt_rules.errors import ArchitectureError as ArchitectureError
    from lapt_rules.errors import ConflictError as ConflictError
    from lapt_rules.errors import DataError as DataError
    from lapt_rules.errors import LaptError as LaptError
    from lapt_rules.errors import LimitError as LimitError
    from lapt_rules.errors import ModelError as ModelError
    from lapt_rules.errors import PrincipleError as PrincipleError
    from lapt_rules.errors import RunError as RunError
    from lapt_rules.errors import SpaceError as SpaceError
    from lapt_rules.errors import TableError as TableError
    from lapt_rules.errors import TrainingError as TrainingError
    from lapt_rules.evaluate.data import load_data as load_data
    from lapt_rules.evaluate.evaluator import Archive as Archive
    from lapt_rules.evaluate.evaluator import Evaluator as Evaluator
    from lapt_rules.evaluate.evaluator import Rated as Rated
    from lapt_rules.evaluate.inherited import SupernetEvaluator as SupernetEvaluator
    from lapt_rules.evaluate.inherited import supernet_archive as supernet_archive
    from lapt_rules.evaluate.model import build as build
    from lapt_rules.evaluate.model import derive_costs as derive_costs
    from lapt_rules.evaluate.supernet import load_supernet as load_supernet
    from lapt_rules.evaluate.supernet import train_supernet as train_supernet
    from lapt_rules.evaluate.table import Table as Table
    from lapt_rules.evaluate.table import TargetTable as TargetTable
    from lapt_rules.evaluate.table import load_table as load_table
    from lapt_rules.evaluate.table import table_from_api as table_from_api
    from lapt_rules.evaluate.training import TrainingEvaluator as TrainingEvaluator
    from lapt_rules.gate import examine as examine
    from lapt_rules.language.parser import parse as parse
    from lapt_rules.language.parser import parse_file as parse_file
    from lapt_rules.language.printer import print_file as print_file
    from lapt_rules.logic.binding import bind as bind
    from lapt_rules.network import graph as graph
    from lapt_rules.network import isomorphism_key as isomorphism_key
    from lapt_rules.running import run as run
    from lapt_rules.search import BestFirst as BestFirst
    from lapt_rules.search import GeneticSearch as GeneticSearch
    from lapt_rules.search import RandomSearch as RandomSearch
    from lapt_rules.search import RegularizedEvolution as RegularizedEvolution
    from lapt_rules.search import Searcher as Searcher
    from lapt_rules.search import SearchState as SearchState
    from lapt_rules.search import Trial as Trial
    from lapt_rules.space import Architecture as Architecture
    from lapt_rules.space import Settings as Settings
    from lapt_rules.space import Space as Space
    from lapt_rules.space import load_space as load_space
    from lapt_rules.subspace import Subspace as Subspace
    from lapt_rules.subspace import whole as whole
    from lapt_rules.transfer import Result as Result


def _homes() -> dict[str, str]:
    """Each public name and the module that it is imported from, as the list above says."""
    file = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    (listed,) = (node for node in file.body if isinstance(node, ast.If))
    imports = [node for node in listed.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imports for alias in node.names}


_HOMES = _homes()

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
