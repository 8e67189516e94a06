"""`python -m fer_meta` is `fer-meta`."""

from fer_meta.cli import run

run()
