"""Give Cognito's answers a shape. What this version does not know is ignored; almost nothing is required."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from vendorauth._wire import Seconds, wire
from vendorauth.tokens import JSON


@attrs.frozen(kw_only=True)
class NewDeviceMetadata:
    """Name the device that a pool which remembers devices has just met (AWS API reference, NewDeviceMetadataType)."""

    device_key: str | None = wire("DeviceKey", default=None, secret=True)
    device_group_key: str | None = wire("DeviceGroupKey", default=None, secret=True)


@attrs.frozen(kw_only=True)
class AuthenticationResult:
    """
    Be what a successful login or refresh brings (AWS API reference, AuthenticationResultType).

    *expires_in* is in seconds, and whose life it is AWS leaves open; ProGlove's page shows it as a string. After a
    refresh there is a refresh token only where the pool rotates them.
    """

    id_token: str | None = wire("IdToken", default=None, secret=True)
    access_token: str | None = wire("AccessToken", default=None, secret=True)
    refresh_token: str | None = wire("RefreshToken", default=None, secret=True)
    expires_in: Seconds | None = wire("ExpiresIn", default=None)
    token_type: str | None = wire("TokenType", default=None)
    new_device_metadata: NewDeviceMetadata | None = wire("NewDeviceMetadata", default=None)


@attrs.frozen(kw_only=True)
class AuthAnswer:
    """
    Be the answer to InitiateAuth, RespondToAuthChallenge or GetTokensFromRefreshToken (AWS API reference).

    A success has an *authentication_result*, anything else a *challenge_name*, which is an open enumeration.
    *challenge_parameters* are texts, some with JSON inside; they are read leniently, because a login that succeeded
    must not fail over them.
    """

    authentication_result: AuthenticationResult | None = wire("AuthenticationResult", default=None)
    challenge_name: str | None = wire("ChallengeName", default=None)
    challenge_session: str | None = wire("Session", default=None, secret=True)
    challenge_parameters: Mapping[str, JSON] | None = wire("ChallengeParameters", default=None, secret=True)
    available_challenges: tuple[str, ...] | None = wire("AvailableChallenges", default=None)
