"""A conformance suite is worth what it finds: each check fails for stores that break its promise, and says what broke."""

from __future__ import annotations

import asyncio
import importlib
import multiprocessing
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest

import _broken_locks as broken_locks
import _broken_stores as broken
from vendorauth import MemoryTokenStore, StoreConflict, StoreLockTimeout, StoreUnavailable
from vendorauth.engine import vault
from vendorauth.stores import FileTokenStore
from vendorauth.testing import _conformance_asserts as asserts
from vendorauth.testing import _conformance_locks, conformance
from vendorauth.testing import _conformance_processes as processes
from vendorauth.testing._conformance_sources import _VendorFlow
from vendorauth.testing.conformance import BROKEN_STORE_CHECKS, SHARED_STORE_CHECKS, STORE_CHECKS, MakeStore, StoreCheck

CHECKS = {check.__name__: check for check in (*STORE_CHECKS, *SHARED_STORE_CHECKS, *BROKEN_STORE_CHECKS)}

Finding = tuple[str, type[broken.Whole], str]
FINDINGS: list[Finding] = [
    ("what_is_saved_is_loaded", broken.losing(refresh_token=None), "after saving: refresh_token: .*, found None"),
    ("what_is_saved_is_loaded", broken.losing(details={}), "after saving: details: expected {.*}, found {}"),
    ("what_is_saved_is_loaded", broken.losing(expires_at=None), "after saving: expires_at: .*, found None"),
    ("what_is_saved_is_loaded", broken.LosesMicroseconds, "after saving: issued_at: "),
    ("what_is_saved_is_loaded", broken.MistakesEmptyForNothing, "after saving: refresh_token: expected '', found None"),
    ("what_is_saved_is_loaded", broken.AnswersFromItsOwnCache, "loaded by another store after saving: .*, found None"),
    ("what_is_deleted_is_gone", broken.DeletesNothing, "after another store has deleted it: expected None"),
    ("what_is_deleted_is_gone", broken.AnswersFromItsOwnCache, "loaded by another store: expected 5, found -1"),
    ("what_is_deleted_is_gone", broken.LoadsOnce, "after deleting: expected None"),
    (
        "a_newer_token_is_never_replaced",
        broken.ForgetsGenerations,
        "saving generation 0 over generation 2: .* got none",
    ),
    ("a_newer_token_is_never_replaced", broken.KeepsTheNewerInSilence, "expected StoreConflict, got none"),
    (
        "a_newer_token_is_never_replaced",
        broken.RaisesItsOwnConflict,
        "got OSError, raised in save, .*_broken_stores.py",
    ),
    ("generations_are_compared_atomically", broken.ComparesThenWrites, "generation that stays of many saved at once"),
    ("accounts_are_told_apart", broken.naming(lambda name: name[:200]), "ends with 'a+': expected 14, found 15"),
    ("accounts_are_told_apart", broken.naming(str.casefold), "ends with 'a': expected 0, found 1"),
    ("accounts_are_told_apart", broken.naming(str.strip), "ends with 'a': expected 0, found 2"),
    ("accounts_are_told_apart", broken.naming(broken.composed), "ends with 'ä': expected 10, found 11"),
    ("accounts_are_told_apart", broken.DeletesNothing, "left after deleting the account that ends with 'a'"),
    ("a_refusal_lies_beside_its_token", broken.naming(lambda name: name.partition("|")[0]), "only a refusal is stored"),
    ("a_megabyte_of_details_is_kept", broken.losing(details={"large": "ä"}), "a megabyte: details: "),
    ("a_reader_sees_whole_tokens", broken.DeletesThenWrites, "loaded generation -1 after generation 0"),
    ("a_reader_sees_whole_tokens", broken.WritesInTwoSteps, "loaded while somebody saved: details: "),
    ("a_reader_sees_whole_tokens", broken.ReadsAnOldReplica, "loaded while somebody saved|loaded generation"),
    ("a_cancelled_save_leaves_one_of_two", broken.DeletesThenWrites, "after a save was cancelled: .* found None"),
    (
        "a_cancelled_save_leaves_one_of_two",
        broken.StaysLockedWhenCancelled,
        "save after one that was cancelled was not done",
    ),
    (
        "a_cancelled_load_mixes_up_nothing",
        broken.MixesUpAnswers,
        "after another account's load was cancelled: expected 2, found 1",
    ),
    ("one_holds_the_lock", broken_locks.LocksNobodyOut, "how many held the lock at a time: expected .* found"),
    ("one_holds_the_lock", broken_locks.LocksPerStore, "how many held the lock at a time: .*2"),
    (
        "the_lock_guards_no_record",
        broken_locks.SavesUnderTheLock,
        "saving, loading and deleting while the lock is held was not",
    ),
    (
        "accounts_do_not_wait_for_each_other",
        broken_locks.HasOneLockForAll,
        "taking another account's lock was not done after",
    ),
    (
        "a_lock_is_released_whatever_happens",
        broken_locks.KeepsTheLockAfterAnError,
        "the lock after an error inside was not done",
    ),
    (
        "a_lock_is_released_whatever_happens",
        broken_locks.KeepsTheLockWhenCancelled,
        "after its holder was cancelled was not done",
    ),
    ("a_lock_is_released_whatever_happens", broken_locks.SwallowsErrors, "inside a lock: expected KeyError, got none"),
    (
        "a_cancelled_wait_takes_nothing",
        broken_locks.TakesTheLockLater,
        "the lock after a waiter was cancelled was not done",
    ),
    ("the_event_loop_goes_on", broken_locks.SavesInTheLoop, "saving keeps the event loop from all else for [6-9]. ms"),
    ("the_event_loop_goes_on", broken_locks.WaitsInTheLoop, "taking a lock keeps the event loop"),
    ("sources_share_one_login", broken_locks.LocksNobodyOut, "'logins': 1, 'refreshes': 3, 'spent twice': 0.*found"),
    ("sources_share_one_login", broken.AnswersFromItsOwnCache, "what the vendor saw|the token of another source"),
    (
        "trouble_has_a_name",
        broken.RaisesWhatItsDriverRaises,
        "loading .*: expected StoreError, got OSError, raised in trouble",
    ),
    (
        "trouble_has_a_name",
        broken.HangsWhenUnreachable,
        "loading from a store that can't be reached was not done after",
    ),
    ("trouble_has_a_name", broken.Whole, "loading from .*: expected StoreError, got none"),
    ("trouble_costs_no_token", broken.HangsInItsLock, "logging in while the store can't be reached was not done"),
    ("trouble_costs_no_token", broken.Whole, "a store that can't be reached raised nothing"),
]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let checks give up soon."""
    monkeypatch.setattr(asserts, "PATIENCE", 0.3)
    monkeypatch.setattr(_conformance_locks, "_ROUNDS", 5)
    monkeypatch.setattr(vault, "LOCK_PATIENCE", 0.5)


def sharing(kind: type[broken.Whole]) -> MakeStore:
    """Make stores of *kind* over one storage."""
    inner = MemoryTokenStore()
    return lambda: nullcontext(kind(inner))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("name", "kind", "message"), FINDINGS, ids=lambda part: getattr(part, "__name__", None))
def test_a_broken_store_is_found(name: str, kind: type[broken.Whole], message: str) -> None:
    """The check fails, and its sentence says what broke."""
    with pytest.raises(AssertionError) as caught:
        CHECKS[name](sharing(kind))
    assert re.search(message, str(caught.value)), str(caught.value)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("name", "kind", "error"),
    [
        ("what_is_deleted_is_gone", broken.DeletesOnlyWhatIsThere, KeyError),
        ("what_is_deleted_is_gone", broken.RemembersDeletedGenerations, StoreConflict),
        ("a_newer_token_is_never_replaced", broken.RefusesTheSameGeneration, StoreConflict),
        ("generations_are_compared_atomically", broken.FailsAtOnce, OSError),
        ("a_megabyte_of_details_is_kept", broken.TakesNothingLarge, StoreUnavailable),
        ("one_holds_the_lock", broken_locks.WaitsForNobody, StoreLockTimeout),
        ("trouble_costs_no_token", broken.EndsTheProgram, SystemExit),
    ],
)
def test_what_a_store_raises_comes_out(name: str, kind: type[broken.Whole], error: type[BaseException]) -> None:
    """An error of the store's where none belongs is shown as it is, with its own traceback."""
    with pytest.raises(error):
        CHECKS[name](sharing(kind))


@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
def test_a_whole_store_passes(check: StoreCheck) -> None:
    """What finds the broken ones does not find the one that they are made from."""
    check(sharing(broken.Whole))


@pytest.mark.parametrize("kind", [broken.Unreachable, broken.RaisesWhatItsDriverRaises])
def test_a_source_names_the_trouble_of_any_store(kind: type[broken.Whole]) -> None:
    """Foreign exceptions become StoreErrors at the seam; nobody goes without a token (rule 16)."""
    CHECKS["trouble_costs_no_token"](sharing(kind))


def test_trouble_with_a_name() -> None:
    """A store that says StoreUnavailable passes."""
    CHECKS["trouble_has_a_name"](sharing(broken.Unreachable))


@pytest.mark.usefixtures("impatient")
def test_a_store_that_stops_the_event_loop_is_found() -> None:
    """Not even a bound of the check's own could end it; the sentence says where it stands."""
    try:
        with pytest.raises(AssertionError, match=r"the event loop stands still, in wait, .*threading\.py:\d+"):
            CHECKS["one_holds_the_lock"](sharing(broken_locks.StandsStill))
    finally:
        broken_locks.StandsStill.freed.set()
        for thread in threading.enumerate():
            if thread.name == "vendorauth conformance":
                thread.join()


def test_the_suites_own_vendor() -> None:
    """Its flow is a whole one."""
    assert {"Authorization": "a value"} == _VendorFlow("jane").headers(asserts.token())


def test_where_an_ended_thread_stands() -> None:
    """It may have ended just now."""
    assert "an unknown place" == asserts._whereabouts(threading.Thread())


@pytest.mark.usefixtures("impatient")
async def test_a_stores_own_timeout_is_its_own() -> None:
    """Only the bound of the check counts as getting stuck."""
    with pytest.raises(TimeoutError):
        async with asserts.soon("nothing"):
            raise TimeoutError


@pytest.fixture
def patient_with_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give a lock less time, and leave no process behind."""
    monkeypatch.setattr(asserts, "PATIENCE", 3.0)
    yield
    assert [] == multiprocessing.active_children()


@pytest.mark.usefixtures("patient_with_processes")
def test_locks_of_one_process_are_found(tmp_path: Path) -> None:
    """A lock that other processes don't see lets counts be lost."""
    with pytest.raises(AssertionError, match=r"what two processes have counted .*: expected 20, found"):
        processes.processes_exclude_each_other(
            partial(broken_locks.in_files, broken_locks.FileLockedInOneProcess, tmp_path)
        )


@pytest.mark.usefixtures("patient_with_processes")
def test_a_lock_that_outlives_its_holder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that exists is no lock: nobody takes it away from the dead (pitfall 31)."""
    monkeypatch.setattr(asserts, "PATIENCE", 0.5)
    with pytest.raises(AssertionError, match="taking the lock of a process that was killed was not done after"):
        processes.a_killed_process_leaves_all_in_order(
            partial(broken_locks.in_files, broken_locks.FileLockedByExistence, tmp_path)
        )


@pytest.mark.usefixtures("patient_with_processes")
def test_a_store_that_works_in_one_process_only_is_found(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The other process says in its standard error what it ran into."""
    with pytest.raises(AssertionError, match="the other process ended, or says nothing"):
        processes.processes_exclude_each_other(partial(broken_locks.only_in, os.getpid(), tmp_path))
    assert "OSError: not here" in capfd.readouterr().err


def test_a_process_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound ends it."""
    monkeypatch.setattr(processes, "_STARTING", 0.1)
    ours, theirs = multiprocessing.Pipe()
    with ours, theirs, pytest.raises(AssertionError, match="says nothing"):
        processes._answer(ours)


@pytest.mark.parametrize(("work", "first"), [(processes.save_on_and_on, 2), (processes._count_up_there, -1)])
def test_what_the_other_process_does(work: object, first: int, tmp_path: Path) -> None:
    """It says when it has begun, and goes on until it is told, or left alone."""
    assert callable(work)
    ours, theirs = multiprocessing.Pipe()
    thread = threading.Thread(target=work, args=(lambda: nullcontext(FileTokenStore(tmp_path)), "jane", theirs))
    with ours, theirs:
        thread.start()
        ours.recv()
        for _ in range(500):
            there = asyncio.run(FileTokenStore(tmp_path).load("jane"))
            if first <= (-1 if there is None else there.generation):
                break
            time.sleep(0.01)
        ours.send("go")
        thread.join()
    found = asyncio.run(FileTokenStore(tmp_path).load("jane"))
    assert found is not None
    assert found.generation >= 1


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing, and how to get it, is said."""
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    for name in ("conformance", "_conformance_records"):
        monkeypatch.delitem(sys.modules, f"vendorauth.testing.{name}")
    with pytest.raises(ImportError, match=r"needs the extra `testing`: pip install 'vendorauth\[testing\]'"):
        importlib.import_module("vendorauth.testing.conformance")


def test_every_check_is_found_wanting_somewhere() -> None:
    """No check is without a store here that fails it; what is public is sorted and there."""
    text = Path(__file__).read_text(encoding="utf-8")
    wanting = {name for name, _, _ in FINDINGS} | {name for name in CHECKS if f"processes.{name}(" in text}
    assert set(CHECKS) == wanting
    assert sorted(conformance.__all__, key=lambda name: (not name.isupper(), name)) == conformance.__all__
    assert all(hasattr(conformance, name) for name in conformance.__all__)
