"""Arch strings: an architecture in a benchmark's own notation, declared as a template.

A template is literal text with a placeholder `{layer0}` for the operator of a layer and
`{layer0.source}` for its source. White space and the kind of quotes do not matter when reading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

_PLACEHOLDER = re.compile(r"\{(\w+)(\.source)?\}")


@dataclass(frozen=True, eq=False)
class Notation:
    """One way to write the architectures of a space whose layers are `layers`.

    `operators` and `sources` give the code that stands for a name; names without one stand for
    themselves.
    """

    template: str
    layers: tuple[str, ...]
    operators: Mapping[str, str]
    sources: Mapping[str, str]

    @cached_property
    def placeholders(self) -> tuple[tuple[str, bool], ...]:
        """The placeholders in reading order: the layer, and whether its source is meant."""
        return tuple((m[1], bool(m[2])) for m in _PLACEHOLDER.finditer(self.template))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = []
        end = 0
        for match in _PLACEHOLDER.finditer(self.template):
            codes = self.sources if match[2] else self.operators
            lengths = {len(code) for code in codes.values()}
            group = rf"(\w{{{lengths.pop()}}})" if len(lengths) == 1 else r"(\w{1,64}?)"
            parts += [re.escape(_folded(self.template[end : match.start()])), group]
            end = match.end()
        return re.compile("".join(parts) + re.escape(_folded(self.template[end:])))

    def read(self, text: str) -> tuple[list[str], list[str | None]] | None:
        """The operator and the source (None where not written) of each layer; None if no match.

        Codes are turned into names; a code that stands for nothing is returned as it is.
        """
        match = self._pattern.fullmatch(_folded(text))
        if match is None:
            return None
        operators: dict[str, str] = {}
        sources: dict[str, str] = {}
        decode_operator = {code: name for name, code in self.operators.items()}
        decode_source = {code: name for name, code in self.sources.items()}
        for (layer, is_source), word in zip(self.placeholders, match.groups(), strict=True):
            if is_source:
                sources[layer] = decode_source.get(word, word)
            else:
                operators[layer] = decode_operator.get(word, word)
        return [operators[name] for name in self.layers], [sources.get(n) for n in self.layers]

    def write(self, operators: Sequence[str], sources: Sequence[str]) -> str:
        """The arch string of an architecture, given the operator and source of each layer."""
        operator = dict(zip(self.layers, operators, strict=True))
        source = dict(zip(self.layers, sources, strict=True))

        def code(match: re.Match[str]) -> str:
            if match[2]:
                return self.sources.get(source[match[1]], source[match[1]])
            return self.operators.get(operator[match[1]], operator[match[1]])

        return _PLACEHOLDER.sub(code, self.template)


def _folded(text: str) -> str:
    return re.sub(r"\s+", "", text).replace('"', "'")
