#!/usr/bin/python3
"""The shipped kv in a simulation: clients check every answer through power cycles, kills, bad disks and networks.

A hundred seeds, the last 5 of them run twice and compared; a tenth of it under sanitizers. Many more, in parallel:
scripts/sim kv --seeds 1-1000 --check 5
"""
import os
import subprocess
import unittest

from kv_testing import build_dir

KV = os.path.join(build_dir(), "bin", "kv")
SANITIZED = bool(os.environ.get("SHALE_SANITIZE"))
SEEDS = int(os.environ.get("SHALE_SIM_SEEDS", 10 if SANITIZED else 100))
TWICE = max(1, SEEDS // 20)
FIRST = int(os.environ.get("SHALE_TEST_SEED", 1))


def start(first, seeds, *options):
    return subprocess.Popen([KV, "--sim", "--seed", str(first), "--sim-seeds", str(seeds), *options],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


class Simulation(unittest.TestCase):
    def expect_success(self, process):
        text, _ = process.communicate()
        self.assertEqual(process.returncode, 0, text[-20_000:])
        return text

    def test_every_seed_passes_and_some_are_seen_to_repeat(self):
        once = SEEDS - TWICE
        half = (once + 1) // 2
        parts = [start(FIRST, half), start(FIRST + half, once - half), start(FIRST + once, TWICE, "--sim-check")]
        texts = [self.expect_success(each) for each in parts if each]
        said = "".join(texts)
        print("\n".join(line for line in said.splitlines() if not line.startswith("seed ")))
        self.assertEqual(said.count(": passed, "), SEEDS)
        for fault in ("machine.power_cycle", "disk.crash_torn", "net."):
            self.assertIn(fault, said)

    def test_a_seed_gives_the_same_run_in_every_process(self):
        runs = set()
        for _ in range(2):
            text = self.expect_success(start(FIRST, 1))
            runs.add(next(word for word in text.split("hash ")[1:])[:16])
        self.assertEqual(len(runs), 1, runs)

    def test_a_server_that_does_not_flush_is_found_out(self):
        process = start(FIRST, 4 if SANITIZED else 20, "--appendfsync", "no")
        text, _ = process.communicate()
        self.assertEqual(process.returncode, 1, text[-5_000:])
        self.assertIn("FAILED", text)
        self.assertIn("again: ", text)


if __name__ == "__main__":
    unittest.main()
