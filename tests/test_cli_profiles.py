"""Prove that profiles are kept as people wrote them, and that none has a secret."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from rich.text import Text

from _command import place, run
from vendorauth.cli.profiles import Profile, config_path, read_profiles, save_profile
from vendorauth.errors import ConfigurationError

__all__ = ["place"]

GRID = Profile(vendor="protogrid", base_url="https://x.example", username="jane")


def written(place: Path, text: str | bytes) -> Path:
    path = place / "config" / "profiles.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_what_is_saved_is_read(place: Path) -> None:
    """A profile comes back as it was; the file is its owner's alone; defaults are not written, comments are kept."""
    assert {} == read_profiles()
    assert "No profiles in" in run("profiles").err
    path = written(
        place,
        '# mine\n[profiles.a]\nvendor = "protogrid" # here\nbase_url = "https://a.example"\nlogin_with = "body"\n',
    )
    save_profile("b", GRID)
    save_profile("a", GRID)
    assert {"a": GRID, "b": GRID} == read_profiles()
    text = path.read_text()
    assert "# mine" in text
    assert "# here" in text
    assert "login_with" not in text
    assert 0o600 == path.stat().st_mode & 0o777
    shown = run("profiles")
    assert ["a", "b"] == [line.split()[0] for line in shown.out.splitlines()[1:]]
    assert "https://x.example" == run("profiles", "--json").json[1]["base_url"]


def test_each_is_one_line_for_scripts(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row is folded for a narrow terminal only: piped, each profile is one line, however long it is."""
    long = f"https://{'x' * 150}.example/latest"
    save_profile("w", attrs.evolve(GRID, base_url=long))
    monkeypatch.setenv("COLUMNS", "80")
    assert ["w", "protogrid", long, "jane", "file"] == run("profiles").out.splitlines()[1].split()
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert 80 >= max(len(line) for line in Text.from_ansi(run("profiles").out).plain.splitlines())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("profiles = 1", "must be a table"),
        ("[profiles", "is no TOML"),
        (b"\xff", "it is not UTF-8"),
        ("[profiles]\na = 1", "the profile 'a'"),
        ('[profiles.a]\nvendor = "protogrid"', "base_url"),
        ('[profiles.a]\nvendor = "other"\nbase_url = "x"', "vendor"),
        ('[profiles.a]\nvendor = "proglove"\nbase_url = "x"', "has no customer_id"),
        (
            '[profiles.a]\npassword = "Marked-1"',
            "'password', which is none of its settings; secrets don't belong there",
        ),
    ],
)
def test_a_file_that_cannot_be_right(place: Path, text: str | bytes, told: str) -> None:
    """What is wrong is named, exit code 2, without the value."""
    written(place, text)
    outcome = run("profiles")
    assert (2, "", 1) == (outcome.code, outcome.out, outcome.err.count("\n"))
    assert told in outcome.err
    assert "Marked-1" not in outcome.err


def test_names(place: Path) -> None:
    """A name that can't be one is refused, and so is one whose variables another profile has."""
    save_profile("a-b", GRID)
    assert "would share their environment variables" in run("login", "a_b").err
    assert 2 == run("login", "../x").code
    assert "there are a-b" in run("status", "x").err


def test_a_place_that_cannot_be_written(place: Path) -> None:
    """That the file can't be written, or read, is one clear error."""
    (place / "config").write_text("")
    with pytest.raises(ConfigurationError, match="can't be read: Not a directory"):
        save_profile("a", GRID)
    (place / "config").unlink()
    (place / "config").symlink_to(place / "config")
    with pytest.raises(ConfigurationError, match="can't be"):
        save_profile("a", GRID)
    (place / "config").unlink()
    (place / "config" / "profiles.toml.tmp").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="can't be written: Is a directory"):
        save_profile("a", GRID)


def test_the_standard_place(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variable the file is where this system keeps settings."""
    monkeypatch.delenv("VENDORAUTH_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place))
    monkeypatch.setenv("HOME", str(place))
    assert place in config_path().parents
    assert "profiles.toml" == config_path().name
