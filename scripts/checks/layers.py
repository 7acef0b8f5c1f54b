"""Who may include whom: layers, private folders, cycles, and how heavy each public header is.

The order is the one of DESIGN.md section 1. A level includes only what stands before it; core/linux and core/sim are
for core/app, core/testing and tests alone, but for the two headers that are meant for everyone. X/detail/ is for X.
"""
import re

from .tree import level_of

ORDER = ["core/base", "core/async", "core/shard", "core/sync", "core/observe"]
ANY_CORE = set(ORDER)
MAY_INCLUDE = {level: set(ORDER[:i]) for i, level in enumerate(ORDER)}
MAY_INCLUDE |= {
    "core/linux": ANY_CORE, "core/sim": ANY_CORE,
    "core/app": ANY_CORE | {"core/linux", "core/sim"},
    "core/testing": ANY_CORE | {"core/linux", "core/sim", "core/app"},
    "core": ANY_CORE | {"core/app"},
    "net": ANY_CORE, "file": ANY_CORE,
}
FOR_EVERYONE = {"core/linux/aio_context.hh", "core/sim/sim.hh"}
HEAVY_STANDARD = {"filesystem", "iostream", "regex", "thread"}
CLOSURE_MAX = 3000
CLOSURE_MAX_OF = {"core/async/future.hh": 1500}


def wing_of(level):
    """The row of MAY_INCLUDE: net/codecs/x is net; apps/kv/x is apps/kv."""
    parts = level.split("/")
    return parts[0] if parts[0] in ("net", "file") else "/".join(parts[:2])


def may_include(source, target):
    """None, or why `source` may not include the file `target` of our tree."""
    mine, theirs = wing_of(source.folder.replace("/detail", "")), wing_of(level_of(target))
    if mine.startswith("tests"):
        return None
    if source.path.startswith("apps/"):
        if theirs.startswith("apps/") and theirs != mine:
            return "an app includes another app; move what they share into the library"
        if theirs.startswith("tests") or theirs == "core/testing":
            return "an app includes test code"
        if theirs in ("core/linux", "core/sim") and target not in FOR_EVERYONE:
            return f"{theirs} is for core/app and tests; use core/app"
        return None
    if theirs == mine:
        if level_of(source.path) != level_of(target) and source.folder.startswith("net/codecs"):
            return "codecs are sans-I/O and know only codecs and core; hand bytes in and events out"
        return None
    if mine not in MAY_INCLUDE:
        return f"{mine} is no level of DESIGN.md; add it to scripts/checks/layers.py"
    if theirs not in MAY_INCLUDE[mine]:
        below = ", ".join(sorted(MAY_INCLUDE[mine])) or "nothing"
        return f"{mine} includes {theirs}; it may include {below}; move the code or turn the edge"
    return None


def check_includes(tree):
    for source in tree.sources.values():
        tests_of = source.path.startswith("tests/")
        for line, name, quoted, target in source.includes:
            if target is None:
                if source.library and source.header and not source.private and name in HEAVY_STANDARD:
                    tree.report("heavy", source.path, line,
                                f"<{name}> in a public header taxes every user; include it in the .cc")
                continue
            if source.library and not quoted:
                tree.report("spelling", source.path, line, "inside the library write a quoted relative path")
            if quoted and not source.library and not target.startswith("/".join(source.path.split("/")[:2])):
                tree.report("spelling", source.path, line, f"from outside the library write <shale/{target}>")
            if target not in tree.sources:
                tree.report("spelling", source.path, line, f"{name} is not in the tree; correct the path")
                continue
            reason = may_include(source, target)
            if reason:
                tree.report("layer", source.path, line, reason)
            if "/detail/" in target and not tests_of:
                owner = target[:target.index("/detail/")]
                if not source.path.startswith(owner + "/"):
                    tree.report("private", source.path, line,
                                f"{target} is private to {owner}/; use its public header, or make one")


def cycles(edges):
    """Strongly connected components of more than one node, and self loops, of {node: {node}}. Tarjan, iterative."""
    index, low, on_stack, stack, found = {}, {}, set(), [], []
    for root in edges:
        if root in index:
            continue
        work = [(root, iter(edges.get(root, ())))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, children = work[-1]
            for child in children:
                if child not in index:
                    index[child] = low[child] = len(index)
                    stack.append(child)
                    on_stack.add(child)
                    work.append((child, iter(edges.get(child, ()))))
                    break
                if child in on_stack:
                    low[node] = min(low[node], index[child])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component = []
                    while not component or component[-1] != node:
                        component.append(stack.pop())
                        on_stack.discard(component[-1])
                    if len(component) > 1 or node in edges.get(node, ()):
                        found.append(sorted(component))
    return found


def check_cycles(tree):
    files, folders = {}, {}
    for source in tree.sources.values():
        for _, _, _, target in source.includes:
            if target not in tree.sources:
                continue
            files.setdefault(source.path, set()).add(target)
            mine, theirs = level_of(source.path), level_of(target)
            if mine != theirs:
                folders.setdefault(mine, set()).add(theirs)
    for component in cycles(files):
        tree.report("cycle", component[0], 1, f"files include each other: {' '.join(component)}; split one of them")
    for component in cycles(folders):
        tree.report("cycle", component[0], 1, f"folders include each other: {' '.join(component)}; turn an edge")


def public_headers(tree):
    return [s for s in tree.sources.values() if s.library and s.header and not s.private]


def closure_lines(tree, path, known=None):
    """Lines of `path` and of all files of ours that it pulls in, each once."""
    seen, todo = {path}, [path]
    while todo:
        for _, _, _, target in tree.sources[todo.pop()].includes:
            if target in tree.sources and target not in seen:
                seen.add(target)
                todo.append(target)
    return sum(tree.sources[p].text.count("\n") for p in seen)


def check_closures(tree):
    """Gives [(lines, path)] of the public headers, heaviest first."""
    table = sorted(((closure_lines(tree, s.path), s.path) for s in public_headers(tree)), reverse=True)
    for lines, path in table:
        limit = CLOSURE_MAX_OF.get(path, CLOSURE_MAX)
        if lines > limit:
            tree.report("closure", path, 1, f"pulls in {lines} own lines, over {limit}; declare ahead or split")
    return table


def check_tests_exist(tree):
    for source in public_headers(tree):
        stem = re.sub(r"\.hh$", "", source.path)
        if not any(f"tests/{stem}_test{end}" in tree.files_set for end in (".cc", ".py")):
            tree.report("test", source.path, 1, f"no test of the same name; write tests/{stem}_test.cc")
