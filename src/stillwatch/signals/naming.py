"""What the exchanges of campaigns are wanted for, from their text read a second time.

A scan keeps no text, and its decision rests on the small classifier that reads every request. To
name what a found campaign collects, its requests alone are read again by a larger one: a name
convicts nobody, so what that one gets wrong accuses nobody.

Card: `docs/signals/purpose.md`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.lake.log import Log
from stillwatch.lake.purpose import naming_model
from stillwatch.lake.sketch import purposes_of_texts
from stillwatch.signals.traffic import Traffic

__all__ = ["purposes_read_again"]


def purposes_read_again(
    log: Log, traffic: Traffic, rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint8]:
    """How probable each purpose is, in 255ths, one row an exchange.

    An exchange whose text is no longer there keeps what its sketch says.

    Args:
        rows: The exchanges, each once.
    """
    shares = traffic.purpose[rows]
    if len(rows) == 0:
        return shares
    chosen = {
        "place": pa.array(np.arange(len(rows))),
        "exchange_id": traffic.exchange_ids.take(pa.array(rows)).cast(pa.string()),
    }
    for batch in log.ask_in_batches("texts_again", {"chosen": pa.table(chosen)}, _purposes):
        found = batch.column("purpose").flatten().to_numpy().reshape(-1, shares.shape[1])
        worded = found.any(axis=1)
        shares[batch.column("place").to_numpy()[worded]] = found[worded]
    return shares


def _purposes(batch: pa.RecordBatch) -> pa.RecordBatch:
    """What stays of the texts: where the caller wants each exchange, and its purposes."""
    found = purposes_of_texts(batch, naming_model())
    purposes = pa.FixedSizeListArray.from_arrays(pa.array(found.ravel()), found.shape[1])
    return pa.RecordBatch.from_arrays([batch.column("place"), purposes], ["place", "purpose"])
