"""What is simulated: a program of build/<preset>/bin with --sim, or a SIM_TEST of a binary in build/<preset>/tests."""
import os
import shlex


class Mistake(Exception):
    """A command line, or a line of kept seeds, that cannot be carried out."""


class Subject:
    def __init__(self, build, name, test=None, overrides="", arguments=()):
        self.build, self.name, self.test = build, name, test
        self.overrides, self.arguments = overrides, tuple(arguments)
        self.binary = os.path.join(build, "tests" if test else "bin", name)

    def __str__(self):
        return f"{self.name} {self.test}" if self.test else self.name

    def command(self, first, seeds, check, json):
        """The arguments and the environment that run the seeds first .. first + seeds - 1."""
        environment = dict(os.environ)
        if not self.test:
            command = [self.binary, "--sim", "--seed", str(first), "--sim-seeds", str(seeds), "--sim-json", json]
            command += ["--sim-check"] if check else []
            command += ["--sim-set", self.overrides] if self.overrides else []
            return command + list(self.arguments), environment
        environment |= {"SHALE_TEST_SEED": str(first), "SHALE_SIM_SEEDS": str(seeds), "SHALE_SIM_JSON": json,
                        "SHALE_SIM_CHECK": "1" if check else "0", "SHALE_SIM_SET": self.overrides}
        command = [self.binary, f"--gtest_filter={self.test}", "--gtest_color=no"]
        command += ["--gtest_also_run_disabled_tests"] if "DISABLED_" in self.test else []
        return command + list(self.arguments), environment

    def replay(self, seed):
        """For a process that died without saying it."""
        if not self.test:
            words = [self.binary, "--sim", "--seed", str(seed)]
            words += ["--sim-set", self.overrides] if self.overrides else []
            return shlex.join(words + list(self.arguments))
        values = f"SHALE_TEST_SEED={seed} SHALE_SIM_SEEDS=1 "
        values += f"SHALE_SIM_SET={shlex.quote(self.overrides)} " if self.overrides else ""
        words = [self.binary, f"--gtest_filter={self.test}"]
        words += ["--gtest_also_run_disabled_tests"] if "DISABLED_" in self.test else []
        return values + shlex.join(words + list(self.arguments))


def parse_seeds(text):
    """'1-1000' or '7': the first and how many."""
    first, dash, last = text.partition("-")
    if not first.isdigit() or (dash and not last.isdigit()) or (dash and int(last) < int(first)):
        raise Mistake(f"--seeds: '{text}' is no range of seeds; give one such as 1-1000, or a single seed")
    return int(first), (int(last) - int(first) + 1 if dash else 1)


def parse_kept(text, build):
    """The lines of kept_seeds.txt, `program-or-test SEED [options]  # what it found`: a list of (Subject, seed)."""
    kept = []
    for number, line in enumerate(text.split("\n"), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if not line.partition("#")[2].strip():
            raise Mistake(f"kept_seeds.txt:{number}: say after a # what the seed found")
        test = words.pop(1) if len(words) > 1 and not words[1].isdigit() else None
        if len(words) < 2 or not words[1].isdigit():
            raise Mistake(f"kept_seeds.txt:{number}: '{line.strip()}' names no seed; write: kv 42  # what it found")
        options = words[2:]
        arguments = [each for each in options if each.startswith("-")]
        overrides = " ".join(each for each in options if not each.startswith("-"))
        kept.append((Subject(build, words[0], test, overrides, arguments), int(words[1])))
    return kept
