#!/usr/bin/python3
"""SHALE_ALLOCATOR: the apps are linked to what was chosen, nothing else is, and a wrong choice is one sentence.

Nothing is compiled: a configured build folder says in build.ninja what each program is linked to.
"""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
HEADERS = {"mimalloc": "/usr/include/mimalloc.h", "jemalloc": "/usr/include/jemalloc/jemalloc.h"}


class AllocatorTest(unittest.TestCase):
    def setUp(self):
        self.build = tempfile.mkdtemp(prefix="shale-allocator-")
        self.addCleanup(shutil.rmtree, self.build)

    def configure(self, *options):
        """(exit code, what it said on one line)"""
        done = subprocess.run(["cmake", "-G", "Ninja", "-S", SOURCE, "-B", self.build, *options],
                              capture_output=True, text=True)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def linked_to(self, allocator):
        """The programs and libraries whose link names it, by file name."""
        with open(os.path.join(self.build, "build.ninja")) as file:
            steps = re.split(r"\n(?=build )", file.read())
        return {os.path.basename(step.split()[1].rstrip(":")) for step in steps
                if re.match(r"build \S+: CXX_\w+_LINKER", step) and f"lib{allocator}." in step}

    def test_links_the_apps_and_nothing_else(self):
        for allocator, header in HEADERS.items():
            with self.subTest(allocator=allocator):
                code, said = self.configure(f"-DSHALE_ALLOCATOR={allocator}", "-DSHALE_SANITIZE=")
                if not os.path.exists(header):
                    self.assertIn(f"apt-get install lib{allocator}-dev", said)
                    continue
                self.assertEqual(code, 0, said)
                apps = {app for app in os.listdir(os.path.join(SOURCE, "apps"))
                        if os.path.exists(os.path.join(SOURCE, "apps", app, "main.cc"))}
                self.assertEqual(self.linked_to(allocator), apps)
                # A sanitizer has a malloc of its own, which sees what another would hide.
                self.assertEqual(self.configure("-DSHALE_SANITIZE=thread")[0], 0)
                self.assertEqual(self.linked_to(allocator), set())

    def test_leaves_the_system_s_where_nothing_is_chosen(self):
        self.assertEqual(self.configure()[0], 0)
        self.assertEqual([self.linked_to(allocator) for allocator in HEADERS], [set(), set()])

    def test_refuses_what_it_does_not_know(self):
        code, said = self.configure("-DSHALE_ALLOCATOR=tcmalloc")
        self.assertNotEqual(code, 0)
        self.assertIn("SHALE_ALLOCATOR is tcmalloc; it may be system, mimalloc or jemalloc", said)


if __name__ == "__main__":
    unittest.main()
