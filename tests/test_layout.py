"""The rooms of the package: imports run downward between rooms and in no circle within one; a light
`import iae_jax`; no room that is too large to read. All read from the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

# Each room may import those before it.
ROOMS = [
    "errors", "kinds", "types", "files", "networks", "sampling", "objectives", "game", "devices",
    "data", "metrics", "runs", "presets", "records", "launch", "report", "compare", "sweep",
]  # fmt: skip
PACKAGE = Path(__file__).parent.parent / "iae_jax"
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = [
    "tensorflow", "tensorflow_datasets", "grain", "orbax", "matplotlib", "sklearn",
    "ml_collections", "tqdm", "PIL", "jinja2",
]  # fmt: skip
MAX_ROOT_ENTRIES = 20


def room_of(dotted):
    """iae_jax.data.npz -> "data"."""
    return dotted.split(".")[1]


def name_of(path):
    """The module's dotted name."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path) for path in FILES}


def imported(path):
    """Every dotted name that a file imports, wherever in the file."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import, line {node.lineno}"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def own_modules(path):
    """The package's modules that a file imports."""
    found = set()
    for name in imported(path):
        if name.split(".")[0] == "iae_jax":
            found.add(name if name in MODULES else name.rpartition(".")[0])
    return found


def test_there_is_something_to_read():
    assert len(FILES) > 40
    assert "jax.numpy" in imported(PACKAGE / "objectives" / "terms.py")
    assert "iae_jax.types.Array" in imported(PACKAGE / "objectives" / "terms.py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_downward(path):
    if path == PACKAGE / "__init__.py":  # the public names, from everywhere
        return
    room = room_of(name_of(path))
    assert room in ROOMS, f"{room} has no place in the order of the rooms"
    for name in own_modules(path):
        assert name != "iae_jax", f"{path.name} imports the public names: name the module"
        assert ROOMS.index(room_of(name)) <= ROOMS.index(room), f"{path.name} imports {name}"


def test_modules_of_a_room_do_not_import_each_other_in_a_circle():
    depends = {
        name_of(path): {m for m in own_modules(path) if room_of(m) == room_of(name_of(path))}
        for path in FILES
        if path != PACKAGE / "__init__.py"
    }
    # A room's __init__ re-exports what its files have.
    rooms = {f"iae_jax.{room}" for room in ROOMS}
    left = {name: needs - {name} - rooms for name, needs in depends.items()}
    while left:
        free = {name for name, needs in left.items() if not needs & left.keys()}
        assert free, f"a circle of imports among {sorted(left)}"
        left = {name: needs for name, needs in left.items() if name not in free}


def test_the_root_stays_small():
    entries = [path for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= MAX_ROOT_ENTRIES, sorted(path.name for path in entries)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_layers_only_inside_networks(path):
    layers = [n for n in imported(path) if n.startswith(("flax.linen", "flax.nnx"))]
    assert not layers or room_of(name_of(path)) == "networks", f"{path.name} imports {layers}"


def test_every_file_is_a_noun():
    names = {path.stem for path in PACKAGE.parent.rglob("*.py") if ".venv" not in path.parts}
    assert not names & {"utils", "util", "common", "helpers", "helper", "misc"}


def test_importing_the_package_is_light():
    code = f"import sys, iae_jax; print(*[m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == []
