"""Every error of a command in one line: what is wrong, where, and the fix."""

import contextlib
import signal
import sys
import traceback

import click

from fer_meta.errors import FerMetaError
from fer_meta.oneline import UNPRINTABLE, one_line
from fer_meta.refused import disk_in_words, memory_in_words
from fer_meta.streams import Ended, throw_away


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
        except (MemoryError, RuntimeError) as error:
            line = memory_in_words(error)
            if line is None:
                raise
            self._end(context, line, 1)
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
    return disk_in_words(error)
