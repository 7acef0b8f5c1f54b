"""pingpong, from the outside: a figure for every pair, and a sentence where there is none."""

import os
import re
import subprocess
import unittest

PINGPONG = os.path.join(os.environ["SHALE_BUILD"], "bin", "pingpong")


def run(*arguments):
    return subprocess.run([PINGPONG, *arguments], capture_output=True, text=True, timeout=300)


class Pingpong(unittest.TestCase):
    def test_measures_every_ordered_pair_twice(self):
        for shards in (2, 3):
            done = run("--smp", str(shards), "--calls", "200", "--in-flight", "8")
            self.assertEqual(done.returncode, 0, done.stderr)
            rows = [line.split() for line in done.stdout.splitlines() if re.match(r"^ +\d+ ", line)]
            self.assertEqual(len(rows), 2 * shards)
            for row in rows:
                self.assertEqual(row[1 + int(row[0])], "-")
                figures = [int(cell) for cell in row[1:] if cell != "-"]
                self.assertEqual(len(figures), shards - 1)
                self.assertTrue(all(ns > 0 for ns in figures), row)

    def test_says_that_one_shard_has_nobody_to_call(self):
        done = run("--smp", "1")
        self.assertEqual(done.returncode, 64)
        self.assertIn("pingpong: there is one shard, and nobody to call; give --smp 2 or more\n", done.stderr)


if __name__ == "__main__":
    unittest.main()
