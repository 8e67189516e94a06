"""`fer-meta data`: list data sets, check them, make a picture of them, render some, cut faces out of films.

pandas takes a third of a second to import, so a command imports what it needs when it runs.
"""

import time
from pathlib import Path

import click

from fer_meta.cli.audit import audit
from fer_meta.cli.cache import cache
from fer_meta.cli.get import get
from fer_meta.cli.init import init
from fer_meta.cli.options import data_option
from fer_meta.cli.prepare import prepare
from fer_meta.oneline import escaped


@click.group()
def data() -> None:
    """List data sets, check them for faults and leaks, look at them, render some, or make them of films.

    A data set is a folder. Name it with --data NAME=PATH, or put it in $FER_META_DATA/NAME. The list has the
    data sets that are known by name. Any other name is read as folders of images, <split>/<label>/... or
    <label>/..., or as what `data render` wrote.

    Data sets called synthetic-... need no folder: their faces are rendered on this machine when they are
    first used. synthetic-wild@0.5 is half way from the studio to synthetic-wild.
    """


data.add_command(init)
data.add_command(get)
data.add_command(cache)
data.add_command(prepare)
data.add_command(audit)


@data.command("list")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@data_option
def list_(names: tuple[str, ...], data: dict[str, Path]) -> None:
    """List the data sets, and which of them are on this machine.

    With names: what these are, how to get them, how to cite them, and their images by class and split.

    \b
    Examples:
      fer-meta data list --data fer2013=/data/fer2013 --data mine=~/faces
      fer-meta data list afew omniglot
    """
    from fer_meta.datasets import registry
    from fer_meta.datasets.show import listing, table

    known = registry.names(data)
    registry.resolve((name for name in names if name not in known), data)  # one that is not known is an error
    for line in () if names else table(known, data):
        click.echo(line)
    if names:
        click.echo("\n\n".join("\n".join(listing(name, data)) for name in names))


@data.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@data_option
@click.option(
    "--size",
    default=48,
    show_default=True,
    type=click.IntRange(1, 1024),
    help="Side in pixels of the decoded images in the cache.",
)
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write every group of identical images to FILE.",
)
@click.pass_context
def check(
    context: click.Context, names: tuple[str, ...], data: dict[str, Path], size: int, csv_file: Path | None
) -> None:
    """Check data sets for wrong counts, unreadable files and leaks.

    A leak is an image that is in two splits, in two of the named data sets, or under two labels. Leaks are
    reported, but they are not a failure: a bench leaves copies out. The exit status is 1 if a count differs
    from the published one or a file is unreadable.

    \b
    Examples:
      fer-meta data check fer2013 --data fer2013=/data/fer2013
      fer-meta data check fer2013 rafdb-basic --csv copies.csv
      fer-meta data check synthetic-wild@0.5
    """
    from fer_meta.datasets.audit import audit, check_counts
    from fer_meta.datasets.registry import home_of, load, resolve
    from fer_meta.datasets.show import across_lines, audit_lines, count_lines, other_lines, write_copies

    roots = resolve(names, data)
    faces = [load(name, root, size) for name, root in roots.items()]
    sound = True
    for one, root in zip(faces, roots.values()):
        counts = check_counts(one)
        sound = sound and not one.unreadable and all(count.agrees for count in counts)
        others = [] if root is None else other_lines(one.spec, home_of(one.spec, root), one.index)
        click.echo("\n".join([*count_lines(one, counts), *others, *audit_lines(audit(one)), ""]))
    together = audit(*faces)
    if len(faces) > 1:
        click.echo("\n".join(across_lines(together)))
    if csv_file is not None:
        write_copies(together, csv_file)
        click.echo(
            f"Wrote {len(together.copies):,} images of which there are copies to {escaped(str(csv_file))}"
        )
    context.exit(0 if sound else 1)


@data.command()
@click.argument("name", metavar="NAME")
@data_option
@click.option(
    "--size",
    default=64,
    show_default=True,
    type=click.IntRange(8, 1024),
    help="Side of the images in pixels.",
)
@click.option(
    "--people", default=10, show_default=True, type=click.IntRange(1, 100), help="Number of columns."
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Another seed shows other faces."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.png",
    help="The file to write.  [default: NAME.png]",
)
def sheet(name: str, data: dict[str, Path], size: int, people: int, seed: int, out: Path | None) -> None:
    """Make a picture of a data set: one row per class, one column per person.

    The faces are shown as a method sees them: cropped and resized to --size pixels. If people are not known,
    the columns are just images. If there are clips, three of them are shown as strips. For a rendered set,
    two more strips show one face while severity grows from 0 (the studio) to 1.

    \b
    Examples:
      fer-meta data sheet synthetic-wild
      fer-meta data sheet fer2013 --data fer2013=/data/fer2013 --size 48 --out fer2013.png
    """
    from fer_meta.datasets.contact_sheet import contact_sheet, write_sheet
    from fer_meta.datasets.registry import load, resolve
    from fer_meta.datasets.synthetic.rendered import growing_severity

    if out is not None and out.suffix.lower() != ".png":
        raise click.BadParameter(f"'{out}' does not end in .png", param_hint="--out")
    ((name, root),) = resolve([name], data).items()
    # Of what is rendered, a small set will do in which few people show every expression.
    faces = load(name, root, size, subjects=max(10, people), images=100 * max(10, people))
    growing = growing_severity(name, size, min(people, 9), seed) if root is None else ()
    out = out or Path(f"{name}.png")
    write_sheet(contact_sheet(faces, people, seed, growing), out)
    click.echo(f"Wrote {escaped(str(out))}")


@data.command()
@click.argument("name", metavar="NAME[@SEVERITY]")
@click.option(
    "--size",
    default=64,
    show_default=True,
    type=click.IntRange(16, 1024),
    help="Side of the images in pixels.",
)
@click.option(
    "--subjects",
    default=200,
    show_default=True,
    type=click.IntRange(1, 10**6),
    metavar="N",
    help="Number of people. Nobody is in two splits.",
)
@click.option(
    "--images",
    default=3000,
    show_default=True,
    type=click.IntRange(1, 10**7),
    metavar="N",
    help="Number of images, or of frames if there are clips.",
)
@click.option(
    "--severity",
    type=click.FloatRange(0, 1),
    metavar="X",
    help="Size of the domain gap: 0 is the studio, 1 the recipe itself.  [default: 1]",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Another seed gives other people.",
)
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|cuda:1",
    help="Where faces are rendered. auto: a CUDA GPU if there is one.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder to make.  [default: ./NAME]",
)
def render(
    name: str,
    size: int,
    subjects: int,
    images: int,
    severity: float | None,
    seed: int,
    device: str,
    out: Path | None,
) -> None:
    """Render a data set into a folder, for example to share it or to have more images.

    A bench does not need this command: it renders what it needs and keeps it in the cache.

    The recipes are synthetic-studio, synthetic-wild, synthetic-film (clips) and synthetic-compound (see
    `fer-meta data list`). The folder holds images.npy (uint8, one row per image), index.parquet (label,
    person, clip, split and action units) and meta.json. Give it to any command as --data.

    If a render is stopped, the same command goes on.

    \b
    Examples:
      fer-meta data render synthetic-wild
      fer-meta data render synthetic-wild@0.5 --size 84 --subjects 400 --images 20000 --out half
      fer-meta bench --suite cross-domain --data half=half --data fer2013=/data/fer2013
    """
    from fer_meta.commands import command
    from fer_meta.datasets.prepared import REMAKE, read_prepared
    from fer_meta.datasets.synthetic.rendered import domain_name, parse_name, render_set
    from fer_meta.device import choose_device, renderer_device
    from fer_meta.words import people

    if severity is not None:
        if "@" in name:
            raise click.UsageError(f"'{name}' has a severity already; leave out --severity")
        name = f"{name}@{severity:g}"
    recipe, severity = parse_name(name)
    name = domain_name(recipe, severity)
    out = out or Path(name)
    began = time.perf_counter()
    number = render_set(
        recipe,
        out,
        size=size,
        subjects=subjects,
        images=images,
        severity=severity,
        seed=seed,
        device=renderer_device(choose_device(device)),
        fix="name another folder with --out",
    )
    seconds = time.perf_counter() - began
    found = f"{len(read_prepared(out, REMAKE)[1]):,} rendered images of {people(subjects)}, {size} px"
    shown = escaped(str(out))
    if number:
        click.echo(
            f"Wrote {found}, to {shown} ({number:,} of them now, {number / seconds:.1f} a second with"
            " start-up)"
        )
    else:
        click.echo(f"{shown} holds this very set already: {found}")
    data = f"{escaped(out.absolute().name)}={shown}"
    click.echo(f"Use it: {command('fer-meta', 'bench', '--suite', 'cross-domain', '--data', data)}")
