"""`fer-meta data prepare`: films and uncropped photographs to aligned faces."""

from pathlib import Path

import click

from fer_meta.oneline import escaped


@click.command()
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("folder", metavar="DST", type=click.Path(path_type=Path))
@click.option(
    "--fps",
    type=click.FloatRange(0, 1000, min_open=True),
    metavar="X",
    help="Frames per second of film, such as 5.  [default: all frames of the film]",
)
@click.option(
    "--size",
    default=112,
    show_default=True,
    type=click.IntRange(16, 1024),
    help="Side of the faces in pixels.",
)
@click.option(
    "--detector",
    type=click.Choice(["yuface", "mtcnn"]),
    help="What finds the faces.  [default: yuface if it is installed, else mtcnn]",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Films or photographs worked on at the same time.  [default: one per core]",
)
def prepare(
    source: Path, folder: Path, fps: float | None, size: int, detector: str | None, jobs: int | None
) -> None:
    """Cut the faces out of films or photographs.

    SRC is a folder of films or of uncropped photographs, sorted by expression: <label>/... or
    <split>/<label>/... . DST is a new folder with the same tree. The film Happy/anna.mp4 becomes the folder
    Happy/anna/ of frames, a photograph one face of the same name. If SRC has films, its photographs are left
    out.

    Each face is turned and scaled so that eyes, nose and mouth are always at the same places. In a film, one
    face is followed: the one seen largest and longest. In a photograph it is the largest face. Where it is
    not found, DST/not-found.csv says why.

    If the command is stopped, the same command goes on. It needs: pip install 'fer-meta[video]'

    \b
    Examples:
      fer-meta data prepare AFEW afew-faces
      fer-meta data prepare ~/clips clip-faces --fps 5
      fer-meta data prepare ~/photos photo-faces --size 224 --detector mtcnn
    """
    from fer_meta.commands import command
    from fer_meta.datasets.scanning import expanded
    from fer_meta.video.faces import usual_detector
    from fer_meta.video.prepare import NOT_FOUND, prepare

    source, folder = expanded(source, "SRC"), expanded(folder, "DST")
    made = prepare(source, folder, fps=fps, size=size, detector=detector or usual_detector(), jobs=jobs)
    if made.left_out:
        click.echo(f"Left out {made.left_out:,} photographs that are among the films")
    clips = f"{made.clips:,} clips, {made.frames:,} frames" if made.films else f"{made.clips:,} photographs"
    click.echo(
        f"{clips}, {made.found:,} faces ({made.found / max(1, made.frames):.1%}) in {escaped(str(folder))}"
    )
    if made.found < made.frames:
        click.echo(f"What was not found, and why: {escaped(str(folder / NOT_FOUND))}")
    name = "afew" if made.afew else escaped(folder.absolute().name)
    click.echo(
        f"Next: {command('fer-meta', 'data', 'check', name, '--data', f'{name}={escaped(str(folder))}')}"
    )
