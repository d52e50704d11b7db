#!/usr/bin/env python3
"""Writes src/text/jinja/unicode_tables.cpp: what Python's str methods know about characters and utf8proc does not."""
import sys
import unicodedata


def code_points(predicate):
    return [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and predicate(chr(c))]


def ranges(codes):
    out = []
    for c in codes:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def range_table(name, codes):
    body = ", ".join(f"{{0x{a:X}, 0x{b:X}}}" for a, b in ranges(codes))
    return f"const CodeRange {name}[] = {{{wrap(body)}}};\nconst size_t {name}Count = std::size({name});\n"


def mapping_table(name, method):
    rows = []
    for c in code_points(lambda ch: len(getattr(ch, method)()) > 1):
        mapped = [ord(x) for x in getattr(chr(c), method)()] + [0, 0]
        rows.append("{0x%X, {0x%X, 0x%X, 0x%X}}" % (c, *mapped[:3]))
    return f"const CaseExpansion {name}[] = {{{wrap(', '.join(rows))}}};\nconst size_t {name}Count = std::size({name});\n"


def wrap(text, width=116):
    lines, line = [], ""
    for piece in text.split("}, {"):
        piece = piece if not line and not lines else "{" + piece
        piece = piece + "}, "
        if len(line) + len(piece) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece
    lines.append(line.rstrip()[: -len("},")])
    return "\n    " + "\n    ".join(lines)


def main():
    category = unicodedata.category
    print("// Made by tools/template_unicode.py from Python's unicodedata; do not edit.")
    print(f"// Python {sys.version.split()[0]}, Unicode {unicodedata.unidata_version}")
    print('#include "text/jinja/unicode_tables.h"\n\n#include <iterator>\n\nnamespace mainspring::jinja {\n')
    print(mapping_table("kUpperExpansions", "upper"))
    print(mapping_table("kTitleExpansions", "title"))
    print(range_table("kDigitsNotDecimal", code_points(lambda c: c.isdigit() and not c.isdecimal())))
    print(range_table("kNumericLetters", code_points(lambda c: c.isnumeric() and category(c) not in ("Nd", "No", "Nl"))))
    print(range_table("kOtherLower", code_points(lambda c: c.islower() and category(c) != "Ll")))
    print(range_table("kOtherUpper", code_points(lambda c: c.isupper() and category(c) != "Lu")))
    print("}  // namespace mainspring::jinja")


if __name__ == "__main__":
    main()
