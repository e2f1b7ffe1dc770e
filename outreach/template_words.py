"""What a template cannot be written without, and what it says to everybody: read from its form.

Only what is asked first (`{% if booking_url is defined %}`) may be missing when it is written.
"""

from collections.abc import Iterable, Iterator

from jinja2 import nodes

_ASKS = ("defined", "undefined")
_ELSE = ("default", "d")  # filters that have another value where there is none
# What an expression may do with a name but tell it.
_UNSURE = (nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Test, nodes.Getitem)
_NOBODY: frozenset[str] = frozenset()


def needed(tree: nodes.Node, known: frozenset[str] = _NOBODY) -> set[str]:
    """The names that are told without having asked whether there are any; `known` are."""
    if isinstance(tree, nodes.Name):
        return set() if tree.ctx != "load" or tree.name in known else {tree.name}
    if isinstance(tree, nodes.Test) and tree.name in _ASKS:
        return set()
    if isinstance(tree, nodes.Filter) and tree.name in _ELSE:
        return _all(tree.args, known)
    if isinstance(tree, nodes.And):
        return needed(tree.left, known) | needed(tree.right, known | _asked(tree.left))
    if isinstance(tree, nodes.If):
        told = needed(tree.test, known) | _all(tree.body, known | _asked(tree.test))
        return told | _all((*tree.elif_, *tree.else_), known | _asked(tree.test, holds=False))
    if isinstance(tree, nodes.CondExpr):
        told = needed(tree.test, known) | needed(tree.expr1, known | _asked(tree.test))
        other = (tree.expr2,) if tree.expr2 is not None else ()
        return told | _all(other, known | _asked(tree.test, holds=False))
    return _all(tree.iter_child_nodes(), known)


def says(body: Iterable[nodes.Node], name: str, itself: str) -> bool:
    """Whether a name, or what it stands for, is told whatever else is."""
    for node in body:
        if isinstance(node, nodes.Output) and any(_told(each, name, itself) for each in node.nodes):
            return True
        if isinstance(node, nodes.If) and all(
            says(part, name, itself)
            for part in (node.body, *(other.body for other in node.elif_), node.else_)
        ):
            return True
    return False


def _told(expression: nodes.Node, name: str, itself: str) -> bool:
    if isinstance(expression, nodes.TemplateData):
        return bool(itself) and itself in expression.data
    parts = list(_parts(expression))
    return not any(isinstance(part, _UNSURE) for part in parts) and any(
        isinstance(part, nodes.Name) and part.name == name for part in parts
    )


def _parts(tree: nodes.Node) -> Iterator[nodes.Node]:
    yield tree
    yield from tree.find_all(nodes.Node)


def _all(trees: Iterable[nodes.Node], known: frozenset[str]) -> set[str]:
    return set().union(*(needed(tree, known) for tree in trees))


def _asked(test: nodes.Node, *, holds: bool = True) -> frozenset[str]:
    """The names that are there where a test holds, or where it does not."""
    if isinstance(test, nodes.Not):
        return _asked(test.node, holds=not holds)
    if isinstance(test, nodes.And) and holds:
        return _asked(test.left) | _asked(test.right)
    if isinstance(test, nodes.Test) and test.name == _ASKS[0 if holds else 1]:
        return frozenset({test.node.name} if isinstance(test.node, nodes.Name) else ())
    return _NOBODY
