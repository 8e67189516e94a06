"""`fer-meta predict`: what a trained model sees in a photograph, a folder, a film or a camera."""

from pathlib import Path

import click

from fer_meta.cli.options import data_option
from fer_meta.oneline import escaped

PATH = click.Path(path_type=Path)
FORMATS = (".csv", ".json")
PLOTS = (".png", ".pdf", ".svg")


@click.command()
@click.argument("pictures", metavar="[PICTURE]...", nargs=-1, type=PATH)
@click.option(
    "--model",
    "folder",
    type=PATH,
    metavar="FOLDER|hf:USER/NAME",
    help="A folder of models/ or runs/ in a results folder, or a model of the Hugging Face hub.  [required]",
)
@click.option(
    "--support",
    metavar="FOLDER|NAME",
    help=(
        "Labelled faces: a folder with a folder of pictures per class, or a data set by its name."
        "  [default: the data set that the model was trained on]"
    ),
)
@click.option("--no-support", is_flag=True, help="Let the model's own head answer, which needs no support.")
@click.option("--shots", type=click.IntRange(1, 1000), help="Support faces per class.  [default: 5, or all]")
@click.option("--seed", default=0, show_default=True, help="Which faces of the support are taken.")
@click.option(
    "--readout",
    metavar="NAME",
    help="How features become answers, such as ncm or probe.  [default: the method's own way]",
)
@click.option("--aligned", is_flag=True, help="All pictures are face crops already: find no faces in them.")
@click.option("--aligned-support", is_flag=True, help="The faces of the support are crops already.")
@click.option(
    "--detector",
    type=click.Choice(["yuface", "mtcnn"]),
    help="What finds the faces.  [default: as installed]",
)
@click.option(
    "--fps", type=click.FloatRange(0, 1000, min_open=True), help="Frames per second of film.  [default: all]"
)
@click.option(
    "--camera", type=int, metavar="N", help="A picture of camera N (0: the first), beside the others."
)
@click.option("--out", type=PATH, metavar="FILE", help="Write all answers to a .csv or .json file.")
@click.option("--plot", type=PATH, metavar="FILE", help="Draw them: .png, .pdf or .svg.")
@click.option(
    "--code",
    multiple=True,
    metavar="FILE.py:CLASS",
    help="A method or network of your own that the model was trained with. The file is run. Repeatable.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@data_option
@click.pass_context
def predict(
    context: click.Context,
    pictures: tuple[Path, ...],
    folder: Path | None,
    support: str | None,
    no_support: bool,
    shots: int | None,
    seed: int,
    readout: str | None,
    aligned: bool,
    aligned_support: bool,
    detector: str | None,
    fps: float | None,
    camera: int | None,
    out: Path | None,
    plot: Path | None,
    code: tuple[str, ...],
    device: str,
    data: dict[str, Path],
) -> None:
    """Say which expression a face shows.

    PICTURE is a photograph, a film, or a folder of them. Faces are found, turned and scaled as by `fer-meta
    data prepare`; of several faces in a photograph, the largest counts. The model learns its classes from a
    few labelled faces, the support: they may be other classes than those of its training. For a film, the
    frames vote: the mean of their probabilities decides.

    A model is as good as its table says, on pictures like those that it was tested on. An expression is not
    a feeling: do not use it to judge people.

    \b
    Examples:
      fer-meta predict photo.jpg --model results/cross-domain/models/protonet-synthetic-wild-seed0-1a2b3c4d
      fer-meta predict faces/ --aligned --model MODEL --support my-faces/ --shots 5 --out answers.csv
      fer-meta predict film.mp4 --fps 5 --model MODEL --support fer2013 --data fer2013=~/fer2013
      fer-meta predict film.mp4 --model MODEL --plot film.png
      fer-meta predict --camera 0 --model MODEL
      fer-meta predict photo.jpg --model MODEL --code my_method.py:Cosine
      fer-meta predict photo.jpg --model hf:anna/protonet-fer --support my-faces/
    """
    if not pictures and camera is None:
        raise click.UsageError("give a picture, a film, a folder, or --camera 0")
    if folder is None:
        raise click.UsageError(
            "give --model, a trained model, such as results/cross-domain/models/NAME; `fer-meta bench` trains"
            " some"
        )
    if support and no_support:
        raise click.UsageError("--support and --no-support contradict each other: give one of them")
    if out and out.suffix not in FORMATS:
        raise click.UsageError(f"--out {out}: give a file that ends in {' or '.join(FORMATS)}")
    if plot and plot.suffix not in PLOTS:
        raise click.UsageError(f"--plot {plot}: give a file that ends in {', '.join(PLOTS)}")
    from fer_meta.prediction import written
    from fer_meta.prediction.cautions import cautions_of
    from fer_meta.prediction.predicting import predict

    found = predict(
        folder,
        pictures,
        support=support,
        own_head=no_support,
        shots=shots,
        seed=seed,
        readout=readout,
        aligned=aligned,
        aligned_support=aligned_support,
        detector=detector,
        fps=fps,
        camera=camera,
        code=code,
        device=device,
        data=data,
    )
    for line in cautions_of(found.model):
        click.echo(f"Warning: {line}", err=True)
    click.echo(written.text(found))
    for path in written.files(found, out, plot):
        click.echo(f"Written: {escaped(str(path))}")
    if not found.table["label"].notna().any():
        context.exit(1)
