"""What a user can change where classes are too small, in words."""

from fer_meta.tasks.protocol import EpisodeShape, Protocol

# Where a user changes the fields of a protocol: the package's suites are read only.
IN_FILE = "in the suite file (of a suite of the package: in one of your own that `extends:` it)"

# The same where there is no suite file. Photographs have as many images as they have.
IN_PYTHON = (
    "lower `way`, `shots` or `queries`, or give more images (of rendered faces fm.load_faces(..., images=N))"
)

LOWER = "add images, or lower `way`, `shots` or `queries`"


def fix(shape: EpisodeShape | Protocol, protocol: Protocol) -> str:
    """What makes more classes large enough."""
    if shape is protocol:
        return f"{LOWER} of `protocol` {IN_FILE}{or_other_folds(protocol, 'fewer')}"
    if shape is protocol.validation:
        val = (
            f"or give val more images ({'`carve`' if protocol.cross_validated else '`carve`, `split`'}),"
            f" {IN_FILE}"
        )
        return f"{LOWER} of `protocol.validation`, {val}{or_other_folds(protocol, 'more')}"
    return f"{LOWER} of `protocol.train` {IN_FILE}{or_other_folds(protocol, 'more')}"


def or_other_folds(protocol: Protocol, how_many: str) -> str:
    """What else helps a fold that is too small: `fewer` where it is tested, `more` where the others train;
    nothing where there are no folds.
    """
    if not protocol.cross_validated:
        return ""
    folds = f", or take {how_many} folds (--folds)"
    return folds + (
        ", or --suite cross-validation, which tests each image once"
        if protocol.support_from == "target"
        else ""
    )


def with_images(found: dict[str, int]) -> str:
    """Classes with their numbers of images, or none."""
    return ", ".join(f"{name} ({count})" for name, count in found.items()) or "none"
