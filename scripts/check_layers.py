#!/usr/bin/env python3
"""Checks who may include whom, file sizes, and that the third-party headers stay behind their wrappers.

Prints the ten largest files. The last line is "N passed, N failed, N skipped".
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
MAX_LINES = 800

ALLOWED = {
    "base": set(),
    "tensor": {"base"},
    "ops": {"base", "tensor"},
    "quant": {"base", "tensor", "ops"},
    "weights": {"base", "tensor", "ops", "quant"},
    "kv": {"base", "tensor", "ops"},
    "nn": {"base", "tensor", "ops", "quant", "weights", "kv"},
    "models": {"nn"},
    "backends": {"base", "tensor", "ops", "quant"},
    "engine": {"base", "tensor", "ops", "kv", "nn", "backends"},
    "text": {"base"},
    "hub": {"base"},
    "api": {"base", "tensor", "ops", "quant", "weights", "nn", "models", "backends", "engine", "text"},
    "cli": {"base", "hub"},
}
# A family file may name the configuration and weights types through its own family.h alone.
EXTRA = {"models/family.h": {"weights"}, "engine/model_runner.cpp": {"backends"}}
# Folders in which each third-party header may appear.
THIRD_PARTY = {
    "boost/": {"base"}, "curl/": {"hub"}, "openssl/": {"hub"}, "pcre2.h": {"text"}, "sentencepiece": {"text"},
    "utf8proc.h": {"text"}, "toml++/": {"base"}, "xxhash.h": {"base"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def main():
    checks, failures, sizes = 0, [], []
    for path in sorted(p for p in SRC.rglob("*") if p.suffix in (".h", ".cpp", ".def")):
        relative = path.relative_to(SRC).as_posix()
        module = relative.split("/")[0]
        lines = path.read_text().splitlines()
        sizes.append((len(lines), relative))
        checks += 1
        if len(lines) > MAX_LINES:
            failures.append(f"{relative}: {len(lines)} lines, at most {MAX_LINES}")
        if not lines or not lines[0].startswith("//"):
            failures.append(f"{relative}: the first line does not say what the file is")
        for number, line in enumerate(lines, 1):
            m = INCLUDE.match(line)
            if not m:
                continue
            name = m.group(2)
            for prefix, folders in THIRD_PARTY.items():
                if name.startswith(prefix) and (module not in folders or path.suffix == ".h"):
                    failures.append(f"{relative}:{number}: {name} is not allowed here")
            target = name.split("/")[0]
            if m.group(1) == '"' and (SRC / target).is_dir() and target != module:
                if target not in ALLOWED.get(module, set()) | EXTRA.get(relative, set()):
                    failures.append(f"{relative}:{number}: {module}/ must not include {name}")
    for n, name in sorted(sizes, reverse=True)[:10]:
        print(f"{n:5d} {name}")
    for f in failures:
        print(f)
    print(f"{checks - min(checks, len(failures))} passed, {len(failures)} failed, 0 skipped")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
