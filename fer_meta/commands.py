"""The commands that messages and reports print. They lead to the same results when they are pasted. Nothing
here imports torch or pandas.
"""

import shlex
import sys
from collections.abc import Iterable, Sequence

# the same results elsewhere
MACHINE = ("--device", "--devices", "--jobs", "--executor", "--scheduler", "--cluster", "--shard", "--track")
ALONE = ("--dry-run", "--debug")

# What options were called when a command was written, and what they are called.
_OLD_NAMES = {"--algorithms": "--methods"}


def command(*words: str, options: Iterable[tuple[str, object, object]] = ()) -> str:
    """A command as it is typed. `options` are (name, value, the value without it); those that say no more
    than their absence are left out.
    """
    return shlex.join(
        [*words, *(word for name, value, usual in options if value != usual for word in (name, str(value)))]
    )


def pip_install(*words: str) -> str:
    """The command that installs packages for the Python that runs this, whatever `pip` may be."""
    return command(sys.executable, "-m", "pip", "install", *words)


def with_extra(name: str) -> str:
    """The command that adds an extra of fer-meta, such as `hub`."""
    return pip_install(f"fer-meta[{name}]")


def bench_again(arguments: Sequence[str]) -> str:
    """The command of a bench for its reports, from the words after `fer-meta`: what is done, and where it is
    kept. Where the user's data lie is left out: `--data mine=PATH`.
    """
    shown, words = [], iter(_renamed(arguments))
    for word in words:
        option, equals, value = word.partition("=")
        if option in ("--data", *MACHINE):
            value = value if equals else next(words, "")
            shown += ["--data", f"{value.partition('=')[0]}=PATH"] if option == "--data" else []
        elif word not in ALONE:
            shown.append(word)
    return command("fer-meta", *shown)


def value_of(text: str, option: str) -> str | None:
    """What a command gives for an option; None if nothing."""
    words = _words(text)
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == option:
            return value if equals else "".join(words[place + 1 : place + 2])
    return None


def with_option(text: str, option: str, value: str | None) -> str:
    """A command with this value for an option, in the place of one that it has; without the option
    for None.
    """
    kept, words = [], iter(_words(text))
    for word in words:
        if word == option:
            next(words, "")
        elif word.partition("=")[0] != option:
            kept.append(word)
    return command(*kept, options=[(option, value, None)])


def names_in(text: str) -> list[str]:
    """A comma-separated list, without repeats."""
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def seeds_in(text: str, most: int = 1000) -> tuple[int, ...]:
    """`3` means three seeds, 0 to 2; `0,7` means these two, and `7,` this one; no more than `most`. Raises
    ValueError for anything else.

    >>> seeds_in("3"), seeds_in("0,7")
    ((0, 1, 2), (0, 7))
    """
    numbers = [int(part) for part in text.removesuffix(",").split(",")]
    return tuple(dict.fromkeys(numbers))[:most] if "," in text else tuple(range(min(numbers[0], most)))


def seeds_in_words(seeds: Sequence[int]) -> str:
    """What `seeds_in` reads."""
    return ",".join(map(str, seeds)) + ("," if len(seeds) == 1 else "")


def _words(text: str) -> list[str]:
    try:
        return _renamed(shlex.split(text))
    except ValueError:  # a quote that is not closed: a file of the results was changed by hand
        return text.split()


def _renamed(words: Iterable[str]) -> list[str]:
    parts = (word.partition("=") for word in words)
    return [f"{_OLD_NAMES.get(option, option)}{equals}{value}" for option, equals, value in parts]
