"""The source tree as the rules see it: files with their text, their code and their includes.

`code` is the text with comments and literals blanked out but every line break kept, so that a rule neither trips over
a word in a sentence nor loses its line number. Folders that hold other people's things (build/, .git/) are not read.

A finding is silenced where it is right to break a rule, by a comment on its line or one of the three above:
`// check: allow <rule>, <reason>`; in the file's first 12 lines it holds for the file. The reason is not optional.
"""
import os
import re

TOP_FOLDERS = ("core", "file", "net", "apps", "tests")
OTHER_FOLDERS = ("cmake", "scripts")
LIBRARY = ("core/", "file/", "net/")

_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^\s()\\]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])*\'',
    re.DOTALL)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)
_ALLOW = re.compile(r"(?://|#) check: allow ([a-z-]+), \S")


def _blank(match):
    token = match.group(0)
    if token.startswith(("//", "/*")):
        return re.sub(r"[^\n]", " ", token)
    if "\n" in token:
        return '"' + re.sub(r"[^\n]", " ", token[1:-1]) + '"'
    return token[0] + " " * (len(token) - 2) + token[-1]


class Source:
    """One C++ file. Attributes that not every rule needs are computed when first asked for."""

    def __init__(self, tree, path):
        self.tree = tree
        self.path = path
        self.text = read(os.path.join(tree.root, path))
        self.lines = self.text.split("\n")
        self.folder = os.path.dirname(path)
        self.header = path.endswith(".hh")
        self.library = path.startswith(LIBRARY)
        self.private = "/detail/" in path
        self._code = None
        self._includes = None

    @property
    def code(self):
        if self._code is None:
            self._code = _TOKEN.sub(_blank, self.text)
        return self._code

    @property
    def includes(self):
        """[(line, spelling, is_quoted, target path in the tree or None)]"""
        if self._includes is None:
            self._includes = []
            for match in _INCLUDE.finditer(self.text):
                quoted, name = match.group(1) == '"', match.group(2)
                target = None
                if quoted:
                    target = os.path.normpath(os.path.join(self.folder, name))
                elif name.startswith("shale/"):
                    target = name[len("shale/"):]
                self._includes.append((self.line_of(match.start(1)), name, quoted, target))
        return self._includes

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def allowed(self, rule, line):
        near = self.lines[:12] + self.lines[max(0, line - 4):line]
        return any(match.group(1) == rule for text in near for match in _ALLOW.finditer(text))


class Tree:
    """All files of the tree at `root`, by path relative to it."""

    def __init__(self, root):
        self.root = root
        self.findings = []
        self.files = sorted(self._walk())
        self.files_set = set(self.files)
        self.sources = {p: Source(self, p) for p in self.files if p.endswith((".hh", ".cc"))}

    def _walk(self):
        for folder in TOP_FOLDERS + OTHER_FOLDERS:
            for path, folders, names in os.walk(os.path.join(self.root, folder)):
                folders[:] = [f for f in folders if f not in ("build", "__pycache__", "corpus")]
                for name in names:
                    yield os.path.relpath(os.path.join(path, name), self.root)
        for name in os.listdir(self.root):
            if name.endswith((".md", ".txt", ".json")):
                yield name

    def report(self, rule, path, line, message):
        source = self.sources.get(path)
        if source is None or not source.allowed(rule, line):
            self.findings.append((path, line, rule, message))


def read(path):
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        return file.read()


def level_of(path):
    """core/shard/detail/x.hh -> core/shard; net/codecs/resp.hh -> net/codecs; apps/kv/x.cc -> apps/kv."""
    parts = path.split("/")[:-1]
    return "/".join(p for p in parts if p != "detail")
