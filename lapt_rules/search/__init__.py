"""How candidates are chosen inside a subspace: one ask/tell protocol, one file a searcher."""

from lapt_rules.search.best_first import BestFirst
from lapt_rules.search.evolution import RegularizedEvolution
from lapt_rules.search.genetic import GeneticSearch
from lapt_rules.search.random_search import RandomSearch
from lapt_rules.search.searcher import Searcher, SearchState, Trial

__all__ = [
    "BestFirst",
    "GeneticSearch",
    "RandomSearch",
    "RegularizedEvolution",
    "SearchState",
    "Searcher",
    "Trial",
]
