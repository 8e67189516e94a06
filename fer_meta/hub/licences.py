"""The licence of a model, as the Hugging Face hub names it. Nothing here imports torch."""

import re

EXAMPLES = ("mit", "apache-2.0", "cc-by-4.0", "cc-by-nc-4.0", "other")
ADVICE = (
    f"as the hub names it: {', '.join(EXAMPLES)}, ... (https://huggingface.co/docs/hub/repositories-licenses);"
    " first read the agreement of the faces (`fer-meta data list NAME`): some allow no commercial use, or"
    " forbid passing on what was trained on them"
)
_NAME = re.compile(r"[a-z0-9.-]{2,40}")


def is_licence(word: str) -> bool:
    """Whether the hub may have a licence of this name."""
    return bool(_NAME.fullmatch(word))
