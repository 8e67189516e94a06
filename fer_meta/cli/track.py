"""`fer-meta track`, and `--track` of a bench: show trainings in a tracker."""

from pathlib import Path

import click

from fer_meta.tracking import TRACKERS

track_option = click.option(
    "--track",
    multiple=True,
    type=click.Choice(list(TRACKERS)),
    callback=lambda context, parameter, names: list(dict.fromkeys(names)),
    help="Show each training and the results in this tracker too. Repeatable.",
)


@click.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--to", "tracker", required=True, type=click.Choice(list(TRACKERS)), help="The tracker.")
@click.option("--follow", is_flag=True, help="Go on until standard input ends (Ctrl-D), or Ctrl-C.")
def track(folder: Path, tracker: str, follow: bool) -> None:
    """Show the trainings of a bench in TensorBoard, MLflow or Weights & Biases.

    FOLDER is a results folder, such as results/cross-domain. `fer-meta bench --track` does the same while it
    trains. What the tracker has already is not sent again.

    \b
    Examples:
      fer-meta track results/cross-domain --to tensorboard
      fer-meta track results/cross-domain --to wandb --follow
    """
    from fer_meta.datasets.scanning import expanded
    from fer_meta.tracking.follow import track

    track(expanded(folder, "the results"), tracker, follow)
