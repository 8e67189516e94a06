"""Pictures of a report's page for docs/reading.md: on a desk, in the dark and on a phone.

    python benchmarks/screenshots.py results/cross-domain/report.html docs

It needs the extra `test` and a Chromium on the PATH.
"""

import shutil
from pathlib import Path

import click
from playwright.sync_api import sync_playwright

SHOTS = {
    "desktop": {"viewport": {"width": 1400, "height": 1000}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1400, "height": 1000}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 400, "height": 800}, "color_scheme": "light"},
}
SHOWN = {"dark": "Every result"}
"""The heading at which a picture begins, where it is not the top."""


@click.command(help=__doc__)
@click.argument("page", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(page: Path, folder: Path) -> None:
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, look in SHOTS.items():
            shown = browser.new_context(offline=True, **look).new_page()
            shown.goto(page.resolve().as_uri())
            if name in SHOWN:
                heading = shown.get_by_role("heading", name=SHOWN[name]).first
                heading.evaluate("heading => heading.scrollIntoView()")
            shown.screenshot(path=folder / f"page-{name}.png")
            click.echo(f"Written: {folder / f'page-{name}.png'}")


if __name__ == "__main__":
    main()
