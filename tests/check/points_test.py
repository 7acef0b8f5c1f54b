#!/usr/bin/python3
"""Tests of scripts/sim-points and of the rule about the names of fault points, on small trees of their own."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE_DIR = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(SOURCE_DIR, "scripts"))
from checks import points, tree as source_tree  # noqa: E402


class PointsTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="shale-points-")
        self.addCleanup(shutil.rmtree, self.root)
        self.write("core/base/fault_point.hh", "#define FAULT(name) 0\n#define PROBE(name)\n")

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as file:
            file.write(text)

    def run_script(self, *arguments):
        script = os.path.join(SOURCE_DIR, "scripts/sim-points")
        run = subprocess.run(["/usr/bin/python3", script, "--root", self.root, *arguments], capture_output=True,
                             text=True, check=True)
        return [line.split() for line in run.stdout.splitlines()]

    def findings(self):
        tree = source_tree.Tree(self.root)
        points.check_points(tree)
        return [(path, line, rule) for path, line, rule, _ in tree.findings]

    def test_lists_kind_name_and_place_in_order(self):
        self.write("file/a.cc", '// A.\nint f() {\n    PROBE("log.cut");\n    return FAULT("log.late");\n}\n')
        self.write("net/b.cc", '// B.\nbool g = one && FAULT("net.short");\n')
        self.assertEqual(self.run_script(), [["fault", "log.late", "file/a.cc:4"], ["fault", "net.short", "net/b.cc:2"],
                                             ["probe", "log.cut", "file/a.cc:3"]])
        self.assertEqual(self.run_script("--kind", "probe"), [["probe", "log.cut", "file/a.cc:3"]])
        self.assertEqual(self.run_script("net"), [["fault", "net.short", "net/b.cc:2"]])

    def test_passes_over_comments_tests_and_the_macros_themselves(self):
        self.write("core/base/a.cc", '// FAULT("a.comment") is none.\n')
        self.write("tests/core/a_test.cc", 'bool f = FAULT("test.a");\n')
        self.assertEqual(self.run_script(), [])

    def test_accepts_names_that_stand_once(self):
        self.write("file/a.cc", 'void f() {\n    PROBE("log.cut_2_short");\n    PROBE("log.late");\n}\n')
        self.assertEqual(self.findings(), [])

    def test_finds_a_name_that_stands_twice(self):
        self.write("file/a.cc", '\nbool f = FAULT("log.late");\n')
        self.write("net/b.cc", '\n\nbool g = FAULT("log.late");\n')
        self.assertEqual(self.findings(), [("net/b.cc", 3, "point")])
        self.write("net/b.cc", '\nvoid g() { PROBE("log.late"); }\n')
        self.assertEqual(self.findings(), [("net/b.cc", 2, "point")])

    def test_finds_names_of_another_shape_and_what_is_no_literal(self):
        for name in ('"late"', '"log.Late"', '"log.too late"', '"log."', "name"):
            self.write("file/a.cc", f"bool f = FAULT({name});\n")
            self.assertEqual(self.findings(), [("file/a.cc", 1, "point")], name)

    def test_finds_a_point_in_a_public_header(self):
        point = '#include "../core/base/fault_point.hh"\ninline bool f() { return FAULT("log.late"); }\n'
        self.write("file/detail/a.hh", point.replace("..", "../.."))
        self.assertEqual(self.findings(), [])
        os.remove(os.path.join(self.root, "file/detail/a.hh"))
        self.write("file/a.hh", point)
        self.assertEqual(self.findings(), [("file/a.hh", 1, "point")])


if __name__ == "__main__":
    unittest.main()
