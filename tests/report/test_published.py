"""The published figures: that they are what was printed, and that only like is set beside like."""

from pathlib import Path

import pandas as pd
import pytest
from helpers.report_texts import as_markdown

from fer_meta.report.aggregate.published import (
    Setting,
    differs_in,
    read_published,
    same_setting,
    why_none,
)
from fer_meta.report.formats import terminal
from fer_meta.report.load import Results, Run
from fer_meta.report.sections.published import section
from fer_meta.suites.schema import read_suite

COLUMNS = [
    "method",
    "backbone",
    "init",
    "image_size",
    "source",
    "target",
    "split",
    "classes",
    "metric",
    "way",
    "shots",
    "scored",
    "protocol",
    "selection",
    "value",
    "interval",
    "reference",
    "where",
    "status",
    "remark",
]
CD = {"init": "ms-celeb-1m", "classes": 7, "where": "HCPLab-SYSU/CD-FER-Benchmark@47219880 README.md"}
RAF = {"source": "rafdb-basic", "target": "rafdb-basic", "classes": 7, "split": "test"}
FER = {"source": "fer2013", "target": "fer2013", "classes": 7, "split": "test"}
COMPOUND = {"target": "rafdb-compound", "classes": 11, "metric": "uar", "status": "re-printed"}
O51, O55, O201, O205 = (
    {"target": "omniglot", "way": way, "shots": shots} for way in (5, 20) for shots in (1, 5)
)
M51, M55 = ({"target": "miniimagenet", "way": 5, "shots": shots} for shots in (1, 5))
NOTE = {"method": "ProtoNet", "backbone": "conv4"}

# Typed from the sources once more, by hand, and not from the file.
PRINTED = [
    (74.42, {"method": "ICID", "backbone": "resnet50", "source": "rafdb-basic", "target": "ckplus", **CD}),
    (48.85, {"method": "LPL", "backbone": "resnet50", "source": "rafdb-basic", "target": "sfew", **CD}),
    (55.98, {"method": "FTDNN", "backbone": "resnet50", "source": "rafdb-basic", "target": "fer2013", **CD}),
    (61.50, {"method": "AGRA", "backbone": "resnet50", "source": "rafdb-basic", "target": "jaffe", **CD}),
    (
        54.49,
        {
            "method": "mean of the ten methods",
            "backbone": "resnet50",
            "source": "rafdb-basic",
            "target": "sfew",
        },
    ),
    (53.61, {"method": "LPL", "backbone": "resnet18", "source": "rafdb-basic", "target": "fer2013", **CD}),
    (43.92, {"method": "DETN", "backbone": "resnet18", "source": "rafdb-basic", "target": "expw", **CD}),
    (45.41, {"method": "FTDNN", "backbone": "mobilenet-v2", "source": "rafdb-basic", "target": "sfew", **CD}),
    (64.79, {"method": "SAFN", "backbone": "resnet50", "source": "afe", "target": "jaffe", **CD}),
    (25.1, {"method": "EMO-AffectNet", "target": "iemocap", "metric": "uar"}),
    (92.21, {"method": "POSTER V2", **RAF}),
    (
        90.35,
        {"method": "EAC", "backbone": "resnet50", "init": "vggface2", "protocol": "official split", **RAF},
    ),
    (88.75, {"method": "supervised", "backbone": "resnet50", "protocol": "official split", **RAF}),
    (
        79.82,
        {
            "backbone": "mobilenet",
            "method": "EAC",
            "protocol": "30 % of the training labels wrong on purpose",
        },
    ),
    (89.70, {"method": "DAN", "backbone": "resnet18", "selection": "test split", **RAF}),
    (81.37, {"method": "MEK", "init": "ms-celeb-1m", "metric": "uar", "status": "re-printed", **RAF}),
    (81.0, {"method": "AUE-CRL", "backbone": "resnet101", "metric": "uar", **RAF}),
    (44.6, {"method": "DLP-CNN + mSVM", **COMPOUND}),
    (43.2, {"method": "supervised", "backbone": "resnet18", **COMPOUND}),
    (60.9, {"method": "CoA", **COMPOUND}),
    (76.82, {"method": "ResMaskingNet and six CNNs", "protocol": "ensemble of seven networks", **FER}),
    (73.39, {"method": "CBAM-ResNet50", **FER}),
    (72.973, {"backbone": "resnet18", "protocol": "mean of ten crops", **FER}),
    (71.496, {"backbone": "vgg19", "split": "validation (public test)", "target": "fer2013"}),
    (67.48, {"method": "local learning, bag of words", "status": "re-printed", **FER}),
    (94.040, {"backbone": "resnet18", "target": "ckplus", "protocol": "10-fold, last three frames"}),
    (38.81, {"method": "LBP-TOP", "target": "afew", "split": "validation", "scored": "clip"}),
    (
        59.89,
        {"backbone": "enet_b0_8_best_afew", "target": "afew", "protocol": "only clips with a detected face"},
    ),
    (30.57, {"backbone": "resnet50", "target": "ferv39k", "method": "supervised", "metric": "accuracy"}),
    (63.41, {"method": "MAE-DFER", "target": "dfew", "metric": "uar"}),
    (98.8, {"method": "ProtoNet", "reference": "Snell et al. 2017", "status": "re-printed", **O51}),
    (99.1, {"method": "RelationNet", "reference": "Sung et al. 2018", "interval": 0.1, **O205}),
    (48.70, {"method": "MAML", "reference": "Finn et al. 2017", "interval": 1.84, **M51}),
    (
        66.5,
        {"method": "ProtoNet", "where": "learnables/learn2learn@db5cee37 examples/vision/README.md", **M55},
    ),
    (95.1, {"method": "ProtoNet", "reference": "orobix re-run", **O201}),
    (
        99.23,
        {
            "method": "MAML, first order",
            "reference": "PaddleFSL",
            "backbone": "conv4",
            "interval": 0.40,
            **O55,
        },
    ),
    (68.56, {"method": "ProtoNet", "reference": "LibFewShot", "backbone": "conv4", "interval": 0.16, **M55}),
    (
        88.98,
        {
            "method": "MatchingNet",
            "reference": "mmfewshot",
            "backbone": "resnet12",
            "target": "cub",
            "shots": 5,
        },
    ),
    (
        65.57,
        {"method": "Baseline", "source": "miniimagenet", "target": "cub", "backbone": "resnet18", "shots": 5},
    ),
    (56.03, {"method": "MAML", "target": "cub", "protocol": "adapted to the support at test"}),
    (47.12, {"method": "ProtoNet", "source": "ilsvrc", "target": "traffic-signs"}),
    (37, {"source": "rafdb-basic", "target": "afew", "way": 4, "shots": 5, **NOTE}),
    (16, {"source": "rafdb-basic", "target": "afew", "way": 7, "shots": 1, **NOTE}),
    (89, {"source": "rafdb-basic", "target": "rafdb-compound", "way": 7, "shots": 1, **NOTE}),
    (
        18,
        {
            "source": "rafdb-basic+afew",
            "target": "afew",
            "backbone": "resnet50",
            "init": "imagenet",
            "classes": 7,
        },
    ),
]


@pytest.fixture(scope="module")
def figures() -> pd.DataFrame:
    return read_published()


def test_the_file_is_well_formed(figures):
    assert list(figures.columns) == COLUMNS
    assert set(figures["status"]) == {"verified", "re-printed"}
    assert set(figures["metric"]) == {"accuracy", "uar"} and set(figures["scored"]) == {
        "image",
        "clip",
        "episode",
    }
    for name in ("method", "source", "target", "reference", "where"):
        assert (figures[name].str.strip() != "").all(), name
    assert figures["value"].between(0, 100).all() and figures["interval"].dropna().between(0, 10).all()
    assert not figures.duplicated().any()
    assert not figures.duplicated(
        [name for name in COLUMNS if name not in ("value", "interval", "remark")]
    ).any()
    # A figure is of episodes or it is not; only a leaderboard of varied episodes has no one way and shots.
    fixed = (figures["scored"] == "episode") & (figures["source"] != "ilsvrc")
    assert (fixed == figures["way"].notna()).all() and (fixed == figures["shots"].notna()).all()


@pytest.mark.parametrize("value, told", PRINTED)
def test_a_figure_is_what_was_printed(figures, value, told):
    same = figures
    for name, cell in told.items():
        same = same[(same[name] == cell).fillna(False)]
    assert same["value"].tolist() == [value]


@pytest.mark.parametrize(
    "value, target",
    [(71.162, "fer2013"), (51.18, "afew"), (28.22, "rafdb-compound"), (44.55, "rafdb-compound")],
)
def test_figures_that_could_not_be_read_anywhere_are_not_in(figures, value, target):
    assert value not in figures.loc[figures["target"] == target, "value"].tolist()


def test_a_misprint_is_remarked(figures):
    assert figures.loc[figures["value"] == 54.49, "remark"].str.contains("50.49: a misprint").all()


def test_only_models_of_the_source_alone_count_as_such(figures):
    rows = figures[figures["where"].str.contains("CD-FER") & (figures["protocol"] == "source images only")]
    assert set(rows["method"]) == {"ICID", "LPL", "FTDNN"}


def test_the_means_of_the_cross_domain_tables_are_the_means_of_their_rows(figures):
    rows = figures[figures["where"].str.contains("CD-FER") & (figures["protocol"] != "mean over methods")]
    rows = rows.pivot_table(index=["source", "backbone", "method"], columns="target", values="value")
    means = rows.pop("mean of the five")
    assert len(rows) == 40 and rows.notna().all(axis=None)
    assert (rows.mean(axis=1) - means).abs().max() < 0.0101


# --- what is set beside what -----------------------------------------------------------------------------

CROSS = Setting("rafdb-basic", "fer2013", 7, "accuracy", None, None)
EPISODES = Setting("rafdb-basic", "afew", 7, "accuracy", 4, 5)


def test_figures_of_the_same_setting_are_found(figures):
    found = same_setting(figures, CROSS)
    assert len(found) == 33 and set(found["backbone"]) == {"resnet50", "resnet18", "mobilenet-v2"}
    assert same_setting(figures, EPISODES)["value"].tolist() == [37]


@pytest.mark.parametrize(
    "other",
    [
        {"classes": 5},
        {"target": "pressfaces"},
        {"source": "synthetic-wild"},
        {"metric": "uar"},
        {"way": 5, "shots": 5},
    ],
)
def test_figures_of_another_setting_are_not(figures, other):
    assert same_setting(figures, CROSS._replace(**other)).empty


@pytest.mark.parametrize("other", [{"way": 5}, {"shots": 1}, {"way": None, "shots": None}])
def test_figures_of_other_episodes_are_not(figures, other):
    assert same_setting(figures, EPISODES._replace(**other)).empty


def test_a_number_of_classes_that_is_not_stated_is_not_the_same(figures):
    ours = Setting("ckplus", "ckplus", 7, "accuracy", None, None)
    assert same_setting(figures, ours).empty
    assert why_none(figures, ours, []) == "published with an unstated number of classes, not 7"


@pytest.mark.parametrize(
    "ours, why",
    [
        (CROSS._replace(source="synthetic-wild"), "rendered faces, on which nobody has published"),
        (CROSS._replace(target="synthetic-wild"), "rendered faces, on which nobody has published"),
        (CROSS._replace(classes=5), "published with 7 classes, not 5"),
        (CROSS._replace(target="pressfaces"), "no published figure on this target is known here"),
        (
            CROSS._replace(source="afew"),
            "published on this target only for models trained on rafdb-basic, afe, fer2013",
        ),
        (CROSS._replace(way=5, shots=1), "no figure of 5-way 1-shot episodes of these could be verified"),
        (
            EPISODES._replace(way=5),
            (
                "no figure of 5-way 5-shot episodes of these could be verified; "
                "there are 4-way 5-shot, 7-way 1-shot ones"
            ),
        ),
    ],
)
def test_why_a_setting_has_no_figure(figures, ours, why):
    assert why_none(figures, ours, ["synthetic-wild"]) == why


def ours_beside(**changes) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "backbone": "resnet50",
                "init": "none",
                "image_size": 84,
                "selection": "source-val",
                "scored": "image",
                "copies_removed": 0,
                "cross_validated": False,
            }
            | changes
        ]
    )


def test_what_differs_is_said_and_what_is_shared_is_not(figures):
    rows = same_setting(figures, CROSS).set_index(["method", "backbone"], drop=False)
    same = ours_beside(init="ms-celeb-1m", image_size=112)
    assert differs_in(rows.loc[("FTDNN", "resnet50")], same) == ["split (their own validation list)"]
    assert differs_in(rows.loc[("AGRA", "resnet18")], ours_beside(copies_removed=288)) == [
        "backbone",
        "init",
        "image size",
        "selection",
        "split (their own validation list)",
        "unlabelled target images used in training",
        "copies (ours: 288 removed)",
    ]
    assert differs_in(rows.loc[("FTDNN", "resnet50")], same.assign(cross_validated=True)) == [
        "split (ours: cross-validation)"
    ]


def test_frames_are_told_from_clips(figures):
    # on the official validation part, which we test on too
    row = figures[figures["method"] == "LBP-TOP"].iloc[0]
    assert differs_in(row, ours_beside()) == ["clips, where ours are images"]
    assert differs_in(row, pd.concat([ours_beside(), ours_beside(scored="clip")])) == []


# --- the text ----------------------------------------------------------------------------------------------

RESNET50 = {"backbone": "resnet50", "weights": "imagenet"}


def made_run(method: str, source: str, target: str, classes: int, **changes) -> Run:
    return Run(
        **{
            "folder": Path("runs"),
            "id": f"{method}-{source}-{target}",
            "experiment": "",
            "source": source,
            "method": method,
            "target": target,
            "seed": 0,
            "model": "m",
            "protocol": {"way": 5, "shots": [5], "queries": 15},
            "config": {"backbone": "conv4"} if method == "protonet" else RESNET50,
            "classes": [str(number) for number in range(classes)],
            "excluded": {},
            "copies_removed": 0,
            "test_images": 100,
            "episodes": {},
            "image_size": 84,
        }
        | changes
    )


def made_results(*runs: Run) -> Results:
    return Results(Path("results"), {"rendered": ["synthetic-wild"], "runs": []}, list(runs), [])


def head(run: Run, **changes) -> dict:
    return {
        "target": run.target,
        "source": run.source,
        "method": run.method,
        "readout": "supervised-head",
        "selection": "source-val",
        "accuracy": 0.5123,
        "ci95": 0.0111,
        "uar": 0.45,
        "images": 3589,
        "classes": len(run.classes),
        "seeds": 3,
    } | changes


def cell(run: Run, **changes) -> dict:
    return {
        "target": run.target,
        "source": run.source,
        "method": run.method,
        "readout": run.method,
        "way": 5,
        "shots": 5,
        "selection": "source-val",
        "accuracy": 0.333,
        "ci95": 0.012,
        "seeds": 1,
    } | changes


def text(runs: list[Run], table: list[dict], heads: list[dict]) -> str:
    return as_markdown(section(made_results(*runs), pd.DataFrame(table), pd.DataFrame(heads)))


def cells(text: str, method: str) -> list[str]:
    """The cells of a method's only row."""
    lines = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    (row,) = [[cell.strip() for cell in line] for line in lines if line[0].strip() == method]
    return row


def test_ours_and_the_published_stand_in_one_table():
    run = made_run("supervised", "fer2013", "fer2013", 7, copies_removed=288)
    shown = text([run], [], [head(run)])
    assert "### `fer2013` -> `fer2013`: accuracy, 7 classes, each test image once" in shown
    assert "### `fer2013` -> `fer2013`: UAR, 7 classes, each test image once" in shown
    assert cells(shown.split("UAR, 7 classes")[0], "ours: Supervised (own head)")[1:7] == [
        "resnet50",
        "imagenet",
        "84",
        "source-val",
        "51.2 ± 1.1",
        "3 seeds",
    ]
    row = cells(shown, "ResMaskingNet and six CNNs")
    assert row[5] == "76.82" and row[6].startswith("verified [")
    assert row[7] == "ensemble of seven networks; copies (ours: 288 removed)"
    number = row[6].removeprefix("verified ")
    assert f"- {number} Pham et al., Residual Masking Network, ICPR 2020: phamquiluan/" in shown
    assert "No published figure" not in shown


def test_the_columns_of_a_table_line_up_in_a_terminal():
    run = made_run("supervised", "fer2013", "fer2013", 7)
    told = section(made_results(run), pd.DataFrame([]), pd.DataFrame([head(run)]))
    lines = [line for line in terminal.blocks([told]).splitlines() if "verified [" in line]
    assert len(lines) > 10 and len({line.index("verified [") for line in lines[:10]}) == 1


def test_what_has_no_figure_is_named_with_the_reason():
    across = made_run("supervised", "fer2013", "pressfaces", 5)
    drawn = [made_run("supervised", "synthetic-wild", target, 7) for target in ("fer2013", "pressfaces")]
    few = made_run("protonet", "fer2013", "pressfaces", 5)
    shown = text(
        [across, *drawn, few],
        [cell(few), cell(few, selection="last")],
        [head(run) for run in (across, *drawn)],
    )
    assert "|" not in shown
    assert (
        "- `synthetic-wild` (rendered) -> `fer2013`, `synthetic-wild` (rendered) -> `pressfaces`: "
        "rendered faces, on which nobody has published." in shown
    )
    assert "- `fer2013` -> `pressfaces`: no published figure on this target is known here." in shown
    assert (
        "- `fer2013` -> `pressfaces`: no figure of 5-way 5-shot episodes of these could be verified." in shown
    )


def test_an_experiment_stands_beside_the_notes_figure_and_says_what_that_is():
    run = made_run("protonet", "rafdb-basic", "rafdb-compound", 11, experiment="E1")
    shown = text([run], [cell(run, way=4, experiment="E1")], [])
    assert "4-way 5-shot" in shown and cells(shown, "ours: ProtoNet (E1)")[5] == "33.3 ± 1.2"
    row = cells(shown, "ProtoNet")
    assert (
        row[5] == "87"
        and "training episodes' running mean" in row[7]
        and row[8].startswith("E1; read in the note")
    )


def test_clips_are_set_beside_clips():
    run = made_run("supervised", "afew", "afew", 7)
    shown = text([run], [], [head(run, shots=0, clip_accuracy_vote=0.412)])
    assert cells(shown, "ours: Supervised (own head), clips by majority vote")[5] == "41.2"
    assert "clips, where ours are images" not in shown
    assert "clips, where ours are images" in text([run], [], [head(run, clip_accuracy_vote=float("nan"))])


def test_a_score_that_needs_support_is_no_own_head():
    run = made_run("protonet", "fer2013", "fer2013", 7)
    shown = text([run], [cell(run, way=7)], [head(run, readout="protonet", shots=5)])
    assert "each test image once" not in shown and "no figure of 7-way 5-shot episodes" in shown


def test_the_reproduction_suite_prints_the_notes_figures_as_the_file_has_them():
    suite = read_suite("reproduction", "full")
    told = sorted(
        figure.figure
        for key, one in suite.experiments.items()
        if "-note" not in key and key != "E4-R-1e-3"
        for figure in one.published
    )
    note = read_published()
    note = note[note["reference"].str.startswith("research note of 2022")]
    assert told == pytest.approx(sorted(note["value"] / 100))
