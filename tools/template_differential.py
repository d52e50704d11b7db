#!/usr/bin/env python3
"""Random small templates rendered by tests/tools/render_driver and by Jinja2; prints every difference.

    tools/template_differential.py --driver build/render_driver [--cases 100000] [--seed 1] [--show 20]

Exits with 1 when there is a difference. Left out of the comparison: what the program refuses on purpose (integers beyond
64 bits, complex numbers, random), texts that hold a Python address, and slices of what has none: Jinja2 raises when it
evaluates them but prints nothing when its compiler happened to fold them as constants (unknown filters in what it folds away likewise).
"""
import argparse
import functools
import json
import random
import re
import subprocess
import sys
import warnings

import jinja2.filters

from template_reference import NOW, render


class Iterator:
    """Stands in for Python's generators, whose repr is an address; ours print like this."""

    def __init__(self, inner, name):
        self._inner, self._name = inner, name

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._inner)

    def __repr__(self):
        return f"<{self._name} object>"


def plain_repr(function):
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        result = function(*args, **kwargs)
        return Iterator(result, type(result).__name__) if hasattr(result, "__next__") else result

    return wrapped


for lazy in ("batch", "slice", "items", "map", "unique", "select", "reject", "selectattr", "rejectattr", "reverse"):
    jinja2.filters.FILTERS[lazy] = plain_repr(jinja2.filters.FILTERS[lazy])

warnings.simplefilter("ignore")  # Jinja2's compiler warns about odd constants
VARIABLES = {
    "s": "Hello World", "t": "  padded\ttext \n", "e": "", "u": "Ünïcödé ß ΣΑΣ 日本 ǆ", "m": "a-b_c <b>&'\"", "lines": "one\ntwo\r\n\nthree",
    "n": 7, "z": 0, "neg": -3, "f": 2.5, "g": -0.125, "big": 123456789012345, "tiny": 1e-7, "huge": 1e22, "yes": True, "no": False, "nil": None,
    "xs": [3, 1, 2, 2], "ys": ["b", "A", "c", "a"], "mixed": [1, "x", None, 2.5, [1, 2], {"k": "v"}], "empty": [],
    "d": {"b": 2, "a": 1, "C": 3, "items": "shadow", "nested": {"x": [1, {"y": "deep"}]}}, "none_d": {},
    "rows": [{"name": "bob", "age": 5, "tags": ["x", "y"]}, {"name": "Al", "age": 31}, {"name": "cy", "age": 5, "tags": []}],
    "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1.0}}}]}],
}
NAMES = list(VARIABLES) + ["missing", "x", "y"]
STRINGS = ["''", "'a'", '"b c"', "'%s'", "'%d-%s'", "'{} {}'", "'{0!r:>5}'", r"'\n\tx'", r"'\u00e9\x41\101'", "'é'", "'a,b,,c'", "'Title case-word'", "'12'", "' 3.5 '", "'0x1f'", "'-7'", "'name'", "'age'", "'role'", "'A'"]
NUMBERS = ["0", "1", "2", "3", "-1", "10", "1.5", "0.1", "2.0", "1e3", "1_000", "0b11", "0x1F", "3.14159", "100", "-2.5"]
BINARY = ["+", "-", "*", "/", "//", "%", "**", "~", "+", "~", "and", "or", "==", "!=", "<", "<=", ">", ">=", "in", "not in"]
TESTS = ["defined", "undefined", "none", "string", "mapping", "iterable", "sequence", "number", "integer", "float", "boolean", "true", "false", "even", "odd", "callable", "lower", "upper", "filter", "test", "escaped", "nosuchtest"]
TESTS1 = ["divisibleby", "eq", "equalto", "ne", "lt", "gt", "ge", "le", "in", "==", "lessthan", "greaterthan"]
FILTERS = ["abs", "capitalize", "count", "length", "d", "default", "dictsort", "e", "escape", "first", "float", "int", "items", "join", "last", "list", "lower", "max", "min", "pprint", "reverse", "round", "safe", "sort", "string", "striptags", "sum", "title", "trim", "truncate", "unique", "upper", "urlencode", "wordcount", "wordwrap", "xmlattr", "tojson", "center", "indent", "forceescape", "filesizeformat", "nosuchfilter"]
FILTER_CALLS = [
    "batch({i})", "batch({i}, {a})", "slice({i})", "slice(2, {a})", "center({i})", "default({a})", "default({a}, true)", "d({a}, boolean={a})", "dictsort(true)", "dictsort(false, 'value')", "dictsort(reverse=true)", "first()", "float({a})", "int({a})", "int(0, {i})", "int(base=16)", "format({a})", "format({a}, {a})", "format(k={a})", "groupby('age')", "groupby('name', default='?')", "indent({i})", "indent(2, true)", "indent('> ', blank=true)", "indent(first={a})", "join({a})", "join(', ')", "join(', ', attribute='name')", "map('upper')", "map('default', 'x')", "map(attribute='name')", "map(attribute='tags.0', default='none')", "map('tojson')", "max(attribute='age')", "min(attribute='name')", "reject('odd')", "reject('none')", "rejectattr('tags')", "rejectattr('age', 'eq', 5)", "replace({a}, {a})", "replace('l', 'L', 1)", "round({i})", "round(1, 'floor')", "round(2, 'ceil')", "round(precision=-1)", "select", "select('string')", "select('gt', 1)", "selectattr('tags')", "selectattr('name', 'in', ['bob', 'cy'])", "selectattr('age', 'equalto', 5)", "sort(reverse=true)", "sort(case_sensitive=true)", "sort(attribute='age')", "sort(attribute='age,name')", "sum(attribute='age')", "sum(start={i})", "tojson(indent={i})", "tojson(sort_keys=true)", "tojson(ensure_ascii=true)", "tojson(separators=(',', ':'))", "tojson(indent=2, sort_keys=True)", "trim({a})", "trim('ah ')", "truncate({i})", "truncate(9, true)", "truncate(6, false, '!', 0)", "unique(true)", "unique(attribute='age')", "urlencode", "wordwrap({i})", "wordwrap(5, false)", "wordwrap(4, true, '|')", "wordwrap(6, break_on_hyphens=false)", "xmlattr(false)", "attr({a})", "attr('name')", "filesizeformat(true)", "list", "length", "string", "pprint"]
METHODS = ["upper()", "lower()", "title()", "capitalize()", "swapcase()", "casefold()", "strip()", "lstrip()", "rstrip()", "strip({a})", "strip('Hd ')", "lstrip('H')", "rstrip('d\\n')", "split()", "split({a})", "split(' ', 1)", "rsplit('l', 1)", "rsplit(None, 1)", "split(',')", "split(sep=None, maxsplit={i})", "splitlines()", "splitlines(true)", "startswith({a})", "endswith({a})", "startswith(('H', 'a'))", "startswith('e', 1)", "endswith('o', 0, 5)", "replace({a}, {a})", "replace('l', '')", "replace('', '.')", "replace('o', '0', 1)", "find({a})", "find('o', {i})", "rfind('o')", "index({a})", "rindex('l')", "count({a})", "count('l', 2)", "count('')", "join({a})", "join(ys)", "format({a}, {a})", "format({a}, k={a})", "isdigit()", "isalpha()", "isalnum()", "isspace()", "islower()", "isupper()", "istitle()", "isnumeric()", "isdecimal()", "isidentifier()", "isprintable()", "isascii()", "removeprefix({a})", "removesuffix('d')", "zfill({i})", "ljust({i})", "rjust({i}, '*')", "center({i}, '-')", "partition({a})", "rpartition('o')", "partition(' ')", "expandtabs(4)", "get({a})", "get('a')", "get('zz', {a})", "items()", "keys()", "values()", "items()|list", "copy()", "pop('a')", "update({a})", "append(1)", "index(2)", "count(2)", "sort()", "real", "name", "role", "content", "nested.x", "a", "items", "_private", "__class__", "__len__", "0", "1", "tool_calls", "is_integer()", "numerator"]
FORMATS = ["%d", "%5d", "%-5d|", "%05d", "%+d", "%x", "%#x", "%o", "%e", "%.2f", "%8.3f", "%g", "%.3g", "%s", "%10s|", "%-10s|", "%.2s", "%r", "%c", "%%", "%i", "%F", "%G", "%E", "% d", "%(k)s", "%*d"]
SPECS = ["", "d", "5d", "<5", ">5", "^7", "*^9", "05", "+d", "x", "#x", "b", "o", "e", ".2f", "8.3f", "g", ".3g", ".3", "%", ".1%", ",", "_", ",.2f", "s", ".2s", "=+6", "c", "n", "010,", "X", "#b", "E", "G"]


class Maker:
    def __init__(self, rng):
        self.r = rng

    def pick(self, items):
        return self.r.choice(items)

    def fill(self, text, depth):
        text = re.sub(r"\{i\}", lambda _: self.pick(["0", "1", "2", "3", "5", "8", "20", "-1"]), text)
        return re.sub(r"\{a\}", lambda _: self.expr(depth - 2), text)

    def atom(self):
        k = self.r.random()
        if k < 0.5:
            return self.pick(NAMES)
        if k < 0.7:
            return self.pick(STRINGS)
        if k < 0.9:
            return self.pick(NUMBERS)
        return self.pick(["true", "false", "none", "True", "None", "[]", "{}", "()", "loop.index", "range(3)", "range(5, 0, -2)", "[1, 2]", "('a',)", "{'a': 1, 2: 'b'}", "dict(a=1)", "namespace(a=1).a"])

    def expr(self, depth=3):
        if depth <= 0 or self.r.random() < 0.12:
            return self.atom()
        k = self.r.randrange(22)
        e = lambda: self.expr(depth - 1)
        if k < 4:
            return f"{e()} {self.pick(BINARY)} {e()}"
        if k < 5:
            return f"({e()})"
        if k < 8:
            return f"{self.operand(depth)}|{self.pick(FILTERS)}"
        if k < 11:
            return f"{self.operand(depth)}|{self.fill(self.pick(FILTER_CALLS), depth)}"
        if k < 14:
            return f"{self.operand(depth)}.{self.fill(self.pick(METHODS), depth)}"
        if k < 15:
            return f"{self.operand(depth)}[{self.pick([e(), '0', '-1', '1:', ':2', '::-1', '1:-1', '::2', '-3:', chr(39) + 'name' + chr(39), '5:1:-2', ':' + e()])}]"
        if k < 16:
            return f"{self.operand(depth)} is {self.pick(['', 'not '])}{self.pick(TESTS)}"
        if k < 17:
            return f"{self.operand(depth)} is {self.pick(['', 'not '])}{self.pick(TESTS1)}({e()})"
        if k < 18:
            return f"{e()} if {e()}" + (f" else {e()}" if self.r.random() < 0.7 else "")
        if k < 19:
            return self.pick(["not ", "-", "+"]) + self.operand(depth)
        if k < 20:
            return self.pick([f"[{e()}, {e()}]", f"({e()}, {e()})", f"{{{self.atom()}: {e()}}}", f"{{'k': {e()}, 'l': {e()}}}"])
        if k < 21:
            return f"'{self.pick(FORMATS)}' % {self.pick([self.atom(), f'({e()},)', f'({e()}, {e()})'])}"
        return f"'{{:{self.pick(SPECS)}}}'.format({self.pick([self.atom(), e()])})"

    def operand(self, depth):
        return self.atom() if self.r.random() < 0.6 else f"({self.expr(depth - 1)})"

    def tag(self, body):
        return "{%" + self.pick(["", "", "-", "+"]) + f" {body} " + self.pick(["", "", "-", "+"]) + "%}"

    def text(self):
        return self.pick(["", " ", "\n", "text", "  \n  ", "\n\n", "a\n", "\t", "x {# c #}\n", "{#- c -#} ", "  {#+ c +#}\n"])

    def output(self, depth):
        if self.r.random() < 0.25:
            return self.text()
        return self.pick(["{{ ", "{{- ", "{{"]) + self.expr(depth) + self.pick([" }}", " -}}", " }}"])

    def target(self):
        return self.pick(["x", "y", "x", "x, y", "(x, y)"])

    def block(self, depth):
        if depth <= 0:
            return self.text() + self.output(2) + self.text()
        parts = [self.text(), self.statement(depth), self.text(), self.output(2), self.text()]
        return "".join(parts if self.r.random() < 0.6 else parts[:3])

    def statement(self, depth):
        b = lambda: self.block(depth - 1)
        e = lambda: self.expr(2)
        k = self.r.randrange(15)
        if k < 3:
            return self.tag(f"if {e()}") + b() + self.pick(["", self.tag(f"elif {e()}") + b()]) + self.pick(["", self.tag("else") + b()]) + self.tag("endif")
        if k < 7:
            source = self.pick(["xs", "ys", "rows", "d", "d.items()", "d|dictsort", "range(4)", "s", "empty", "mixed", "[[1, 2], [3, 4]]", "messages", e()])
            condition = self.pick(["", "", "", f" if {e()}", " if x", " if loop.index > 1"])
            extra = self.pick(["", "", self.tag("break"), self.tag("continue"), self.tag("if loop.index == 2") + self.tag(self.pick(["break", "continue"])) + self.tag("endif"), "{{ loop.index }}/{{ loop.length }}{{ loop.last }}", "{{ loop.previtem }}{{ loop.nextitem }}", "{{ loop.cycle('a', 'b') }}{{ loop.changed(x) }}", "{{ loop.revindex }}{{ loop.first }}{{ loop.depth }}"])
            return self.tag(f"for {self.target()} in {source}{condition}") + b() + extra + self.pick(["", b()]) + self.pick(["", self.tag("else") + b()]) + self.tag("endfor")
        if k < 9:
            return self.tag(f"set {self.pick(['x', 'y', 'x, y', 'ns.a'])} = {self.pick([e(), e(), e() + ', ' + e()])}") + b()
        if k < 10:
            return self.tag("set " + self.pick(["x", "y", "x | upper", "y | trim | upper"])) + b() + self.tag("endset") + "{{ x }}{{ y }}"
        if k < 11:
            return self.tag("set ns = namespace(a=" + self.atom() + ")") + self.tag("for x in xs") + self.tag("set ns.a = " + e()) + self.tag("endfor") + "{{ ns.a }}"
        if k < 12:
            signature = self.pick(["p", "p, q=1", "p='d', q=p", "", "p, q"])
            call = self.pick(["f()", f"f({e()})", f"f({e()}, {e()})", f"f(q={e()})", f"f({e()}, k={e()})", f"f(*xs)", "f(**{'p': 1})"])
            inner = self.pick(["{{ p }}{{ q }}", "{{ varargs }}", "{{ kwargs }}", "{{ caller() if caller else '' }}", "{{ x }}"])
            use = self.pick(["{{ " + call + " }}", self.tag("call " + call) + b() + self.tag("endcall"), "{{ f.name }}{{ f.arguments }}"])
            return self.tag(f"macro f({signature})") + inner + b() + self.tag("endmacro") + use
        if k < 13:
            return self.tag("filter " + self.pick(["upper", "trim", "title", "replace('a', 'b')", "indent(2)", "upper|trim"])) + b() + self.tag("endfilter")
        if k < 14:
            return self.tag(f"with x = {e()}, y = x") + b() + self.tag("endwith")
        return self.pick([self.tag("raw") + " {{ x }} {% " + self.tag("endraw"), self.tag("generation") + b() + self.tag("endgeneration"), self.tag(f"for x in [[1, [2]], [3]] recursive") + "{{ loop.depth }}{{ loop(x) if x is iterable else x }}" + self.tag("endfor")])

    def template(self):
        return self.output(4) if self.r.random() < 0.6 else self.block(2) + self.block(1)


ADDRESS = re.compile(r"(function|built-in|bound method)|0x[0-9a-f]{6}| at 0x", re.I)
# "unhashable": our filters are eager, a generator of Jinja2 may never reach the item that fails.
REFUSED = ("unhashable type", "64 bit", "complex numbers", "is refused", "surrogate", "not supported: ", "a slice must be the only index", "cannot be sliced", "a slice index must be", "steps", "memory")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--driver", required=True)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=20)
    args = parser.parse_args()
    maker = Maker(random.Random(args.seed))
    driver = subprocess.Popen([args.driver], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", bufsize=1)
    counts = {"equal": 0, "both failed": 0, "left out": 0, "different": 0}
    for _ in range(args.cases):
        source = maker.template()
        driver.stdin.write(json.dumps({"template": source, "variables": VARIABLES, "now": NOW}) + "\n")
        driver.stdin.flush()
        line = driver.stdout.readline()
        if not line:
            print("DRIVER DIED", repr(source))
            sys.exit(2)
        ours = json.loads(line)
        if any(w in ours.get("error", "") for w in REFUSED):  # Jinja2 would work on it for ages
            counts["left out"] += 1
            continue
        try:
            expected = {"text": render(source, VARIABLES)}
        except RecursionError:
            expected = {"left out": ""}
        except Exception as error:
            expected = {"error": f"{type(error).__name__}: {error}"}
        text = expected.get("text", "")
        if "left out" in expected or ("named 'nosuch" in ours.get("error", "") and "text" in expected) or re.search(ADDRESS, text) or len(text) > 1_000_000 or re.search(r"\d{19}", text):
            counts["left out"] += 1
        elif "error" in ours and "error" in expected:
            counts["both failed"] += 1
        elif ours == expected:
            counts["equal"] += 1
        else:
            counts["different"] += 1
            if counts["different"] <= args.show:
                print(f"--- {source!r}\n  jinja2: {expected}\n  ours:   {ours}")
    print(f"seed {args.seed}: {counts}")
    driver.stdin.close()
    sys.exit(1 if counts["different"] else 0)


if __name__ == "__main__":
    main()
