"""`stillwatch export`: the lake as canonical tables."""

from __future__ import annotations

from pathlib import Path

import click

from stillwatch.cli.output import amount, emit_json, reports_errors, say
from stillwatch.cli.outside_lakes import require_outside_lakes

__all__ = ["command"]


@click.command(name="export")
@click.option(
    "--lake", "lake_path", required=True, type=click.Path(path_type=Path), help="The lake's folder."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A new folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@reports_errors
def command(lake_path: Path, out: Path, as_json: bool) -> None:
    """Write the lake as canonical tables: exchanges by day, and the small tables beside them.

    Tokens stay tokens. `import --format canonical` under the same key reads them back.
    """
    from stillwatch.lake.export import export_lake
    from stillwatch.lake.store import Lake

    require_outside_lakes(out)
    with Lake.reading(lake_path) as lake:
        rows = export_lake(lake, out)
    if as_json:
        emit_json(rows)
    say(
        f"Wrote {amount(rows['exchanges'], 'exchange')} and {amount(rows['accounts'], 'account')} "
        f"to {out}."
    )
    tables = {"accounts": "accounts", "credentials": "credentials", "model_releases": "releases"}
    more = "".join(
        f" --{option} {out / f'{table}.parquet'}" for table, option in tables.items() if rows[table]
    )
    say(f"Next: `stillwatch scan --exchanges {out / 'exchanges'}{more} --out findings`.")
