"""Set up what all tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings

from _counted import LONG, SHORT, counted, inputs

# A noisy machine is no reason for a property to fail; pytest-timeout bounds every test.
settings.register_profile(SHORT, deadline=None, max_examples=30)
settings.register_profile(LONG, deadline=None, max_examples=600, database=None, suppress_health_check=list(HealthCheck))
settings.load_profile(SHORT)  # --hypothesis-profile comes later, and wins

_TABLES: Final = ("test_faults*", "test_fuzz*", "test_origin*", "test_storms*")
_PROCESSES: Final = ("test_fleet*", "test_*_outside*", "test_*_growth*", "test_simulate*", "test_bench*")
_FILES: Final = ("test_stores_files*", "test_stores_file_locks*")
_SERVERS: Final = ("test_*_conformance*", "test_stores_redis_*")
_VENDORS: Final = ("test_cognito_*", "test_pro*", "test_paging*", "test_wire*", "test_moto*")
_TWICE: Final = ("test_pitfalls_[!l]*", "test_secrets_*", "test_loops_kinds*")
_ELSEWHERE: Final = ("test_pitfalls_[!g]*", "test_secrets_[!o]*", "test_loops_[fk]*", "test_stores_*", "test_cli_*")
LEFT_OUT: Final = {
    "all": (),
    "covered": (*_TABLES, *_PROCESSES, *_TWICE, "test_examples*"),
    "plain": (*_SERVERS, *_VENDORS, *_ELSEWHERE, "test_examples.py", "test_examples_[!w]*"),
    "dev": (*_TABLES, *_PROCESSES, *_FILES, *_SERVERS, "test_cli_[!m]*", "test_loops_fork*", "test_examples_w*"),
}
"""What each share of the tests leaves out, by the names of files: one run of each three tests everything."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a long run say how much it has to do, and a short one do its share."""
    text = "count what all properties examine, print it, and fail if it is less"
    parser.addoption("--least-inputs", type=int, default=0, help=text)
    parser.addoption("--share", choices=LEFT_OUT, default="all", help="run this share of the tests")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what is not of this share."""
    return any(map(collection_path.match, LEFT_OUT[config.getoption("--share")])) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Count what every property examines, where that is asked for."""
    if not config.getoption("--least-inputs"):
        return
    handles = (getattr(getattr(item, "obj", None), "hypothesis", None) for item in items)
    for handle in {id(one): one for one in handles if one is not None}.values():
        handle.inner_test = counted(handle.inner_test)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that examined too little; xdist's workers only tell what they did."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["inputs"] = dict(inputs)
    elif inputs.total() < session.config.getoption("--least-inputs"):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Add up what xdist's workers did."""
    inputs.update(getattr(node, "workeroutput", {}).get("inputs", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how much was examined, where it was counted."""
    least = config.getoption("--least-inputs")
    if not least:
        return
    terminalreporter.section("inputs examined")
    for name, count in sorted(inputs.items()):
        terminalreporter.line(f"{count:>12,}  {name}")
    terminalreporter.line(f"{inputs.total():>12,}  by {len(inputs)} properties, of {least:,} at least")
