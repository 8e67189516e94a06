"""What an audit found, as one html page that holds its pictures and needs no network."""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from fer_meta.datasets.audit_summary import about, class_table, copies_table, in_train_lines
from fer_meta.datasets.cache import CachedFaces
from fer_meta.datasets.findings import Findings
from fer_meta.datasets.stacked import Stacked
from fer_meta.errors import DatasetError
from fer_meta.fileio import write_text
from fer_meta.oneline import escaped

GROUPS = 40
"""Groups of one kind that are shown, the largest first."""

IMAGES = 8
"""Images of one group that are shown."""

_STYLE = """
:root { --ink: #1d2430; --faint: #667085; --paper: #f6f7f9; --card: #fff; --line: #e3e6eb; --warn: #b42318;
  color-scheme: light dark }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ec; --faint: #98a2b3; --paper: #14171c;
  --card: #1d2129; --line: #2f3540; --warn: #f97066 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.5rem 5rem; color: var(--ink);
  background: var(--paper); font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem; margin: 0 0 1rem }
h2 { font-size: 1.2rem; margin: 2.5rem 0 0 }
h3 { font-size: 1rem; margin: 0 0 .5rem }
p { margin: .2rem 0 .8rem; color: var(--faint) }
nav { margin: 1.2rem 0 } nav a { display: inline-block; margin-right: 1.2rem; color: inherit }
.sets { display: flex; flex-wrap: wrap; gap: 1rem }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .9rem 1rem;
  margin: 0 0 .8rem; overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin-top: .6rem }
th { font-weight: 500; color: var(--faint); text-align: left }
td { text-align: right } td.text { text-align: left; overflow-wrap: anywhere }
th, td { padding: .1rem 1.2rem .1rem 0; vertical-align: top }
.group { display: flex; flex-wrap: wrap; gap: .8rem }
figure { margin: 0; width: 8rem }
img { width: 8rem; height: 8rem; border-radius: 4px; display: block }
figcaption { font-size: 12px; line-height: 1.35; overflow-wrap: anywhere; margin-top: .25rem }
figcaption b { font-weight: 600 } figcaption .other { color: var(--warn) }
figcaption span { color: var(--faint); display: block }
.more { align-self: center; color: var(--faint); margin: 0 }
"""


def audit_page(found: Findings, faces: Sequence[CachedFaces]) -> str:
    """The page of what `find` found in `faces`."""
    pictures = Stacked([one.images for one in faces])
    sections = [section for section in _sections(found, pictures) if section]
    names = ", ".join(one.name for one in faces)
    links = "".join(f'<a href="#s{n}">{title}</a>' for n, (title, _) in enumerate(sections))
    body = "".join(f'<h2 id="s{n}">{title}</h2>{part}' for n, (title, part) in enumerate(sections))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Audit of {_text(names)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>Audit of {_text(names)}</h1>{_overview(found, faces)}<nav>{links}</nav>{body}</body></html>\n"
    )


def write_page(page: str, path: Path) -> None:
    """Raises DatasetError if the page cannot be written."""
    try:
        write_text(path, page)
    except OSError as error:
        reason = error.strerror or error
        raise DatasetError(f"{path}: cannot be written ({reason}); name another file with --page") from None


def _overview(found: Findings, faces: Sequence[CachedFaces]) -> str:
    sets = "".join(
        f'<div class="card"><h3>{_text(one.name)}</h3>{_facts(about(found, one.name))}'
        f"{_table(class_table(found, one.name))}</div>"
        for one in faces
    )
    lines = "".join(f"<p>{_text(line)}</p>" for line in in_train_lines(found))
    copies = copies_table(found).map("{:,}".format)
    return f'<div class="sets">{sets}<div class="card"><h3>Copies</h3>{_table(copies)}{lines}</div></div>'


def _sections(found: Findings, pictures: Stacked) -> Iterable[tuple[str, str] | None]:
    """The title and the html of each kind of finding; None for what there is not."""
    yield _of_groups("Copies under several labels", found.labels, "label", pictures)
    mirrored = found.near["group"].isin(found.near.loc[found.near["mirrored"], "group"])
    yield _of_groups("Mirror images", found.near[mirrored], "mirrored", pictures)
    for name, of in (("Near copies", found.near), ("Identical images", found.exact)):
        datasets, splits = of["across_datasets"], of["across_splits"]
        yield _of_groups(f"{name} across data sets", of[datasets], "dataset", pictures)
        yield _of_groups(f"{name} across splits", of[splits], "split", pictures)
        yield _of_groups(f"Other {name[0].lower()}{name[1:]}", of[~datasets & ~splits], "label", pictures)
    yield _of_groups("People in several splits", _by_person(found), "split", pictures, "people")
    yield _of_images("No face found", found.faceless, pictures)
    yield _of_images("Blank", found.blank, pictures)
    yield _of_files("Unreadable", found.unreadable)


def _by_person(found: Findings) -> pd.DataFrame:
    """The images of people in several splits, one of each split, as groups."""
    images = found.images.merge(found.people[["dataset", "subject"]].reset_index(names="group"), how="left")
    # merged on the left, so each image keeps its row label
    shown = images[images["group"].notna() & images["split"].notna()]
    return shown.drop_duplicates(["group", "split"]).sort_values("group", kind="stable")


def _of_groups(
    title: str, groups: pd.DataFrame, by: str, pictures: Stacked, what: str = "groups"
) -> tuple[str, str] | None:
    """The largest groups; first in each are images that differ in the column `by`."""
    if groups.empty:
        return None
    turn = groups.groupby(["group", by], dropna=False).cumcount()
    groups = groups.loc[turn.sort_values(kind="stable").index]
    sizes = groups.groupby("group").size().sort_values(ascending=False, kind="stable")
    parts = (groups[groups["group"] == number] for number in sizes.index[:GROUPS])
    cards = "".join(f'<div class="card group">{_figures(part, pictures)}</div>' for part in parts)
    return title, f"<p>{len(sizes):,} {what}{_more(len(sizes), GROUPS)}</p>{cards}"


def _of_images(title: str, images: pd.DataFrame | None, pictures: Stacked) -> tuple[str, str] | None:
    if images is None or images.empty:
        return None
    shown = "".join(_figure(row, pictures) for row in images.iloc[: 2 * GROUPS].itertuples())
    words = f"{len(images):,} images{_more(len(images), 2 * GROUPS)}"
    return title, f'<p>{words}</p><div class="card group">{shown}</div>'


def _of_files(title: str, files: pd.DataFrame) -> tuple[str, str] | None:
    if files.empty:
        return None
    rows = "".join(
        f'<tr><td class="text">{_text(f"{row.dataset}/{row.path}")}</td>'
        f'<td class="text">{_text(row.reason)}</td></tr>'
        for row in files.iloc[: 2 * GROUPS].itertuples()
    )
    words = f"{len(files):,} files{_more(len(files), 2 * GROUPS)}"
    return title, f'<p>{words}</p><div class="card"><table>{rows}</table></div>'


def _more(number: int, shown: int) -> str:
    return f"; {number - shown:,} more are in the tables that --csv writes" if number > shown else ""


def _figures(group: pd.DataFrame, pictures: Stacked) -> str:
    """The images of a group side by side; a label that is not its most frequent one is marked."""
    usual = group["label"].value_counts().index[0]
    shown = "".join(_figure(row, pictures, usual) for row in group.iloc[:IMAGES].itertuples())
    more = len(group) - IMAGES
    return shown + (f'<p class="more">and {more:,} more</p>' if more > 0 else "")


def _figure(row, pictures: Stacked, usual: str | None = None) -> str:
    split = "" if pd.isna(row.split) else f", {_text(row.split)}"
    mirrored = ", mirrored" if getattr(row, "mirrored", False) else ""
    label = f"<b{' class=other' if usual not in (None, row.label) else ''}>{_text(row.label)}</b>"
    place = _text(f"{row.dataset}/{row.path}")
    return (
        f'<figure><img src="{_data_uri(pictures[np.array([row.Index])][0])}" alt="">'
        f"<figcaption>{label}{split}{mirrored}<span>{place}</span></figcaption></figure>"
    )


def _data_uri(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=92)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _facts(facts: dict[str, str]) -> str:
    rows = "".join(
        f'<tr><th>{_text(what)}</th><td class="text">{_text(text)}</td></tr>' for what, text in facts.items()
    )
    return f"<table>{rows}</table>"


def _table(table: pd.DataFrame) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in ("", *table.columns))
    rows = "".join(
        f"<tr><th>{_text(row[0])}</th>{''.join(f'<td>{_text(text)}</td>' for text in row[1:])}</tr>"
        for row in table.itertuples()
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def _text(text: object) -> str:
    return escape(escaped(str(text)))
