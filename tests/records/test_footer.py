"""A damaged file of answers never ends the process, as Parquet's own statistics do."""

import subprocess
import sys

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from helpers import stored_results

CHANGES = """
import random, sys
from pathlib import Path
from fer_meta.records.answers import read_answers

path, tried = Path(sys.argv[1]), 0
kept, rng = path.read_bytes(), random.Random(0)
footer = int.from_bytes(kept[-8:-4], "little")
for place in range(len(kept) - 8 - footer, len(kept)):
    path.write_bytes(kept[:place] + bytes([rng.randrange(256)]) + kept[place + 1 :])
    try:
        list(read_answers(path))
    except ValueError:
        pass
    tried += 1
print(tried)
"""


def test_no_changed_byte_of_a_footer_ends_the_process(tmp_path):
    folder = stored_results.write(tmp_path / "cross-domain", seeds=1, episodes=1)
    [path, *_] = sorted(folder.glob("runs/protonet*/predictions.parquet"))
    few = pa.Table.from_pandas(pd.read_parquet(path).iloc[:20], preserve_index=False)
    pq.write_table(few.replace_schema_metadata(None), path, store_schema=False)
    done = subprocess.run([sys.executable, "-c", CHANGES, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:300]
    assert int(done.stdout) > 1000
