#!/usr/bin/env python3
"""Executes the how-to documents: writes their files into a copy of the tree and runs their commands there.

In a document, `<!-- file: PATH -->` before a code block makes it a file, `<!-- append: PATH -->` adds it to the end of one,
`<!-- after: PATH: TEXT -->` inserts it behind the first line that contains TEXT, `<!-- run -->` runs it with sh.
Documents are at most 80 lines. The last line is "N passed, N failed, N skipped".
"""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TREE = ROOT / "build/docs/tree"
DOCS = ["docs/add-a-model.md", "docs/add-a-quant-format.md", "docs/add-an-op.md"]
MAX_LINES = 80
BLOCK = re.compile(r"<!-- (file|append|after|run)(?:: ([^ :]+))?(?:: (.+?))? -->\n```\w*\n(.*?)```", re.S)


def copy_tree():
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
                           check=True).stdout.splitlines()
    for name in names:
        source, target = ROOT / name, TREE / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            # Unchanged files keep their time, so that a second run rebuilds only what the documents touched.
            if not target.exists() or target.read_bytes() != source.read_bytes():
                shutil.copy2(source, target)


def execute(doc):
    text = (ROOT / doc).read_text()
    if len(text.splitlines()) > MAX_LINES:
        print(f"{doc}: {len(text.splitlines())} lines, at most {MAX_LINES}")
        return False
    for kind, path, anchor, body in BLOCK.findall(text):
        if kind == "run":
            print(f"{doc}: $ {body.strip()}", flush=True)
            if subprocess.run(["sh", "-eu", "-c", body], cwd=TREE).returncode != 0:
                print(f"{doc}: a command failed")
                return False
            continue
        target = TREE / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if kind == "file":
            target.write_text(body)
        elif kind == "append":
            target.write_text(target.read_text() + body)
        else:
            lines = target.read_text().splitlines(keepends=True)
            at = next(i for i, line in enumerate(lines) if anchor in line)
            lines.insert(at + 1, body)
            target.write_text("".join(lines))
    return True


def main():
    shutil.rmtree(TREE, ignore_errors=True)
    copy_tree()
    failed = [doc for doc in DOCS if not execute(doc)]
    for doc in failed:
        print(f"FAILED: {doc}")
    print(f"{len(DOCS) - len(failed)} passed, {len(failed)} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
