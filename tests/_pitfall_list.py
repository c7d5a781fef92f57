"""
List what went wrong in other projects: what the tests whose docstrings begin with ``Pitfall N:`` guard against.

The documentation's page is made of this and of those docstrings, so this imports nothing but the standard library.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Pitfall(NamedTuple):
    """Tell where other projects met a bug, as ``owner/name#number, #number``, and what it was."""

    found_in: tuple[str, ...]
    cause: str


GROUPS: Final[dict[str, range]] = {
    "Many callers at once": range(1, 8),
    "Cancellation": range(8, 13),
    "Locks, event loops, threads": range(13, 20),
    "Refresh tokens that rotate": range(20, 29),
    "Files and the event loop": range(29, 34),
    "Leaks": range(34, 38),
    "Clocks": range(38, 44),
    "Errors, limits, life cycle": range(44, 51),
}

PITFALLS: Final[dict[int, Pitfall]] = {
    1: Pitfall(
        ("authlib/authlib#266",),
        "Every coroutine that met the expired token refreshed it.",
    ),
    2: Pitfall(
        ("authlib/authlib#673",),
        "The lock lay on a client that was made anew for each request, so it excluded nobody.",
    ),
    3: Pitfall(
        ("Azure/azure-sdk-for-python#43889, #47171",),
        "Clients that shared one credential refreshed it as a herd, because only the HTTP layer had a lock.",
    ),
    4: Pitfall(
        ("aio-libs/aiobotocore#1282", "boto/botocore#3364"),
        "Refreshes took turns, but the very first load did not.",
    ),
    5: Pitfall(
        ("boto/botocore#764, #790",),
        "The fields of a credential were read one after another and mixed two generations.",
    ),
    6: Pitfall(
        ("lelylan/simple-oauth2#88",),
        "Refreshes at the same time gave one user another user's token.",
    ),
    7: Pitfall(
        ("miaucl/cookidoo-api#262",),
        "A refresh without a lock, together with tokens that rotate, locked the user out.",
    ),
    8: Pitfall(
        ("ktorio/ktor#5193",),
        "A request that was cancelled threw away the rotated token that its refresh had brought.",
    ),
    9: Pitfall(
        ("talkiq/gcloud-aio#500",),
        "Once one caller was cancelled, all others got `CancelledError`, for ever.",
    ),
    10: Pitfall(
        ("talkiq/gcloud-aio#628, #886",),
        "A failed future stayed cached, and raised the same exception for ever.",
    ),
    11: Pitfall(
        ("aws/mcp-proxy-for-aws#286",),
        "A cancelled caller released the lock while its worker thread went on.",
    ),
    12: Pitfall(
        ("modelcontextprotocol/python-sdk#3382",),
        "A lock was held across a generator's `yield`; closed from another task, it stayed held for ever.",
    ),
    13: Pitfall(
        ("deepset-ai/haystack-core-integrations#3789",),
        "An `asyncio.Lock` was kept from one event loop to the next and failed at the first contended refresh.",
    ),
    14: Pitfall(
        ("microsoft/durabletask-python#198",),
        "The map of locks by event loop was not safe for threads and kept loops that were closed.",
    ),
    15: Pitfall(
        ("Azure/azure-sdk-for-python#33987, #37545",),
        "A credential could not be used in a second `asyncio.run`.",
    ),
    16: Pitfall(
        ("bytedance/deer-flow#4240",),
        "Two threads with an event loop each shared one `asyncio.Lock`: a deadlock.",
    ),
    17: Pitfall(
        ("modelcontextprotocol/python-sdk#3209, #1326",),
        "The lock was held for the whole request, so that calls with a valid token queued.",
    ),
    18: Pitfall(
        ("supabase/auth-js#762", "supabase/supabase-js#2013, #1594"),
        "An event callback that called the client while the lock was held made a deadlock.",
    ),
    19: Pitfall(
        ("piotr-agier/google-drive-mcp#194",),
        "A shared refresh without a timeout parked every caller.",
    ),
    20: Pitfall(
        ("supabase/supabase-py#1646",),
        "The timer that refreshed cancelled its own task before the new token was stored.",
    ),
    21: Pitfall(
        ("golang/oauth2#84, #131, #219, #683",),
        "There was no hook to keep a refreshed token.",
    ),
    22: Pitfall(
        ("authlib/authlib#548",),
        "The new refresh token was not passed on to the framework that stores it.",
    ),
    23: Pitfall(
        ("bluesky-social/atproto#5411", "advplyr/audiobookshelf#5281"),
        "The server rotated the refresh token, its answer was lost, and the spent token was sent again and again.",
    ),
    24: Pitfall(
        ("IBM/mcp-context-forge#6300",),
        "Of two refreshes at the same time, the one that lost deleted the token of the one that had won.",
    ),
    25: Pitfall(
        ("Softeria/ms-365-mcp-server#545",),
        "Processes side by side kept a stale refresh token in memory.",
    ),
    26: Pitfall(
        ("DuendeArchive/Support#1286",),
        "The distributed lock was taken, and then the token used that had been read before.",
    ),
    27: Pitfall(
        ("openai/codex#10332", "O365/python-o365#350", "stacklok/toolhive#4122"),
        "Two processes spent one refresh token.",
    ),
    28: Pitfall(
        ("neondatabase/mcp-server-neon#233", "BerriAI/litellm#31474"),
        "A lock was released by somebody who did not hold it any more; a store that was down counted as a lock that was held.",
    ),
    29: Pitfall(
        (
            "Azure/azure-cli#20749, #21848",
            "AzureAD/microsoft-authentication-extensions-for-python#150",
        ),
        "A kill, or two writers at the same time, left half a JSON document, or two in one file.",
    ),
    30: Pitfall(
        ("AzureAD/microsoft-authentication-extensions-for-dotnet#81",),
        "A cache that could not be read made every start fail until somebody deleted it.",
    ),
    31: Pitfall(
        ("AzureAD/microsoft-authentication-library-for-dotnet#2962",),
        "The lock file of a process that had died had to be removed by hand.",
    ),
    32: Pitfall(
        ("home-assistant/core#118413", "ReneNulschDE/mbapi2020#228", "gduteil/cozytouch#56"),
        "A login opened files inside the event loop; botocore read its service models there.",
    ),
    33: Pitfall(
        ("Colin-b/httpx_auth#72",),
        "Locks for threads and a synchronous client stopped the event loop.",
    ),
    34: Pitfall(
        ("aio-libs/aiohttp#12275, #13180, #6764",),
        "Redirects carried credentials to another host; an auth middleware put its header back on at each hop.",
    ),
    35: Pitfall(
        (
            "wmalgadey/PyTado#58",
            "Colin-b/requests_auth#62",
            "iprak/sensi#163",
            "9b/fellow-aiden#27",
            "Hyundai-Kia-Connect/hyundai_kia_connect_api#1082",
        ),
        "Tokens and passwords stood in the log.",
    ),
    36: Pitfall(
        ("aio-libs/aiohttp#12091, #13653, #792",),
        "A cookie jar was loaded by unpickling a file, took cookies for public suffixes, and sent cookies to other hosts.",
    ),
    37: Pitfall(
        ("home-assistant/core#66473",),
        "A cookie that one login had left in the shared session went along with another login's bearer token.",
    ),
    38: Pitfall(
        ("NabuCasa/pycognito#225, #224",),
        "A clock that was a second slow made every fresh token count as not valid yet.",
    ),
    39: Pitfall(
        ("googleapis/google-auth-library-python#581, #862",),
        "The vendor gave the same token again and again, and the client asked for it in a busy loop.",
    ),
    40: Pitfall(
        ("caozhiyuan/copilot-api#170",),
        "The timer stood still while the machine was suspended, and the token was used after its end.",
    ),
    41: Pitfall(
        ("manfredsteyer/angular-oauth2-oidc#1225, #1135",),
        "The allowance for clock skew had the wrong sign, so that tokens were used after their end.",
    ),
    42: Pitfall(
        ("openai/openai-node#2609",),
        "A token's life was counted from when a slow answer had arrived.",
    ),
    43: Pitfall(
        ("thecem/octopus_germany#105",),
        "Local time was compared with UTC, and the first exception ended the background renewals.",
    ),
    44: Pitfall(
        ("exabird/ha-tado-x#80", "home-assistant/core#153167, #179364"),
        "A DNS error, or throttling, counted as a refused login, and a person was asked to log in again.",
    ),
    45: Pitfall(
        ("home-assistant/core#160761", "iMicknl/python-overkiz-api#429"),
        'In an outage the vendor said "bad credentials"; the client tried again and again until it was banned.',
    ),
    46: Pitfall(
        ("AzureAD/microsoft-authentication-library-for-dotnet#3063, #2645, #2770",),
        "A cache of tenants without a limit grew to a gigabyte and took the service down.",
    ),
    47: Pitfall(
        ("googleapis/google-auth-library-python#1447", "fal-ai/fal#632"),
        "A lock inside a credential broke pickling, and stayed locked in a forked child.",
    ),
    48: Pitfall(
        ("Azure/azure-sdk-for-python#8972, #8990, #36959", "home-assistant/core#68729"),
        "The client's own session was left open, or one that it had only borrowed was closed.",
    ),
    49: Pitfall(
        ("aio-libs/aiohttp#12217",),
        "A request was sent again with an empty body, because its generator had been consumed.",
    ),
    50: Pitfall(
        ("aws/aws-sdk-java-v2#3418", "aws/aws-sdk-net-extensions-cognito#85, #122"),
        "Cognito refused refreshes that lacked the device key, or named the e-mail address in place of the pool's user name.",
    ),
}

CANNOT_OCCUR: Final[dict[int, str]] = {}
"""Why a pitfall can't occur here, for those that have no test."""
