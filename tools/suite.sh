#!/bin/sh
# Measure detection on large worlds and on worlds without a campaign, and write docs/evaluation.md.
# Resumable: a seed whose result lies in .cache/suite is not run again. About half an hour.
set -eu
python=$1
out=.cache/suite
mkdir -p "$out"
measure="$python tools/evaluate_worlds.py --discard-worlds"
$measure --world full --seeds 51,52,53 --accounts 15000 --days 14 --exchanges 1000000 --out "$out/full.json"
$measure --world empty --accounts 1500 --days 10 --exchanges 20000 --out "$out/empty.json" \
  --seeds 101,102,103,104,105,106,107,108,109,110,111,112,113,114,115,116,117,118,119,120
$measure --world demo --seeds 1,2,3,4,5 --accounts 4000 --days 10 --out "$out/demo.json" \
  --with "$out/full.json" --with "$out/empty.json" --markdown docs/evaluation.md
