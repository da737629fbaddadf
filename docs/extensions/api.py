"""The pages of the API: one for each room of the package, with the public names of its modules."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

# Rooms for users of the library; the others (numerics, work folders, the report, sweeps) serve these and the commands.
ROOMS = (
    "api",
    "measures",
    "evaluation",
    "representations",
    "models",
    "data",
    "streaming",
    "training",
    "quantizers",
    "topology",
    "alignment",
    "in_context",
    "regression",
    "analysis",
    "plots",
    "parallel",
    "testing",
    "errors",
)


def pages() -> dict[str, str]:
    """The pages in reStructuredText by the name of their file."""
    rooms = {room: importlib.import_module(f"geojax.{room}") for room in ROOMS}
    return {"index.rst": contents(rooms)} | {f"{room}.rst": page(module) for room, module in rooms.items()}


def contents(rooms: dict[str, ModuleType]) -> str:
    """The first page: every room with the line that describes it."""
    title = "API reference"
    rows = "".join(
        f"   * - :doc:`geojax.{room} <{room}>`\n     - {_summary(module)}\n" for room, module in rooms.items()
    )
    names = "".join(f"   {room}\n" for room in rooms)
    return f"{_titled(title, '=')}\n.. list-table::\n\n{rows}\n.. toctree::\n   :hidden:\n\n{names}"


def page(room: ModuleType) -> str:
    """The page of a room: the package, then its modules."""
    parts = [_titled(room.__name__, "=")]
    taken: set[object] = set()
    for module in (room, *_modules(room)):
        names = [name for name in public(module) if getattr(module, name) not in taken]
        taken |= {getattr(module, name) for name in names}
        if module is not room:
            if not names:
                continue
            parts.append(_titled(module.__name__, "-"))
        members = f"   :members: {', '.join(names)}\n" if names else "   :no-members:\n"
        parts.append(f".. automodule:: {module.__name__}\n{members}")
    return "\n".join(parts)


def public(module: ModuleType) -> list[str]:
    """The functions and classes that a module gives: those of `__all__`, else those that it defines."""
    own = getattr(module, "__all__", None)
    return [
        name
        for name, value in vars(module).items()
        if (inspect.isfunction(value) or inspect.isclass(value))
        and value.__doc__
        and (name in own if own else value.__module__ == module.__name__ and not name.startswith("_"))
    ]


def _modules(room: ModuleType) -> Iterator[ModuleType]:
    if hasattr(room, "__path__"):
        for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def _summary(module: ModuleType) -> str:
    return (module.__doc__ or "").split("\n")[0]


def _titled(title: str, sign: str) -> str:
    return f"{title}\n{sign * len(title)}\n"
