#!/usr/bin/env python3
# Writes tests/data/tokenizers/*.json: tiny tokenizers with the ids and texts that the reference libraries give, so that
# the unit tests need no Python. See tokenizer_components.py for the probe model.
import argparse
import base64
import io
import json
import pathlib
import random

import sentencepiece as spm
import tiktoken
import tokenizers
from tokenizers import Tokenizer

import tokenizer_components as parts

TEXTS = [
    "", " ", "The dog's tail, isn't \u00c9T\u00c9!", "  two  spaces\n\n\tand\r\n lines \u00a0\u3000", "a e\u0301 \ufb01 \u2460 \uff41 \u337f",
    "\u4f60\u597d\u4e16\u754c 123456789 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "x<s>y  <both>  dog hotdog dog<LOW><low> <sp> z</s>",
    "Stra\u00dfe \u0130\u01c5 \u03a3\u03c2 \u1e9e", "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u180e\u0085\u2028\ufffd\ufeff\u0000\u0007",
    "\u304b\u3099\u30ab\u30fc \uac00\u11a8 \u1112\u1161\u11ab", "foo::bar(x)-=1; //e.g. the.end", "\U00031350\U00010d50\u0897 \u2581a",
    " the lowest newest 2023", "\u00b2\u00bd_x \u2165 \u24d0"]


def encoder_case(name, spec):
    t = Tokenizer.from_str(json.dumps(spec))
    cases = []
    for text in TEXTS:
        ids, plain = (t.encode(text, add_special_tokens=s).ids for s in (True, False))
        case = {"text": text, "ids": ids}
        if plain != ids:
            case["plain"] = plain
        if name.startswith("model/"):
            case["decoded"] = t.decode(ids, skip_special_tokens=False)
            case["skipped"] = t.decode(ids, skip_special_tokens=True)
        cases.append(case)
    return {"name": name, "tokenizer": spec, "cases": cases}


def spelled(ids):
    """Ids of the probe model as text: bytes as the text they are, id 256 + n as U+E100 + n."""
    raw = b"".join(bytes([i]) if i < 256 else chr(0xE100 + i - 256).encode() for i in ids)
    return raw.decode()


def decoder_case(name, spec, rng):
    full = parts.decoder_tokenizer(spec)
    t = Tokenizer.from_str(json.dumps(full))
    count = len(parts.DECODER_TOKENS) + 3
    cases = []
    for _ in range(10):
        ids = [rng.randrange(count) for _ in range(rng.randint(1, 7))]
        cases.append({"ids": ids, "decoded": t.decode(ids, skip_special_tokens=False),
                      "skipped": t.decode(ids, skip_special_tokens=True)})
    return {"name": name, "tokenizer": full, "cases": cases}


def sentencepiece_case(name, model_type, **extra):
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter([" ".join(parts.CORPUS)] * 20), model_writer=model,
                                   model_type=model_type, byte_fallback=True, minloglevel=2, hard_vocab_limit=False, **extra)
    sp = spm.SentencePieceProcessor(model_proto=model.getvalue())
    texts = [t.replace("\0", "") for t in TEXTS]
    return sp, {"name": name, "model": base64.b64encode(model.getvalue()).decode(),
                "cases": [{"text": t, "plain": sp.encode(t), "decoded": sp.decode(sp.encode(t))} for t in texts]}


def gguf_from_sentencepiece(sp, case):
    kinds = [2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else 5 if sp.is_unused(i) else 1
             for i in range(sp.get_piece_size())]
    vocab = {"model": "llama", "tokens": [sp.id_to_piece(i) for i in range(len(kinds))],
             "scores": [sp.get_score(i) for i in range(len(kinds))], "token_types": kinds, "bos": sp.bos_id(),
             "eos": sp.eos_id(), "unk": sp.unk_id()}
    # "<s>" in a text is found by Mainspring and is plain text to the library.
    return {"name": "gguf-llama", "gguf": vocab, "cases": [c for c in case["cases"] if "<s>" not in c["text"]]}


def tiktoken_case():
    """Ranks from the byte-level model above: id = rank."""
    pattern = parts.PATTERNS["cl100k"]
    t = parts.models_and_pipelines()["bpe-byte-level"]
    ranks = {bytes([b]): b for b in range(256)}
    by_char = {}
    n = 0
    for b in range(256):
        keep = 0x21 <= b <= 0x7E or 0xA1 <= b <= 0xAC or b >= 0xAE
        by_char[chr(b if keep else 256 + n)] = b
        n += not keep
    for a, b in t["model"]["merges"]:
        ranks.setdefault(bytes(by_char[c] for c in a + b), len(ranks))
    enc = tiktoken.Encoding("tiny", pat_str=pattern, mergeable_ranks=ranks, special_tokens={"<|end|>": len(ranks)})
    lines = "\n".join(f"{base64.b64encode(k).decode()} {v}" for k, v in ranks.items())
    cases = [{"text": x, "plain": enc.encode(x, allowed_special="all"), "decoded": x} for x in TEXTS + ["a<|end|>b"]]
    config = {"pattern": pattern, "eos_token": "<|end|>",
              "added_tokens_decoder": {str(len(ranks)): {"content": "<|end|>", "special": True}}}
    return {"name": "tiktoken", "ranks": lines, "config": config, "cases": cases}


def write(path, versions, tests):
    path.write_text(json.dumps({"versions": versions, "tests": tests}, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(path.name, path.stat().st_size, "bytes,", len(tests), "tests")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent / "tests/data/tokenizers")
    out = args.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    versions = {"tokenizers": tokenizers.__version__, "sentencepiece": spm.__version__, "tiktoken": tiktoken.__version__}
    encoders = [encoder_case(n, s) for n, s in parts.all_encoders().items()]
    for test in encoders:
        # The probe's vocabulary is the same everywhere: the test puts it back.
        if test["tokenizer"]["model"].get("continuing_subword_prefix") == "|":
            test["tokenizer"]["model"] = "probe"
            for case in test["cases"]:
                case.update({k: spelled(case[k]) for k in ("ids", "plain") if k in case})
    write(out / "components.json", versions, [t for t in encoders if not t["name"].startswith("model/")])
    write(out / "models.json", versions, [t for t in encoders if t["name"].startswith("model/")])
    rng = random.Random(5)
    write(out / "decoders.json", versions, [decoder_case(n, s, rng) for n, s in parts.decoder_specs().items()])
    bpe, bpe_case = sentencepiece_case("spm-bpe", "bpe", vocab_size=420, normalization_rule_name="identity",
                                       remove_extra_whitespaces=False)
    _, unigram_case = sentencepiece_case("spm-unigram", "unigram", vocab_size=360, normalization_rule_name="identity")
    write(out / "others.json", versions, [bpe_case, unigram_case, gguf_from_sentencepiece(bpe, bpe_case), tiktoken_case()])


if __name__ == "__main__":
    main()
