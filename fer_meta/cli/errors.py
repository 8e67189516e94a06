"""Every error of a command in one line: what is wrong, where, and the fix."""

import contextlib
import errno
import signal
import sys
import traceback

import click

from fer_meta.errors import FerMetaError
from fer_meta.oneline import UNPRINTABLE, one_line
from fer_meta.streams import Ended, throw_away

# What a path that is given can be the cause of (exit status 2), and what the machine is the cause of (1),
# each with the fix.
_PATHS = {
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ELOOP: "give another path, this link leads back to itself",
    errno.ENOTDIR: "give another path, a part of this one is a file",
    errno.EISDIR: "give a file",
}
_MACHINE = {
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some space there",
    errno.EROFS: "name a folder that can be written",
    errno.EACCES: "see who may read and write there",
    errno.EPERM: "see who may read and write there",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}


class OneLineErrors(click.Group):
    """Shows a FerMetaError, and what the machine refuses, as one line, with the traceback only
    under --debug.
    """

    def resolve_command(self, context: click.Context, args: list[str]):
        """Words with line breaks, control characters or bytes that are no text would break names, files and
        tables: they are refused.
        """
        for word in args:
            if UNPRINTABLE.search(word):
                raise FerMetaError(
                    f"{word!r} has a control character or bytes that are no text in UTF-8; give it another"
                    " name"
                )
        return super().resolve_command(context, args)

    def invoke(self, context: click.Context):
        try:
            return super().invoke(context)
        except FerMetaError as error:
            self._end(context, str(error), error.status)
        except BrokenPipeError:  # `| head` has read enough; click ends quietly
            raise
        except OSError as error:
            self._end(context, *_in_words(error))
        except MemoryError as error:
            what = str(error) or "no memory left"
            self._end(
                context,
                f"not enough memory ({what}); close other programs, or ask for less (smaller images or"
                " batches)",
                1,
            )
        except KeyboardInterrupt as error:
            by = error.signal if isinstance(error, Ended) else signal.SIGINT
            with contextlib.suppress(OSError):  # the terminal may be what went
                click.echo(
                    f"\nfer-meta: interrupted{f' by {by.name}' if by != signal.SIGINT else ''}; the same"
                    " command goes on where it was",
                    err=True,
                )
            context.exit(128 + by)

    def main(self, *args, **extra):
        try:
            return super().main(*args, **extra)
        except OSError as error:  # before there is a command, such as of the help that cannot be printed
            line, status = _in_words(error)
            click.echo(f"fer-meta: {one_line(line)}", err=True)
            sys.exit(status)

    def _end(self, context: click.Context, line: str, status: int):
        if context.params["debug"]:
            traceback.print_exc()
        click.echo(f"fer-meta: {one_line(line)}", err=True)
        context.exit(status)


def _in_words(error: OSError) -> tuple[str, int]:
    """What went wrong with which path, and the exit status."""
    reason = error.strerror or str(error)
    if traceback.extract_tb(error.__traceback__)[-1].filename == click.utils.__file__:  # of click.echo
        throw_away(sys.stdout)
        return f"the output cannot be written ({reason}); free some space, or send it elsewhere", 1
    named = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    number = error.errno or 0  # one that is raised with words alone has no number
    fix = _PATHS.get(number) or _MACHINE.get(number)
    status = 2 if number in _PATHS else 1
    return f"{one_line(named, 300)}{': ' if named else ''}{reason}{f'; {fix}' if fix else ''}", status
