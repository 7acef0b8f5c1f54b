"""hello, from the outside: what it prints where, and how it ends."""

import os
import subprocess
import unittest

HELLO = os.path.join(os.environ["SHALE_BUILD"], "bin", "hello")


def run(*arguments):
    return subprocess.run([HELLO, *arguments], capture_output=True, text=True, timeout=120)


class Hello(unittest.TestCase):
    def test_greets_from_every_shard(self):
        for shards in (1, 2, 4):
            done = run("--smp", str(shards))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(
                sorted(done.stdout.splitlines()),
                [f"hello world from shard {i} of {shards}" for i in range(shards)],
            )

    def test_greets_whom_it_is_told_to(self):
        self.assertEqual(run("-c", "1", "--whom", "Ada").stdout, "hello Ada from shard 0 of 1\n")

    def test_says_on_stderr_what_it_chose_and_why(self):
        done = run("--smp", "1")
        self.assertRegex(
            done.stderr, r"hello 0\.1\.0: 1 shard on CPU \d+ of \d+ allowed \(cgroup quota .*\); one thread a core"
        )

    def test_shares_cpus_when_there_are_fewer_than_shards(self):
        shards = 2 * os.cpu_count() + 1
        done = run("--smp", str(shards))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), shards)
        self.assertIn("more shards than the ", done.stderr)

    def test_refuses_a_wrong_option(self):
        done = run("--whon", "Ada")
        self.assertEqual(done.returncode, 64)
        self.assertEqual(
            done.stderr, "hello: unknown option --whon; did you mean --whom? hello --help lists them all\n"
        )
        self.assertEqual(done.stdout, "")

    def test_shows_help(self):
        done = run("--help")
        self.assertEqual(done.returncode, 0)
        self.assertTrue(done.stdout.startswith("hello 0.1.0: greets from every shard\n"))
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)


if __name__ == "__main__":
    unittest.main()
