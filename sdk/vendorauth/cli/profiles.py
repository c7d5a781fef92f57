"""Keep profiles: who logs in where, and which store keeps the token. No secret is among it."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Final, Literal, TypeGuard

import attrs

from vendorauth._accounts import account_name
from vendorauth._urls import checked_base_url
from vendorauth._wire import structure
from vendorauth.cli.choices import StoreKind, Vendor
from vendorauth.cli.writing import replace_file
from vendorauth.errors import ConfigurationError, ProtocolError
from vendorauth.tokens import JSON, PasswordCredentials

CONFIG: Final = "VENDORAUTH_CONFIG"

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_TABLE: Final = "profiles"


@attrs.frozen(kw_only=True)
class Profile:
    """
    Be one login: *username* of *vendor* at *base_url* (and of *customer_id*, for ProGlove), with its token in *store*.

    *account* names the token in the store, where it is not to be made of these. The rest is what the vendors' clients
    take.
    """

    vendor: Vendor
    base_url: str
    customer_id: str | None = None
    username: str | None = None
    store: StoreKind = "file"
    account: str | None = None
    cognito_url: str | None = None
    token_kind: Literal["id", "access"] = "id"  # noqa: S105  a kind, no token
    authorization_scheme: str = ""
    refresh_with: Literal["initiate-auth", "get-tokens"] = "initiate-auth"
    login_with: Literal["headers", "basic", "body"] = "headers"
    user_header: Literal["user_id", "user_email"] = "user_id"

    @property
    def account_name(self) -> str:
        """
        What the token is called in the store: as the clients call it, so that an application may share it.

        Raises:
            ConfigurationError: There is no user name, and no *account*.
        """
        user = PasswordCredentials(self.username, "-") if self.username else None
        parts = (self.customer_id,) if self.customer_id else ()
        variant = "" if self.token_kind == "id" else self.token_kind  # noqa: S105  a kind, no token
        return account_name(self.account, user, self.vendor, checked_base_url(self.base_url), *parts, variant=variant)


def config_path() -> Path:
    """Give the file with the profiles: ``VENDORAUTH_CONFIG``, or the standard place of this system."""
    given = os.environ.get(CONFIG)
    if given:
        return Path(given).expanduser()
    from platformdirs import user_config_path  # noqa: PLC0415  shell completion wants to be quick

    return user_config_path("vendorauth") / "profiles.toml"


def variable(name: str, what: str) -> str:
    """Name the environment variable that holds *what* for the profile *name*: ``VENDORAUTH_WAREHOUSE_PASSWORD``."""
    return f"VENDORAUTH_{name.replace('-', '_').upper()}_{what}"


def read_profiles() -> dict[str, Profile]:
    """
    Read all profiles, in the order of the file; none where there is no file.

    Raises:
        ConfigurationError: The file can't be read, or something in it can't be right; named.
    """
    return {name: _profile(name, table) for name, table in _tables().items()}


def find_profile(name: str) -> Profile:
    """
    Give the profile *name*.

    Raises:
        ConfigurationError: There is none of that name, or it can't be right.
    """
    tables = _tables()
    if name not in tables:
        known = f"there are {', '.join(tables)}" if tables else "there are none yet"
        message = f"there is no profile {name!r} in {config_path()} ({known}): make it with `vendorauth login {name}`"
        raise ConfigurationError(message)
    return _profile(name, tables[name])


def check_name(name: str) -> None:
    """
    See that *name* can be a profile's, and that its environment variables are nobody else's.

    Raises:
        ConfigurationError: It can't be.
    """
    if not _NAME.fullmatch(name):
        message = f"a profile's name has up to 64 letters, digits, dashes and underscores, which {name!r} has not"
        raise ConfigurationError(message)
    twin = next((one for one in _tables() if one != name and variable(one, "") == variable(name, "")), None)
    if twin is not None:
        message = f"the profiles {twin!r} and {name!r} would share their environment variables: take another name"
        raise ConfigurationError(message)


def save_profile(name: str, profile: Profile) -> None:
    """
    Write *profile* into the file under *name*, and leave all else in it, comments included, as it is.

    Raises:
        ConfigurationError: The file can't be read, or written.
    """
    import tomlkit  # noqa: PLC0415  only who writes needs it

    document = tomlkit.parse(_text())
    profiles: JSON = document.setdefault(_TABLE, tomlkit.table(is_super_table=True))
    kept: JSON = profiles.setdefault(name, tomlkit.table())
    fields = {field.name: (getattr(profile, field.name), field.default) for field in attrs.fields(Profile)}
    for key, (value, default) in fields.items():
        if value != default or key == "store":
            kept[key] = value
        else:
            kept.pop(key, None)
    _write(tomlkit.dumps(document))


def forget_profile(name: str) -> None:
    """Take the profile *name* out of the file. Raises as `save_profile`."""
    import tomlkit  # noqa: PLC0415  only who writes needs it

    document = tomlkit.parse(_text())
    profiles: JSON = document.setdefault(_TABLE, tomlkit.table(is_super_table=True))
    profiles.pop(name, None)
    _write(tomlkit.dumps(document))


def _tables() -> dict[str, JSON]:
    try:
        tables: JSON = tomllib.loads(_text()).get(_TABLE, {})
    except tomllib.TOMLDecodeError as error:
        message = f"{config_path()} is no TOML: {error}"
    else:
        if _is_object(tables):
            return tables
        message = f"{config_path()}: {_TABLE} must be a table of tables"
    raise ConfigurationError(message)


def _text() -> str:
    path = config_path()
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} can't be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}"
    raise ConfigurationError(message)


def _write(text: str) -> None:
    path = config_path()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, text.encode())
    except OSError as error:
        message = f"{path} can't be written: {error.strerror}"
    else:
        return
    raise ConfigurationError(message)


def _profile(name: str, table: JSON) -> Profile:
    subject = f"{config_path()}: the profile {name!r}"
    _refuse_unknown(table, subject)
    try:
        profile = structure(table, Profile, subject)
    except ProtocolError as error:
        message = str(error)
    else:
        if profile.vendor != "proglove" or profile.customer_id:
            return profile
        message = f"{subject} has no customer_id"
    raise ConfigurationError(message)


def _is_object(value: JSON) -> TypeGuard[dict[str, JSON]]:
    return isinstance(value, dict)


def _refuse_unknown(table: JSON, subject: str) -> None:
    if not _is_object(table):
        return
    unknown = sorted(set(table) - {field.name for field in attrs.fields(Profile)})
    if unknown:
        message = f"{subject} has {unknown[0]!r}, which is none of its settings; secrets don't belong there"
        raise ConfigurationError(message)
