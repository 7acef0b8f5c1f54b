"""kv answers as redis-server does, on one shard and on several. Passed over where redis-server is not installed."""

import shutil
import sys

import differential

if shutil.which("redis-server") is None:
    print("redis-server is not installed: nothing to compare with")
    sys.exit(0)
sys.exit(1 if sum(differential.compare(shards) for shards in (1, 3)) else 0)
