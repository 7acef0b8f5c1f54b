#!/usr/bin/python3
"""Programs of users build and run: against an installed Shale, and with Shale as a subproject.

The installation goes into a temporary prefix. The subproject is built beside the build under test with its flags, so
that with ccache nothing of the library is compiled twice.
"""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("SHALE_BUILD", os.path.join(HERE, "../../build/release"))


def run(*command, cwd=None):
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def cached(name):
    with open(os.path.join(BUILD, "CMakeCache.txt")) as file:
        match = re.search(rf"^{name}:\w+=(.*)$", file.read(), re.MULTILINE)
    return match.group(1) if match else ""


class ConsumeTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.mkdtemp(prefix="shale-consume-")
        self.addCleanup(shutil.rmtree, self.temporary)

    def build_and_run(self, project, build, *options):
        run("cmake", "-G", "Ninja", "-S", os.path.join(HERE, project), "-B", build, *options)
        run("cmake", "--build", build, "--target", "program")
        printed = run(os.path.join(build, "program"), "--smp", "1", cwd=self.temporary)
        self.assertEqual(printed, "shard 0 was here\n")

    def test_builds_what_the_first_page_prints(self):
        readme, source = os.path.join(HERE, "../../README.md"), os.path.join(HERE, "program/main.cc")
        with open(readme) as page, open(source) as program:
            self.assertIn(f"```cpp\n{program.read()}```\n", page.read())

    def test_builds_against_an_installation(self):
        prefix = os.path.join(self.temporary, "prefix")
        run("cmake", "--install", BUILD, "--prefix", prefix)
        # What is installed stands alone: no file of it may point back into the source or build folder.
        source = os.path.abspath(os.path.join(HERE, "../.."))
        for folder, _, names in os.walk(prefix):
            for name in names:
                path = os.path.join(folder, name)
                if name.endswith((".cmake", ".hh")):
                    with open(path) as file:
                        self.assertNotIn(source, file.read(), path)
        self.build_and_run("installed", os.path.join(self.temporary, "build"), f"-DCMAKE_PREFIX_PATH={prefix}",
                           "-DCMAKE_BUILD_TYPE=Release")

    def test_builds_as_a_subproject(self):
        ccache = cached("SHALE_CCACHE")
        source = os.path.abspath(os.path.join(HERE, "../.."))
        launcher = f"cmake;-E;env;CCACHE_BASEDIR={source};CCACHE_NOHASHDIR=1;{ccache}"
        options = [f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}"] if ccache and not ccache.endswith("NOTFOUND") else []
        build = os.path.join(os.path.dirname(os.path.abspath(BUILD)), "consume")
        self.build_and_run("subproject", build, "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O2 -g",
                           "-DSHALE_WERROR=ON", *options)


if __name__ == "__main__":
    unittest.main()
