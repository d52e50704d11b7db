#!/usr/bin/env python3
"""The default model against transformers' fp32 logits and greedy tokens (tests/data/real/smollm2.json).

usage: real_model.py PROGRAM MODEL. The last line is "N passed, N failed, N skipped".
"""
import json
import math
import pathlib
import subprocess
import sys

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "data/real/smollm2.json"
F32_BOUND = 2e-3       # max |difference| of a logit
KL_BOUND = 5e-3        # bf16: nats per position, over the golden's 20 likeliest tokens
BF16_GREEDY_PREFIX = 8  # tokens that rounding must not change: their margins are wide


def ask(program, model, dtype, command, text, *args):
    done = subprocess.run([program, command, "--model", model, "--dtype", dtype, *args], input=text.encode(),
                          stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def distribution(logits):
    top = max(logits)
    weights = [math.exp(x - top) for x in logits]
    return [w / sum(weights) for w in weights]


def compare(program, model, golden, prompt, dtype):
    """(largest difference of a logit, mean KL, ids equal) over the golden's positions."""
    out = ask(program, model, dtype, "logits", prompt["text"], "--all", "--top", "200", "--json")
    found = {p["position"]: {t["id"]: t["logit"] for t in p["top"]} for p in out["positions"]}
    worst = divergence = 0.0
    for expected in prompt["top"]:
        ours = found[expected["position"]]
        mine = [ours[i] for i in expected["ids"]]
        worst = max([worst] + [abs(a - b) for a, b in zip(expected["logits"], mine)])
        p, q = distribution(expected["logits"]), distribution(mine)
        divergence += sum(a * math.log(a / b) for a, b in zip(p, q)) / len(prompt["top"])
    return worst, divergence, out["tokens"] == prompt["ids"]


def main():
    program, model = sys.argv[1], sys.argv[2]
    golden = json.loads(GOLDEN.read_text())
    failures = total = 0

    def check(ok, name):
        nonlocal failures, total
        total += 1
        failures += not ok
        print(("ok   " if ok else "FAIL ") + name, flush=True)

    for prompt in golden["prompts"]:
        worst, _, same = compare(program, model, golden, prompt, "f32")
        check(same, f"{prompt['name']}: token ids")
        check(worst <= F32_BOUND, f"{prompt['name']}: f32 logits within {F32_BOUND} ({worst:.2e})")
        _, divergence, _ = compare(program, model, golden, prompt, "bf16")
        check(divergence <= KL_BOUND, f"{prompt['name']}: bf16 KL within {KL_BOUND} ({divergence:.2e})")
    greedy = golden["greedy"]
    for dtype, count in (("f32", len(greedy["tokens"])), ("bf16", BF16_GREEDY_PREFIX)):
        out = ask(program, model, dtype, "generate", greedy["text"], "--raw", "--temperature", "0", "--ignore-eos",
                  "--max-tokens", str(count), "--json")
        check(out["tokens"][:count] == greedy["tokens"][:count], f"greedy {count} tokens in {dtype}")
    print(f"{total - failures} passed, {failures} failed, 0 skipped")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
