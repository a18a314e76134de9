"""When each model was released, as far as the log says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.lake.log import Log
from stillwatch.signals.request_columns import hash_strings

__all__ = ["Releases", "read_releases"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Releases:
    """One entry a release, in order of time.

    Attributes:
        models: Hash of the model's name, as in `Requests.model`.
        released: Microseconds since 1970.
    """

    models: IntArray
    released: IntArray

    def until(self, moment: int) -> Releases:
        """The releases before a moment."""
        known = self.released < moment
        return Releases(self.models[known], self.released[known])


def read_releases(log: Log) -> Releases:
    """Read the log's table of model releases; empty where it has none."""
    table = log.ask("releases")
    models = hash_strings(table["model"].combine_chunks())
    released = pc.cast(table["released_at"], pa.timestamp("us", tz="UTC")).cast(pa.int64())
    return Releases(models.to_numpy(zero_copy_only=False).astype(np.int64), released.to_numpy())
