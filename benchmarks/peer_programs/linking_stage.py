"""The linking stage of a scan alone: read the log, link its accounts, and stop before any test.

    linking_stage.py WORLD OUT

Writes OUT/groups.parquet: `group`, `account`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.campaigns.scan import link
from stillwatch.evaluation.world import log_of_world

linked = link(log_of_world(Path(sys.argv[1])))
names = linked.evidence.traffic.account_names
rows = [
    (str(number), str(names[position]))
    for number, group in enumerate(linked.raised.groups)
    for position in group.accounts
]
groups = pa.table({"group": [group for group, _ in rows], "account": [name for _, name in rows]})
pq.write_table(groups, Path(sys.argv[2]) / "groups.parquet")
