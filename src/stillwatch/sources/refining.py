"""One batch of any canonical table: checked, filled, tokenised, and fit for the lake."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.identity import (
    CLEAR_IDENTIFIERS,
    RAW_COLUMNS,
    DomainCensus,
    Tokeniser,
    may_be_a_secret,
    name_exchanges,
    tokenise,
)
from stillwatch.records import TIMESTAMP, InputError, Problem, TableSchema, conform
from stillwatch.sources.adapter import Unreadable
from stillwatch.sources.addresses import with_nearest_addresses
from stillwatch.sources.call_events import CALL_EVENTS, OF_EXCHANGES
from stillwatch.sources.fit_accounts import has_nul, reasons_of_accounts, with_known_words
from stillwatch.sources.fit_values import with_fit_values
from stillwatch.sources.network_rows import IMPORTED_TABLES
from stillwatch.sources.plain_columns import FIRST_MOMENT, LAST_MOMENT
from stillwatch.sources.rows import typed_column
from stillwatch.sources.unsaid import without_stand_in_ids, without_stand_ins

__all__ = ["LINE", "Refined", "Refiner"]

LINE = "_line"
_DEFAULT_SOURCE = "default"
# No hosted language model answered before; an earlier time is a wrong unit or an unset clock.
_EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
_CLOCK_TOLERANCE = timedelta(days=1)
# Lower case only: to SQL "Model" and "model" are one column.
_EXTRA_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
# A file without a header has values for names.
_SHOWN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}\Z")
_FIELDS_OF_A_TYPE = re.compile(r"<.*>", re.DOTALL)
_MOST_EXTRA_COLUMNS = 64
_TEXTS = ("system_text", "input_text", "output_text")
# What identity can make when the source lacks it.
_MADE = {"exchanges": "exchange_id", "credentials": "credential_id"}


@dataclass(slots=True)
class Refined:
    """What became of a batch.

    Attributes:
        rows: Canonical columns first, those the source lacks left out; then extra ones.
        rejected: A reason for each row that was left out.
        emptied: Column name to how many of its values were not usable and became null.
        emptied_at: The line of the first of them, where it can be told.
        dropped: Extra columns that were not taken, with the reason.
        remarks: What else a person should know, and of how many rows.
    """

    rows: pa.Table
    rejected: list[Unreadable] = field(default_factory=list)
    emptied: Counter[str] = field(default_factory=Counter)
    emptied_at: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    remarks: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Refiner:
    """Refines all batches of one import.

    Attributes:
        log_format: Goes into the ids of exchanges that have none.
        fills: Column name to the value of rows that have none (`--set`).
        now: The moment against which clocks are checked.
    """

    log_format: str
    tokeniser: Tokeniser
    fills: Mapping[str, str]
    now: datetime
    census: DomainCensus

    def refine(self, table: str, rows: pa.Table, *, where: str) -> Refined:
        """Make a batch fit for the lake.

        Args:
            table: The table it belongs to.
            rows: Any columns, and `LINE` with the row's line in its file.
            where: The file, for messages.

        Raises:
            InputError: The whole batch is unusable: a required column is missing or of a
                type from which it cannot be made.
        """
        schema = next(s for s in IMPORTED_TABLES if s.name == table)
        if len(set(rows.column_names)) < rows.num_columns:
            raise InputError("two columns have the same name.", where=where)
        filled = self._filled(with_nearest_addresses(without_stand_in_ids(rows)), schema)
        loosened, emptied = _loosened(filled, schema)
        try:
            conformed = conform(loosened, _without(schema, _MADE.get(table)), where=where)
        except InputError as error:
            # The type of a structure is written with the names of its fields, which are the log's.
            what = _FIELDS_OF_A_TYPE.sub("<…>", error.what)
            raise InputError(what, where=error.where, remedy=error.remedy) from None
        result = Refined(conformed.table, emptied=emptied)
        if conformed.problems:
            _note_problems(result, conformed.problems, filled[LINE].to_pylist())
        self._reject_wrong_clocks(result, schema)
        _drop_unfit_columns(result, schema)
        result.rows = without_stand_ins(result.rows, schema)
        if schema.name in OF_EXCHANGES:
            fitted = with_fit_values(result.rows)
            result.rows, result.remarks = fitted.rows, fitted.remarks
            result.emptied += fitted.emptied
        if "account_id" in schema.names:
            reason = "column account_id: it holds a NUL character; write the id without it."
            _reject(result, has_nul(result.rows["account_id"]), reason)
        if schema.name == "accounts":
            result.rows = with_known_words(result.rows)
            _reject_each(result, reasons_of_accounts(result.rows))
        result.emptied_at = _first_lines(filled, result)
        self._tokenise(result, schema)
        _leave_out_absent(result, schema, conformed.absent)
        return result

    def _filled(self, rows: pa.Table, schema: TableSchema) -> pa.Table:
        for name, value in self.fills.items():
            if name not in schema.names and name != "source_id":
                continue
            wanted = schema.arrow.field(name).type if name in schema.names else pa.string()
            column, _ = typed_column([value], wanted)
            fill = column[0]
            if name not in rows.column_names:
                rows = rows.append_column(name, pa.repeat(fill, rows.num_rows))
                continue
            known = rows[name]
            if pa.types.is_string(known.type) or pa.types.is_large_string(known.type):
                known = pc.if_else(pc.equal(known, ""), None, known)
                fill = pa.scalar(value, known.type)
            elif not pa.types.is_null(known.type):
                fill = fill.cast(known.type)
            else:
                known = known.cast(wanted)
            index = rows.column_names.index(name)
            rows = rows.set_column(index, name, pc.fill_null(known, fill))
        return rows

    def _reject_wrong_clocks(self, result: Refined, schema: TableSchema) -> None:
        """Leave out rows whose time cannot be, and empty other times that cannot be."""
        latest = pa.scalar(self.now + _CLOCK_TOLERANCE, TIMESTAMP)
        if "started_at" in schema.required:
            started = result.rows["started_at"]
            _reject(
                result,
                pc.greater(started, latest),
                "started_at lies in the future: check the sender's clock.",
            )
            past = pc.less(result.rows["started_at"], pa.scalar(_EARLIEST, TIMESTAMP))
            _reject(result, past, "started_at lies before 2015: check its unit and the clock.")
        for item in schema.columns:
            if item.arrow_type != TIMESTAMP:
                continue
            values = result.rows[item.name]
            if item.required:
                reason = f"{item.name} lies beyond all calendars: check its unit."
                _reject(result, _is_beyond(values, LAST_MOMENT), reason)
                continue
            wrong = _is_beyond(values, latest)
            if number := pc.sum(wrong).as_py():
                result.emptied[item.name] += number
                index = result.rows.column_names.index(item.name)
                result.rows = result.rows.set_column(index, item.name, _emptied(values, wrong))

    def _tokenise(self, result: Refined, schema: TableSchema) -> None:
        rows = result.rows
        if schema.name == "accounts" and "client_ip_raw" in rows.column_names:
            names = [n.replace("client_ip_raw", "signup_ip_raw") for n in rows.column_names]
            rows = rows.rename_columns(names)
        raw, rows = rows, tokenise(rows, self.tokeniser)
        if "source_id" in rows.column_names and "account_id" in schema.names:
            rows = _within_source(rows, "account_id")
        if schema.name in OF_EXCHANGES:
            if "source_id" in rows.column_names:
                rows = _within_source(rows, "exchange_id")
            rows = name_exchanges(rows, self.tokeniser, raw=raw, log_format=self.log_format)
            rows = _without_withheld_text(rows)
        else:
            rows = rows.drop_columns([c for c in ["source_id"] if c in rows.column_names])
        if schema.name != "accounts" and "email_domain" in rows.column_names:
            # Nobody counts here how many share it, so it must not be shown.
            rows = rows.drop_columns(["email_domain"])
        if schema.name == "accounts":
            rows = self.census.conceal(rows)
        result.rows = rows
        if schema.name == "credentials":
            missing = pc.is_null(rows["credential_id"])
            _reject(result, missing, "column credential_id: a required value is missing.")


def _first_lines(given: pa.Table, result: Refined) -> dict[str, int]:
    """The first line of each column that said something, and says nothing now."""
    found = {}
    for name in result.emptied:
        if name not in given.column_names or name not in result.rows.column_names:
            continue
        column = given[name]
        said = pc.is_valid(column)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            said = pc.and_(said, pc.not_equal(column, ""))
        lines = given[LINE].filter(pc.fill_null(said, False))
        empty = result.rows[LINE].filter(pc.is_null(result.rows[name]))
        first = pc.min(lines.filter(pc.is_in(lines, empty.combine_chunks()))).as_py()
        if first is not None:
            found[name] = first
    return found


def _without(schema: TableSchema, made: str | None) -> TableSchema:
    """The schema with the id optional that identity can make."""
    columns = tuple(replace(c, required=c.required and c.name != made) for c in schema.columns)
    return TableSchema(schema.name, columns)


def _loosened(rows: pa.Table, schema: TableSchema) -> tuple[pa.Table, Counter[str]]:
    """Times, lists and structures that were written as text or numbers, read as such.

    Also says how many optional values could not be; a row without a required one is rejected.
    """
    emptied: Counter[str] = Counter()
    types = dict(zip(rows.column_names, rows.schema.types, strict=True))
    for item in schema.columns:
        given = types.get(item.name)
        if given is None:
            continue
        is_text = pa.types.is_string(given) or pa.types.is_large_string(given)
        is_number = pa.types.is_integer(given) or pa.types.is_floating(given)
        is_loose_time = item.arrow_type == TIMESTAMP and (is_text or is_number)
        if is_loose_time or (pa.types.is_nested(item.arrow_type) and is_text):
            column, failed = typed_column(rows[item.name].to_pylist(), item.arrow_type)
            rows = rows.set_column(rows.column_names.index(item.name), item.name, column)
            if failed and not item.required:
                emptied[item.name] += failed
    return rows, emptied


def _note_problems(result: Refined, problems: tuple[Problem, ...], lines: list[int]) -> None:
    """Each row that was left out becomes one rejection; each other problem cost its value."""
    kept = set(result.rows[LINE].to_pylist())
    rejected: set[int] = set()
    for problem in problems:
        if problem.row is None:
            continue
        line = lines[problem.row]
        if line in kept:
            result.emptied[problem.column] += 1
        elif line not in rejected:
            rejected.add(line)
            reason = f"column {problem.column}: {_required(problem.what)}"
            if problem.column == "account_id":
                reason += " `--set account_id=NAME` bills such rows to one account."
            result.rejected.append(Unreadable(line, reason))


def _required(what: str) -> str:
    # A value of a wrong type is null by now: the reader cannot tell which of the two it was.
    return what.replace("is missing.", "is missing, or is not of the column's type.")


def _reject(result: Refined, wrong: pa.ChunkedArray, reason: str) -> None:
    wrong = pc.fill_null(wrong, False)
    if not pc.any(wrong).as_py():
        return
    for line in result.rows.filter(wrong)[LINE].to_pylist():
        result.rejected.append(Unreadable(line, reason))
    result.rows = result.rows.filter(pc.invert(wrong))


def _reject_each(result: Refined, reason_by_row: dict[int, str]) -> None:
    if not reason_by_row:
        return
    lines = result.rows[LINE].to_pylist()
    result.rejected += [Unreadable(lines[row], r) for row, r in sorted(reason_by_row.items())]
    kept = [row for row in range(len(lines)) if row not in reason_by_row]
    result.rows = result.rows.take(pa.array(kept, pa.int64()))


def _is_beyond(values: pa.ChunkedArray, latest: pa.Scalar) -> pa.ChunkedArray:
    """Which moments no calendar, and no Python that reads the lake, can name; or a later one."""
    return pc.fill_null(pc.or_(pc.less(values, FIRST_MOMENT), pc.greater(values, latest)), False)


def _emptied(values: pa.ChunkedArray, wrong: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(wrong, pa.scalar(None, TIMESTAMP), values)


def _drop_unfit_columns(result: Refined, schema: TableSchema) -> None:
    """Keep extra columns of plain types; drop those that would carry identifiers in clear."""
    kept: dict[str, pa.ChunkedArray] = {}
    extra = 0
    for name in result.rows.column_names:
        column = result.rows[name]
        if name in schema.names or name in (LINE, "source_id"):
            kept[name] = column
        elif name in RAW_COLUMNS:
            try:
                kept[name] = column.cast(RAW_COLUMNS[name])
            except pa.ArrowException:
                result.dropped[name] = "its values are of no type that has a token; write text"
        elif (raw := CLEAR_IDENTIFIERS.get(name.lower())) is not None:
            result.dropped[name] = f"an identifier in clear; call it {raw} to have its token"
        elif (plain := _plain_type(column.type)) is None or not (
            _EXTRA_NAME.match(name) and not may_be_a_secret(name)
        ):
            is_name = _SHOWN_NAME.match(name) and not may_be_a_secret(name)
            shown = name if is_name else "(a name that may be a value)"
            result.dropped[shown] = "its type or its name is not one the lake can hold"
        elif name.endswith("_raw") or extra == _MOST_EXTRA_COLUMNS:
            result.dropped[name] = "no such raw column is known, or there are too many columns"
        else:
            kept[name] = column.cast(plain, safe=False)
            if plain == TIMESTAMP:
                wrong = _is_beyond(kept[name], LAST_MOMENT)
                if number := pc.sum(wrong).as_py():
                    result.emptied[name] += number
                    kept[name] = _emptied(kept[name], wrong)
            extra += 1
    result.rows = pa.table(kept)


def _plain_type(given: pa.DataType) -> pa.DataType | None:
    """The type in which an extra column is kept: files of one table must agree on it."""
    if pa.types.is_boolean(given):
        return pa.bool_()
    if pa.types.is_integer(given):
        return pa.int64()
    if pa.types.is_floating(given):
        return pa.float64()
    if pa.types.is_timestamp(given):
        return TIMESTAMP
    if pa.types.is_string(given) or pa.types.is_large_string(given) or pa.types.is_null(given):
        return pa.string()
    return None


def _within_source(rows: pa.Table, name: str) -> pa.Table:
    """Ids of two senders may be the same; the source's name tells them apart."""
    if rows["source_id"].null_count == rows.num_rows:
        return rows
    pairs = zip(rows["source_id"].to_pylist(), rows[name].to_pylist(), strict=True)
    named = pa.array([_of_source(source, known) for source, known in pairs], pa.string())
    return rows.set_column(rows.column_names.index(name), name, named)


def _of_source(source: str | None, known: str | None) -> str | None:
    if not source or source == _DEFAULT_SOURCE or not known or known.startswith(f"{source}:"):
        return known
    return f"{source}:{known}"


def _without_withheld_text(rows: pa.Table) -> pa.Table:
    """Where the customer's contract keeps text out of the log, only digests stay."""
    withheld = pc.fill_null(pc.equal(rows["retention"], "no_text"), False)
    if not pc.any(withheld).as_py():
        return rows
    for name in _TEXTS:
        index = rows.column_names.index(name)
        nothing = pa.scalar(None, pa.string())
        rows = rows.set_column(index, name, pc.if_else(withheld, nothing, rows[name]))
    return rows


def _leave_out_absent(result: Refined, schema: TableSchema, absent: tuple[str, ...]) -> None:
    """A column the source lacks stays lacking, so that a scan can say what it did without."""
    rows = result.rows
    made_of_nothing = [n for n in absent if rows[n].null_count == rows.num_rows]
    gone = [n for n in made_of_nothing if n not in schema.required]
    # Of a call whose span is elsewhere, the lake may have to say where it was told.
    done = [] if schema.name == CALL_EVENTS.name else [LINE]
    result.rows = rows.drop_columns([*gone, *done])
