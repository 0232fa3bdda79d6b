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

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lapt_rules.analysis import Analysis, refine
    from lapt_rules.audit.diff import difference
    from lapt_rules.audit.explain import Explanation, explain
    from lapt_rules.authors.author import Author, Brief
    from lapt_rules.authors.dialogue import LanguageModel
    from lapt_rules.authors.fixed import FixedPrinciples
    from lapt_rules.authors.miner import Miner
    from lapt_rules.authors.naming import author_of, backend_named
    from lapt_rules.errors import LaptError
    from lapt_rules.evaluate.evaluator import Archive, Evaluator, Rated
    from lapt_rules.evaluate.inherited import SupernetEvaluator, supernet_archive
    from lapt_rules.evaluate.model import build, derive_costs
    from lapt_rules.evaluate.supernet import load_supernet, train_supernet
    from lapt_rules.evaluate.table import Table, TargetTable, load_table, table_from_api
    from lapt_rules.gate import examine
    from lapt_rules.language.parser import parse, parse_file
    from lapt_rules.language.printer import print_file
    from lapt_rules.logic.binding import bind
    from lapt_rules.network import graph, isomorphism_key
    from lapt_rules.running import run
    from lapt_rules.search import (
        BestFirst,
        GeneticSearch,
        RandomSearch,
        RegularizedEvolution,
        Searcher,
        SearchState,
        Trial,
    )
    from lapt_rules.space import Architecture, Settings, Space, load_space
    from lapt_rules.subspace import Subspace, whole
    from lapt_rules.transfer import Result

_HOME = {
    "Analysis": "analysis",
    "Architecture": "space",
    "Archive": "evaluate.evaluator",
    "Author": "authors.author",
    "BestFirst": "search",
    "Brief": "authors.author",
    "Evaluator": "evaluate.evaluator",
    "Explanation": "audit.explain",
    "FixedPrinciples": "authors.fixed",
    "GeneticSearch": "search",
    "LanguageModel": "authors.dialogue",
    "LaptError": "errors",
    "Miner": "authors.miner",
    "RandomSearch": "search",
    "Rated": "evaluate.evaluator",
    "RegularizedEvolution": "search",
    "Result": "transfer",
    "SearchState": "search",
    "Searcher": "search",
    "Settings": "space",
    "Space": "space",
    "Subspace": "subspace",
    "SupernetEvaluator": "evaluate.inherited",
    "Table": "evaluate.table",
    "TargetTable": "evaluate.table",
    "Trial": "search",
    "author_of": "authors.naming",
    "backend_named": "authors.naming",
    "bind": "logic.binding",
    "build": "evaluate.model",
    "derive_costs": "evaluate.model",
    "difference": "audit.diff",
    "examine": "gate",
    "explain": "audit.explain",
    "graph": "network",
    "isomorphism_key": "network",
    "load_space": "space",
    "load_supernet": "evaluate.supernet",
    "load_table": "evaluate.table",
    "parse": "language.parser",
    "parse_file": "language.parser",
    "print_file": "language.printer",
    "refine": "analysis",
    "run": "running",
    "supernet_archive": "evaluate.inherited",
    "table_from_api": "evaluate.table",
    "train_supernet": "evaluate.supernet",
    "whole": "subspace",
}
"""Each public name and the module that it is imported from."""

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_HOME[name]}")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
