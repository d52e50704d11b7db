"""Makes tests/unit/engine/goldens/sampler.json: filtered distributions by Hugging Face transformers' logits processors.

Usage: python tools/make_sampler_goldens.py   (needs torch and transformers)
"""
import json
import math
import pathlib
import random

import torch
import transformers
from transformers.generation import logits_process as lp

OUT = pathlib.Path(__file__).parent.parent / "tests/unit/engine/goldens/sampler.json"
EOS = 2


def processors(params, prompt_length):
    """Steps up to the grammar mask, in the order of GenerationMixin._get_logits_processor."""
    out = []
    if params.get("logit_bias"):
        out.append(lp.SequenceBiasLogitsProcessor([[[i], b] for i, b in params["logit_bias"]]))
    if "repetition_penalty" in params:
        out.append(lp.RepetitionPenaltyLogitsProcessor(params["repetition_penalty"]))
    if "no_repeat_ngram" in params:
        out.append(lp.NoRepeatNGramLogitsProcessor(params["no_repeat_ngram"]))
    if params.get("bad_words"):
        out.append(lp.NoBadWordsLogitsProcessor(params["bad_words"], eos_token_id=None))
    if "min_tokens" in params:
        out.append(lp.MinNewTokensLengthLogitsProcessor(prompt_length, params["min_tokens"], EOS))
    return out


def warpers(params):
    out = []
    if params.get("temperature", 1.0) != 1.0:
        out.append(lp.TemperatureLogitsWarper(params["temperature"]))
    if "top_k" in params:
        out.append(lp.TopKLogitsWarper(params["top_k"]))
    if "top_p" in params:
        out.append(lp.TopPLogitsWarper(params["top_p"]))
    if "min_p" in params:
        out.append(lp.MinPLogitsWarper(params["min_p"]))
    if "typical_p" in params:
        out.append(lp.TypicalLogitsWarper(params["typical_p"]))
    return out


def near_a_border(scores, params):
    """True when rounding could decide whether a token is kept."""
    p = scores.double().softmax(-1)
    eps = 2e-5
    for name in ("top_p", "typical_p"):
        if name not in params:
            continue
        order = scores
        if name == "typical_p":
            logp = scores.double().log_softmax(-1)
            entropy = -(logp * p).nansum()
            order = -((-logp) - entropy).abs()
        cumulated = p[order.argsort(descending=True)].cumsum(-1)
        if ((cumulated - params[name]).abs() < eps).any():
            return True
    return "min_p" in params and ((p / p.max() - params["min_p"]).abs() < eps).any()


def case(rng, vocab, params, history, prompt_length, allowed, spread):
    ids = torch.tensor([history])
    while True:
        values = rng.sample(range(-40000, 40000), vocab)  # distinct, so that no two logits are equal
        logits = [round(v / 40000 * spread, 4) for v in values]
        if len(set(logits)) < vocab:
            continue
        scores = torch.tensor([logits], dtype=torch.float32)
        for f in processors(params, prompt_length):
            scores = f(ids, scores)
        if allowed is not None:
            mask = torch.ones(vocab, dtype=torch.bool)
            mask[allowed] = False
            scores = scores.masked_fill(mask, -math.inf)
        processed = scores
        bad = False
        for f in warpers(params):
            bad = bad or near_a_border(scores[0], params)
            scores = f(ids, scores)
        if bad or not torch.isfinite(processed).any():
            continue
        break
    p = scores[0].double().softmax(-1)
    kept = [i for i in range(vocab) if scores[0][i] > -math.inf]
    logprobs = processed[0].double().log_softmax(-1)
    order = [i for i in logprobs.argsort(descending=True).tolist() if logprobs[i] > -math.inf][:20]
    return {
        "params": params, "prompt": history[:prompt_length], "output": history[prompt_length:], "logits": logits,
        **({} if allowed is None else {"allowed": allowed}),
        "kept": kept, "logprobs": [round(math.log(p[i]), 5) if p[i] > 0 else -1000.0 for i in kept],
        "top": [[i, round(logprobs[i].item(), 5)] for i in order],
    }


def random_params(rng, vocab, history):
    choices = {
        "temperature": lambda: rng.choice([0.3, 0.7, 1.5, 3.0]),
        "top_k": lambda: rng.choice([1, 5, 40]),
        "top_p": lambda: rng.choice([0.1, 0.5, 0.9, 0.99]),
        "min_p": lambda: rng.choice([0.01, 0.05, 0.3]),
        "typical_p": lambda: rng.choice([0.2, 0.6, 0.95]),
        "repetition_penalty": lambda: rng.choice([0.8, 1.1, 1.5]),
        "no_repeat_ngram": lambda: rng.choice([1, 2, 3]),
        "logit_bias": lambda: [[i, rng.choice([-100.0, -3.5, 2.25])] for i in rng.sample(range(vocab), 4)],
        "bad_words": lambda: [[rng.randrange(vocab)], history[-1:] + [rng.randrange(vocab)],
                              history[-2:] + [rng.randrange(vocab)], [0, 1, 5]],
        "min_tokens": lambda: rng.choice([1, 30]),
    }
    names = [n for n in choices if rng.random() < 0.35]
    return {n: choices[n]() for n in names}


def main():
    rng = random.Random(7)
    singles = [{}, {"temperature": 0.5}, {"temperature": 2.0}, {"top_k": 3}, {"top_k": 100}, {"top_p": 0.3}, {"top_p": 0.95},
               {"min_p": 0.1}, {"typical_p": 0.3}, {"typical_p": 0.9}, {"repetition_penalty": 1.3},
               {"no_repeat_ngram": 2}, {"min_tokens": 50}, {"logit_bias": [[3, 5.0]]}, {"bad_words": [[4], [1, 7]]}]
    cases = []
    for params in singles:
        history = [rng.randrange(12) for _ in range(20)]
        cases.append(case(rng, 120, params, history, 12, None, 6.0))
    while len(cases) < 70:
        vocab = rng.choice([30, 64, 65, 130, 700])
        history = [rng.randrange(min(vocab, 10)) for _ in range(rng.choice([1, 5, 40]))]
        params = random_params(rng, vocab, history)
        if vocab == 700 and len(cases) % 3:
            continue  # keeps the file small
        allowed = sorted(rng.sample(range(vocab), vocab // 2)) if rng.random() < 0.25 else None
        cases.append(case(rng, vocab, params, history, rng.randrange(len(history)) + 1, allowed, rng.choice([2.0, 8.0])))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    head = {"made_by": "tools/make_sampler_goldens.py", "transformers": transformers.__version__,
            "torch": torch.__version__.split("+")[0], "eos": EOS}
    with OUT.open("w") as f:
        f.write(json.dumps(head)[:-1] + ', "cases": [\n')
        f.write(",\n".join(json.dumps(c) for c in cases) + "\n]}\n")


if __name__ == "__main__":
    main()
