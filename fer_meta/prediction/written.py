"""Predictions as a table on the terminal, as .csv or .json, and as plots."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from fer_meta.fileio import replacing
from fer_meta.oneline import escaped
from fer_meta.prediction import plots
from fer_meta.prediction.predicting import Prediction
from fer_meta.prediction.votes import votes

MOST_LINES = 40
_NAMED = 5


def text(found: Prediction) -> str:
    """What was answered: a line per photograph and film, and what of it failed."""
    by_file = _by_file(found.table)
    support = found.support
    lines = [
        f"{found.readout} of model {found.model.folder.name}; "
        + (
            f"support: {support.shots} faces each of {', '.join(support.classes)}"
            if support
            else "its own head, no support"
        ),
        *([_left_out(support.left_out)] if support and support.left_out else []),
        "",
    ]
    width = max((len(file) for file in by_file["file"]), default=0)
    for row in by_file.head(MOST_LINES).itertuples():
        lines.append(f"{escaped(row.file):<{width}}  {_in_words(row, found.calibrated)}")
    if len(by_file) > MOST_LINES:
        lines.append(f"... and {len(by_file) - MOST_LINES:,} more; --out writes all")
    return "\n".join(lines)


def _left_out(names: Sequence[str]) -> str:
    shown = ", ".join(map(escaped, names[:_NAMED]))
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"not in the support, because the same pictures are asked about: {shown}{more}"


def files(found: Prediction, out: Path | None, plot: Path | None) -> list[Path]:
    """Write the table to `out` and the plots to `plot`: one for all photographs, and one for each film, whose
    file is named after it if there are several. Returns what was written.
    """
    written = []
    if out is not None:
        with replacing(out) as temporary:
            temporary.write_text(_csv(found.table) if out.suffix == ".csv" else _json(found))
        written.append(out)
    if plot is not None:
        figures = _figures(found)
        for name, figure in figures.items():
            path = plot if len(figures) == 1 else plot.with_name(f"{plot.stem}-{name}{plot.suffix}")
            with replacing(path) as temporary:
                plots.save(figure, temporary)
            written.append(path)
    return written


def _by_file(table: pd.DataFrame) -> pd.DataFrame:
    """Photographs as they are, and films by their votes, in the order of the table."""
    films, photographs = votes(table), table[table["frame"].isna()]
    both = pd.concat([photographs, films], ignore_index=True) if len(films) else photographs
    order = {file: place for place, file in enumerate(dict.fromkeys(table["file"]))}
    return both.sort_values("file", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def _in_words(row, calibrated: bool) -> str:
    film = getattr(row, "frames", None)
    of = f"   ({row.faces:.0f} of {film:.0f} frames have a face)" if film is not None and film == film else ""
    if not isinstance(row.label, str):
        return (getattr(row, "fault", "") or "no face found") + of
    near = f"   like {row.nearest}" if isinstance(row.nearest, str) and row.nearest and not of else ""
    return f"{row.label}{f' {100 * row.confidence:.0f} %' if calibrated else ''}{near}{of}"


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, float_format="%.4f", lineterminator="\n")


def _json(found: Prediction) -> str:
    """`pictures`: one object per row; `films`: their votes."""
    content = {
        "model": found.model.record.id,
        "classes": [name[2:] for name in found.table.columns if name.startswith("p_")],
        "pictures": json.loads(found.table.to_json(orient="records", double_precision=4)),
        "films": json.loads(votes(found.table).to_json(orient="records", double_precision=4)),
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _axis(found: Prediction) -> str:
    return "probability in %" if found.calibrated else "softmax in %, not calibrated"


def _figures(found: Prediction) -> dict[str, Figure]:
    table, figures = found.table, {}
    photographs = table.index[table["frame"].isna() & table["label"].notna()]
    if len(photographs):
        pictures = [found.pictures[number] for number in photographs]
        figures["faces"] = plots.faces(pictures, table.loc[photographs], found.support, _axis(found))
    for name, frames in table[table["frame"].notna()].groupby("file", sort=False):
        figures[Path(str(name)).stem] = plots.film(str(name), frames, _axis(found))
    return figures
