"""The answers that are set apart: each may use the other queries of its episode."""

import pandas as pd

from fer_meta.report.document import Paragraph, Section
from fer_meta.report.load import Results
from fer_meta.report.sections import brief, targets
from fer_meta.report.sections.words import TRANSDUCTIVE

EXPLAINED = (
    "They know more than one image at a time, and that the queries of an episode are equally many of each"
    " class, which photographs outside of a benchmark are not. So they are ranked and compared with no"
    " inductive answer; bold is the best among them."
)


def section(results: Results, apart: pd.DataFrame, whole: bool = True) -> Section | None:
    """From the rows of `accuracy_table` that are set apart; nothing without rows. For a terminal without the
    protocols and bold (`whole`), which the page has.
    """
    if apart.empty:
        return None
    tables = targets.sections(results, apart) if whole else brief.tables(results, apart)
    words = EXPLAINED if whole else EXPLAINED.partition(";")[0] + "."
    return Section(TRANSDUCTIVE, (Paragraph(words), *tables))
