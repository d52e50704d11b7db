#!/usr/bin/env python3
"""Perplexity of a text with transformers (float32, eager, CPU), and the same from mainspring.

Definition: the text is tokenised whole, without a chat template, with the special tokens that the tokenizer adds by
itself; the tokens are cut in windows of N = 512 that do not overlap (the last may be shorter; one of a single token is
left out); in each window tokens 1..n-1 are predicted from those before them in the window; the perplexity is
exp(mean negative log likelihood) over all predicted tokens. `mainspring perplexity FILE --window 512` is the same.

The default text is /usr/share/common-licenses/GPL-3, which every Debian has.
Bounds: within 0.1 % with --dtype f32 --kv-dtype f32, within 0.5 % with bf16.

With --program-tokens the reference scores the ids of `mainspring tokenize`. It is for GGUF files whose tokenizer transformers
converts with a loss: SmolLM2's splits digits one by one before anything else, the converted tokenizer.json does not.

usage: perplexity_reference.py --model HF_FOLDER [--gguf FILE] [--program build/default/bin/mainspring] [--text FILE] [--window 512]
"""

import argparse
import json
import math
import os
import subprocess
import sys

from reference_model import Reference, log_softmax

BOUNDS = {"f32": 1e-3, "bf16": 5e-3}


def reference_perplexity(reference: Reference, ids: list[int], window: int) -> tuple[float, int]:
    total, count = 0.0, 0
    for begin in range(0, len(ids), window):
        part = ids[begin : begin + window]
        if len(part) < 2:
            continue
        likelihood = log_softmax(reference.logits(part, keep=False)[:-1])
        total -= sum(float(likelihood[i, t]) for i, t in enumerate(part[1:]))
        count += len(part) - 1
    return math.exp(total / count), count


def tokens_of(args, reference: Reference) -> list[int]:
    if not args.program_tokens:
        with open(args.text, encoding="utf-8") as f:
            return reference.tokenize(f.read())
    command = [args.program, "tokenize", "--model", args.gguf or args.model, "--prompt-file", args.text, "--json"]
    tokens = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)["tokens"]
    return [t["id"] if isinstance(t, dict) else t for t in tokens]


def cached_reference(reference: Reference, ids: list[int], window: int) -> dict:
    def compute() -> dict:
        perplexity, count = reference_perplexity(reference, ids, window)
        return {"perplexity": perplexity, "predicted": count, "tokens": len(ids)}

    return reference.cached_json("perplexity", [ids, window], compute)


def ours(args, model: str, dtype: str) -> dict:
    command = [
        args.program,
        "perplexity",
        args.text,
        "--model",
        model,
        "--window",
        str(args.window),
        "--dtype",
        dtype,
        "--threads",
        str(args.threads),
        "--json",
    ]
    if dtype == "f32":
        command += ["--kv-dtype", "f32"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="Hugging Face folder with float32 weights")
    parser.add_argument("--gguf", help="the same weights as GGUF, for mainspring; else it loads the folder")
    parser.add_argument("--program", help="mainspring; without it only the reference is printed")
    parser.add_argument("--program-tokens", action="store_true", help="score the ids of mainspring tokenize")
    parser.add_argument("--text", default="/usr/share/common-licenses/GPL-3")
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--reference-threads", type=int, default=1)
    parser.add_argument("--dtype", nargs="+", default=["f32", "bf16"], choices=list(BOUNDS))
    parser.add_argument("--cache", default=os.path.join(os.path.expanduser("~"), ".cache", "mainspring-parity"))
    args = parser.parse_args()
    if args.program_tokens and not args.program:
        parser.error("--program-tokens needs --program")
    reference = Reference(args.model, args.cache, args.reference_threads)
    expected = cached_reference(reference, tokens_of(args, reference), args.window)
    print(f"reference: perplexity {expected['perplexity']:.5f} over {expected['predicted']} tokens", flush=True)
    faults = 0
    for dtype in args.dtype if args.program else []:
        found = ours(args, args.gguf or args.model, dtype)
        off = found["perplexity"] / expected["perplexity"] - 1
        good = abs(off) <= BOUNDS[dtype] and found["predicted"] == expected["predicted"]
        faults += not good
        print(
            f"mainspring {dtype}: perplexity {found['perplexity']:.5f} over {found['predicted']} tokens, {100 * off:+.4f} %, "
            f"bound {100 * BOUNDS[dtype]} %: {'ok' if good else 'FAIL'}",
            flush=True,
        )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
