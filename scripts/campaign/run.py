"""Runs batches of seeds as processes side by side, and adds up what their lines of JSON say.

A batch that ends before its last seed (a SIM_TEST stops at the first failure, a failed assertion kills the process) is
taken up again behind the seed at which it ended. A process that died without a line for its seed has failed there.
"""
import collections
import concurrent.futures
import json
import os
import subprocess
import tempfile
import threading

BATCH = 20
OUTPUT_LINES = 60


class Totals:
    def __init__(self):
        self.seeds = self.checked = self.steps = 0
        self.virtual_ns = 0
        self.faults, self.probes, self.figures = (collections.Counter() for _ in range(3))
        self.failures = []  # (seed, sentence, replay line)

    def add(self, row, checked):
        self.seeds += 1
        self.checked += checked
        self.steps += row["steps"]
        self.virtual_ns += row["virtual_ns"]
        for name in ("faults", "probes", "figures"):
            getattr(self, name).update(row[name])
        if row["failure"]:
            self.failures.append((row["seed"], row["failure"].split("\n")[0], row["replay"]))


def batches(first, seeds, check_percent, size=BATCH):
    """(first, how many, whether each is run twice) for all of the range; the checked ones lie all over it."""
    done = checked = 0
    while done < seeds:
        want = round((done + min(size, seeds - done)) * check_percent / 100 + 0.4999) - checked
        twice = max(0, min(want, size, seeds - done))
        once = min(size, seeds - done) - twice
        for count, check in ((twice, True), (once, False)):
            if count:
                yield first + done, count, check
                done += count
        checked += twice


def run_batch(subject, first, seeds, check, tell):
    """Calls tell(row, report, check) for each seed."""
    with tempfile.TemporaryDirectory(prefix="shale-sim-") as folder:
        at = first
        while at < first + seeds:
            path = os.path.join(folder, f"{at}.json")
            command, environment = subject.command(at, first + seeds - at, check, path)
            ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, errors="replace", stdin=subprocess.DEVNULL)
            rows = read_rows(path)
            for row in rows:
                tell(row, row["report"], check)
            at += len(rows)
            stopped_at_failure = rows and rows[-1]["failure"]
            if at < first + seeds and not stopped_at_failure:
                tell(*died(subject, at, ended), check)
                at += 1
            elif ended.returncode != 0 and not any(row["failure"] for row in rows):
                tell(*died(subject, at - 1, ended), check)  # after its last seed: a leak, a global destructor
    return seeds


def read_rows(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def died(subject, seed, ended):
    how = f"died of signal {-ended.returncode}" if ended.returncode < 0 else f"ended with {ended.returncode}"
    tail = "\n".join(ended.stdout.rstrip().split("\n")[-OUTPUT_LINES:])
    row = {"seed": seed, "failure": f"the process {how}", "steps": 0, "virtual_ns": 0, "faults": {}, "probes": {},
           "figures": {}, "replay": subject.replay(seed)}
    return row, f"  why: {row['failure']}; the end of its output:\n{tail}\n  seed {seed} again: {row['replay']}\n"


def run(work, jobs, say, progress):
    """work: a list of (subject, first, seeds, check). Says each failure's report; gives the totals."""
    totals, lock = Totals(), threading.Lock()

    def tell(subject):
        def one(row, report, check):
            with lock:
                totals.add(row, check)
                if row["failure"]:
                    say(f"{subject}: seed {row['seed']} failed\n{report}")
                progress(totals)
        return one

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(run_batch, subject, first, seeds, check, tell(subject))
                   for subject, first, seeds, check in work]
        for each in concurrent.futures.as_completed(waiting):
            each.result()
    totals.failures.sort()
    return totals


def counts(of):
    return ", ".join(f"{name} {count}" for name, count in sorted(of.items())) or "none"


def summary(title, totals, real_s, points=None):
    """`points`: names of all FAULT and PROBE points of the sources, if they are known."""
    hours = totals.virtual_ns / 3.6e12
    lines = [f"{title}: {totals.seeds} seeds, {len(totals.failures)} failed, {totals.checked} run twice",
             f"  {totals.steps} turns and events, {hours:.2f} virtual hours in {real_s:.0f} s:"
             f" {hours * 60 / max(real_s, 1e-3):.2f} a real minute"]
    if totals.figures:
        lines.append(f"  counted: {counts(totals.figures)}")
    lines += [f"  faults: {counts(totals.faults)}", f"  probes: {counts(totals.probes)}"]
    if points is not None:
        never = sorted(each for each in points if each not in totals.faults and each not in totals.probes)
        lines.append(f"  never met: {', '.join(never) or 'none'}")
    for seed, why, replay in totals.failures:
        lines += [f"  seed {seed} failed: {why}", f"    {replay}"]
    return "\n".join(lines)
