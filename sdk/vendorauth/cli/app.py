"""
Read the command line, and leave the work to one module for each command.

These are imported when they are called, so that ``--help`` need not wait for them. Exit codes: 0 done, 1 it did not
work, 2 usage.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from vendorauth._version import __version__
from vendorauth.errors import VendorAuthError

app: typer.Typer = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)

Port = Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free port.")]
TokenLife = Annotated[float, typer.Option(min=0.1, help="Seconds that the fakes' tokens and sessions live.")]


def run() -> None:
    """
    Run what the command line says; an error is one line.

    Raises:
        SystemExit: Always.
    """
    try:
        app(prog_name="vendorauth")
    except (VendorAuthError, OSError) as error:
        sys.stderr.write(f"vendorauth: {error}\n")
        sys.exit(1)


def _show_version(wanted: bool) -> None:  # noqa: FBT001  typer calls it
    if wanted:
        typer.echo(f"vendorauth {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")]


@app.callback()
def options(*, version: Version = False) -> None:
    """Log in to vendors' APIs, and stay logged in."""
    del version


@app.command()
def demo() -> None:
    """Show the main job against fake vendors on this machine; exit with 1 where anything does not hold."""
    from vendorauth.cli.demo import show  # noqa: PLC0415  quick --help

    raise typer.Exit(1 if show() else 0)


@app.command()
def sandbox(proglove_port: Port = 0, protogrid_port: Port = 0, token_life: TokenLife = 3600.0) -> None:
    """Run a fake ProGlove and a fake Protogrid on this machine until Ctrl-C, and print what to export."""
    from vendorauth.cli.sandbox import run_sandbox  # noqa: PLC0415  quick --help

    asyncio.run(run_sandbox(proglove_port, protogrid_port, token_life, typer.echo))


@app.command()
def key() -> None:
    """Print a new key for EncryptedTokenStore, and nothing else. Keep it like a password."""
    try:
        from cryptography.fernet import Fernet  # noqa: PLC0415  needs another extra
    except ModuleNotFoundError:
        typer.echo("vendorauth: this command needs an extra: pip install 'vendorauth[encryption]'", err=True)
        raise typer.Exit(2) from None
    typer.echo(Fernet.generate_key().decode())
