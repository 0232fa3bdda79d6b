"""The grammar of the principle files that a constrained model may write for one space.

It stands beside `grammar/principles.lark`, which reads what anybody writes: this one knows the
names of the space, so that each of its sentences parses and binds there. It keeps to the Lark
dialect that llguidance, xgrammar and Lark share. White space is part of the rules, and every list,
nesting, number and text is bounded. Of the language it leaves out `region`, `define`, every test,
a quantifier within another, and sums of more than two measures.

llguidance reads greedily and never goes back. So where several words may stand, none is the
beginning of another one that goes on like what may follow it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain, count

from lapt_rules.authors.backend import AuthorError
from lapt_rules.language.parser import MAX_CHARACTERS
from lapt_rules.logic.meaning import MAX_INTEGER, MAX_PARTS
from lapt_rules.space import Layer, Space

KEEP = "keep"
"""What an author answers who leaves the principles as they are."""

PRINCIPLES = 8
"""Most principles of a file; fewer in a space so large that its files would break a limit."""

_CLAUSES = 4

_LETTERS = "À-ÖØ-öø-ɏͰ-ϿЀ-ӿぁ-ヿ一-鿿가-힣"

_RULES = """\
principle: NAME "\\n  " WHY "\\n" clause (clause (clause clause?)?)?
clause: "  " (hard | soft) "\\n"
hard: ("require " | "forbid ") formula (" unless " condition)?
soft: "prefer " ("more " graded | formula) (" when " condition)? " weight " WEIGHT

formula: joined
       | quantified
       | "if " condition " then " (joined | quantified | closed)
       | "not "? closed
       | "not " "(" quantified ")"
       | (closed | "(" quantified ")") joint condition
closed: at_least | each_counted relation number
joined: single
      | part " and " part (" and " part)?
      | term " or " term (" or " term)?
part: single | group
term: single | literal " and " literal
single: literal | contrast | "not " group
group: "(" (literal joint literal | "if " literal " then " literal) ")"
condition: literal (joint literal)?
literal: "not "? fact
joint: " and " | " or "
at_least: "at least " ("1 of (" two | "2 of (" two | "3 of (" three | "4 of (" four) ")"
two: literal ", " literal | three
three: literal ", " literal ", " literal | four
four: literal ", " literal ", " literal ", " literal
"""

_TERMINALS = f"""\
NAME: /[a-z][a-z0-9_]{{2,39}}/
WHY: /"[A-Za-z{_LETTERS}][ !#-~–—’“”…≤≥×→{_LETTERS}]{{7,199}}"/
WEIGHT: /-?([0-9]\\.[0-9]?[1-9]|[1-9])/
"""


@cache
def emission_grammar(space: Space, may_keep: bool = False, most: int = PRINCIPLES) -> str:
    """The grammar as Lark text, of files with up to `most` principles.

    With `may_keep` the single word `keep` is a sentence, too.

    Raises AuthorError for a space so large that not even one principle would stay within the
    limits of the language.
    """
    for principles in range(most, 0, -1):
        text = "\n".join(_lines(space, principles, may_keep)) + "\n"
        parts = principles * _CLAUSES * _most_parts(space)
        if parts <= MAX_PARTS and _longest(text) <= MAX_CHARACTERS:
            return text
    raise AuthorError(
        f"{space.name} is too large for a grammar of its principle files",
        "use an author that writes without one",
    )


def _lines(space: Space, principles: int, may_keep: bool) -> Iterable[str]:
    yield f"// Principle files for {space.name} that a model may write, laid out as by `lapt fmt`."
    yield f'start: "{KEEP}" | file' if may_keep else "start: file"
    yield f'file: "space {space.name}\\n" principle_1'
    for number in range(1, principles + 1):
        following = f" principle_{number + 1}?" if number < principles else ""
        yield f'principle_{number}: "\\nprinciple p{number}_" principle{following}'
    yield _RULES
    yield from _facts(space)
    yield from _measures(space)
    yield from _quantified(space)
    yield from _names(space)
    yield _TERMINALS.rstrip("\n")
    for number, cost in enumerate(space.costs, 1):
        yield f"COST_{number}: /{_at_most(_largest_total(space, cost.name))}/"


def _facts(space: Space) -> Iterable[str]:
    """What a literal says: of one layer, of two, of the whole architecture."""
    facts = [
        "layer state",
        '"same(" layer ", " layer ")"',
        '"connected"',
        "measure relation number",
    ]
    facts += [f"cost_{n} relation COST_{n}" for n, _ in enumerate(space.costs, 1)]
    choices = _choices(space)
    for number, (sources, layers) in enumerate(choices.items(), 1):
        facts.append(f'reader_{number} " from " (source_{number} | sources_{number})')
        yield f"reader_{number}: {_any_of(layer.name for layer in layers)}"
        yield f"source_{number}: {_any_of(sources)}"
        yield f"sources_{number}: {_set_of(f'source_{number}', 3)}"
    yield f"fact: {' | '.join(facts)}"
    yield 'state: " is " ("not " operator | operator | "live" | "dead")'
    yield '     | (" in " | " not in ") operators'
    yield ""


def _measures(space: Space) -> Iterable[str]:
    """Whole numbers, and how two of them compare."""
    contrasts = ["measure relation amount", "measure sign measure relation (number | amount)"]
    graded = ["amount", "each_counted"]
    for number, cost in enumerate(space.costs, 1):
        yield f'cost_{number}: "sum({cost.name}" within? ")"'
        contrasts.append(f"cost_{number} relation cost_{number}")
        graded.append(f"cost_{number}")
    yield f"contrast: {' | '.join(contrasts)}"
    yield f"graded: {' | '.join(graded)}"
    yield "amount: measure (sign measure)?"
    yield 'measure: ("count(" | "longest(" | "shortest(") (operator | operators) within? ")"'
    yield 'within: " in " place'
    yield f"relation: {_any_of([' <= ', ' >= ', ' == ', ' != ', ' < ', ' > '])}"
    yield f"sign: {_any_of([' + ', ' - '])}"
    yield f"number: {_any_of(map(str, range(len(space.layers) + 1)))}"
    yield ""


def _quantified(space: Space) -> Iterable[str]:
    """What is said of each layer of a region, where one variable stands for it."""
    variable = _variable(space)
    own = f'"not "? "{variable}" state'
    nodes = list(dict.fromkeys(chain.from_iterable(_choices(space))))
    if nodes:
        own += f' | "not "? "{variable}" " from " (node | nodes)'
    yield f'quantified: ("each " | "some ") "{variable} in " place ": " body'
    yield f'each_counted: "count(" "{variable} in " place ": " body ")"'
    yield "body: link"
    yield "    | own joint own"
    yield '    | "if " own " then " (link | other)'
    yield '    | "if " other " then " link'
    yield f'link: own | "not "? "same(" "{variable}" ", " layer ")"'
    yield f"own: {own}"
    yield 'other: "not "? layer state'
    if nodes:
        yield f"node: {_any_of(nodes)}"
        yield f"nodes: {_set_of('node', 3)}"
    yield ""


def _names(space: Space) -> Iterable[str]:
    """The names that the space gives; a class without members would say nothing."""
    classes = (name for name, members in space.classes.items() if members)
    yield f"layer: {_any_of(space.layer_index)}"
    yield f"operator: {_any_of([*space.operator_index, *classes])}"
    yield f"operators: {_set_of('operator', 4)}"
    yield f"region: {_any_of(space.regions)}"
    yield f"place: region | {_set_of('(region | layer)', 3)}"
    yield ""


def _any_of(words: Iterable[str]) -> str:
    return " | ".join(json.dumps(word) for word in words)


def _set_of(member: str, most: int) -> str:
    """Two members in braces, or more."""
    more = ""
    for _ in range(most - 2):
        more = f' (", " {member}{more})?'
    return f'"{{" {member} ", " {member}{more} "}}"'


def _choices(space: Space) -> dict[tuple[str, ...], list[Layer]]:
    """The layers that have a choice of source, by the sources they choose from."""
    found: dict[tuple[str, ...], list[Layer]] = {}
    for layer in space.layers:
        if len(layer.sources) > 1:
            found.setdefault(layer.sources, []).append(layer)
    return found


def _variable(space: Space) -> str:
    """A name for the quantified layer that stands for nothing in the space: `l` if it can be."""
    costs = [cost.name for cost in space.costs]
    named = (space.layer_index, space.operator_index, space.classes, space.regions, costs)
    taken = set(chain(space.node_names, *named))
    candidates = chain(("l", "m", "n"), (f"l{number}" for number in count()))
    return next(name for name in candidates if name not in taken)


# ------------------------------------------------------------------------------------------ bounds


def _at_most(largest: int) -> str:
    """A regex for numbers with no more digits than `largest`, and no larger first digit then."""
    text = str(min(largest, MAX_INTEGER - 1))
    digits = len(text)
    if digits == 1:
        return f"[0-{text}]"
    first = "1" if text[0] == "1" else f"[1-{text[0]}]"
    return f"0|[1-9][0-9]{{0,{digits - 2}}}|{first}[0-9]{{{digits - 1}}}"


def _largest_total(space: Space, cost: str) -> int:
    """What no architecture exceeds: the dearest operator and source of every layer."""
    return sum(
        max(max(space.operator_costs(cost, index, node)) for node in layer.sources)
        for index, layer in enumerate(space.layers)
    )


def _most_parts(space: Space) -> int:
    """A bound on the parts that one clause expands into, as `logic.meaning` counts them."""
    layers, operators = len(space.layers), len(space.operators)
    total = 1 + max((_source_terms(space, cost.name) for cost in space.costs), default=0)
    same = 2 * operators + 1
    literal = 1 + max(same, len(space.cells), 1 + total, 2)
    condition = 2 * literal + 1
    contrast = 1 + max(2 * total, 4)
    joined = 3 * max(contrast, condition + 2) + 1
    own = 3
    body = own + max(own, same + 1) + 2
    quantified = layers * body + 2
    formula = max(condition + 2 + max(joined, quantified), 4 * literal + 2 + condition)
    return formula + condition


def _source_terms(space: Space, cost: str) -> int:
    """How many pairs of layer and operator cost more, or less, from some source."""
    terms = 0
    for index, layer in enumerate(space.layers):
        by_source = [space.operator_costs(cost, index, node) for node in layer.sources]
        for amounts in zip(*by_source, strict=True):
            terms += len(set(amounts)) - 1
    return terms


def _longest(grammar: str) -> int:
    """The characters of the longest sentence of a grammar without recursion."""
    from lark import Lark
    from lark.grammar import Symbol

    compiled = Lark(grammar, parser="earley", lexer="dynamic")
    widths = {terminal.name: terminal.pattern.max_width for terminal in compiled.terminals}
    expansions: dict[str, list[Sequence[Symbol]]] = {}
    for rule in compiled.rules:
        expansions.setdefault(rule.origin.name, []).append(rule.expansion)

    @cache
    def width(name: str) -> int:
        if name in widths:
            return widths[name]
        return max(sum(width(symbol.name) for symbol in symbols) for symbols in expansions[name])

    return width("start")
