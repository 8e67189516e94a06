"""What each plot shows, in a sentence: its caption, and its words for those who do not see it."""

from fer_meta.report.aggregate.found import Found
from fer_meta.report.document import Figure
from fer_meta.report.plots.reading import what_bars_say

FIGURES = {
    "answer": "What the suite asks: how far one method is ahead of the other",
    "accuracy": "Accuracy of each method from each source on each target, with 95 % intervals",
    "divisions": "Accuracy in each division of the classes into those trained on and those tested",
    "severity": "Accuracy against the size of the domain gap, with 95 % intervals",
    "transfer": "Accuracy from each source (row) on each target (column)",
    "training": "Loss in training and accuracy on the source's validation split, against steps",
    "images": "Validation accuracy against the number of images seen",
    "ranks": "Mean ranks of the methods",
    "leakage": "What each fault of a protocol adds to accuracy",
    "best-of": "What the best of many noisy test scores adds to accuracy",
    "reproduction": "Ours beside the published figures of the note",
    "search": "Validation accuracy of each setting that the search tried",
}


def figure(name: str, found: Found) -> Figure:
    """The block of a plot by its name."""
    return Figure(f"plots/{name}", FIGURES.get(name, name) + _more(name, found) + ".")


def _more(name: str, found: Found) -> str:
    """What only some results have."""
    if name == "answer" and len(found.answer.kept):
        return ", and which share of its lead over chance each keeps on another domain"
    if name == "ranks" and found.ranked:
        return f"; {what_bars_say(len(found.ranked.names))}"
    return ""
