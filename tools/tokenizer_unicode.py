#!/usr/bin/env python3
# Writes src/text/tokenizers/unicode_data.cpp: the character classes of the `tokenizers` library, read out of the
# library itself, because its Rust crates and Oniguruma follow different Unicode versions than PCRE2 and utf8proc do.
import argparse
import ctypes
import pathlib

import tokenizers
from tokenizers import Regex, normalizers as norm, pre_tokenizers as pre

CODES = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
CATEGORIES = ("Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf").split()
BLOCK = 4096


def blocks():
    for i in range(0, len(CODES), BLOCK):
        yield "".join(map(chr, CODES[i:i + BLOCK]))


def oniguruma_class(pattern):
    split = pre.Split(Regex(pattern), "removed", invert=True)
    return {ord(ch) for text in blocks() for piece, _ in split.pre_tokenize_str(text) for ch in piece}


def pcre2_class(pattern):
    lib = ctypes.CDLL("libpcre2-8.so.0")
    size, void = ctypes.c_size_t, ctypes.c_void_p
    lib.pcre2_compile_8.restype = void
    lib.pcre2_compile_8.argtypes = [ctypes.c_char_p, size, ctypes.c_uint32, ctypes.POINTER(ctypes.c_int),
                                    ctypes.POINTER(size), void]
    lib.pcre2_match_data_create_8.restype = void
    lib.pcre2_match_data_create_8.argtypes = [ctypes.c_uint32, void]
    lib.pcre2_match_8.argtypes = [void, ctypes.c_char_p, size, size, ctypes.c_uint32, void, void]
    lib.pcre2_get_ovector_pointer_8.restype = ctypes.POINTER(size)
    lib.pcre2_get_ovector_pointer_8.argtypes = [void]
    error, where = ctypes.c_int(), size()
    source = f"(?:{pattern})+".encode()
    code = lib.pcre2_compile_8(source, len(source), 0x00080000 | 0x00020000, error, where, None)  # UTF | UCP
    data = lib.pcre2_match_data_create_8(1, None)
    pair = lib.pcre2_get_ovector_pointer_8(data)
    found = set()
    for text in blocks():
        raw, at = text.encode(), 0
        while at < len(raw) and lib.pcre2_match_8(code, raw, len(raw), at, 0x40000000, data, None) >= 0:
            found.update(map(ord, raw[pair[0]:pair[1]].decode()))
            at = pair[1]
    return found


def by_pieces(pre_tokenizer, pieces):
    return {c for c in CODES if len(pre_tokenizer.pre_tokenize_str("a" + chr(c) + "a")) == pieces}


def removed_by(normalizer):
    return {c for c in CODES if normalizer.normalize_str(chr(c)) == ""}


def ranges(codes):
    out = []
    for c in sorted(codes):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


# Properties that split expressions ask for; later ones are given up first when no stand-in has all of them.
PROPERTIES = [(rf"\p{{{c}}}", rf"\p{{{c}}}") for c in CATEGORIES] + [(r"\s", r"\s")]
PROPERTIES += [(rf"\p{{{n}}}", rf"\p{{{n}}}") for n in ("Alphabetic", "Uppercase", "Lowercase")]
PROPERTIES += [(rf"\p{{{n}}}", rf"\p{{sc:{n}}}")
               for n in ("Han", "Hiragana", "Katakana", "Hangul", "Latin", "Cyrillic", "Greek", "Arabic", "Thai")]


def stand_ins():
    """Code points that PCRE2 sees differently -> a code point that looks right to it, of the same UTF-8 length."""
    want, have = {}, {}
    for bit, (theirs, ours) in enumerate(PROPERTIES):
        for c in oniguruma_class(theirs):
            want[c] = want.get(c, 0) | 1 << bit
        for c in pcre2_class(ours):
            have[c] = have.get(c, 0) | 1 << bit
    pools = {}
    for c, mask in have.items():
        if want.get(c, 0) == mask:
            for kept in range(len(CATEGORIES), len(PROPERTIES) + 1):
                pools[len(chr(c).encode()), kept, mask & ((1 << kept) - 1)] = c
    mapping = {}
    for c in CODES:
        mask, width = want.get(c, 0), len(chr(c).encode())
        if mask == have.get(c, 0):
            continue
        for kept in range(len(PROPERTIES), len(CATEGORIES) - 1, -1):
            chosen = pools.get((width, kept, mask & ((1 << kept) - 1)))
            if chosen is not None:
                mapping[c] = chosen
                break
        else:
            raise SystemExit(f"no stand-in for U+{c:04X}")
    return mapping


def inert_codes():
    """Code points that utf8proc decomposes, composes or reorders and the library does not."""
    lib, libc = ctypes.CDLL("libutf8proc.so.2"), ctypes.CDLL(None)
    libc.free.argtypes = [ctypes.c_void_p]

    def c_form(name, text):
        call = getattr(lib, "utf8proc_" + name)
        call.restype, call.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
        at = call(text.encode())
        out = ctypes.string_at(at).decode()
        libc.free(at)
        return out

    forms = {name: getattr(norm, name)() for name in ("NFC", "NFD", "NFKC", "NFKD")}
    inert = set()
    for c in CODES[1:]:
        ch = chr(c)
        probes = [(n, ch) for n in forms]
        probes += [("NFD", ch + "\u0301\u0334"), ("NFD", "a\u0301" + ch), ("NFD", "a\u0334" + ch + "\u0301"),
                   ("NFD", "a" + ch + "\u0323")]
        if any(forms[n].normalize_str(s) != c_form(n, s) for n, s in probes):
            inert.add(c)
    return inert


def lower_runs():
    """(first, last, step, delta) of one-to-one lower-case mappings; U+0130 (two code points) is in the C++ code."""
    lower, runs = norm.Lowercase(), []
    for c in CODES:
        out = lower.normalize_str(chr(c))
        if out == chr(c):
            continue
        if len(out) != 1:
            if c != 0x130:
                raise SystemExit(f"U+{c:04X} has a long lower-case form")
            continue
        delta = ord(out) - c
        last = runs[-1] if runs else None
        if last and last[3] == delta and c - last[1] in (1, 2) and (last[2] in (0, c - last[1])):
            last[1], last[2] = c, c - last[1]
        else:
            runs.append([c, c, 0, delta])
    return [(a, b, s or 1, d) for a, b, s, d in runs]


def script_runs():
    """(first, last, class): neighbours of different classes are split by UnicodeScripts; class 0 never splits."""
    split = pre.UnicodeScripts()

    def pieces(text):
        return len(split.pre_tokenize_str(text))

    any_script = {c for c in CODES if pieces("a" + chr(c)) == 1 and pieces("\u4eac" + chr(c)) == 1}
    rest = [c for c in CODES if c not in any_script]
    runs, i = [], 0
    for piece, _ in split.pre_tokenize_str("".join(map(chr, rest))):
        for first, last in ranges({ord(ch) for ch in piece}):
            runs.append([first, last])
        i += len(piece)
    samples, out = [], []
    for first, last in runs:
        for number, sample in enumerate(samples):
            if pieces(chr(sample) + chr(first)) == 1:
                break
        else:
            number = len(samples)
            samples.append(first)
        out.append((first, last, number + 1))
    return out


def table(name, kind, rows):
    text = ", ".join("{" + ", ".join(hex(v) if v > 9 else str(v) for v in row) + "}" for row in rows)
    lines, line = [], "   "
    for part in text.replace("}, {", "},\0{").split("\0"):
        if len(line) + len(part) > 116:
            lines.append(line)
            line = "   "
        line += " " + part
    lines.append(line)
    return (f"static const {kind} {name}Rows[] = {{\n" + "\n".join(lines) + "\n};\n"
            f"const std::span<const {kind}> {name} = {name}Rows;\n\n")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--out", default=pathlib.Path(__file__).parent.parent / "src/text/tokenizers/unicode_data.cpp")
    out = args.parse_args().out
    control = removed_by(norm.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False,
                                             lowercase=False)) - {0, 0xFFFD}
    nonspacing = removed_by(norm.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True,
                                                lowercase=False))
    text = f"""// Generated by tools/tokenizer_unicode.py from tokenizers {tokenizers.__version__}: do not edit.
#include "text/tokenizers/unicode_data.h"

namespace mainspring::tok {{

"""
    text += table("kNumeric", "CodeRange", ranges(by_pieces(pre.Digits(True), 3)))
    text += table("kPunctuation", "CodeRange", ranges(by_pieces(pre.Punctuation("isolated"), 3)))
    text += table("kWord", "CodeRange", ranges(by_pieces(pre.Whitespace(), 1)))
    text += table("kControl", "CodeRange", ranges(control))
    text += table("kMark", "CodeRange", ranges(removed_by(norm.StripAccents())))
    text += table("kNonspacing", "CodeRange", ranges(nonspacing))
    text += table("kInert", "CodeRange", ranges(inert_codes()))
    text += table("kLower", "LowerRun", [(a, b, s, d & 0xFFFFFFFF) for a, b, s, d in lower_runs()])
    text += table("kScripts", "ValueRange", sorted(script_runs()))
    rows = []
    for c, to in sorted(stand_ins().items()):
        if rows and rows[-1][1] == c - 1 and rows[-1][2] == to:
            rows[-1][1] = c
        else:
            rows.append([c, c, to])
    text += table("kStandIns", "ValueRange", rows)
    text += "}  // namespace mainspring::tok\n"
    pathlib.Path(out).write_text(text)


if __name__ == "__main__":
    main()
