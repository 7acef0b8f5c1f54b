#!/usr/bin/python3
"""kill -9 at random moments: no acknowledged write is lost, nothing is torn, nothing comes back.

Each round starts the server on what the last one left (often with another number of shards, sometimes killed while it
recovers), compares everything with the oracle, lets five connections write, and kills. --rounds N and --seed N (or
SHALE_CRASH_ROUNDS, SHALE_CRASH_SEED) repeat more of it, or one run; a failure names its seed.
"""
import os
import random
import sys
import time
import unittest

from support import PATIENCE_S, PEER, SANITIZED, ServerTest
from support_oracle import Oracle


def option(name, default):
    if f"--{name}" in sys.argv:
        at = sys.argv.index(f"--{name}")
        value = int(sys.argv[at + 1])
        del sys.argv[at:at + 2]
        return value
    return int(os.environ.get(f"SHALE_CRASH_{name.upper()}", default))


ROUNDS = option("rounds", 20)
SEED = option("seed", random.SystemRandom().randrange(1_000_000))


class Crash(ServerTest):
    def verify(self, oracle, server, say):
        try:
            with server.connect() as client:
                oracle.verify(client)
        except (AssertionError, OSError) as wrong:
            raise AssertionError(f"{say}: {wrong}\n{server.text()[-2000:]}") from wrong

    def crash_rounds(self, rounds, seed, options=()):
        dice = random.Random(seed)
        oracle = Oracle(seed)
        server = self.server(dice.choice((1, 2, 4)), options)
        for number in range(rounds):
            if dice.random() < 0.4:
                server.shards = dice.choice((1, 2, 3, 4))
            say = f"seed {seed}, round {number}, {server.shards} shards"
            if dice.random() < 0.3:
                server.launch()  # and die while it recovers
                time.sleep(dice.random() * (1.0 if SANITIZED else 0.15))
                server.kill()
            server.start()
            self.verify(oracle, server, say)
            if dice.random() < 0.1:
                with server.connect() as client:
                    self.assertEqual(client.call("FLUSHALL"), "OK")
                oracle.flushed()
            if dice.random() < 0.1:
                # Writers that finish: everything they did is acknowledged.
                oracle.run(server, lambda: time.sleep(0.1))
                self.verify(oracle, server, say)

            def die():
                time.sleep(dice.choice((0.02, 0.1, 0.3, 0.6)) * dice.random() * (3 if SANITIZED else 1) + 0.01)
                # However slow the machine is, there is something to lose.
                end = time.monotonic() + PATIENCE_S
                while oracle.acknowledged <= 20 * number and time.monotonic() < end:
                    time.sleep(0.01)
                server.kill()

            oracle.run(server, die)
            server.check_output()
        for _ in range(2):
            server.start()
            self.verify(oracle, server, f"seed {seed}, at the end")
            self.stop(server)
        print(f"seed {seed}: {rounds} kills, {oracle.acknowledged} writes acknowledged and found again, "
              f"{oracle.survived} items in a later state", file=sys.stderr)
        self.assertGreater(oracle.acknowledged, 20 * (rounds - 1))

    def test_acknowledged_writes_survive_kill_9(self):
        self.crash_rounds(ROUNDS, SEED)

    @unittest.skipIf(PEER, "the peer holds everything in memory")
    def test_with_hardly_any_cache(self):
        self.crash_rounds(max(ROUNDS // 4, 3), SEED + 1, ["--cache-size", "256K"])

    @unittest.skipIf(PEER, "of kv's segments")
    def test_with_small_segments_that_are_always_being_reclaimed(self):
        self.crash_rounds(max(ROUNDS // 2, 3), SEED + 3, ["--cache-size", "1M", "--segment-size", "1M"])

    def test_everysec_survives_the_death_of_the_process(self):
        # What is handed to the kernel outlives the process; only a power loss takes the last second.
        self.crash_rounds(max(ROUNDS // 4, 3), SEED + 2, ["--appendfsync", "everysec"])


if __name__ == "__main__":
    unittest.main()
