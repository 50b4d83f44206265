"""Imports point down, each library has one home, files stay small."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "tracer").rglob("*.py"))

LAYERS = (
    {"errors", "model"},
    {"core"},
    {"bundle", "capture", "collect", "render"},
    {"formats", "plan", "recording", "install"},
    {"watching"},
    {"agent"},
    {"lab"},
    {"api", "cli"},
    {"__main__"},
)
"""From the bottom up: a file imports from its own package or from a layer further down."""

ALLOWED_SIDEWAYS = {
    ("capture", "collect"), ("collect", "bundle"), ("recording", "install"),
}  # fmt: skip
"""The codec stands on both banks of the wire; saved state and captures are read as an agent reads
them: the same objects, the same choice of devices. Pods for one recording are those of an
installation."""

HOMES = {
    "bcc": {"collect/bpf.py"},
    "kubernetes": {"collect/kube_client.py"},
    "urllib3": {"collect/kube.py", "collect/kube_lean.py"},
    "click": {"cli/"},
    "curses": {"cli/screen.py"},
    "tabulate": {"render/", "lab/", "cli/"},
    "dpkt": {"capture/"},
    "jinja2": {"render/html.py"},
    "pcapng": {"capture/"},
    "prometheus_client": {"watching/metrics.py"},
    "yaml": {"install/as_yaml.py"},
    "pyroute2": {"collect/clsact.py", "lab/"},
    "starlette": {"lab/apiserver/"},
    "uvicorn": {"lab/apiserver/"},
    "websocket": {"collect/kube_stream.py"},
}

PURE = {
    "bisect", "collections", "dataclasses", "datetime", "enum", "functools", "hashlib", "ipaddress",
    "itertools", "json", "math", "operator", "re", "shlex", "string", "struct", "textwrap",
    "types", "typing", "msgspec", "tracer", "__future__",
}  # fmt: skip
"""What the core may import: nothing that reads a clock, a file, a socket or a random number."""

LONGEST = 300
LONGEST_FUNCTION = 45


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT / "tracer"))


def layer_of(part: str) -> int | None:
    for number, parts in enumerate(LAYERS):
        if part in parts:
            return number
    return None


def imports(path: Path) -> Iterator[str]:
    """Every module that the file imports, inside functions too; not those for types alone."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    own = Path(name_of(path)).parts[0].removesuffix(".py")
    level = layer_of(own)
    for module in imports(path):
        parts = module.split(".")
        if parts[0] != "tracer" or len(parts) < 2 or parts[1] == own:
            continue
        other = layer_of(parts[1])
        if level is None or other is None or (own, parts[1]) in ALLOWED_SIDEWAYS:
            continue
        assert other < level, f"{name_of(path)} imports {module}, which is not below it"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_each_library_has_one_home(path: Path) -> None:
    for module in imports(path):
        homes = HOMES.get(module.split(".")[0])
        if homes is not None:
            assert any(name_of(path).startswith(home) for home in homes), (
                f"{name_of(path)} imports {module}, whose home is {' or '.join(sorted(homes))}"
            )


@pytest.mark.parametrize("path", [path for path in SOURCES if "core" in path.parts], ids=name_of)
def test_the_core_touches_nothing(path: Path) -> None:
    strangers = {module.split(".")[0] for module in imports(path)} - PURE
    assert not strangers, f"{name_of(path)} imports {strangers}: the core does no I/O"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_is_read_in_one_go_and_a_function_fits_a_screen(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LONGEST, f"{name_of(path)} is longer than {LONGEST} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= LONGEST_FUNCTION, f"{name_of(path)}: {node.name} has {lines} lines"


def test_every_package_is_part_of_an_installation() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {path.parent.relative_to(ROOT) for path in (ROOT / "tracer").rglob("__init__.py")}
    carried = {"tracer._bpf", "tracer._pages"}
    assert set(listed) - carried == {".".join(path.parts) for path in found}
