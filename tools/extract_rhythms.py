"""Cut the public traces down to the client rhythms that the package ships.

Run by hand when the traces change: `python tools/extract_rhythms.py TRACES_FOLDER`, with
`servegen_m_mid.parquet` and `azure_code_2023.parquet` in that folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

OUTPUT = Path("src/stillwatch/simulation/data/rhythms.npz")
HOURS = 336
# A client seen in fewer hours tells nothing about daily or weekly rhythm.
FEWEST_ACTIVE_HOURS = 48


def hourly_profiles(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Client ids, requests in each hour, and the median burstiness of each hour."""
    table = pq.read_table(path)
    client = table["client"].to_numpy()
    hour = np.minimum(table["window_start_seconds"].to_numpy() // 3600, HOURS - 1)
    requests = table["requests_per_second"].to_numpy() * 600
    burstiness = np.clip(table["interarrival_cv"].to_numpy(), 0.3, 8.0)
    kept, volumes, cvs = [], [], []
    for number in np.unique(client):
        mine = client == number
        volume = np.bincount(hour[mine], weights=requests[mine], minlength=HOURS)
        if (volume > 0).sum() < FEWEST_ACTIVE_HOURS:
            continue
        cv = np.bincount(hour[mine], weights=burstiness[mine], minlength=HOURS)
        windows = np.maximum(np.bincount(hour[mine], minlength=HOURS), 1)
        kept.append(number)
        volumes.append(volume)
        cvs.append(np.where(volume > 0, cv / windows, 1.0))
    return np.array(kept, np.int16), np.array(volumes, np.float32), np.array(cvs, np.float16)


def main(folder: Path) -> None:
    client, volume, cv = hourly_profiles(folder / "servegen_m_mid.parquet")
    code = pq.read_table(folder / "azure_code_2023.parquet")
    np.savez_compressed(
        OUTPUT,
        client=client,
        hourly_requests=volume,
        hourly_burstiness=cv,
        code_context_tokens=code["ContextTokens"].to_numpy().astype(np.uint16),
    )
    print(f"{OUTPUT}: {len(client)} clients, {len(code)} requests, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
