"""Run the checks: ``nox`` all of them, ``nox -s tests-3.12`` one. Interpreters that are not there are skipped."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import nox

PYTHONS = nox.project.python_versions(PYPROJECT := nox.project.load_toml("pyproject.toml"))
PYRIGHT = ("basedpyright", "--pythonpath", ".nox/types/bin/python")  # it would take .venv's
FUZZ = ("pytest", "-n2", "--timeout=3600", "--hypothesis-profile=long", "-ktest_fuzz_", "--least-inputs=1000000")
CHECKS = {
    "lint": ("lint", ("ruff", "check"), ("ruff", "format", "--check")),
    "types": ("types", ("mypy",), PYRIGHT, (*PYRIGHT, "--verifytypes", "vendorauth", "--ignoreexternal")),
    "docs": ("docs", *(("sphinx-build", "-nWqb", it, "docs", f"docs/_build/{it}") for it in ("html", "doctest"))),
}
LONG = {"fuzz": ("tests", FUZZ), "installs": ("package", ("python", "tools/installs.py"))}
LONG |= {it: ("benchmarks", ("python", f"benchmarks/{it}.py")) for it in ("bench", "fleet", "simulate", "soak")}

nox.options.error_on_missing_interpreters, nox.options.reuse_venv = False, "yes"  # the defaults differ where CI is set


@nox.session
def package(session: nox.Session) -> None:
    """Build the package, check it, and keep the wheel for the other sessions."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "package"))
    session.run("python", "tools/package.py", str(session.cache_dir / "package"))


def add(name: str, group: str, *commands: tuple[str, ...]) -> None:
    """Add the session *name*, which runs *commands*, with what it is given, side by side, with what *group* has."""

    @nox.session(name=name, requires=["package"], default=name in CHECKS)
    def run(session: nox.Session) -> None:
        install(session, group)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda command: session.run(*command, *session.posargs), commands))


for title, steps in (CHECKS | LONG).items():
    add(title, *steps)


@nox.session(python=PYTHONS, requires=["package"])
def tests(session: nox.Session) -> None:
    """Test the built wheel: the oldest Python for what is covered, the newest in dev mode, each a share where all are there."""
    install(session, "tests")
    place = PYTHONS.index(str(session.python))
    share = ("covered", "plain", "dev")[place] if all(shutil.which(f"python{one}") for one in PYTHONS) else "all"
    pytest = ("-m", "pytest", "-q", "-n", "2", f"--share={share}", *session.posargs)
    measured = [("coverage", *step) for step in (("erase",), ("run", *pytest), ("combine", "-q"), ("report",))]
    for command in (measured, [("python", *pytest)], [("python", "-X", "dev", *pytest)])[place]:
        session.run(*command)


def install(session: nox.Session, group: str) -> None:
    """Install *group* and the wheel with all extras; the wheel anew, because its version stays the same."""
    (built,) = (session.cache_dir / "package").glob("*.whl")
    extras = ",".join(PYPROJECT["project"]["optional-dependencies"])
    session.install("--no-compile", f"{built}[{extras}]", *nox.project.dependency_groups(PYPROJECT, group))
    session.install("--no-compile", "--no-deps", "--force-reinstall", str(built))
