"""The FAULT and PROBE points of the sources: their names are literals, read `part.what_happens`, and stand once each.

A plan decides by name, and a campaign counts by name: two places with one name could not be told apart. Tests and the
header that defines the macros are no part of this.
"""
import re
from typing import NamedTuple

_POINT = re.compile(r"\b(FAULT|PROBE)\(")
_LITERAL = re.compile(r'"([^"\n]*)"\)')
_NAME = re.compile(r"[a-z]+\.[a-z0-9]+(?:_[a-z0-9]+)*$")
DEFINED_IN = "core/base/fault_point.hh"


class Point(NamedTuple):
    kind: str
    name: str
    path: str
    line: int


def points_of(source):
    """Of one file; the name is empty where it is no literal. Comments are not looked at."""
    for found in _POINT.finditer(source.code):
        name = _LITERAL.match(source.text, found.end())
        yield Point(found.group(1).lower(), name.group(1) if name else "", source.path,
                    source.text.count("\n", 0, found.start()) + 1)


def all_points(tree):
    sources = [s for s in tree.sources.values() if not s.path.startswith("tests/") and s.path != DEFINED_IN]
    return sorted(point for source in sources for point in points_of(source))


def check_points(tree):
    first = {}
    for point in sorted(all_points(tree), key=lambda p: (p.path, p.line)):
        if not _NAME.match(point.name):
            tree.report("point", point.path, point.line, "name a point by a literal, part.what_happens")
        elif point.name in first:
            there = first[point.name]
            tree.report("point", point.path, point.line,
                        f"\"{point.name}\" is the point at {there.path}:{there.line}, too; give it another name")
        first.setdefault(point.name, point)
    for source in tree.sources.values():
        public = source.library and source.header and not source.private
        if public and source.path != DEFINED_IN and any(t == DEFINED_IN for _, _, _, t in source.includes):
            if any(points_of(source)):
                tree.report("point", source.path, 1, "a point in a public header; the macros are for .cc files")
