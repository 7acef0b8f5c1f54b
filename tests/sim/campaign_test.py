"""scripts/sim: its command lines, its totals and its endings with programs that only pretend, and the kept seeds."""
import json
import os
import stat
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
from campaign import command_line, run, subject  # noqa: E402

BUILD = os.environ["SHALE_BUILD"]

# Takes what a program with --sim or a SIM_TEST takes, and does with each seed what the plan in its folder says.
PRETENDER = """#!/usr/bin/python3
import json, os, signal, sys
plan = json.load(open(os.path.join(os.path.dirname(sys.argv[0]), "..", "plan.json")))
def value(name, variable):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else os.environ[variable]
first = int(value("--seed", "SHALE_TEST_SEED"))
out = value("--sim-json", "SHALE_SIM_JSON")
with open(os.path.join(os.path.dirname(sys.argv[0]), "..", "calls"), "a") as calls:
    calls.write(json.dumps([sys.argv[1:], {k: v for k, v in os.environ.items() if k.startswith("SHALE_")}]) + "\\n")
code = 0
for seed in range(first, first + int(value("--sim-seeds", "SHALE_SIM_SEEDS"))):
    what = plan.get(str(seed), "passes")
    if what == "dies":
        print("assertion failed: at seed", seed, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    failure = "" if what == "passes" else "lost\\nmore"
    with open(out, "a") as file:
        file.write(json.dumps({"seed": seed, "failure": failure, "steps": 10, "virtual_ns": 3600000000000,
            "faults": {"disk.stall": 2}, "probes": {"p": 1}, "figures": {}, "replay": "again %d" % seed,
            "report": "the whole report of %d" % seed if failure else ""}) + "\\n")
    if failure:
        code = 1
        if what == "stops":
            break
sys.exit(plan.get("code", code))
"""

# And lists its tests, as a test binary does.
LISTING = """if "--gtest_list_tests" in sys.argv:
    print("corners.\\n  one\\n  DISABLED_none\\ncounter.\\n  two")
    sys.exit(0)
"""


class Pretended(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.build = folder.name
        for name in ("bin/demo", "tests/demo_test"):
            path = os.path.join(self.build, name)
            os.makedirs(os.path.dirname(path))
            with open(path, "w", encoding="utf-8") as file:
                file.write(PRETENDER)
            os.chmod(path, stat.S_IRWXU)

    def sim(self, *arguments, plan=None):
        with open(os.path.join(self.build, "plan.json"), "w", encoding="utf-8") as file:
            json.dump(plan or {}, file)
        ended = subprocess.run([os.path.join(ROOT, "scripts", "sim"), *arguments, "--build", self.build],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
        return ended.returncode, ended.stdout, ended.stderr

    def calls(self):
        with open(os.path.join(self.build, "calls"), encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def test_sums_up_what_all_batches_met(self):
        code, out, _ = self.sim("demo", "--seeds", "1-50", "--jobs", "3")
        self.assertEqual(code, 0, out)
        self.assertIn("demo: 50 seeds, 0 failed, 0 run twice", out)
        self.assertIn("500 turns and events, 50.00 virtual hours", out)
        self.assertIn("faults: disk.stall 100\n  probes: p 50", out)

    def test_prints_the_report_of_each_failure_and_goes_on(self):
        code, out, _ = self.sim("demo", "--seeds", "1-30", plan={"3": "fails", "25": "fails"})
        self.assertEqual(code, 1)
        self.assertIn("demo: 30 seeds, 2 failed", out)
        self.assertIn("demo: seed 3 failed\nthe whole report of 3", out)
        self.assertIn("  seed 3 failed: lost\n    again 3\n  seed 25 failed: lost\n    again 25", out)

    def test_takes_up_a_test_behind_the_seed_at_which_it_stopped(self):
        code, out, _ = self.sim("demo_test", "suite.name", "--seeds", "1-20", plan={"3": "stops", "20": "stops"})
        self.assertEqual(code, 1)
        self.assertIn("demo_test suite.name: 20 seeds, 2 failed", out)
        first = self.calls()[0]
        self.assertEqual(first[0], ["--gtest_filter=suite.name", "--gtest_color=no"])
        self.assertEqual((first[1]["SHALE_TEST_SEED"], first[1]["SHALE_SIM_SEEDS"]), ("1", "20"))
        self.assertEqual(self.calls()[1][1]["SHALE_TEST_SEED"], "4")

    def test_knows_the_seed_at_which_a_process_died(self):
        code, out, _ = self.sim("demo", "--seeds", "1-10", "--set", "order=pct stalls=0", plan={"4": "dies"})
        self.assertEqual(code, 1)
        self.assertIn("demo: 10 seeds, 1 failed", out)
        self.assertIn("assertion failed: at seed 4", out)
        self.assertIn("the process died of signal 9", out)
        self.assertIn("bin/demo --sim --seed 4 --sim-set 'order=pct stalls=0'", out)

    def test_fails_when_a_process_fails_behind_its_last_seed(self):
        code, out, _ = self.sim("demo", "--seeds", "5", plan={"code": 23})
        self.assertEqual(code, 1)
        self.assertIn("the process ended with 23", out)

    def test_gives_further_arguments_to_the_program(self):
        self.sim("demo", "--seeds", "5", "--set", "order=pct", "--check", "100", "--smp", "2")
        arguments = self.calls()[0][0]
        self.assertEqual(arguments[-5:], ["--sim-check", "--sim-set", "order=pct", "--smp", "2"])

    def test_runs_everything_there_is(self):
        for name in ("kv", "echo"):
            os.link(os.path.join(self.build, "bin", "demo"), os.path.join(self.build, "bin", name))
        path = os.path.join(self.build, "tests", "sim_test")
        with open(path, "w", encoding="utf-8") as file:
            file.write(PRETENDER.replace("plan = ", LISTING + "plan = ", 1))
        os.chmod(path, stat.S_IRWXU)
        code, out, _ = self.sim("--all", "--seeds", "1-3", plan={"3": "fails"})
        self.assertEqual(code, 1)
        self.assertIn("all workloads: 12 seeds, 4 failed", out)
        tests = {call[0][0] for call in self.calls() if "--sim" not in call[0]}
        self.assertEqual(tests, {"--gtest_filter=corners.one", "--gtest_filter=counter.two"})

    def test_refuses_what_makes_no_sense(self):
        for arguments, sentence in (([], "name a program"), (["demo", "--seeds", "9-1"], "no range of seeds"),
                                    (["demo", "--jobs", "0"], "--jobs is at least 1"), (["nobody"], "there is no "),
                                    (["demo", "--check", "200"], "a percentage"),
                                    (["demo", "--kept"], "name a program"), (["demo", "--all"], "name a program"),
                                    (["--all", "--kept"], "name a program"), (["--all"], "there is no "),
                                    (["--all", "--smp", "2"], "--all takes no arguments")):
            code, out, err = self.sim(*arguments)
            self.assertEqual((code, out), (64, ""), arguments)
            self.assertIn(sentence, err)


class Parts(unittest.TestCase):
    def test_batches_cover_the_range_once_and_check_the_share(self):
        for first, seeds, percent in ((1, 1000, 5), (7, 1, 0), (1, 33, 100), (100, 45, 50), (1, 5, 5)):
            seen, checked = [], 0
            for begin, count, twice in run.batches(first, seeds, percent):
                seen += range(begin, begin + count)
                checked += count if twice else 0
            self.assertEqual(seen, list(range(first, first + seeds)))
            self.assertAlmostEqual(checked, seeds * percent / 100, delta=1)

    def test_names_what_was_never_met(self):
        totals = run.Totals()
        totals.faults["a"] += 1
        totals.probes["b"] += 1
        self.assertIn("  never met: c, d", run.summary("demo", totals, 1, ["d", "a", "c", "b"]))
        self.assertNotIn("never met", run.summary("demo", totals, 1))

    def test_takes_the_points_of_the_sources_but_for_those_on_the_real_side(self):
        self.assertEqual(command_line.points_of("fault  aio.one  core/linux/a.cc:1\nprobe  kv.b    apps/kv/b.cc:20\n"),
                         ["kv.b"])
        listed = command_line.known_points()
        self.assertIn("platform.take_fewer", listed)
        self.assertFalse([each for each in listed if each.startswith("aio.")])

    def test_reads_kept_seeds(self):
        kept = subject.parse_kept("# head\n\nkv 42 order=pct --smp=2 disk.stall=0  # a loss\n"
                                  "sim_test a.b 7  # another\n", "x")
        (kv, seed), (test, other) = kept
        self.assertEqual((str(kv), seed, kv.overrides, kv.arguments),
                         ("kv", 42, "order=pct disk.stall=0", ("--smp=2",)))
        self.assertEqual((str(test), other, test.binary), ("sim_test a.b", 7, "x/tests/sim_test"))
        for wrong in ("kv  # no seed", "kv 42", "sim_test a.b  # no seed"):
            with self.assertRaises(subject.Mistake):
                subject.parse_kept(wrong, "x")


class Kept(unittest.TestCase):
    def test_all_pass(self):
        with open(command_line.KEPT, encoding="utf-8") as file:
            seeds = len(subject.parse_kept(file.read(), BUILD))
        ended = subprocess.run([os.path.join(ROOT, "scripts", "sim"), "--kept", "--build", BUILD],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(ended.returncode, 0, ended.stdout)
        self.assertIn(f"kept seeds: {seeds} seeds, 0 failed", ended.stdout)


if __name__ == "__main__":
    unittest.main()
