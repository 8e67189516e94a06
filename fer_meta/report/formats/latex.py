"""A table in LaTeX."""

import re

from fer_meta.report.document import (
    Anchor,
    Bar,
    Bold,
    Code,
    Link,
    Measured,
    Number,
    Row,
    Shade,
    Source,
    Table,
    Text,
)
from fer_meta.statistics.failed import MARK

DAGGER = r"^\dagger"


def render(table: Table) -> str:
    r"""A booktabs table with its caption, ready for \input; an empty cell is a dash."""
    kinds = "".join("r" if column.number else "l" for column in table.columns)
    groups = ["\n".join(_line(row) for row in group) for group in table.groups]
    return "\n".join(
        [
            "% Made by fer-meta report; needs \\usepackage{booktabs}.",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{inline(table.caption)}}}",
            rf"  \label{{tab:{re.sub('[^A-Za-z0-9-]', '-', table.label)}}}",
            rf"  \begin{{tabular}}{{{kinds}}}",
            r"    \toprule",
            _line(tuple(column.name for column in table.columns)),
            r"    \midrule",
            "\n    \\midrule\n".join(groups),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _line(row: Row) -> str:
    return "    " + " & ".join(inline(cell) or "--" for cell in row) + r" \\"


def inline(text: Text) -> str:
    """A text within a line."""
    match text:
        case str():
            return escaped(text)
        case Code():
            return rf"\texttt{{{escaped(text.text)}}}"
        case Bold():
            return rf"\textbf{{{escaped(text.text)}}}"
        case Number():
            return f"${text.text}$"
        case Shade() | Link() | Anchor():
            return escaped(text.text)
        case Bar():
            return inline(text.words)
        case Source():
            return f"[{text.number}]"
        case Measured():
            mean = rf"\mathbf{{{text.mean}}}" if text.best else text.mean
            half = text.half and rf" \pm {text.half}"
            return f"${mean}{half}{_raised(text)}$"
    return "".join(map(inline, text))


def _raised(number: Measured) -> str:
    if number.failed and number.lacking:
        return r"^{\dagger*}"
    return DAGGER if number.failed else "^*" * number.lacking


def escaped(text: str) -> str:
    """A text (one line) so that LaTeX sets it as it is."""
    return re.sub(r"(?<=\d) \\%", r"\\,\\%", text.translate(_SIGNS))


_SIGNS = str.maketrans(
    {sign: f"\\{sign}" for sign in "_&%#${}"}
    | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "±": r"$\pm$",
        MARK: f"${DAGGER}$",
    }
)
