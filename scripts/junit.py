"""Reads ctest's JUnit file: the output of what failed to stderr, "<passed> <failed> <skipped>" to stdout.

    /usr/bin/python3 scripts/junit.py build/release/ctest.xml

ctest's own log has the same somewhere among a thousand lines of what passed.
"""
import sys
import xml.etree.ElementTree

LINES_SHOWN = 80


def main():
    counts = {"run": 0, "fail": 0, "notrun": 0, "disabled": 0}
    for case in xml.etree.ElementTree.parse(sys.argv[1]).getroot().iter("testcase"):
        status = case.get("status", "fail")
        counts[status] = counts.get(status, 0) + 1
        if status == "fail":
            output = (case.findtext("system-out") or "").strip().split("\n")
            print(f"-- {case.get('name')} failed after {float(case.get('time', 0)):.1f} s:", file=sys.stderr)
            print("\n".join(output[-LINES_SHOWN:]), file=sys.stderr)
    print(counts["run"], counts["fail"], counts["notrun"] + counts["disabled"])


if __name__ == "__main__":
    main()
