"""What the site adds to docs/: README.md as its first page, CONTRIBUTING and CHANGELOG, the help of every
command, the examples, and the tables and figures of results/.

A hook of MkDocs. In the repository a page of docs/ links to ../results/, so that its links work wherever
Markdown is shown. On the site results/ is next to the pages.
"""

from pathlib import Path

import click
from mkdocs.structure.files import File

from fer_meta.cli.main import main

ROOT = Path(__file__).parent.parent
SHOWN = (
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "examples/*.py",
    "examples/*.ipynb",
    *(
        "results/*/*.md",
        "results/*/*/*.md",
        "results/*/*/plots/*.png",
        "results/*/*.csv",
        "results/*/*.tex",
        "results/*/*.png",
        "results/*/plots/*.png",
    ),
)


def on_files(files, config):
    """Add the pages and files from elsewhere; of results/ the runs, models and episodes stay out."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "index.md", content=readme))
    helps = "\n".join(["# Command line", "", *helped(main, click.Context(main, info_name="fer-meta"))])
    files.append(File.generated(config, "command-line.md", content=helps))
    for path in sorted(found for pattern in SHOWN for found in ROOT.glob(pattern)):
        name = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Tables of results stay out of the search. Links to and from docs/ are adapted. No line break at ±."""
    if page.file.src_uri.startswith("results/"):
        page.meta["search"] = {"exclude": True}
        markdown = markdown.replace("](../../docs/", "](../../")
    else:
        markdown = markdown.replace("](../", "](").replace("](docs/", "](")
    return markdown.replace(" ± ", "\u00a0±\u00a0")


def helped(command, context):
    """The lines of `--help` for a command and those below it, each under a heading."""
    context.max_content_width = 100
    yield from (f"## {context.command_path}", "", "```text", command.get_help(context), "```", "")
    for name, below in getattr(command, "commands", {}).items():
        yield from helped(below, click.Context(below, info_name=name, parent=context))
