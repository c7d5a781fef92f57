"""Build the documentation with Sphinx."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vendorauth import __version__

_HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(_HERE))

import tables  # noqa: E402  it stands beside this file

if TYPE_CHECKING:
    from docutils.nodes import Element
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "vendorauth"
release = version = __version__
html_title = f"vendorauth {release}"
html_theme = "furo"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False  # LICENSE says it
html_show_search_summary = False  # it would be fetched, which a browser refuses to pages opened as files
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.doctest", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "examples"]
default_role = "py:obj"

autodoc_default_options = {"show-inheritance": True}
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

nitpick_ignore_regex = [
    # Other projects' names: intersphinx would need the network for each build.
    (
        r"py:.*",
        r"(aiohttp|asyncio|collections|cryptography|httpx|redis|contextlib|datetime|multidict|opentelemetry|os|ssl|typing|urllib|yarl)\..*",
    ),
    # Bases that exist to be shared: their members are shown with each public class.
    (
        r"py:class",
        r"vendorauth\.(_wire|client|cognito\.shapes|protogrid\.client|testing\._cognito|testing\._server)\.\w+",
    ),
    # What the clients and the engine say to each other.
    (r"py:class", r"vendorauth\.engine\.(trial\.\w+|setup\.Turns|watching\.Watcher)"),
    # What JSON can say, an alias of ``Any``; type variables.
    (r"py:.*", r"(vendorauth\.[a-z_.]+\.)?(JSON|T|K|C|ErrorT|PageT)"),
]

_PUBLIC = (
    "vendorauth",
    "vendorauth.flows",
    "vendorauth.integrations.opentelemetry",
    "vendorauth.pool",
    "vendorauth.proglove",
    "vendorauth.protogrid",
    "vendorauth.stores",
    "vendorauth.testing",
    "vendorauth.testing.conformance",
)


def _public_names() -> dict[str, str]:
    """Map where a thing is defined to where it is documented: ``vendorauth.tokens.Token`` to ``vendorauth.Token``."""
    names: dict[str, str] = {}
    for module in _PUBLIC:
        for name in importlib.import_module(module).__all__:
            defined = getattr(importlib.import_module(module), name)
            names.setdefault(f"{getattr(defined, '__module__', module)}.{name}", f"{module}.{name}")
    return names


_NAMES = _public_names()


def _find_public(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: Element) -> Any:
    """Resolve a name of ours by where it is documented."""
    target: str = node.get("reftarget", "")
    candidates = [public for defined, public in _NAMES.items() if defined == target or public.endswith(f".{target}")]
    owner, _, member = target.rpartition(".")
    candidates += [f"{public}.{member}" for public in _NAMES.values() if owner and public.endswith(f".{owner}")]
    for name in candidates:
        found = env.domains.python_domain.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, content)
        if found is not None:
            return found
    return None


def _hide_colon(_app: Sphinx, what: str, _name: str, _thing: object, _options: object, lines: list[str]) -> None:
    """Keep Napoleon from taking an attribute's sentence, up to its first colon, for the attribute's type."""
    if what in {"attribute", "data", "property"} and lines:
        lines[0] = lines[0].replace(":", "\0")


def _show_colon(_app: Sphinx, _what: str, _name: str, _thing: object, _options: object, lines: list[str]) -> None:
    lines[:] = [line.replace("\0", ":") for line in lines]


def setup(app: Sphinx) -> None:
    """Register what is special here, and write the tables that the pages include."""
    tables.write_tables(_HERE / "_build" / "tables")
    app.connect("autodoc-process-docstring", _hide_colon, priority=400)
    app.connect("autodoc-process-docstring", _show_colon, priority=600)
    app.connect("missing-reference", _find_public)
