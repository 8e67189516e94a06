"""An example episode of each target: its support, its queries, and which of them two methods got wrong."""

import pyarrow as pa
import pyarrow.parquet as pq

from fer_meta.oneline import one_line
from fer_meta.records.answers import OLD_NAMES
from fer_meta.records.pictures import ACROSS, MOST, pictures_of, rows_of_sheet
from fer_meta.report.aggregate.found import Found
from fer_meta.report.cells import Cell
from fer_meta.report.document import Block, Paragraph, Section, Tile, Tiles
from fer_meta.report.episodes import episodes_path
from fer_meta.report.load import Results, Run
from fer_meta.report.names import classes_in_order, domain_name, in_order, is_own_head, readout_name

MOST_TARGETS = 6

HOW = (
    "The first test episode of each target. A network sees the support with its labels, and names the "
    "queries. A red frame is a query that got a wrong name; the name is below it. One episode shows what "
    "kind of faces these are; only all of them say how good a method is."
)


def section(found: Found, photographs: bool) -> Section | None:
    """Nothing without pictures. Photographs are shown on demand alone, for the agreements of most data sets
    forbid to hand them out.
    """
    results = found.results
    blocks: list[Block] = []
    for cells in list(_by_target(found).values())[:MOST_TARGETS]:
        shown = _is_shown(results, cells[0], photographs)
        blocks += _episode(results, cells) if shown else []
    return Section("An episode of each target", (Paragraph(HOW), *blocks)) if blocks else None


def sheets(section: Section | None) -> list[str]:
    """The pictures that the section shows."""
    return [block.sheet for block in section.blocks if isinstance(block, Tiles)] if section else []


def _by_target(found: Found) -> dict[tuple[str, str], list[Cell]]:
    """Up to two cells of each experiment and target, of the most shots: those of the primary contrast, else
    the first two; from another domain where there is one.
    """
    results, named = found.results, found.results.plan.get("primary") or {}
    wanted = [named.get("first"), named.get("second")]
    targets: dict[tuple[str, str], list[Cell]] = {}
    for cell in found.cells:
        if (
            cell.selection == "source-val"
            and cell.shots
            and not is_own_head(cell.readout)
            and cell.fold is None
        ):
            targets.setdefault((cell.experiment, cell.target), []).append(cell)
    shown = {}
    for key, cells in targets.items():
        shots = max(cell.shots for cell in cells)
        sources = dict.fromkeys(cell.source for cell in cells)
        source = next((name for name in sources if name != key[1]), key[1])
        cells = [cell for cell in cells if cell.shots == shots and cell.source == source]
        ranked = in_order(results, (cell.readout for cell in cells))
        readouts = [name for name in wanted if name in ranked] or ranked[:2]
        shown[key] = [cell for name in readouts for cell in cells if cell.readout == name]
    return shown


def _is_shown(results: Results, cell: Cell, photographs: bool) -> bool:
    rendered = results.plan.get("rendered", ())
    return photographs or {cell.source, cell.target} <= set(rendered)


def _episode(results: Results, cells: list[Cell]) -> list[Block]:
    """The support, then the queries by each of `cells`; nothing if its pictures are not there."""
    first = cells[0]
    run = _run(results, first)
    path = episodes_path(results, run, first.shots)
    sheet = pictures_of(path)
    rows = _first(path, []).to_pylist()
    if not sheet.is_file() or len(rows) > MOST:
        return []
    name = sheet.relative_to(results.folder).as_posix()
    names = classes_in_order(results, {row["label"] for row in rows})

    def tiles(words: str, role: str, given: dict[str, str]) -> Tiles:
        lines = []
        for label in names:
            of = [
                (place, row) for place, row in enumerate(rows) if (row["role"], row["label"]) == (role, label)
            ]
            lines.append(
                (
                    one_line(label),
                    tuple(Tile(place, one_line(label), _mistake(row, given)) for place, row in of),
                )
            )
        return Tiles(name, ACROSS, rows_of_sheet(len(rows)), tuple(lines), words)

    title = f"{domain_name(results, first.target)}, {first.way}-way {first.shots}-shot"
    blocks: list[Block] = [tiles(f"{title}: the support, by class.", "support", {})]
    for cell in cells:
        given = _answers(_run(results, cell), cell)
        right = sum(given.get(row["path"]) == row["label"] for row in rows if row["role"] == "query")
        blocks.append(
            tiles(
                f"{title}: the queries, by class, as {readout_name(results, cell.readout)} named them. It "
                f"was trained on {domain_name(results, cell.source)}, seed {cell.seeds[0]}: {right} of "
                f"{len(given)} right.",
                "query",
                given,
            )
        )
    return blocks


def _mistake(row: dict, given: dict[str, str]) -> str:
    said = given.get(row["path"], row["label"])
    return "" if said == row["label"] else one_line(said)


def _run(results: Results, cell: Cell) -> Run:
    """The run of its first seed."""
    return next(
        run
        for run in results.runs
        if (run.experiment, run.source, run.target, run.method, run.seed)
        == (cell.experiment, cell.source, cell.target, cell.method, cell.seeds[0])
    )


def _answers(run: Run, cell: Cell) -> dict[str, str]:
    """Image of the first episode -> the name it got."""
    names = pq.read_schema(run.predictions).names
    readout = "readout" if "readout" in names else OLD_NAMES["readout"]
    rows = _first(
        run.predictions,
        [(readout, "==", cell.readout), ("shots", "==", cell.shots), ("selection", "==", cell.selection)],
    )
    return dict(zip(rows["path"].to_pylist(), rows["predicted"].to_pylist()))


def _first(path, filters: list[tuple]) -> pa.Table:
    """The rows of the first episode."""
    return pq.read_table(path, filters=[("episode", "==", 0), *filters])
