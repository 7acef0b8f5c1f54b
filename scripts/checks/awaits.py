"""What GCC 12 miscompiles around co_await without a word (CONTRIBUTING.md), as far as text can tell.

A small reader finds how far the operand of a co_await goes: names, calls, subscripts, braces. In it stand the
temporaries that live until the await is over; a closure or an aggregate among them is destroyed twice, with what it
owns. Bodies of lambdas are functions of their own and are passed over. Types cannot be seen: braces with nothing but
constants and addresses are taken for harmless, names in them and captures by copy for owners.
"""
import re

_AWAIT = re.compile(r"\bco_await\b")
_JOIN = re.compile(r"\s(?:&&|\|\||and|or)\s")
_TOKEN = re.compile(r"\s+|\w+|::|->|\.|[!*&~+-]")
_TEMPLATE = re.compile(r"<[\w\s:,<>*&()\[\]]*?>(?=\s*(?:[({]|::))")
_BY_REFERENCE = re.compile(r"&|this$|$")
# A number or a constant, an address, sums of them: nothing that has a destructor.
_HARMLESS = re.compile(r"(?:\.\w+\s*=\s*)?(?:(?:\d[\w.']*|true|false|nullptr|sizeof\b.*|&[\w.>-]+|\w+(?:::\w+)+"
                       r"|[A-Z_]+|[-|<>~\s])+)?", re.DOTALL)
_INNER_BRACES = re.compile(r"\{[^{}]*\}")
# The request at the seam has no member with a destructor.
_PLAIN = re.compile(r"\b(?:io_request|submit_io\()$")


def closing(code, at):
    """The offset behind the bracket that matches the one at `at`."""
    depth = 0
    for i in range(at, len(code)):
        if code[i] in "([{":
            depth += 1
        elif code[i] in ")]}":
            depth -= 1
            if depth == 0:
                return i + 1
    return len(code)


def is_lambda(code, at):
    """Whether the [ at `at` begins a lambda, and neither a subscript nor an attribute."""
    before = code[:at].rstrip()
    word = re.search(r"\w+$", before[-20:])
    subscript = before[-1:] in tuple(")]}\"") or word and word.group(0) not in ("co_await", "co_return", "return")
    return not subscript and not code.startswith("[[", at) and before[-1:] != "["


def lambda_parts(code, at):
    """(captures, offset of the body's brace, offset behind the lambda)"""
    behind = closing(code, at)
    body = code.find("{", behind)
    parameters = re.compile(r"\s*(?:<[^(){}]*>)?\s*(?=\()").match(code, behind)
    if parameters:
        body = code.find("{", closing(code, parameters.end()))
    return code[at + 1:behind - 1], body, closing(code, body)


def split_commas(text):
    parts, depth, begin = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append(text[begin:i])
            begin = i + 1
    return [part.strip() for part in parts + [text[begin:]]]


def operand_end(code, at):
    """How far the operand that begins at `at` goes: a row of names, calls, subscripts, braces and lambdas."""
    operand_begins = True  # a unary operator may stand here
    while at < len(code):
        letter = code[at]
        token = _TOKEN.match(code, at)
        if letter == "[" and is_lambda(code, at):
            at = lambda_parts(code, at)[2]
            operand_begins = False
        elif letter in "([" or letter == "{" and not operand_begins:
            at = closing(code, at)
            operand_begins = False
        elif letter == "<" and _TEMPLATE.match(code, at):
            at = _TEMPLATE.match(code, at).end()
        elif token and (operand_begins or not re.fullmatch(r"[!*&~+-]|and|or", token.group(0))):
            at = token.end()
            operand_begins = operand_begins and not re.match(r"\w", token.group(0))
        else:
            break
    return len(code[:at].rstrip())


def may_own(inside):
    """Whether an aggregate of these initializers may own something. Inner braces are judged when it is their turn."""
    while _INNER_BRACES.search(inside):
        inside = _INNER_BRACES.sub("0", inside)
    return not all(_HARMLESS.fullmatch(part) for part in split_commas(inside))


def temporaries(code, begin, end):
    """(offset, "capture" or "braces") of what is dangerous in the operand between `begin` and `end`."""
    at = begin
    while at < end:
        if code[at] == "[" and is_lambda(code, at):
            captures, _, behind = lambda_parts(code, at)
            if any(not _BY_REFERENCE.match(capture) for capture in split_commas(captures)):
                yield at, "capture"
            at = behind
            continue
        if code[at] == "{" and not _PLAIN.search(code[begin:at]) and may_own(code[at + 1:closing(code, at) - 1]):
            yield at, "braces"
        at += 1


def check_awaits(tree):
    for source in tree.sources.values():
        code = source.code
        behind = None  # the last operand
        for match in _AWAIT.finditer(code):
            between = code[behind:match.start()] if behind is not None and behind <= match.start() else ";"
            if not re.search(r"[;{}]", between) and _JOIN.search(between):
                tree.report("await-joined", source.path, source.line_of(match.start()),
                            "the second co_await begins before the first is done; name the first result before")
            begin = match.end()
            behind = operand_end(code, begin)
            for at, kind in temporaries(code, begin, behind):
                what = "captures by copy" if kind == "capture" else "what braces hold"
                tree.report(f"await-{kind}", source.path, source.line_of(at),
                            f"{what} may be destroyed twice inside a co_await; name it in a statement before")
