"""`python -m fer_meta` is `fer-meta`."""

from fer_meta.cli.main import run

run()
