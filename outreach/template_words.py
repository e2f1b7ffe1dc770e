"""What a template says to everybody: read from its form."""

from collections.abc import Iterable, Iterator

from jinja2 import nodes

# What an expression may do with a name but tell it.
_UNSURE = (nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Test, nodes.Getitem)


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
