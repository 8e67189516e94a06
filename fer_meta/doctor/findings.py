"""What the doctor finds: one line each, with the fix of what is not well."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fer_meta.errors import FerMetaError
from fer_meta.oneline import escaped, one_line

OK, NOTE, WARNING, BROKEN = "ok", "-", "warning", "BROKEN"
"""NOTE: as it may be. WARNING: could be better. BROKEN: a bench would fail, or give wrong numbers."""


@dataclass(frozen=True)
class Finding:
    """What is so, and what the user does about it."""

    state: str
    text: str
    fix: str = ""

    @property
    def line(self) -> str:
        return escaped(f"{self.text}; {self.fix}" if self.fix else self.text)


def ok(text: str) -> Finding:
    return Finding(OK, text)


def note(text: str, fix: str = "") -> Finding:
    return Finding(NOTE, text, fix)


def warning(text: str, fix: str) -> Finding:
    return Finding(WARNING, text, fix)


def broken(text: str, fix: str) -> Finding:
    return Finding(BROKEN, text, fix)


def looked_at(what: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What `look` finds. If it ends in an error, that is found too, of whatever kind it is: one thing that
    cannot be looked at shall not hide the others.
    """
    found: list[Finding] = []
    try:
        found.extend(look())
    except FerMetaError as error:  # its line ends in the fix
        found.append(Finding(BROKEN, str(error)))
    except ImportError as error:
        found.append(broken(f"{what}: cannot be looked at ({error})", "install what the first section names"))
    except OSError as error:
        reason = error.strerror or str(error)
        place = error.filename or what
        found.append(
            broken(f"{place}: cannot be read ({reason})", "see who may read it, and that its disk is there")
        )
    except Exception as error:
        reason = one_line(f"{type(error).__name__}: {error}", 200)
        found.append(broken(f"{what}: the doctor failed here ({reason})", "please report this line"))
    return found
