"""Which of the project's modules imports which, read from their source: nothing is imported to find out."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from tests.paths import ROOT

PACKAGES = ("zoo", "media", "training", "serving", "colorzoo")


def module_name(path: Path) -> str:
    """training/loop/train.py -> training.loop.train; a package has the name of its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources() -> dict[str, Path]:
    """All modules of the project, by name."""
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    found += [path for package in PACKAGES if (path := ROOT / f"{package}.py").is_file()]
    return {module_name(path): path for path in sorted(found)}


def imports_of(source: str, package: str = "") -> Iterator[tuple[str, str]]:
    """The imports of a module, at its top or inside a function, but for those that only type checkers see.

    `import a.b` gives ("a.b", ""), and `from a import b` ("a", "b"). `package` is where the module lies, for relative
    imports.
    """
    nodes: list[ast.AST] = [ast.parse(source)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            nodes += node.orelse
            continue
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            where = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((where, alias.name) for alias in node.names)


@cache
def graph() -> Mapping[str, frozenset[str]]:
    """The modules that each module of the project imports, those of other distributions included."""
    modules = sources()
    found = {}
    for name, path in modules.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        imported = set()
        for where, what in imports_of(path.read_text(encoding="utf-8"), package):
            imported.add(f"{where}.{what}" if f"{where}.{what}" in modules else where)
        found[name] = frozenset(imported - {name})
    return found


def within(module: str, names: frozenset[str] | set[str] | tuple[str, ...]) -> bool:
    """Whether a module is one of the names, or lies in a package of that name."""
    return any(module == name or module.startswith(f"{name}.") for name in names)


def reached_from(names: set[str]) -> dict[str, list[str]]:
    """The modules that are imported wherever those are, each with the chain of imports that leads to it."""
    edges = graph()
    chains = {name: [name] for name in sorted(edges) if within(name, names)}
    waiting = list(chains)
    while waiting:
        module = waiting.pop()
        for other in sorted(edges.get(module, ())):
            if other not in chains:
                chains[other] = [*chains[module], other]
                waiting.append(other)
    return chains


def cycle(edges: Mapping[str, frozenset[str]]) -> list[str]:
    """Modules that import each other in a circle, the first again at the end; none if there is no circle."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done or name not in edges:
            return []
        for other in sorted(edges[name]):
            if found := walk(other, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(edges) if (found := walk(name, []))), [])
