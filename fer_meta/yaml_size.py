"""How much a YAML text holds once its aliases are written out, found before they are: a few lines may stand
for more than any memory holds.
"""

from collections.abc import Iterator

import yaml

MOST_NODES = 20_000  # keys, values and items, each alias counted with what it repeats
DEEPEST = 20  # mappings and lists within each other


class TooMuch(ValueError):
    """`line` (from 1) says where."""

    def __init__(self, node: yaml.Node, words: str):
        super().__init__(words)
        self.line = node.start_mark.line + 1


def check_size(node: yaml.Node | None) -> None:
    """Raises TooMuch for what would be large or endless once its aliases are written out. Each node is
    visited once, however often it is named.
    """
    sizes: dict[int, int] = {}
    above: set[int] = set()

    def size(node: yaml.Node, depth: int) -> int:
        if id(node) in above:
            raise TooMuch(node, "the alias is inside what it repeats; write it out")
        if depth > DEEPEST:
            raise TooMuch(node, f"its lists and mappings are nested too deeply; {DEEPEST} levels are read")
        if id(node) not in sizes:
            above.add(id(node))
            sizes[id(node)] = 1 + sum(size(child, depth + 1) for child in children(node))
            above.remove(id(node))
        if sizes[id(node)] > MOST_NODES:
            raise TooMuch(node, f"holds more than {MOST_NODES:,} keys and values, its aliases written out")
        return sizes[id(node)]

    if node:
        size(node, 0)


def children(node: yaml.Node | None) -> Iterator[yaml.Node]:
    """The keys and values of a mapping, or the items of a list."""
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value
