"""What is said about the package in several places is the same in all; workflows can do no more than they have to."""

from __future__ import annotations

import re
import runpy
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import vendorauth

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT: dict[str, Any] = PYPROJECT["project"]
MINORS = [found for one in PROJECT["classifiers"] for found in re.findall(r"^Programming Language .* (3\.\d+)$", one)]
TEXTS = {path.name: path.read_text("utf-8") for path in (ROOT / ".github" / "workflows").iterdir()}
WORKFLOWS: dict[str, Any] = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
JOBS = [(f"{name} {job}", what) for name, workflow in WORKFLOWS.items() for job, what in workflow["jobs"].items()]
USED = r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"


@pytest.mark.parametrize("name", TEXTS)
def test_actions_are_pinned(name: str) -> None:
    """Each action is named by its commit, with its version beside it; the only workflow that is called is ours."""
    used = re.findall(r"(?m)\buses: (.+)$", TEXTS[name])
    assert used
    assert [] == [one for one in used if not re.fullmatch(USED, one) and one != "./.github/workflows/ci.yml"]


@pytest.mark.parametrize("name", TEXTS)
def test_a_workflow_may_do_nothing_by_itself(name: str) -> None:
    """No workflow has rights of its own or reads secrets; one of the same kind runs at a time."""
    workflow = WORKFLOWS[name]
    assert {} == workflow["permissions"]
    assert "secrets" not in TEXTS[name]
    assert workflow["concurrency"]["group"]


def test_what_jobs_may_do() -> None:
    """Jobs read the repository; the one that publishes may say who it is, has an environment, and reads nothing else."""
    rights = {job: what["permissions"] for job, what in JOBS}
    publishing = "release.yml publish"
    assert {"id-token": "write"} == rights.pop(publishing)
    assert [{"contents": "read"}] * len(rights) == list(rights.values())
    publish = dict(JOBS)[publishing]
    assert "release" == publish["environment"]
    assert "ci" == publish["needs"]
    assert not [step for step in publish["steps"] if "checkout" in step.get("uses", "")]


def test_checkouts_keep_no_credentials() -> None:
    """What is checked out can't push."""
    steps = [step for _, job in JOBS for step in job.get("steps", ()) if "checkout" in step.get("uses", "")]
    assert steps
    assert all({"persist-credentials": False} == step["with"] for step in steps)


def test_pythons_are_the_same_everywhere() -> None:
    """The classifiers, the workflow's matrix, README and the tools' targets name the same Pythons."""
    assert MINORS == WORKFLOWS["ci.yml"]["jobs"]["tests"]["strategy"]["matrix"]["python"]
    assert f">={MINORS[0]}" == PROJECT["requires-python"]
    tools = PYPROJECT["tool"]
    targets = {tools["mypy"]["python_version"], tools["basedpyright"]["pythonVersion"]}
    assert {MINORS[0]} == targets
    assert "py" + MINORS[0].replace(".", "") == tools["ruff"]["target-version"]
    assert f"Python {', '.join(MINORS)}." in (ROOT / "README.md").read_text("utf-8")


def test_extras_are_the_same_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """README says what each extra is for, and ``nox -s installs`` tries each."""
    extras = set(PROJECT["optional-dependencies"])
    assert extras == set(re.findall(r"(?m)^\| `(\w+)` \|", (ROOT / "README.md").read_text("utf-8")))
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])
    assert extras <= set(runpy.run_path(str(ROOT / "tools" / "promises.py"))["PROMISES"])


def test_a_build_removes_no_more_than_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever folder ``tools/package.py`` is given, such as ".", what is in it stays."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])
    for name in ("vendorauth-0.0.1.tar.gz", "vendorauth-0.0.1-py3-none-any.whl", "notes.txt", "other-1.tar.gz"):
        (tmp_path / name).touch()
    runpy.run_path(str(ROOT / "tools" / "package.py"))["clear"](tmp_path)
    assert {"notes.txt", "other-1.tar.gz"} == {path.name for path in tmp_path.iterdir()}


def test_dependencies_have_floors() -> None:
    """Each dependency says the oldest version that is tested, and none the newest."""
    needed = [*PROJECT["dependencies"], *(one for some in PROJECT["optional-dependencies"].values() for one in some)]
    assert [] == [one for one in needed if not re.fullmatch(r"[\w-]+>=[\d.]+", one)]


def test_the_version_is_in_the_changelog() -> None:
    """What is released has its heading."""
    assert f"\n## [{vendorauth.__version__}] - " in (ROOT / "CHANGELOG.md").read_text("utf-8")
