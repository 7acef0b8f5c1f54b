"""The shape of files: head comments, lengths, blanks, leftovers, READMEs, and clang-format's opinion."""
import hashlib
import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

from .tree import read

COLUMNS_MAX = 120
FILE_LINES_MAX = 500
README_LINES_MAX = 90
README_FOLDERS = ("core", "file", "net", "apps", "tests", "cmake", "scripts")
_LEFTOVER = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
_SENTENCE_END = re.compile(r"[.:!?](?:\s|$)")
_RULES_THEMSELVES = ("scripts/checks/", "tests/check/")


def check_lines(tree):
    for path in tree.files:
        if path.startswith("tests/") and "/data/" in path:
            continue
        source = tree.sources.get(path)
        text = source.text if source else read(os.path.join(tree.root, path))
        markdown = path.endswith(".md")
        if not text:
            continue
        if not text.endswith("\n") or text.endswith("\n\n"):
            tree.report("blank", path, text.count("\n") + 1, "end the file with one line break")
        if "\r" in text:
            tree.report("blank", path, 1, "carriage returns; use plain line breaks")
        lines = text.split("\n")
        # A script of rows may say at its head, as a source may, that its rows are as long as they are.
        long_lines_allowed = any("check: allow long-line, " in line for line in lines[:12])
        for number, line in enumerate(lines, 1):
            if line.endswith((" ", "\t")):
                tree.report("blank", path, number, "trailing blanks; remove them")
            if "\t" in line:
                tree.report("blank", path, number, "a tab; use spaces")
            if not markdown and not long_lines_allowed and len(line) > COLUMNS_MAX and "http" not in line:
                tree.report("long-line", path, number, f"{len(line)} columns, over {COLUMNS_MAX}; break it")
            if _LEFTOVER.search(line) and not path.startswith(_RULES_THEMSELVES):
                tree.report("leftover", path, number, "something left to do; do it, or write it into the issue")
        if source and len(lines) - 1 > FILE_LINES_MAX:
            tree.report("long-file", path, 1,
                        f"{len(lines) - 1} lines, over {FILE_LINES_MAX}; one idea a file, so split it")
        if text.startswith("#!") and "python" in lines[0] and lines[0] != "#!/usr/bin/python3":
            tree.report("shebang", path, 1, "use #!/usr/bin/python3, which is Debian's and has its packages")


def check_heads(tree):
    """A head comment of two sentences or more (one in tests, in detail/, and where the header tells); #pragma once."""
    for source in tree.sources.values():
        head = []
        for line in source.lines:
            if not line.startswith("//"):
                break
            head.append(line.lstrip("/ "))
        alone = source.header or source.path[:-2] + "hh" not in tree.sources
        needed = 2 if alone and not source.private and not source.path.startswith("tests/") else 1
        if len(_SENTENCE_END.findall("\n".join(head))) < needed:
            tree.report("head", source.path, 1,
                        "no head comment; begin with what this is, why this way, and what it must not do")
        if source.header and "#pragma once" not in source.text:
            tree.report("pragma", source.path, 1, "no include guard; write #pragma once below the head comment")


def check_readmes(tree):
    folders = [f for f in README_FOLDERS if any(p.startswith(f + "/") for p in tree.files)]
    folders += sorted({"/".join(p.split("/")[:2]) for p in tree.sources if p.startswith(("core/", "apps/"))
                       and p.count("/") > 1})
    for folder in folders:
        if folder + "/README.md" not in tree.files_set:
            tree.report("readme", folder + "/README.md", 1,
                        "missing; purpose, levels, invariants, what it must not know")
    for path in tree.files:
        if path.endswith("README.md") and path != "README.md":
            count = read(os.path.join(tree.root, path)).count("\n")
            if count > README_LINES_MAX:
                tree.report("readme", path, 1, f"{count} lines, over {README_LINES_MAX}; say less")


def clang_format():
    """The formatter's path if it is version 14, whose output the tree has."""
    for name in ("clang-format-14", "clang-format"):
        path = shutil.which(name)
        if path:
            version = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
            if re.search(r"version 14\.", version):
                return path
    return None


def check_format(tree, only=("",), fix=False):
    """Files whose text was found in order before are known by their hash, so that a second run costs nothing."""
    formatter, style = clang_format(), os.path.join(tree.root, ".clang-format")
    if formatter is None or not os.path.exists(style):
        return
    known_file = os.path.join(tree.root, "build", ".formatted.json")
    try:
        with open(known_file) as file:
            known = set(json.load(file))
    except (OSError, ValueError):
        known = set()
    salt = read(style)
    digests = {p: hashlib.sha1((salt + p + s.text).encode()).hexdigest() for p, s in tree.sources.items()}
    todo = [p for p, digest in digests.items() if digest not in known and p.startswith(only)]

    def differs(path):
        command = [formatter, "-i" if fix else "--output-replacements-xml", os.path.join(tree.root, path)]
        return "<replacement " in subprocess.run(command, capture_output=True, text=True).stdout

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        bad = [p for p, different in zip(todo, pool.map(differs, todo)) if different]
    for path in bad:
        tree.report("format", path, 1, "not as clang-format 14 writes it; run scripts/check --fix, or clang-format -i")
    if os.path.isdir(os.path.dirname(known_file)) and not fix:
        with open(known_file + ".new", "w") as file:
            seen = known.intersection(digests.values()) | {digests[p] for p in todo}
            json.dump(sorted(seen - {digests[p] for p in bad}), file)
        os.replace(known_file + ".new", known_file)
