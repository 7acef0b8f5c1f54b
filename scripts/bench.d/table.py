"""What every benchmark shares: the rows, their table and their JSON.

A row is {name, unit, ours, peer, peer_name, ratio, runs, spread}: `ours` and `peer` are medians of `runs` values each,
measured in turns; `ratio` is ours over peer as the unit reads (2.0 of requests/s is twice as many, 0.5 of ns half as
long); `spread` is (max - min) / median of ours. A row without a peer has null for peer, peer_name and ratio.

    table = Table("core")
    table.add("ready then", "ns", [3.1, 3.0, 3.2])
    table.add("GET -P 16", "requests/s", ours=[...], peer=[...], peer_name="redis-server 7.0.15", better="higher")
    table.finish(arguments.json)

Run as a program with --merge OUT IN..., it joins the JSON files of several benchmarks.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

SOURCE_DIR = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN_DIR = os.path.join(SOURCE_DIR, "build/release/bin")


def as_list(values):
    if values is None:
        return []
    return list(values) if isinstance(values, (list, tuple)) else [values]


def number(value):
    """Three significant digits or whole numbers, so that columns can be compared by eye."""
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


class Table:
    """Collects rows, prints each when it is known, and prints the table with finish()."""

    def __init__(self, title):
        self.title = title
        self.rows = []
        self.notes = []

    def add(self, name, unit, ours, peer=None, peer_name=None, better=None, aim=None):
        """ours and peer: one value, or those of all runs. better ("higher" or "lower") and aim (a ratio) only
        decide whether the table marks the row as missed."""
        ours, peer = as_list(ours), as_list(peer)
        middle = statistics.median(ours)
        middle_peer = statistics.median(peer) if peer else None
        row = {
            "name": name, "unit": unit, "ours": middle, "peer": middle_peer, "peer_name": peer_name,
            "ratio": middle / middle_peer if middle_peer else None, "runs": len(ours),
            "spread": (max(ours) - min(ours)) / middle if middle else 0.0,
        }
        self.rows.append(row)
        missed = False
        if aim is not None and row["ratio"] is not None:
            missed = row["ratio"] > aim if better == "lower" else row["ratio"] < aim
        self.notes.append("" if aim is None else f"aim {aim:g}{': missed' if missed else ''}")
        return row

    def lines(self):
        head = ["name", "unit", "ours", "peer", "ratio", "runs", "spread", "", "peer is"]
        cells = [[r["name"], r["unit"], number(r["ours"]), number(r["peer"]),
                  "" if r["ratio"] is None else f"{r['ratio']:.2f}", str(r["runs"]), f"{r['spread'] * 100:.0f} %",
                  note, r["peer_name"] or ""] for r, note in zip(self.rows, self.notes)]
        left = (0, 1, 7, 8)
        used = [i for i in range(len(head)) if any(row[i] for row in cells)]
        widths = {i: max(len(row[i]) for row in [head, *cells]) for i in used}
        for row in [head, *cells]:
            yield "  ".join(row[i].ljust(widths[i]) if i in left else row[i].rjust(widths[i]) for i in used).rstrip()

    def finish(self, json_file=None):
        print(self.title)
        for line in self.lines():
            print("  " + line)
        if json_file:
            write_json(json_file, self.rows)


def write_json(path, rows):
    with open(path, "w") as file:
        json.dump(rows, file, indent=1)
        file.write("\n")


def options(description):
    """The parser every benchmark starts from: --json FILE; add your own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", metavar="FILE", help="also write the rows as JSON")
    return parser


def google_benchmark(binary, repetitions=5, arguments=(), pin=None, counter=None):
    """Runs build/release/bin/<binary> and gives {benchmark name: [real time in ns of each repetition]}, or with
    `counter` that counter of each."""
    command = [os.path.join(BIN_DIR, binary), f"--benchmark_repetitions={repetitions}", "--benchmark_format=json",
               "--benchmark_enable_random_interleaving=true", *arguments]
    if pin is not None:
        command = ["taskset", "-c", str(pin), *command]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    factor = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
    times = {}
    for entry in json.loads(run.stdout)["benchmarks"]:
        if entry.get("run_type") == "iteration" and not entry.get("error_occurred"):
            value = entry[counter] if counter else entry["real_time"] * factor[entry["time_unit"]]
            times.setdefault(entry["run_name"], []).append(value)
    return times


def merge(target, sources):
    rows = []
    for source in sources:
        if os.path.exists(source):
            with open(source) as file:
                rows += json.load(file)
    write_json(target, rows)


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] != "--merge":
        sys.exit(__doc__)
    merge(sys.argv[2], sys.argv[3:])
