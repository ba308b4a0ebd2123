"""Reading C++ well enough for tools/tidy.py and tools/lint.py: includes, code without comments and
texts, and the extent, parameters and nesting of functions. Not a parser: formatted code is assumed.
"""
import re


def includes(pattern, text):
    return [(text[: found.start()].count("\n") + 1, found.group(1))
            for found in re.finditer(pattern, text, re.M)]


def quoted_includes(text):
    return includes(r'^#include "([^"]+)"', text)


def angle_includes(text):
    return includes(r"^#include <([^>]+)>", text)


TOKENS = re.compile(
    r'R"(\w*)\(.*?\)\1"'  # raw texts
    r'|//[^\n]*|/\*.*?\*/'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'", re.S)  # but not 1'000'000


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def strip(text):
    """Code with comments and texts blanked; line numbers and columns stay."""
    def replace(match):
        token = match.group()
        if match.string[: match.start()].endswith("#include "):
            return token
        if token.startswith(("//", "/*")):
            return blank(token)
        return token[0] + blank(token[1:-1]) + token[-1]
    return TOKENS.sub(replace, text)


def without_directives(code):
    return re.sub(r"^[ \t]*#([^\n]*\\\n)*[^\n]*", lambda m: blank(m.group()), code, flags=re.M)


def closing(code, at):
    """Index of the parenthesis that closes the one at `at` (or the end)."""
    depth = 0
    for index in range(at, len(code)):
        depth += {"(": 1, ")": -1}.get(code[index], 0)
        if depth == 0:
            return index
    return len(code)


def unbalanced_close(code):
    depth = 0
    for index, letter in enumerate(code):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth < 0:
            return index
    return None


class Function:
    def __init__(self, line, parameters):
        self.line, self.parameters, self.lines, self.nesting = line, parameters, 0, 0


def parameter_count(head):
    start = re.search(r"(?:operator\s*\(\s*\)|[\w~>\]=])\s*\(", head)
    if not start:
        return 0
    inside = head[start.end():closing(head, start.end() - 1)]
    while re.search(r"[<({\[][^<>(){}\[\]]*[>)}\]]", inside):
        inside = re.sub(r"[<({\[][^<>(){}\[\]]*[>)}\]]", "", inside)
    return inside.count(",") + 1 if inside.strip() else 0


NAMESPACE = re.compile(r"(\[\[.*?\]\]\s*)?(inline )?namespace\b|extern\s*\"")
CONTROL = re.compile(r"(else\b|do\b|try\b|(else )?(if|for|while|switch|catch)\b)")
TYPE = re.compile(r"(template\s*<.*>\s*)?(class|struct|union|enum)\b", re.S)
FUNCTION = re.compile(r"\)\s*(const|noexcept|override|final|[A-Z_]+(\(.*\))?|->[^;]*|\s)*$", re.S)
LAMBDA = re.compile(r"\]\s*(\(.*\))?[^()]*$", re.S)


def kind_of_block(head, enclosing):
    """What the block is that `head` opens, inside a block of kind `enclosing`."""
    head = head.strip()
    if NAMESPACE.match(head):
        return "namespace"
    if CONTROL.match(head):
        return "control"
    if enclosing in ("namespace", "type"):
        if TYPE.match(head) and not head.endswith(")"):
            return "type"
        return "function" if FUNCTION.search(head) else "initializer"
    return "lambda" if LAMBDA.search(head) else "initializer"


def functions(code):
    """Every function body with its extent, number of parameters and depth of control blocks."""
    code = without_directives(code)
    stack, found, head_start, parens = [], [], 0, 0  # stack: kind, function, head_start, parens
    for index, letter in enumerate(code):
        parens += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "{":
            head = code[head_start:index]
            kind = kind_of_block(head, stack[-1][0] if stack else "namespace")
            function = stack[-1][1] if stack else None
            if kind == "function":
                start = head_start + len(head) - len(head.lstrip())
                function = Function(code[:start].count("\n") + 1, parameter_count(head))
                found.append(function)
            stack.append((kind, function, head_start, parens))
            if function:
                depth = sum(block[0] == "control" and block[1] is function for block in stack)
                function.nesting = max(function.nesting, depth)
            if kind != "initializer":
                head_start, parens = index + 1, 0
        elif letter == "}" and stack:
            kind, function, start, parens = stack.pop()
            if kind == "function":
                function.lines = code[:index].count("\n") + 2 - function.line
            head_start = start if kind in ("initializer", "lambda") else index + 1
        elif letter == ";" and parens == 0:
            head_start = index + 1
        elif letter == ":" and re.search(r"\b(public|private|protected)\s*$",
                                         code[head_start:index]):
            head_start = index + 1
    return found
