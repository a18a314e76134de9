"""Overturned appeals as calibration data: a file in the lake that the detector's side may read.

It lies in `overturned.json` as `{"format": 1, "overturned": [{"account_id", "campaign_id",
"decided_at", "appeal_id"}]}`: accounts that a person found honest after all, and a second person
gave. It holds no word of a customer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from stillwatch.policy.appeals import Appeal
from stillwatch.records import flush_to_disk, private_file

__all__ = ["OVERTURNED", "write_overturned"]

OVERTURNED = "overturned.json"
_FORMAT = 1


def write_overturned(lake: Path, given: Sequence[Appeal]) -> Path:
    """Write all that was given, whole or not at all, in the place of what was there.

    Args:
        given: As `AppealTable.for_calibration` returns them.
    """
    content = {
        "format": _FORMAT,
        "overturned": [
            {
                "account_id": appeal.account_id,
                "campaign_id": appeal.campaign_id,
                "decided_at": appeal.decided_at.isoformat() if appeal.decided_at else None,
                "appeal_id": appeal.appeal_id,
            }
            for appeal in given
        ],
    }
    path = lake / OVERTURNED
    with private_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        flush_to_disk(partial)
    flush_to_disk(lake)
    return path
