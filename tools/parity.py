#!/usr/bin/env python3
"""Compares the mainspring program with transformers (float32, eager, CPU) on real models.

For every model, from its GGUF file and from its Hugging Face folder, and every text of tools/parity_prompts:

  f32   the same token ids; max |logit difference| <= 2e-3 over the whole vocabulary at every position; the same 200 greedy
        tokens. With --dtype f32 --kv-dtype f32.
  bf16  mean KL(reference || ours) per token <= 5e-3 and the same best token at >= 99 % of all positions of all texts

A best token that differs counts as the same only if the reference's own lead over it is below --tie logits (default 0).

usage: parity.py --program build/default/bin/mainspring --model NAME=HF_FOLDER[,GGUF] [--model ...] [--dtype f32 bf16] [--cache DIR]
       parity.py golden --model NAME=HF_FOLDER --out tests/data/real/NAME.json     (writes a small committed golden)
"""

import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

from reference_model import Reference, log_softmax

PROMPTS = sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "parity_prompts", "*.txt")))
MAX_DIFF_F32 = 2e-3
MAX_KL_BF16 = 5e-3
MIN_SAME_BEST = 0.99
GREEDY_TOKENS = 200
GREEDY_PROMPTS = ("2_capital", "3_english", "5_code")


class Program:
    """The program under test with one model and one data type."""

    def __init__(self, path: str, model: str, dtype: str, threads: int):
        self.path = path
        self.common = ["--model", model, "--dtype", dtype, "--threads", str(threads)]
        if dtype == "f32":
            self.common += ["--kv-dtype", "f32"]

    def _run(self, command: str, *args: str) -> dict:
        done = subprocess.run([self.path, command, *self.common, "--json", *args], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{self.path} {command} failed ({done.returncode}): {done.stderr.strip()}")
        return json.loads(done.stdout)

    def logits(self, prompt_file: str) -> tuple[list[int], np.ndarray]:
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "logits.bin")
            tokens = self._run("logits", "--all", "--top", "1", "--output", out, "--prompt-file", prompt_file)["tokens"]
            return tokens, np.fromfile(out, "<f4").reshape(len(tokens), -1)

    def greedy(self, prompt_file: str, count: int) -> list[int]:
        return self._run(
            "generate",
            "--raw",
            "--temperature",
            "0",
            "--ignore-eos",
            "--max-tokens",
            str(count),
            "--prompt-file",
            prompt_file,
        )["tokens"]


def read(path: str) -> str:
    with open(path, encoding="utf-8") as f:
        return f.read()


def stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def same_best(ours: np.ndarray, reference: np.ndarray, tie: float) -> np.ndarray:
    best = ours.argmax(-1)
    rows = np.arange(len(reference))
    return reference.max(-1) - reference[rows, best] <= tie


def compare_logits(program: Program, reference: Reference, tie: float) -> dict:
    """Worst and mean figures over all positions of all texts."""
    diffs, kls, same = [], [], []
    for path in PROMPTS:
        ids = reference.tokenize(read(path))
        tokens, ours = program.logits(path)
        if tokens != ids:
            at = next((i for i, (a, b) in enumerate(zip(tokens, ids)) if a != b), min(len(tokens), len(ids)))
            raise SystemExit(f"{stem(path)}: token {at} differs: {tokens[at:at + 4]} instead of {ids[at:at + 4]}")
        expected = np.asarray(reference.logits(ids))
        diff = np.abs(ours - expected).max(-1)
        p, q = log_softmax(expected), log_softmax(ours)
        kl = (np.exp(p) * (p - q)).sum(-1)
        best = same_best(ours, expected, tie)
        print(
            f"    {stem(path):10s} {len(ids):4d} tokens: max |diff| {diff.max():.2e}, KL mean {kl.mean():.2e} "
            f"max {kl.max():.2e}, same best {best.sum()}/{len(best)}",
            flush=True,
        )
        diffs.append(diff)
        kls.append(kl)
        same.append(best)
    kl = np.concatenate(kls)
    return {
        "max_diff": float(np.concatenate(diffs).max()),
        "kl_mean": float(kl.mean()),
        "kl_max": float(kl.max()),
        "same_best": float(np.concatenate(same).mean()),
    }


def compare_greedy(program: Program, reference: Reference) -> list[str]:
    """Faults found: texts whose continuation differs, with the reference's lead at the first difference."""
    faults = []
    for path in PROMPTS:
        if stem(path) not in GREEDY_PROMPTS:
            continue
        expected, leads = reference.greedy(reference.tokenize(read(path)), GREEDY_TOKENS)
        found = program.greedy(path, GREEDY_TOKENS)
        at = next((i for i, (a, b) in enumerate(zip(found, expected)) if a != b), None)
        if at is None and len(found) == len(expected):
            print(
                f"    {stem(path):10s} greedy: {len(found)} tokens identical (smallest lead {min(leads):.4f})",
                flush=True,
            )
        elif at is not None and leads[at] <= 2 * MAX_DIFF_F32:
            # Two logits nearer than twice the bound: neither order is wrong, and what follows cannot be compared.
            print(f"    {stem(path):10s} greedy: {at} tokens identical, then a tie (lead {leads[at]:.4f})", flush=True)
        else:
            lead = leads[at] if at is not None else 0.0
            faults.append(
                f"{stem(path)}: greedy token {at} of {len(found)} differs (the reference's lead there: {lead:.4f})"
            )
    return faults


def check(program: Program, reference: Reference, dtype: str, tie: float) -> list[str]:
    r = compare_logits(program, reference, tie)
    print(
        f"    all: max |diff| {r['max_diff']:.3e}, KL mean {r['kl_mean']:.3e} max {r['kl_max']:.3e}, "
        f"same best {100 * r['same_best']:.2f} %"
    )
    faults = []
    if dtype == "f32":
        if not r["max_diff"] <= MAX_DIFF_F32:
            faults.append(f"max |diff| {r['max_diff']:.3e}, at most {MAX_DIFF_F32} wanted")
        faults += compare_greedy(program, reference)
    else:
        if not r["kl_mean"] <= MAX_KL_BF16:
            faults.append(f"mean KL {r['kl_mean']:.3e}, at most {MAX_KL_BF16} wanted")
        if not r["same_best"] >= MIN_SAME_BEST:
            faults.append(f"same best token at {100 * r['same_best']:.2f} %, at least {100 * MIN_SAME_BEST} wanted")
    return faults


def parse_model(text: str) -> tuple[str, str, str | None]:
    name, _, paths = text.partition("=")
    folder, _, gguf = paths.partition(",")
    if not name or not folder:
        raise argparse.ArgumentTypeError(f"expected NAME=HF_FOLDER[,GGUF], found {text}")
    return name, folder, gguf or None


def run_check(args) -> int:
    faults = []
    for name, folder, gguf in args.model:
        reference = Reference(folder, args.cache, args.reference_threads)
        for source in [gguf, folder] if gguf else [folder]:
            for dtype in args.dtype:
                print(f"{name}, {os.path.basename(source)}, {dtype}:", flush=True)
                program = Program(args.program, source, dtype, args.threads)
                found = check(program, reference, dtype, args.tie)
                faults += [f"{name}, {os.path.basename(source)}, {dtype}: {f}" for f in found]
    for fault in faults:
        print("FAIL", fault)
    print("parity: " + (f"{len(faults)} faults" if faults else "all within bounds"))
    return 1 if faults else 0


# ---- a small golden to commit ------------------------------------------------------------------------------------------

GOLDEN_POSITIONS = {"2_capital": (0, 4), "4_chinese": (0, 20, 90, 170, 240), "5_code": (5, 60, 150, 250, 399)}


def run_golden(args) -> int:
    ((name, folder, _),) = args.model
    reference = Reference(folder, args.cache, args.reference_threads)
    prompts = []
    for path in PROMPTS:
        wanted = GOLDEN_POSITIONS.get(stem(path))
        if not wanted:
            continue
        text = read(path)
        ids = reference.tokenize(text)
        logits = reference.logits(ids)
        top = []
        for position in sorted({min(p, len(ids) - 1) for p in wanted}):
            best = np.argsort(-logits[position])[:20]
            top.append(
                {
                    "position": position,
                    "ids": best.tolist(),
                    "logits": [round(float(x), 5) for x in logits[position][best]],
                }
            )
        prompts.append({"name": stem(path), "text": text, "ids": ids, "top": top})
    start = reference.tokenize(read(PROMPTS[1]))
    tokens, leads = reference.greedy(start, 64)
    golden = {
        "made_by": {"script": "tools/parity.py golden", **reference.versions()},
        "model": name,
        "prompts": prompts,
        "greedy": {"text": read(PROMPTS[1]), "ids": start, "tokens": tokens, "min_lead": round(min(leads), 5)},
    }
    os.makedirs(os.path.dirname(args.out), exist_ok=True)
    with open(args.out, "w", encoding="utf-8") as f:
        json.dump(golden, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")
    print(
        f"{args.out}: {os.path.getsize(args.out)} bytes, {sum(len(p['top']) for p in prompts)} positions, "
        f"smallest greedy lead {min(leads):.4f}"
    )
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", nargs="?", default="check", choices=["check", "golden"])
    parser.add_argument("--program", default="build/default/bin/mainspring")
    parser.add_argument("--model", action="append", type=parse_model, required=True)
    parser.add_argument("--dtype", nargs="+", default=["f32", "bf16"], choices=["f32", "bf16", "f16"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--reference-threads", type=int, default=1)
    parser.add_argument("--tie", type=float, default=0.0)
    parser.add_argument("--cache", default=os.path.join(os.path.expanduser("~"), ".cache", "mainspring-parity"))
    parser.add_argument("--out", default="tests/data/real/smollm2.json")
    args = parser.parse_args()
    return run_golden(args) if args.action == "golden" else run_check(args)


if __name__ == "__main__":
    sys.exit(main())
