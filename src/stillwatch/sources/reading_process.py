"""Reading in a process of its own: one core decodes a log while another refines and writes it.

Python runs one thing at a time in a process, and decoding is Python. Whatever an adapter keeps from
line to line, or from file to file, it keeps there, so all formats are read as they always are.
What was read comes back through an anonymous pipe: raw identifiers touch no file. The process is
at most one batch ahead, so that memory stays bounded.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pyarrow as pa

from stillwatch.records import StillwatchError
from stillwatch.sources.adapter import Adapter, ParsedTable
from stillwatch.sources.row_batches import FileRead, Read, RowBatch, read_files

__all__ = ["is_worth_a_process", "read_in_other_process"]

# Below this a process takes longer to start than it saves.
_WORTH_A_PROCESS = 16 * 2**20
_PACKED = {".gz": 8, ".zst": 8}
# Small things are sent together: a log of another format is all small things.
_SENT_AT_ONCE = 1_000
_SECONDS_TO_END = 5


@dataclass(frozen=True, slots=True)
class _Begins:
    path: Path
    is_first_time: bool


@dataclass(frozen=True, slots=True)
class _Ends:
    """The end of a file, or of everything; with what was raised there."""

    error: StillwatchError | None = None


_Sent = Read | _Begins | _Ends


def is_worth_a_process(paths: Iterable[Path]) -> bool:
    """Whether so much is to be decoded that a second process saves time, and a core is there.

    Parquet is columns already and needs no decoding. Nothing but time depends on the answer.
    """
    if len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else "??") < 2:
        return False
    size = 0
    for path in paths:
        suffix = path.suffix.lower()
        if suffix != ".parquet" and path.is_file():
            size += path.stat().st_size * _PACKED.get(suffix, 1)
        if size >= _WORTH_A_PROCESS:
            return True
    return False


def read_in_other_process(
    adapter: Adapter, paths: Iterable[Path]
) -> Generator[FileRead, None, None]:
    """What `read_files` gives, made by another process, which ends when this generator does.

    Args:
        adapter: One that can be sent: all those of `ADAPTERS` can.

    Raises:
        StillwatchError: The process was ended by somebody else.
    """
    context = multiprocessing.get_context("spawn")
    inbox, outbox = context.Pipe(duplex=False)
    process = context.Process(target=_read, args=(adapter, list(paths), outbox), daemon=True)
    with _interruptions_held():
        process.start()
    try:
        outbox.close()
        sent = _received(inbox, process)
        for message in sent:
            if isinstance(message, _Ends):
                if message.error is not None:
                    raise message.error
                return
            assert isinstance(message, _Begins)
            items = _of_file(sent)
            yield FileRead(message.path, message.is_first_time, items)
            for _ in items:  # what nobody wanted
                pass
    finally:
        inbox.close()
        process.kill()
        process.join()


def _of_file(sent: Iterator[_Sent]) -> Iterator[Read]:
    for message in sent:
        if isinstance(message, _Ends):
            if message.error is not None:
                raise message.error
            return
        assert not isinstance(message, _Begins)
        yield message


def _received(inbox: Connection, process: BaseProcess) -> Iterator[_Sent]:
    while True:
        try:
            packed = inbox.recv_bytes()
            columns = [inbox.recv_bytes() for _ in range(inbox.recv())]
        except (EOFError, OSError) as error:
            process.join(_SECONDS_TO_END)
            code = process.exitcode or 0
            how = f"signal {-code}" if code < 0 else f"status {code}"
            raise StillwatchError(
                f"the process that read the log was ended ({how}); nothing was imported.",
                remedy="If the machine ran out of memory, let less run beside the import; then run "
                "it again.",
            ) from error
        # By our own process, through a pipe of our own.
        yield from pickle.loads(packed, buffers=columns)  # noqa: S301


@contextmanager
def _interruptions_held() -> Iterator[None]:
    """Who is started within it hears of no Ctrl-C, ever: whoever started it hears, and ends it."""
    # Whoever starts the first process starts this one too, which would let them through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _read(adapter: Adapter, paths: list[Path], outbox: Connection) -> None:
    """What the other process does."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sender = _Sender(outbox)
    error: StillwatchError | None = None
    try:
        for file in read_files(adapter, paths):
            sender.send(_Begins(file.path, file.is_first_time))
            sender.send(_sent_file(file.items, sender.send))
    except StillwatchError as raised:
        error = raised
    sender.send(_Ends(error))
    sender.flush()


def _sent_file(items: Iterator[Read], send: Callable[[_Sent], None]) -> _Ends:
    try:
        for item in items:
            send(item)
    except StillwatchError as error:
        return _Ends(error)
    return _Ends()


def _end_with_parent() -> None:
    """A parent that was killed can end nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


class _Sender:
    """Sends batches of rows at once, and small things together."""

    def __init__(self, outbox: Connection) -> None:
        self._outbox = outbox
        self._waiting: list[_Sent] = []

    def send(self, message: _Sent) -> None:
        self._waiting.append(message)
        if (
            isinstance(message, RowBatch | ParsedTable | _Ends)
            or len(self._waiting) >= _SENT_AT_ONCE
        ):
            self.flush()

    def flush(self) -> None:
        # Columns go as they are, after what holds them: copies of them would be memory.
        columns: list[pickle.PickleBuffer] = []
        packed = io.BytesIO()
        pickler = _Pickler(packed, pickle.HIGHEST_PROTOCOL, buffer_callback=columns.append)
        pickler.dump(self._waiting)
        self._waiting = []
        self._outbox.send_bytes(packed.getbuffer())
        self._outbox.send(len(columns))
        for column in columns:
            self._outbox.send_bytes(column.raw())


def _table_of_stream(stream: bytes) -> pa.Table:
    with pa.ipc.open_stream(stream) as reader:
        return reader.read_all()


def _stream_of_table(table: pa.Table) -> tuple[Callable[[bytes], pa.Table], tuple[Any]]:
    """As Arrow's stream, which of a slice holds the slice only."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return _table_of_stream, (pickle.PickleBuffer(sink.getvalue()),)


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        return _stream_of_table(value) if isinstance(value, pa.Table) else NotImplemented
