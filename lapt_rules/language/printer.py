"""The syntax tree as text, in the one canonical layout that `lapt fmt` writes.

`parse(print_file(tree)) == tree`, printing is idempotent, and every comment is kept: above or
beside the statement it was written for.
"""

from __future__ import annotations

import textwrap

from lapt_rules.language import syntax as ast

WIDTH = 100


def print_file(file: ast.File) -> str:
    """The whole file, its blocks set apart by blank lines, ending with a newline.

    >>> from lapt_rules.language.parser import parse
    >>> print(print_file(parse("principle p forbid  (layer0 in {none})")), end="")
    principle p
      forbid layer0 is none
    """
    chunks: list[str] = []
    previous: ast.Block | None = None
    for block in file.blocks:
        if previous is not None and _set_apart(previous, block):
            chunks.append("")
        chunks += _block(block)
        previous = block
    closing = list(file.closing)
    while closing and not closing[-1]:
        closing.pop()
    if closing and chunks:
        chunks.append("")
    return "\n".join([*chunks, *closing, ""]) if chunks or closing else ""


def _set_apart(previous: ast.Block, block: ast.Block) -> bool:
    """Whether a blank line stands between two blocks: always, but inside groups of short lines."""
    if isinstance(block, ast.Principle) or isinstance(previous, ast.Principle):
        return True
    groups = (ast.SpaceLine, ast.Region | ast.Define, ast.Expect | ast.Test)
    return any(isinstance(block, group) != isinstance(previous, group) for group in groups)


def _block(block: ast.Block) -> list[str]:
    match block:
        case ast.Principle(name=name, why=why, clauses=clauses):
            heading = [f"principle {name.text}"] + ([f'  "{why}"'] if why else [])
            lines = _commented(block, heading, "")
            for clause in clauses:
                lines += _commented(clause, _clause(clause, "  "), "  ")
            return lines
        case ast.SpaceLine(name=name):
            return _commented(block, [f"space {name.text}"], "")
        case ast.Region(name=name, layers=layers):
            return _commented(block, [f"region {name.text} = {_braced(layers)}"], "")
        case ast.Define(name=name, formula=formula):
            text = f"define {name.text} = {print_formula(formula)}"
            return _commented(block, _wrapped(text, ""), "")
        case ast.Expect() | ast.Accept() | ast.Reject() | ast.Rank():
            return _commented(block, [print_clause(block)], "")


def _commented(statement: ast.Statement, lines: list[str], indent: str) -> list[str]:
    above = [indent + comment if comment else "" for comment in statement.comments.above]
    if statement.comments.beside:
        lines = [*lines[:-1], f"{lines[-1]}  {statement.comments.beside}"]
    return above + lines


def print_clause(clause: ast.Clause | ast.Expect) -> str:
    """One clause or test on one line, however long."""
    match clause:
        case ast.Expect(minimum=minimum, maximum=maximum):
            return f"expect {minimum}..{maximum}"
        case ast.Hard(kind=kind, formula=formula, unless=unless):
            tail = f" unless {print_formula(unless)}" if unless else ""
            return f"{kind} {print_formula(formula)}{tail}"
        case ast.Prefer(target=target, weight=weight, when=when):
            what = (
                f"more {print_expression(target)}"
                if isinstance(target, ast.Expression)
                else print_formula(target)
            )
            condition = f" when {print_formula(when)}" if when else ""
            return f"prefer {what}{condition} weight {_number(weight)}"
        case ast.Accept(architecture=architecture):
            return f"accept {_arch(architecture)}"
        case ast.Reject(architecture=architecture):
            return f"reject {_arch(architecture)}"
        case ast.Rank(better=better, worse=worse):
            return f"rank {_arch(better)} above {_arch(worse)}"


def _clause(clause: ast.Clause, indent: str) -> list[str]:
    text = print_clause(clause)
    if isinstance(clause, ast.Hard | ast.Prefer):
        return _wrapped(text, indent)
    return [indent + text]  # an arch string must not be broken over lines


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


# How tightly each formula binds; a part that binds less tightly than its place needs parentheses.
_OPEN, _OR, _AND, _NOT = range(4)


def _strength(formula: ast.Formula) -> int:
    match formula:
        case ast.Implication() | ast.Quantified():
            return _OPEN
        case ast.Disjunction():
            return _OR
        case ast.Conjunction():
            return _AND
        case _:
            return _NOT


def print_formula(formula: ast.Formula, strength: int = _OPEN) -> str:
    """A formula on one line, with the fewest parentheses but those that keep it readable."""
    text = _formula(formula)
    return f"({text})" if _strength(formula) < strength else text


def _formula(formula: ast.Formula) -> str:
    match formula:
        case ast.Reference(name=name):
            return name.text
        case ast.OperatorIs(layer=layer, operators=operators, negated=negated):
            if len(operators.names) == 1:
                return f"{layer.text} is {'not ' if negated else ''}{_names(operators)}"
            return f"{layer.text} {'not ' if negated else ''}in {_names(operators)}"
        case ast.SourceIs(layer=layer, sources=sources):
            return f"{layer.text} from {_names(sources)}"
        case ast.Liveness(layer=layer, live=live):
            return f"{layer.text} is {'live' if live else 'dead'}"
        case ast.Same(left=left, right=right):
            return f"same({left.text}, {right.text})"
        case ast.Connected():
            return "connected"
        case ast.AtLeast(minimum=minimum, parts=parts):
            inner = ", ".join(print_formula(part) for part in parts)
            return f"at least {minimum.value} of ({inner})"
        case ast.Comparison(left=left, relation=relation, right=right):
            return f"{print_expression(left)} {relation} {print_expression(right)}"
        case ast.Negation(part=part):
            return f"not {print_formula(part, _NOT)}"
        case ast.Conjunction(parts=parts):
            return " and ".join(print_formula(part, _NOT) for part in parts)
        case ast.Disjunction(parts=parts):
            return " or ".join(print_formula(part, _AND) for part in parts)
        case ast.Implication(condition=condition, consequence=consequence):
            return f"if {print_formula(condition)} then {print_formula(consequence)}"
        case ast.Quantified(quantifier=word, variable=variable, region=region, body=body):
            return f"{word} {variable.text} in {_names(region)}: {print_formula(body)}"


def print_expression(expression: ast.Expression) -> str:
    match expression:
        case ast.Integer(value=value):
            return str(value)
        case ast.Count(operators=operators, region=region):
            return f"count({_names(operators)}{_within(region)})"
        case ast.CountEach(variable=variable, region=region, body=body):
            return f"count({variable.text} in {_names(region)}: {print_formula(body)})"
        case ast.Total(cost=cost, region=region):
            return f"sum({cost.text}{_within(region)})"
        case ast.PathLength(extreme=extreme, operators=operators, region=region):
            return f"{extreme}({_names(operators)}{_within(region)})"
        case ast.Sum(terms=terms):
            text = _term(terms[0][1])
            return text + "".join(f" {sign} {_term(term)}" for sign, term in terms[1:])


def _term(expression: ast.Expression) -> str:
    text = print_expression(expression)
    return f"({text})" if isinstance(expression, ast.Sum) else text


def _within(region: ast.Names | None) -> str:
    return f" in {_names(region)}" if region else ""


def _names(names: ast.Names) -> str:
    return names.names[0].text if len(names.names) == 1 else _braced(names)


def _braced(names: ast.Names) -> str:
    return "{" + ", ".join(name.text for name in names.names) + "}"


def _arch(architecture: ast.Arch) -> str:
    match architecture:
        case ast.Notation(text=text):
            return f'"{text}"'
        case ast.Listing(entries=entries):
            return "[" + ", ".join(_entry(entry) for entry in entries) + "]"


def _entry(entry: ast.Entry) -> str:
    return entry.operator.text + (f" from {entry.source.text}" if entry.source else "")


def _number(weight: float) -> str:
    text = f"{weight:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
