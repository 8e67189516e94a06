"""What a whole clip shows: the mean of its frames' probabilities."""

import pandas as pd


def votes(table: pd.DataFrame) -> pd.DataFrame:
    """`answer`'s table -> one row per film: `file`, `label`, `confidence`, `p_<class>` (means over its
    faces), and how many of its `frames` have a face (`faces`).
    """
    shares = [name for name in table.columns if name.startswith("p_")]
    rows = []
    for file, frames in table[table["frame"].notna()].groupby("file", sort=False):
        seen = frames[frames["label"].notna()]
        row = {
            "file": file,
            "frames": len(frames),
            "faces": len(seen),
            "label": None,
            "confidence": float("nan"),
        }
        if len(seen):
            mean = seen[shares].mean()
            row |= {"label": mean.idxmax()[2:], "confidence": mean.max(), **mean}
        rows.append(row)
    return pd.DataFrame(rows, columns=["file", "label", "confidence", *shares, "faces", "frames"])


def so_far(frames: pd.DataFrame) -> pd.DataFrame:
    """The frames of one film -> the mean probabilities of all faces up to each frame; a frame without a face
    changes nothing.
    """
    shares = [name for name in frames.columns if name.startswith("p_")]
    return frames[shares].expanding().mean()
