"""
Read the command line, and leave the work to one module for each command.

These are imported when they are called, so that ``--help`` need not wait for them. For the exit codes see
`vendorauth.cli.failures`.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Final

import typer

from vendorauth._version import __version__
from vendorauth.cli.choices import Resource, StoreKind, Vendor

app: typer.Typer = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 login needed, 4 refused, 5 unreachable, 130 stopped.",
)

_STOPPED: Final = 130
_DEBUG: ContextVar[bool] = ContextVar("debug", default=False)


def _names(incomplete: str) -> list[str]:
    """Complete a profile's name."""
    from vendorauth.cli.profiles import read_profiles  # noqa: PLC0415  quick --help
    from vendorauth.errors import ConfigurationError  # noqa: PLC0415  quick --help

    try:
        return [name for name in read_profiles() if name.startswith(incomplete)]
    except ConfigurationError:
        return []


Port = Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free port.")]
TokenLife = Annotated[float, typer.Option(min=0.1, help="Seconds that the fakes' tokens and sessions live.")]
Name = Annotated[str, typer.Argument(metavar="PROFILE", help="Which login.", autocompletion=_names)]
AnyName = Annotated[str | None, typer.Argument(metavar="[PROFILE]", help="Which login; all.", autocompletion=_names)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Params = Annotated[list[str] | None, typer.Option("--param", metavar="NAME=VALUE", help="A parameter of the query.")]
Path_ = Annotated[str, typer.Argument(metavar="PATH", help="Below the base URL, such as '/{customer_id}/devices'.")]


def run() -> None:
    """
    Run what the command line says; an error is one line.

    Raises:
        SystemExit: Always.
    """
    try:
        app(prog_name="vendorauth")
    except Exception as error:  # noqa: BLE001  the command's main: mistakes of ours are raised again
        from vendorauth.cli.failures import tell  # noqa: PLC0415  quick --help

        sys.exit(tell(error, debug=_DEBUG.get()))


def _show_version(wanted: bool) -> None:  # noqa: FBT001  typer calls it
    if wanted:
        typer.echo(f"vendorauth {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")]
Debug = Annotated[bool, typer.Option("--debug", help="With an error, tell where it came from. No secret is shown.")]


@app.callback()
def options(*, version: Version = False, debug: Debug = False) -> None:
    """Log in to vendors' APIs, and stay logged in."""
    del version
    _DEBUG.set(debug)
    if not debug:  # an error's one line says it; else Python would print what is logged about it, too
        logging.getLogger("vendorauth").addHandler(logging.NullHandler())


@app.command()
def login(  # noqa: PLR0913  one option for each question
    profile: Name,
    *,
    vendor: Annotated[Vendor | None, typer.Option(help="Whose API it is.")] = None,
    base_url: Annotated[str | None, typer.Option(help="What the vendor's portal shows, its path included.")] = None,
    customer_id: Annotated[str | None, typer.Option(help="ProGlove's id of the customer.")] = None,
    username: Annotated[str | None, typer.Option(help="Who logs in.")] = None,
    store: Annotated[StoreKind | None, typer.Option(help="Where the token may rest.")] = None,
    cognito_url: Annotated[str | None, typer.Option(help="Log in there, instead of at the region's Cognito.")] = None,
    account: Annotated[str | None, typer.Option(help="What the token is called in the store.")] = None,
    code: Annotated[list[str] | None, typer.Option(help="What the vendor asks for, in its order.")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read it from the standard input.")] = False,
    as_json: AsJson = False,
) -> None:
    """Log in, and keep the login as PROFILE. What is missing is asked for."""
    from vendorauth.cli.login import Given, log_in  # noqa: PLC0415  quick --help
    from vendorauth.cli.status import show_login  # noqa: PLC0415  quick --help

    given = Given(
        vendor=vendor,
        base_url=base_url,
        customer_id=customer_id,
        username=username,
        store=store,
        cognito_url=cognito_url,
        account=account,
        codes=code or (),
        password_from_stdin=password_stdin,
    )
    show_login(profile, *log_in(profile, given), as_json=as_json)


@app.command()
def logout(
    profile: Name,
    *,
    forget: Annotated[bool, typer.Option("--forget", help="Forget the profile as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Revoke the tokens where the vendor can, and delete them."""
    from vendorauth.cli.login import log_out  # noqa: PLC0415  quick --help
    from vendorauth.cli.screen import write_json  # noqa: PLC0415  quick --help

    log_out(profile, forget=forget)
    if as_json:
        write_json({"profile": profile, "logged_out": True, "forgotten": forget})
    else:
        typer.echo(f"{profile} is logged out{' and forgotten' if forget else ''}.", err=True)


@app.command()
def profiles(*, as_json: AsJson = False) -> None:
    """List the profiles."""
    from vendorauth.cli.status import show_profiles  # noqa: PLC0415  quick --help

    show_profiles(as_json=as_json)


@app.command()
def status(profile: AnyName = None, *, as_json: AsJson = False) -> None:
    """Show who is logged in, until when, where that is stored, and when it is renewed. Nothing is sent."""
    from vendorauth.cli.status import show_status  # noqa: PLC0415  quick --help

    raise typer.Exit(show_status(profile, as_json=as_json))


@app.command()
def token(profile: Name, *, as_json: AsJson = False) -> None:
    """Print the value of the header that proves the login, renewed if need be, and nothing else."""
    from vendorauth.cli.status import show_token  # noqa: PLC0415  quick --help

    show_token(profile, as_json=as_json)


@app.command()
def get(
    profile: Name,
    path: Path_,
    *,
    param: Params = None,
    everything: Annotated[bool, typer.Option("--all", help="Follow the pages; print the items of all.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as it does anyway.")] = False,
) -> None:
    """Send a GET request, and print the JSON that comes back."""
    del as_json
    from vendorauth.cli.calling import send, send_for_all  # noqa: PLC0415  quick --help

    if everything:
        send_for_all(profile, path, param or ())
    else:
        send(profile, "GET", path, param or ())


@app.command()
def post(
    profile: Name,
    path: Path_,
    *,
    param: Params = None,
    body: Annotated[
        str | None, typer.Option("--json", metavar="JSON|@FILE|-", help="The body; - is the standard input.")
    ] = None,
) -> None:
    """Send a POST request, and print the JSON that comes back."""
    from vendorauth.cli.calling import send  # noqa: PLC0415  quick --help

    send(profile, "POST", path, param or (), body)


@app.command()
def export(
    profile: Name,
    resource: Annotated[Resource, typer.Argument(help="What to export.")],
    *,
    out: Annotated[Path, typer.Option(dir_okay=False, help="The file: .ndjson, .jsonl or .csv.")],
    since: Annotated[str, typer.Option(help="From when on: an age (7d, 12h) or ISO 8601.")] = "1d",
    until: Annotated[str, typer.Option(help="Until when: an age, ISO 8601, or now.")] = "now",
    gateway: Annotated[str | None, typer.Option(help="The events of this gateway's id only.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, and replace what is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Export into a file. Stopped, or killed, the same command goes on where that was."""
    from vendorauth.cli.exporting import Order  # noqa: PLC0415  quick --help
    from vendorauth.cli.meter import show_export  # noqa: PLC0415  quick --help

    order = Order(resource=resource, since=since, until=until, gateway=gateway, out=out, restart=restart)
    try:
        show_export(profile, order, as_json=as_json)
    except KeyboardInterrupt:
        typer.echo("Stopped. The same command goes on from here.", err=True)
        raise typer.Exit(_STOPPED) from None


@app.command()
def doctor(profile: AnyName = None, *, as_json: AsJson = False) -> None:
    """Look for what may be in the way of a login, and say what to do about it."""
    from vendorauth.cli.doctor import examine  # noqa: PLC0415  quick --help

    raise typer.Exit(examine(profile, as_json=as_json))


@app.command()
def demo(*, as_json: AsJson = False) -> None:
    """Show the main job against fake vendors on this machine; exit with 1 where anything does not hold."""
    from vendorauth.cli.demo import show, show_as_json  # noqa: PLC0415  quick --help

    raise typer.Exit(1 if (show_as_json() if as_json else show()) else 0)


@app.command()
def sandbox(
    *,
    proglove_port: Port = 0,
    protogrid_port: Port = 0,
    port: Port = 0,
    token_life: TokenLife = 3600.0,
    mfa: Annotated[str | None, typer.Option(metavar="CODE", help="Let ProGlove ask for this code.")] = None,
    as_json: AsJson = False,
) -> None:
    """
    Run a fake ProGlove and a fake Protogrid on this machine until Ctrl-C, and print what to export.

    On --port their switches can be turned by HTTP, for tests in any language.
    """
    import asyncio  # noqa: PLC0415  quick --help

    from vendorauth.cli.sandbox import run_sandbox  # noqa: PLC0415  quick --help

    asyncio.run(run_sandbox(proglove_port, protogrid_port, token_life, typer.echo, port=port, mfa=mfa, as_json=as_json))


@app.command()
def key(*, as_json: AsJson = False) -> None:
    """Print a new key for EncryptedTokenStore, and nothing else. Keep it like a password."""
    try:
        from cryptography.fernet import Fernet  # noqa: PLC0415  needs another extra
    except ModuleNotFoundError:
        typer.echo("vendorauth: this command needs an extra: pip install 'vendorauth[encryption]'", err=True)
        raise typer.Exit(2) from None
    made = Fernet.generate_key().decode()
    typer.echo(f'{{"key": "{made}"}}' if as_json else made)
