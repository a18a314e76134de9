"""One baseline of `stillwatch evaluate`, at every setting it proposes; it decides nothing.

one_baseline.py WORLD NAME
"""

from __future__ import annotations

import sys
from collections import deque
from pathlib import Path

from stillwatch.evaluation.baselines import BASELINES
from stillwatch.evaluation.world import open_world_log

baseline = next(one for one in BASELINES if one.name == sys.argv[2])
with open_world_log(Path(sys.argv[1])) as log:
    deque(baseline.propose(log), maxlen=0)
