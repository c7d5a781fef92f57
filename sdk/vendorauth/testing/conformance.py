"""
Check that a token store does what `vendorauth.TokenStore` says. Needs the extra ``testing``.

.. code-block:: python

    @pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
    def test_my_store(check: StoreCheck, tmp_path: Path) -> None:
        check(lambda: nullcontext(MyStore(tmp_path)))

A check is a plain function: it runs event loops of its own, in threads of their own, and raises ``AssertionError`` with
a sentence where the store breaks a promise. What it is given makes a store, as an async context manager that closes it;
each of them is another one over the same storage, as another process has (stores that live in memory may give the same one each
time). Accounts are new in each check, so one storage serves them all. A check takes seconds at most, unless something
is stuck: then it gives up within a minute.

And that a login flow does what `vendorauth.LoginFlow` says:

.. code-block:: python

    SCRIPT = FlowScript(make=lambda: MyFlow("https://vendor.example"), credentials=..., login=Response(200, {}, b"..."))


    @pytest.mark.parametrize("check", FLOW_CHECKS, ids=lambda check: check.__name__)
    def test_my_flow(check: FlowCheck) -> None:
        check(SCRIPT)

These need no event loop, no server and no time.
"""

from __future__ import annotations

from typing import Final

from vendorauth.testing._conformance_answers import (
    failures_change_no_token,
    garbage_is_no_token,
    redirects_are_not_followed,
    secrets_stay_hidden,
    trouble_is_temporary,
)
from vendorauth.testing._conformance_asserts import MakeStore, StoreCheck
from vendorauth.testing._conformance_flows import (
    a_login_gives_a_token,
    a_refresh_gives_a_token,
    challenges_can_wait,
    headers_are_pure,
    it_keeps_nothing,
    it_reads_nothing,
    odd_credentials_arrive_or_are_refused,
    refusals_are_told_apart,
    requests_go_where_they_may,
    tokens_can_be_stored,
)
from vendorauth.testing._conformance_locks import (
    a_cancelled_wait_takes_nothing,
    a_lock_is_released_whatever_happens,
    accounts_do_not_wait_for_each_other,
    one_holds_the_lock,
    the_event_loop_goes_on,
    the_lock_guards_no_record,
)
from vendorauth.testing._conformance_processes import a_killed_process_leaves_all_in_order, processes_exclude_each_other
from vendorauth.testing._conformance_records import (
    a_cancelled_load_mixes_up_nothing,
    a_cancelled_save_leaves_one_of_two,
    a_megabyte_of_details_is_kept,
    a_newer_token_is_never_replaced,
    a_reader_sees_whole_tokens,
    a_refusal_lies_beside_its_token,
    accounts_are_told_apart,
    generations_are_compared_atomically,
    what_is_deleted_is_gone,
    what_is_saved_is_loaded,
)
from vendorauth.testing._conformance_scripts import FlowCheck, FlowScript
from vendorauth.testing._conformance_sources import sources_share_one_login, trouble_costs_no_token, trouble_has_a_name

__all__ = [
    "BROKEN_STORE_CHECKS",
    "FLOW_CHECKS",
    "SHARED_STORE_CHECKS",
    "STORE_CHECKS",
    "FlowCheck",
    "FlowScript",
    "MakeStore",
    "StoreCheck",
]

STORE_CHECKS: Final[tuple[StoreCheck, ...]] = (
    what_is_saved_is_loaded,
    what_is_deleted_is_gone,
    a_newer_token_is_never_replaced,
    generations_are_compared_atomically,
    accounts_are_told_apart,
    a_refusal_lies_beside_its_token,
    a_megabyte_of_details_is_kept,
    a_reader_sees_whole_tokens,
    a_cancelled_save_leaves_one_of_two,
    a_cancelled_load_mixes_up_nothing,
    one_holds_the_lock,
    the_lock_guards_no_record,
    accounts_do_not_wait_for_each_other,
    a_lock_is_released_whatever_happens,
    a_cancelled_wait_takes_nothing,
    the_event_loop_goes_on,
    sources_share_one_login,
)
"""What every store has to pass."""

SHARED_STORE_CHECKS: Final[tuple[StoreCheck, ...]] = (
    processes_exclude_each_other,
    a_killed_process_leaves_all_in_order,
)
"""
What a store has to pass besides, if processes share it. What makes it is sent to another process: a function of a module,
or a ``functools.partial`` of one, but no lambda.
"""

BROKEN_STORE_CHECKS: Final[tuple[StoreCheck, ...]] = (trouble_has_a_name, trouble_costs_no_token)
"""
What a store has to pass that can't reach its storage: make it with a port where nobody listens, or a file in a folder that
is none. The first asks for a `vendorauth.StoreError`, which is optional: one that raises its driver's errors passes the second.
"""

FLOW_CHECKS: Final[tuple[FlowCheck, ...]] = (
    a_login_gives_a_token,
    a_refresh_gives_a_token,
    it_reads_nothing,
    it_keeps_nothing,
    headers_are_pure,
    tokens_can_be_stored,
    requests_go_where_they_may,
    odd_credentials_arrive_or_are_refused,
    redirects_are_not_followed,
    refusals_are_told_apart,
    trouble_is_temporary,
    garbage_is_no_token,
    failures_change_no_token,
    challenges_can_wait,
    secrets_stay_hidden,
)
"""What every login flow has to pass; each ends within a second."""
