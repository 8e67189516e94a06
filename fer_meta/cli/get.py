"""`fer-meta data get`: download a data set, or say how to get it."""

import sys
from pathlib import Path

import click

from fer_meta.oneline import escaped


@click.command()
@click.argument("name", metavar="NAME")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder to make; needed unless FER_META_DATA is set.  [default: $FER_META_DATA/NAME]",
)
@click.option(
    "--revision", metavar="COMMIT", help="Take this commit, branch or tag and not the newest commit."
)
@click.option(
    "--accept-licence", is_flag=True, help="Accept the licence, which is shown, without a question."
)
@click.pass_context
def get(context: click.Context, name: str, out: Path | None, revision: str | None, accept_licence: bool):
    """Download a data set, or say how to get it.

    FER2013 is downloaded from the Hugging Face hub, after you accepted its licence. Other data sets need an
    agreement with their authors: then the steps are printed, and the exit status is 2 as long as the data set
    is not on this machine.

    The folder is complete or not there. Its file fer-meta-download.json names the commit and the SHA-256 of
    each file; the same command compares them. If a download is stopped, the same command goes on.

    \b
    Examples:
      fer-meta data get fer2013
      fer-meta data get fer2013 --out ~/fer2013 --accept-licence
      fer-meta data get rafdb-basic
    """
    from fer_meta.commands import command
    from fer_meta.datasets.getting import LOCK, download, page
    from fer_meta.datasets.registry import catalogue, data_home, is_here, resolve
    from fer_meta.datasets.show import about
    from fer_meta.errors import DatasetError

    spec = catalogue().get(name)
    if spec is None:
        if resolve([name], {})[name] is None:
            click.echo(f"{name} needs no download: it is rendered on this machine when it is first used")
        else:
            click.echo(f"{name} is a folder of yours already")
        return
    home = data_home()
    if spec.hub is None:
        here = is_here(name, {})
        click.echo("\n".join(about(name, spec, f"{home}/{name}" if here else "no")))
        if not here:
            click.echo(
                f"\nfer-meta cannot download it. Get it as said, then put it in $FER_META_DATA/{name} or give"
                f" --data {name}=PATH.\n`fer-meta data check {name}` compares it with the published counts."
            )
            context.exit(2)
        return
    if out is None and home is None:
        raise DatasetError("where to? set FER_META_DATA to the folder of your data sets, or give --out DIR")
    folder = out or Path(home or "") / name
    click.echo("\n".join(about(name, spec, "no")))
    click.echo(f"\nIt comes from {page(spec.hub)}, which may state terms of its own.")
    if not accept_licence and not (folder / LOCK).is_file():
        _ask(name)
    lock, new = download(spec.hub, folder, revision)
    size = sum(file["bytes"] for file in lock["files"].values()) / 1e6
    what = f"{len(lock['files'])} files, {size:,.1f} MB, of commit {lock['revision']}"
    shown = escaped(str(folder))
    click.echo(f"Downloaded {what} to {shown}" if new else f"{shown} is as it was downloaded: {what}")
    click.echo(f"Check it: {command('fer-meta', 'data', 'check', name, '--data', f'{name}={shown}')}")


def _ask(name: str) -> None:
    """Go on only if the user accepts the licence. Raises DatasetError if not, or if nobody can be asked."""
    from fer_meta.errors import DatasetError

    if not sys.stdin.isatty():
        raise DatasetError("nobody is here to accept the licence; give --accept-licence if you do")
    if not click.confirm(f"Do you accept the licence of {name}?"):
        raise DatasetError("the licence was not accepted; nothing was downloaded")
