"""Run the checks: ``nox`` all of them, ``nox -s tests-3.12`` one. Interpreters that are not there are skipped."""

import shutil

import nox

PYTHONS = nox.project.python_versions(PYPROJECT := nox.project.load_toml("pyproject.toml"))

nox.options.error_on_missing_interpreters = False  # nox's own default differs where CI is set
nox.options.reuse_venv = "yes"


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel that the other sessions install."""
    shutil.rmtree(wheels := session.cache_dir / "wheel", ignore_errors=True)
    session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), ".")


@nox.session
def lint(session: nox.Session) -> None:
    """Check the rules and the format."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(requires=["wheel"])
def types(session: nox.Session) -> None:
    """Check the types with two checkers, and that the public ones are complete."""
    install(session, "types")
    session.run("mypy")
    for checks in ((), ("--verifytypes", "vendorauth", "--ignoreexternal")):
        session.run("basedpyright", "--pythonpath", f"{session.bin}/python", *checks)  # it would take .venv's


@nox.session(requires=["wheel"])
def docs(session: nox.Session) -> None:
    """Build the pages and run the examples in them."""
    install(session, "docs")
    for builder in ("html", "doctest"):
        session.run("sphinx-build", "-nWq", "-b", builder, "docs", f"docs/_build/{builder}")


@nox.session(python=PYTHONS, requires=["wheel"])
def tests(session: nox.Session) -> None:
    """Test the built wheel, not the source tree: the oldest Python for what is covered, the others in dev mode."""
    install(session, "tests")
    pytest = ("-m", "pytest", "-q", *session.posargs)
    measured = [("coverage", *step) for step in (("erase",), ("run", *pytest), ("combine", "-q"), ("report",))]
    for command in measured if session.python == PYTHONS[0] else [("python", "-X", "dev", *pytest, "-n", "2")]:
        session.run(*command)


def install(session: nox.Session, group: str) -> None:
    """Install *group* and the wheel with all extras; the wheel anew, because its version stays the same."""
    (built,) = (session.cache_dir / "wheel").glob("*.whl")
    extras = ",".join(PYPROJECT["project"]["optional-dependencies"])
    session.install("--no-compile", f"{built}[{extras}]", *nox.project.dependency_groups(PYPROJECT, group))
    session.install("--no-compile", "--no-deps", "--force-reinstall", str(built))
