"""`python -m stillwatch`."""

from stillwatch.cli.main import run

run()
