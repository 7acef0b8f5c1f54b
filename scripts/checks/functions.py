"""Functions over 70 lines, found by counting braces. Reported, not refused: each may have its reason."""
import re

FUNCTION_LINES_MAX = 70
_BRACE = re.compile(r"[{};]")
_TEMPLATE = re.compile(r"\btemplate\s*<[^{}]*?>\s*(?=[\w\[])")
_SCOPE = re.compile(r"\b(?:namespace|extern|class|struct|union|enum)\b")


def kind_of(head, after_function):
    """What a brace opens, by the text before it: a scope (namespace, type), a function, or something else."""
    head = _TEMPLATE.sub("", re.sub(r"^[ \t]*#.*$", "", head, flags=re.MULTILINE)).strip()
    if _SCOPE.search(head) and "(" not in re.sub(r"\b(?:alignas|__attribute__|final)\s*\([^)]*\)", "", head):
        return "scope"
    # A constructor with braces in its initializer list: the body comes after them.
    if "(" in head or (after_function and head in ("",)):
        return "function"
    return "other"


def functions(source):
    """[(first line, number of lines)] of the functions in the file, those inside functions not counted apart."""
    found, stack, begin, after_function = [], [], 0, False
    for match in _BRACE.finditer(source.code):
        sign, at = match.group(0), match.start()
        if sign == "{":
            inside = any(kind == "function" for kind, _ in stack)
            kind = "other" if inside else kind_of(source.code[begin:at], after_function)
            head = source.code[begin:at]
            stack.append((kind, begin + len(head) - len(head.lstrip())))
        elif sign == "}" and stack:
            kind, start = stack.pop()
            after_function = kind == "function"
            if kind == "function":
                first = source.line_of(start)
                found.append((first, source.line_of(at) - first + 1))
        begin = match.end()
    return found


def check_functions(tree):
    """Gives [(lines, path, first line)] of those that are too long, longest first."""
    long = []
    for source in tree.sources.values():
        if len(source.lines) > FUNCTION_LINES_MAX:
            long += [(count, source.path, first) for first, count in functions(source) if count > FUNCTION_LINES_MAX
                     and not source.allowed("long-function", first)]
    return sorted(long, reverse=True)
