"""How fast faces are rendered here, and what the time goes into.

    python benchmarks/rendering.py                    # 2,000 images of synthetic-wild at 64 px

Renders a set in memory and writes results/benchmarks/rendering.md. Milliseconds a core are processor time an
image, all threads together, so they hang little on what else the machine does; images a second are by the
clock.
"""

import platform
import resource
import time
from collections import defaultdict
from pathlib import Path

import click
import warp as wp

from fer_meta.datasets.synthetic import renderer as module
from fer_meta.datasets.synthetic.recipes import RECIPES
from fer_meta.datasets.synthetic.renderer import Renderer
from fer_meta.datasets.synthetic.scenes import draw_scenes
from fer_meta.fileio import write_text

PROFILED = 256


@click.command()
@click.option("--recipe", default="synthetic-wild", show_default=True, type=click.Choice(list(RECIPES)))
@click.option("--images", default=2000, show_default=True)
@click.option("--size", default=64, show_default=True)
@click.option("--subjects", default=200, show_default=True)
@click.option(
    "--out", default="results/benchmarks", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
def main(recipe, images, size, subjects, out):
    """Time a set, then its stages."""
    began = time.perf_counter()
    scenes = draw_scenes(RECIPES[recipe], subjects=subjects, images=images, severity=1.0, seed=0)[1]
    render = Renderer(size)
    render(scenes[:16])
    ready = time.perf_counter() - began
    wall, busy = time.perf_counter(), time.process_time()
    render(scenes)
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # kilobytes on Linux
    stages = profile(size, scenes[:PROFILED])
    lines = [
        "# Rendering",
        "",
        (
            f"`python benchmarks/rendering.py --recipe {recipe} --images {images} --size {size} --subjects"
            f" {subjects}`; {platform.machine()}, {len(render._easels)} threads, Python"
            f" {platform.python_version()}, warp {wp.__version__}"
        ),
        "",
        "| measure | value |",
        "|---|---|",
        f"| images a second | {len(scenes) / wall:.1f} |",
        f"| ms an image and core (processor time) | {1000 * busy / len(scenes):.1f} |",
        f"| cores kept busy | {busy / wall:.2f} |",
        f"| peak memory, GB | {peak:.2f} |",
        f"| seconds until the first image | {ready:.1f} |",
        "",
        f"What an image's time goes into (one thread, {PROFILED} images, processor time):",
        "",
        "| stage | ms an image | share |",
        "|---|---|---|",
        *(f"| {name} | {ms:.2f} | {100 * ms / sum(stages.values()):.0f} % |" for name, ms in stages.items()),
        "",
    ]
    click.echo("\n".join(lines))
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "rendering.md", "\n".join(lines))


def profile(size: int, scenes: list) -> dict[str, float]:
    """Milliseconds of processor time an image for each stage, in one thread."""
    render = Renderer(size)
    render._easels = render._easels[:1]
    render(scenes)  # everybody's neutral face is then known, as in a set of many images a person
    spent = defaultdict(float)

    def timed(name, function):
        def wrapper(*args, **kwargs):
            began = time.thread_time()
            result = function(*args, **kwargs)
            spent[name(*args)] += time.thread_time() - began
            return result

        return wrapper

    kept = wp.launch, module.develop, wp.Mesh.refit
    names = {
        "occlusion": "rays: sky hidden from each vertex",
        "shade": "rays: what each pixel sees, its shadow and its colour",
    }
    try:
        wp.launch = timed(lambda kernel, *_: names[kernel.key], wp.launch)
        module.develop = timed(lambda *_: "camera: background, blur, noise, JPEG", module.develop)
        wp.Mesh.refit = timed(lambda *_: "refit of the bounding volumes", wp.Mesh.refit)
        render._normals = timed(lambda *_: "normals", render._normals)
        began = time.thread_time()
        for start in range(0, len(scenes), render._batch):
            render._draw(render._easels[0], scenes[start : start + render._batch])
        total = time.thread_time() - began
    finally:
        wp.launch, module.develop, wp.Mesh.refit = kept
    spent["expression, hair, copies, the rest"] = total - sum(spent.values())
    return {
        name: 1000 * seconds / len(scenes)
        for name, seconds in sorted(spent.items(), key=lambda item: -item[1])
    }


if __name__ == "__main__":
    main()
