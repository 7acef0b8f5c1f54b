#!/usr/bin/python3
"""Tests of the planted bugs: each patch still fits the source, changes one file, and says what it breaks.

Whether the simulation finds them takes minutes and is for scripts/sim-planted-bugs.
"""
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE_DIR = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATCHES = sorted(glob.glob(os.path.join(SOURCE_DIR, "tests/sim/planted/*.patch")))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def changed_by(patch):
    return re.findall(r"^\+\+\+ b/(.*)", read(patch), re.M)


class PlantedBugs(unittest.TestCase):
    def test_there_are_some(self):
        self.assertNotEqual(PATCHES, [])

    def test_each_says_what_it_breaks_and_changes_one_file(self):
        for patch in PATCHES:
            with self.subTest(os.path.basename(patch)):
                self.assertRegex(read(patch), r"\A[A-Z][^\n]{40,}\n", "its first line is a sentence")
                self.assertEqual(len(changed_by(patch)), 1)

    def test_each_applies_to_the_source_as_it_is(self):
        for patch in PATCHES:
            with self.subTest(os.path.basename(patch)), tempfile.TemporaryDirectory() as scratch:
                path = changed_by(patch)[0]
                changed = os.path.join(scratch, path)
                os.makedirs(os.path.dirname(changed))
                shutil.copy(os.path.join(SOURCE_DIR, path), changed)
                done = subprocess.run(["git", "apply", patch], cwd=scratch, capture_output=True, text=True, check=False,
                                      env={**os.environ, "GIT_CEILING_DIRECTORIES": os.path.dirname(scratch)})
                self.assertEqual(done.returncode, 0, f"plant it anew: {done.stderr}")
                self.assertNotEqual(read(changed), read(os.path.join(SOURCE_DIR, path)))


if __name__ == "__main__":
    unittest.main()
