"""The command line: a thin layer over the library that turns its errors into one sentence."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import halsted
from halsted.cli.agents import demo, evaluate, record, render, scenarios, train
from halsted.cli.console import messages, plain
from halsted.cli.convert import convert
from halsted.cli.deidentify import deidentify
from halsted.cli.pacs import app as pacs
from halsted.cli.perceive import app as perceive
from halsted.cli.perceive import segment
from halsted.cli.phantom import phantom
from halsted.cli.scans import scan
from halsted.cli.view import view
from halsted.imaging_bridge.errors import HalstedError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Halsted turns a patient's scan into a place to practise.",
)
for command in (
    scan,
    view,
    convert,
    deidentify,
    phantom,
    segment,
    scenarios,
    train,
    evaluate,
    render,
    record,
    demo,
):
    app.command()(command)
app.add_typer(pacs, name="pacs")
app.add_typer(perceive, name="perceive")


def main() -> None:
    """Run the command line; a Halsted error becomes one sentence and exit code 2."""
    try:
        app()
    except HalstedError as error:
        messages.print(f"[bold red]error:[/] {plain(str(error))}", soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        messages.print("stopped")
        sys.exit(130)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"halsted {halsted.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass
