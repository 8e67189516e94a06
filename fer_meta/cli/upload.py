"""`fer-meta upload`: a trained model to the Hugging Face hub."""

from pathlib import Path

import click

from fer_meta.hub.licences import ADVICE, EXAMPLES
from fer_meta.oneline import escaped

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("model", metavar="MODEL", type=PATH)
@click.argument("repo", metavar="USER/NAME")
@click.option(
    "--licence",
    metavar="ID",
    help=f"The licence that you give the model, as the hub names it: {', '.join(EXAMPLES)}, ...  [required]",
)
@click.option("--public", is_flag=True, help="Let everybody see it.  [default: only you]")
@click.option("--dry-run", is_flag=True, help="Write the folder that would be uploaded, and stop.")
@click.option(
    "--out", type=PATH, metavar="FOLDER", help="Where --dry-run writes it.  [default: NAME, in this folder]"
)
def upload(
    model: Path, repo: str, licence: str | None, public: bool, dry_run: bool, out: Path | None
) -> None:
    """Upload a trained model to the Hugging Face hub, with a page that says what it is.

    MODEL is a folder of models/ or runs/ in a results folder, or what fm.train left. Its weights go as
    safetensors. The page says what it was trained on and how, how accurate it is, with intervals, and what it
    must not be used for. Look at it first, with --dry-run. Think of the licence of the faces too: some forbid
    passing on what was trained on them.

    \b
    Examples:
      fer-meta upload results/cross-domain/models/MODEL anna/protonet-fer --licence mit --dry-run
      fer-meta upload results/cross-domain/models/MODEL anna/protonet-fer --licence mit
      fer-meta predict photo.jpg --model hf:anna/protonet-fer --support my-faces/
    """
    if licence is None:
        raise click.UsageError(f"give --licence, {ADVICE}")
    if out and not dry_run:
        raise click.UsageError("--out is of --dry-run: give both, or none")
    from fer_meta.datasets.scanning import expanded
    from fer_meta.hub import upload as uploading

    folder = expanded(model, "the model")
    if dry_run:
        place = expanded(out or Path(repo.rpartition("/")[2]), "--out")
        _warn(uploading.prepare(folder, repo, licence, place))
        click.echo(f"Written: {escaped(str(place))}; nothing was uploaded")
        return
    done = uploading.upload(folder, repo, licence, public)
    _warn(done.cautions)
    click.echo(f"Uploaded: {done.page} ({'private' if done.private else 'public'})")


def _warn(cautions: list[str]) -> None:
    for line in cautions:
        click.echo(f"Warning: {line} The page says so too.", err=True)
