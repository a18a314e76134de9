"""The pages of docs/reference, written from the code: the commands' help and the tables."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pyarrow as pa

from stillwatch.identity import CLEAR_IDENTIFIERS, RAW_COLUMNS
from stillwatch.records import FINDINGS_TABLES, LOG_TABLES, TRUTH_ACCOUNTS, TRUTH_EXCHANGES
from stillwatch.records.schema import TableSchema

__all__ = ["render_cli", "render_references", "render_tables"]

_WIDTH = 96
_MADE = "<!-- Made by tools/check_docs.py --write from {source}; do not edit by hand. -->"


def render_references(command: click.Group) -> dict[str, str]:
    """Each page of the reference by its path in the project."""
    return {
        "docs/reference/cli.md": render_cli(command),
        "docs/reference/tables.md": render_tables(),
        "docs/reference/metrics.md": render_metrics(),
    }


def render_cli(command: click.Group) -> str:
    """The help of every command, outer commands first."""
    parts = [_MADE.format(source="the commands' help"), "\n# Commands\n"]
    parts.append(
        "Data goes to standard output, words for people to standard error; `--json` prints one "
        "object.\nExit status: 0 done, 1 failure, 2 unusable input or arguments, 130 interrupted; "
        "`scan` adds 3 for found.\n"
    )
    for context in _contexts(command):
        parts.append(f"## `{context.command_path}`\n")
        parts.append(f"```text\n{context.command.get_help(context).rstrip()}\n```\n")
    return "\n".join(parts)


def render_metrics() -> str:
    """Every figure that a server of ours shows Prometheus."""
    lines = [
        _MADE.format(source="the registries of both servers"),
        "\n# Metrics\n",
        "No label names an account, a credential, a reference or a sender.\n",
        "| name | type | labels | what it is |\n|---|---|---|---|",
    ]
    for name, kind, labels, text in metric_families():
        shown = name + ("_total" if kind == "counter" else "")
        words = ", ".join(f"`{label}`" for label in labels) or "–"
        lines.append(f"| `{shown}` | {kind} | {words} | {text} |")
    return "\n".join(lines) + "\n"


def metric_families() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Name, type, labels and text of each figure, of decisions and of the receiver."""
    from stillwatch.enforcement.metrics import Metrics
    from stillwatch.receiver.metrics import Metrics as ReceiverMetrics

    for metrics in (Metrics(), ReceiverMetrics()):
        for collector in metrics._registry._collector_to_names:
            (family,) = collector.describe()
            yield family.name, family.type, tuple(collector._labelnames), family.documentation


def _contexts(command: click.Group) -> Iterator[click.Context]:
    waiting = [_context(command, "stillwatch", None)]
    while waiting:
        context = waiting.pop(0)
        yield context
        if isinstance(context.command, click.Group):
            inner = context.command.list_commands(context)
            found = [(name, context.command.get_command(context, name)) for name in inner]
            waiting = [_context(c, name, context) for name, c in found if c is not None] + waiting


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        help_option_names=["-h", "--help"],
    )


def render_tables() -> str:
    """Every table that goes in or comes out, column by column."""
    parts = [_MADE.format(source="src/stillwatch/records"), "\n# Tables\n"]
    parts.append(
        "Columns in bold are required.\n"
        "A missing column, or a null, costs detection power and never breaks a run; the scan says "
        "which evidence it had to do without.\n"
        "Times are in UTC; a time without a zone is taken as UTC, and a number as seconds, "
        "milliseconds, microseconds or nanoseconds since 1970, by its size.\n"
    )
    parts.append("## The exchange log: what goes in\n")
    parts += [_table(schema) for schema in LOG_TABLES]
    parts.append(_raw_columns())
    parts.append("## Findings: what a scan leaves behind\n")
    parts += [_table(schema, suffix=".parquet") for schema in FINDINGS_TABLES]
    parts.append("## The truth of a simulated world\n")
    parts += [_table(schema, suffix=".parquet") for schema in (TRUTH_ACCOUNTS, TRUTH_EXCHANGES)]
    return "\n".join(parts)


def _table(schema: TableSchema, *, suffix: str = "") -> str:
    rows = ["| column | type | meaning |", "|---|---|---|"]
    for item in schema.columns:
        name = f"**{item.name}**" if item.required else item.name
        meaning = item.meaning.replace("|", "\\|").replace("<", "&lt;")
        rows.append(f"| {name} | {_type(item.arrow_type)} | {meaning} |")
    return "\n".join([f"### {schema.name}{suffix}\n", *rows, ""])


def _type(given: pa.DataType) -> str:
    if pa.types.is_timestamp(given):
        return "timestamp (us, UTC)"
    if pa.types.is_list(given):
        return f"list of {_type(given.value_type)}"
    if pa.types.is_struct(given):
        return "struct {" + ", ".join(f"{f.name} {_type(f.type)}" for f in given) + "}"
    plain = {"double": "float", "int64": "int"}
    return plain.get(str(given), str(given))


def _raw_columns() -> str:
    names = ", ".join(f"`{name}`" for name in RAW_COLUMNS)
    clear = ", ".join(f"`{name}` (call it `{raw}`)" for name, raw in CLEAR_IDENTIFIERS.items())
    return (
        "### Identifiers in clear, at import only\n\n"
        f"`stillwatch import` makes keyed tokens of these columns and keeps none of them: {names}."
        f"\nIt drops columns of these names, since they would carry identifiers in clear: {clear}."
        "\n"
    )
