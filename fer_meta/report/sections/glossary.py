"""The words of a report that its readers may not know, each in a sentence."""

from fer_meta.report.aggregate.found import Found
from fer_meta.report.document import Anchor, Bold, Items, Paragraph, Section
from fer_meta.report.names import BAYES, is_own_head
from fer_meta.report.sections.words import BAYES_NOTE, BUNDLED_NOTE

TITLE, PLACE = "Words", "words"

WORDS = {
    "source, target": "the data set that a network is trained on, and the one that it is tested on.",
    "way, shots": "the classes of a task (an episode), and the labelled images of each class that it gives.",
    "support, query": "the labelled images of an episode, and those that are to be named.",
    "readout": "how an answer is read from what a network sees in an image.",
    "nearest mean": "a readout: the class whose mean over the support is nearest.",
    "linear probe": "a readout: a linear classifier, trained on the support.",
    "own head": "a readout: the network's last layer. It knows its training's classes, and uses no support.",
    "source-val": "the checkpoint that was best on the source's validation split, which anybody can do.",
    "last": "the last checkpoint of a training.",
    "oracle": "the checkpoint that was best on the target's validation split, which no one has in practice.",
    "chance": "the accuracy of a guess.",
    "UAR": "unweighted average recall: the share named right of each class, averaged over the classes.",
    "bundled": BUNDLED_NOTE,
    BAYES: BAYES_NOTE,
    "exploratory": "looked for after the fact: an idea for the next bench, and no proof.",
}


def section(found: Found) -> Section:
    """The words that this report uses."""
    rows = found.whole
    weights = {str(run.config.get("weights")) for run in found.results.runs}
    readouts = set(rows["readout"])
    selections = set(rows["selection"])
    there = {
        "nearest mean": any(name.endswith("-ncm") for name in readouts),
        "linear probe": any(name.endswith("-probe") for name in readouts),
        "own head": any(map(is_own_head, readouts)),
        "last": "last" in selections,
        "oracle": "oracle" in selections,
        "bundled": "bundled" in weights,
        BAYES: rows["bayes"].notna().any(),
    }
    words = tuple((Bold(word), f": {said}") for word, said in WORDS.items() if there.get(word, True))
    return Section(TITLE, (Paragraph(Anchor("What the words of this report mean:", PLACE)), Items(words)))
