"""The command line of scripts/sim."""
import argparse
import os
import subprocess
import sys
import time

from . import run, subject

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KEPT = os.path.join(ROOT, "tests", "sim", "kept_seeds.txt")
USAGE = 64
# What --all runs: the programs that bring a workload, and the SIM_TESTs of these suites of a test binary.
PROGRAMS = ("kv", "echo")
SUITES = {"sim_test": ("counter", "corners")}


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise subject.Mistake(message)


def parse(arguments, help_text):
    parser = Parser(prog="scripts/sim", description=help_text, allow_abbrev=False,
                    formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS)
    parser.add_argument("--seeds", default="1-100", help="a range or one; 1-100 when absent")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at a time; one a CPU when absent")
    parser.add_argument("--check", type=float, default=0, metavar="PERCENT",
                        help="of the seeds: run twice more, and compared step by step")
    parser.add_argument("--set", default="", metavar="OPTIONS",
                        help="overrides what is drawn: 'order=pct disk.stall=0'")
    parser.add_argument("--kept", action="store_true", help="replay the seeds that once found something")
    parser.add_argument("--all", action="store_true", help="every workload there is, each over the range of seeds")
    parser.add_argument("--build", metavar="FOLDER", help="take the binaries of this build as they are, build nothing")
    known, rest = parser.parse_known_args(arguments)
    names = [rest.pop(0)] if rest and not rest[0].startswith("-") else []
    if names and rest and "." in rest[0] and not rest[0].startswith("-"):
        names.append(rest.pop(0))
    if known.jobs is None or known.jobs < 1 or not 0 <= known.check <= 100:
        raise subject.Mistake("--jobs is at least 1, and --check a percentage")
    if bool(names) + known.kept + known.all != 1:
        raise subject.Mistake("name a program (echo), or a binary and a test (sim_test counter.survives), or --kept,"
                              " or --all")
    return known, names, rest


def work_of(known, names, rest, build):
    if known.kept:
        with open(KEPT, encoding="utf-8") as file:
            kept = subject.parse_kept(file.read(), build)
        return "kept seeds", [(what, seed, 1, False) for what, seed in kept]
    first, seeds = subject.parse_seeds(known.seeds)
    if known.all:
        if rest:
            raise subject.Mistake(f"--all takes no arguments for the programs: {' '.join(rest)}")
        make(known, [*PROGRAMS, *SUITES])
        subjects = [subject.Subject(build, name, test, known.set) for name, test in everything(build)]
    else:
        subjects = [subject.Subject(build, names[0], names[1] if len(names) > 1 else None, known.set, rest)]
    title = "all workloads" if known.all else str(subjects[0])
    return title, [(what, *batch) for what in subjects for batch in run.batches(first, seeds, known.check)]


def everything(build):
    """(program, None) and (test binary, test) of all that --all runs."""
    found = [(name, None) for name in PROGRAMS]
    for name, suites in SUITES.items():
        binary = os.path.join(build, "tests", name)
        if not os.path.exists(binary):
            raise subject.Mistake(f"there is no {binary}")
        listed = subprocess.run([binary, "--gtest_list_tests",
                                 "--gtest_filter=" + ":".join(f"{suite}.*" for suite in suites)],
                                stdout=subprocess.PIPE, text=True)
        if listed.returncode != 0:
            raise subject.Mistake(f"{binary} --gtest_list_tests ended with {listed.returncode}")
        suite = ""
        for line in listed.stdout.splitlines():
            if not line.startswith(" "):
                suite = line.strip()
            elif not line.strip().startswith("DISABLED_"):
                found.append((name, suite + line.strip()))
    return found


def make(known, names):
    """Builds what the work needs, unless told not to."""
    if known.build is None and names:
        made = subprocess.run([os.path.join(ROOT, "scripts", "build"), "release", *names], cwd=ROOT,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if made.returncode != 0:
            raise subject.Mistake(f"scripts/build release {' '.join(names)} failed:\n{made.stdout}")


def points_of(listing):
    """The names in what scripts/sim-points prints, `kind name path:line`, but for those that no simulation reaches."""
    rows = [line.split() for line in listing.splitlines() if line.strip()]
    return [name for _, name, place in rows if not place.startswith("core/linux/")]


def known_points():
    listed = subprocess.run([os.path.join(ROOT, "scripts", "sim-points")], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    return points_of(listed.stdout) if listed.returncode == 0 else None


def main(arguments, help_text):
    try:
        known, names, rest = parse(arguments, help_text)
        build = os.path.abspath(known.build) if known.build else os.path.join("build", "release")
        if known.build is None:
            os.chdir(ROOT)
        title, work = work_of(known, names, rest, build)
        make(known, sorted({what.name for what, *_ in work}))
        for what, *_ in work:
            if not os.path.exists(what.binary):
                raise subject.Mistake(f"there is no {what.binary}")
    except subject.Mistake as mistake:
        print(f"scripts/sim: {mistake}", file=sys.stderr)
        return USAGE
    total, begin = sum(seeds for _, _, seeds, _ in work), time.monotonic()
    on_terminal = sys.stderr.isatty()

    def progress(totals):
        if on_terminal or totals.seeds % max(1, total // 10) == 0:
            print(f"{totals.seeds} of {total} seeds, {len(totals.failures)} failed",
                  end="\r" if on_terminal else "\n", file=sys.stderr, flush=True)

    totals = run.run(work, known.jobs, print, progress)
    print(run.summary(title, totals, time.monotonic() - begin, known_points() if not known.kept else None))
    return 1 if totals.failures else 0
