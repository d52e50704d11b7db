#!/usr/bin/env python3
# Compares Mainspring's tokenizers with the reference libraries on many random strings.
#
#   tools/tokenizer_differential.py --driver BUILD/tests/tools/tokenize_driver --shared ../shared/tokenizers \
#       [--gguf model.gguf ...] [--count 20000] [--seed 1] [--only NAME ...] [--failures 5]
#
# Per tokenizer `count` strings (random Unicode, 20 scripts, code, prose, white space, special tokens in the text) are
# encoded with and without special tokens and decoded again. Prints "NAME: N strings, D differences"; exits 1 when
# D > 0. The references: `tokenizers` for tokenizer.json and for GGUF vocabularies (built from the same tokens and
# merges), `sentencepiece` for a model trained on the spot.
import argparse
import hashlib
import io
import json
import lzma
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

SCRIPTS = {  # 20 scripts by code point ranges
    "latin": [(0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F)], "greek": [(0x370, 0x3FF)], "cyrillic": [(0x400, 0x4FF)],
    "armenian": [(0x531, 0x58F)], "hebrew": [(0x591, 0x5F4)], "arabic": [(0x600, 0x6FF)], "devanagari": [(0x900, 0x97F)],
    "bengali": [(0x980, 0x9FE)], "tamil": [(0xB82, 0xBFA)], "telugu": [(0xC00, 0xC7F)], "thai": [(0xE01, 0xE5B)],
    "lao": [(0xE81, 0xEDF)], "tibetan": [(0xF00, 0xFDA)], "georgian": [(0x10A0, 0x10FF)],
    "hangul": [(0xAC00, 0xD7A3), (0x1100, 0x11FF)], "hiragana": [(0x3041, 0x3096)], "katakana": [(0x30A1, 0x30FF)],
    "han": [(0x4E00, 0x9FFF), (0x3400, 0x4DBF)], "ethiopic": [(0x1200, 0x137C)], "khmer": [(0x1780, 0x17F9)]}
WORDS = ("the of and to in is you that it he was for on are as with his they I at be this have from or one had by "
         "word but not what all were we when your can said there use an each which she do how their if will up other "
         "about out many then them these so some her would make like him into time has look two more write go see "
         "number no way could people my than first water been call who oil its now find long down day did get come "
         "made may part don't I'm you're we'll they've it's he'd THE They'LL Can'T naïve café résumé straße").split()
CODE = ["def f(x):\n    return x + 1\n", "for (int i = 0; i < n; ++i) {\n\tsum += a[i];\n}\n", "#include <vector>\n",
        "SELECT * FROM t WHERE id = 42;", "if err != nil {\n\t\treturn err\n\t}\n", "print(f\"{x:.2f}\")", "0x1F + 1e-9",
        "a->b::c<T>&& d", "// TODO: fix\r\n", "/* ... */", "<div class=\"x\">&nbsp;</div>", "{\"k\": [1, 2.5, null]}",
        "fn main() { println!(\"{}\", 1u64 << 40); }", "    " * 4 + "pass", "x = y ** 2 // 3 % 7", "$HOME/.bashrc"]
HAN = "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运笔"
SPACES = [" ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \n ", "\u00a0", "\u3000", "\u2003", "\u200b", "\u180e", "\u0085", "\x0b"]
EDGE = [0, 1, 0x7F, 0x80, 0x85, 0xA0, 0xAD, 0x17F, 0x130, 0x212A, 0x300, 0x301, 0x334, 0x34F, 0x61C, 0x897, 0x1161, 0x11A8,
        0x1171E, 0x180E, 0x200B, 0x200C, 0x200D, 0x2028, 0x2029, 0x2060, 0x2581, 0x3099, 0xAC00, 0xD7A3, 0xE000, 0xFB01,
        0xFDFA, 0xFE0F, 0xFEFF, 0xFFFC, 0xFFFD, 0xFFFF, 0x1F600, 0x1F468, 0x1F3FD, 0x1F1E6, 0x20000, 0x2EBF0, 0x31350,
        0xE0001, 0xF0000, 0x10FFFF, 0x1D15E, 0x2F800, 0x10D50, 0x16100, 0x1E5D0]


class Strings:
    """Random texts; the same seed gives the same texts."""

    def __init__(self, seed, specials):
        self.rng = random.Random(seed)
        self.specials = specials or ["<s>"]

    def code_point(self):
        r = self.rng
        while True:
            c = r.choice((r.randrange(0x250), r.randrange(0x3000), r.randrange(0x10000), r.randrange(0x110000),
                          r.choice(EDGE), r.randrange(0x10000, 0x32000)))
            if not 0xD800 <= c <= 0xDFFF:
                return chr(c)

    def script(self, n):
        r = self.rng
        low_high = SCRIPTS[r.choice(list(SCRIPTS))]
        out = []
        for _ in range(n):
            low, high = r.choice(low_high)
            out.append(chr(r.randint(low, high)) if r.random() > 0.12 else r.choice((" ", ".", ",", "1")))
        return "".join(out)

    def part(self):
        r = self.rng
        kind = r.randrange(12)
        n = r.randint(1, 12)
        if kind < 3:
            return r.choice(("", " ")) + " ".join(r.choice(WORDS) for _ in range(n))
        if kind == 3:
            return r.choice(CODE)
        if kind == 4:
            return "".join(self.code_point() for _ in range(n))
        if kind == 5:
            return self.script(n * 2)
        if kind == 6:
            return "".join(r.choice(HAN) for _ in range(n)) + r.choice(("", "，", "。", "！", "123"))
        if kind == 7:
            return "".join(r.choice(SPACES) for _ in range(r.randint(1, 4)))
        if kind == 8:
            return str(r.randrange(10 ** r.randint(1, 12))) + r.choice(("", "%", ".5", "th", "年"))
        if kind == 9:
            return "".join(r.choice("!?.,;:'\"-_()[]{}<>/\\|@#$%^&*+=~`") for _ in range(n))
        if kind == 10:
            token = r.choice(self.specials)
            return r.choice(("", " ", "  ")) + (token if r.random() < 0.8 else token[:-1]) + r.choice(("", " ", "\n"))
        return r.choice(WORDS).title() + r.choice(("", "'s", "'T", "'ll", "!", "...", "_x", "\u0301"))

    def take(self, count):
        for _ in range(count):
            yield "".join(self.part() for _ in range(self.rng.choice((1, 1, 2, 3, 4, 6))))


class Reference:
    def __init__(self, name, kind, path, encode, decode, specials, score=None):
        self.name, self.kind, self.path, self.score = name, kind, path, score
        self.encode, self.decode, self.specials = encode, decode, specials
        self.tokenizer = None  # for decoding random ids


def from_tokenizer(name, kind, path, t):
    added = [a.content for a in t.get_added_tokens_decoder().values()]

    def encode(texts, special):
        return [e.ids for e in t.encode_batch_fast(texts, add_special_tokens=special)]

    ref = Reference(name, kind, path, encode, lambda ids: t.decode_batch(ids, skip_special_tokens=False), added)
    ref.tokenizer = t
    return ref


def shared(folder, name, work):
    packed = folder / name / "tokenizer.json.xz"
    plain = work / f"{name}.json"
    plain.write_bytes(lzma.decompress(packed.read_bytes()))
    t = Tokenizer.from_file(str(plain))
    t.no_truncation()
    t.no_padding()
    return from_tokenizer(name, "json", plain, t)


QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def gguf_reference(path, work):
    """The vocabulary of a GGUF file: dumped for the driver, and as the family's own `tokenizers` pipeline."""
    import gguf
    fields = gguf.GGUFReader(path).fields
    get = lambda key: fields["tokenizer.ggml." + key].contents() if "tokenizer.ggml." + key in fields else None
    dump = {"model": get("model"), "pre": get("pre"), "tokens": get("tokens"), "merges": get("merges"),
            "token_types": [int(x) for x in get("token_type")]}
    for key, name in (("bos", "bos_token_id"), ("eos", "eos_token_id"), ("pad", "padding_token_id"),
                      ("unk", "unknown_token_id"), ("add_bos", "add_bos_token"), ("add_eos", "add_eos_token"),
                      ("add_space_prefix", "add_space_prefix")):
        if get(name) is not None:
            dump[key] = get(name)
    stem = pathlib.Path(path).stem
    plain = work / f"{stem}.json"
    plain.write_text(json.dumps(dump))
    vocab = {t: i for i, t in enumerate(dump["tokens"])}
    t = Tokenizer(models.BPE(vocab, [tuple(m.split(" ")) for m in dump["merges"]], fuse_unk=False))
    if dump["pre"] == "smollm":
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                   pre_tokenizers.ByteLevel(add_prefix_space=False)])
    elif dump["pre"] == "qwen2":
        t.normalizer = normalizers.NFC()
        t.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(QWEN2), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    else:
        raise SystemExit(f"{path}: no reference pipeline for pre-tokenizer {dump['pre']}")
    t.decoder = decoders.ByteLevel()
    for content, kind in zip(dump["tokens"], dump["token_types"]):
        if kind in (3, 4):
            t.add_tokens([AddedToken(content, special=kind == 3, normalized=False)])
    return from_tokenizer(stem, "gguf", plain, t)


def train_sentencepiece(work, model_type, corpus_seed, **extra):
    """A small model; `sentencepiece` is the reference for tokenizer.model and for GGUF's "llama" vocabularies."""
    import sentencepiece as spm
    lines = [s.replace("\n", " ").replace("\0", "") for s in Strings(corpus_seed, ["x"]).take(6000)]
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=model, model_type=model_type,
                                   byte_fallback=True, minloglevel=2, hard_vocab_limit=False, **extra)
    return model.getvalue()


def sentencepiece_references(work):
    import sentencepiece as spm
    out = []
    plans = [("spm-bpe", "bpe", dict(vocab_size=8000, normalization_rule_name="identity",
                                     remove_extra_whitespaces=False, character_coverage=0.98)),
             ("spm-unigram", "unigram", dict(vocab_size=8000, character_coverage=0.98))]
    for name, model_type, extra in plans:
        data = train_sentencepiece(work, model_type, 7, **extra)
        path = work / f"{name}.model"
        path.write_bytes(data)
        sp = spm.SentencePieceProcessor(model_proto=data)

        def encode(texts, special, sp=sp):
            return [([sp.bos_id()] if special else []) + sp.encode(t) for t in texts]

        # Versions of the library break ties between equally probable segmentations differently.
        score = (lambda ids, sp=sp: sum(sp.get_score(i) for i in ids)) if model_type == "unigram" else None
        out.append(Reference(name, "spm", path, encode, None, ["plain"], score))
        if model_type == "bpe":
            pieces = range(sp.get_piece_size())
            kinds = [2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else
                     5 if sp.is_unused(i) else 1 for i in pieces]
            dump = {"model": "llama", "tokens": [sp.id_to_piece(i) for i in pieces],
                    "scores": [sp.get_score(i) for i in pieces], "token_types": kinds, "bos": sp.bos_id(),
                    "eos": sp.eos_id(), "unk": sp.unk_id()}
            plain = work / "gguf-llama.json"
            plain.write_text(json.dumps(dump))
            out.append(Reference("gguf-llama", "gguf", plain, encode,
                                 lambda ids, sp=sp: ["<s>" + (" " + sp.decode(i[1:]) if i[1:] else "") for i in ids],
                                 ["plain"]))
    return out


def read_exact(stream, n):
    data = stream.read(n)
    if len(data) != n:
        raise SystemExit("the driver ended early")
    return data


def run_driver(driver, ref, texts):
    raw = [t.encode() for t in texts]
    payload = b"".join(struct.pack("<I", len(r)) + r for r in raw)
    done = subprocess.run([driver, "run", ref.kind, str(ref.path)], input=payload, stdout=subprocess.PIPE)
    if done.returncode != 0:
        raise SystemExit(f"{ref.name}: the driver failed")
    stream, out = io.BytesIO(done.stdout), []
    for _ in texts:
        lists = []
        for _ in range(2):
            n = struct.unpack("<I", read_exact(stream, 4))[0]
            lists.append(list(struct.unpack(f"<{n}i", read_exact(stream, 4 * n))))
        n = struct.unpack("<I", read_exact(stream, 4))[0]
        out.append((lists[0], lists[1], read_exact(stream, n).decode()))
    return out


def compare(driver, ref, count, seed, show):
    differences, ties, done, batch = 0, 0, 0, 20000
    source = Strings(int(hashlib.sha256(f"{ref.name}/{seed}".encode()).hexdigest()[:8], 16), ref.specials)
    while done < count:
        texts = list(source.take(min(batch, count - done)))
        ours = run_driver(driver, ref, texts)
        with_special, without = ref.encode(texts, True), ref.encode(texts, False)
        decoded = ref.decode(with_special) if ref.decode else [o[2] for o in ours]
        for text, mine, a, b, c in zip(texts, ours, with_special, without, decoded):
            if mine == (a, b, c):
                continue
            if ref.score and mine[2] == c and abs(ref.score(mine[0]) - ref.score(a)) < 1e-3:
                ties += 1
                continue
            differences += 1
            if differences <= show:
                what = "decode" if mine[:2] == (a, b) else "encode"
                print(f"  {ref.name} {what} {ascii(text)}\n    ours {mine[0]} {ascii(mine[2])}\n    ref  {a} {ascii(c)}")
        done += len(texts)
    note = f" ({ties} ties between segmentations of equal score)" if ties else ""
    print(f"{ref.name}: {done} strings, {differences} differences{note}", flush=True)
    return differences


def decode_driver(driver, ref, lists):
    payload = b"".join(struct.pack(f"<I{len(ids)}i", len(ids), *ids) for ids in lists)
    done = subprocess.run([driver, "decode", ref.kind, str(ref.path)], input=payload, stdout=subprocess.PIPE)
    if done.returncode != 0:
        raise SystemExit(f"{ref.name}: the driver failed")
    stream, out = io.BytesIO(done.stdout), []
    for _ in lists:
        texts = []
        for _ in range(2):
            n = struct.unpack("<I", read_exact(stream, 4))[0]
            texts.append(read_exact(stream, n).decode())
        out.append(tuple(texts))
    return out


def compare_decoding(driver, ref, t, count, seed, show):
    """Random ids, valid UTF-8 or not."""
    rng = random.Random(f"{ref.name}/{seed}")
    ids = sorted(t.get_vocab(with_added_tokens=True).values())
    lists = [[rng.choice(ids) for _ in range(rng.randint(1, 12))] for _ in range(count)]
    expected = zip(t.decode_batch(lists, skip_special_tokens=False), t.decode_batch(lists, skip_special_tokens=True))
    differences = 0
    for given, ours, theirs in zip(lists, decode_driver(driver, ref, lists), expected):
        if ours != theirs:
            differences += 1
            if differences <= show:
                print(f"  {ref.name} decode {given}\n    ours {ascii(ours)}\n    ref  {ascii(theirs)}")
    print(f"{ref.name}: {count} id lists decoded, {differences} differences", flush=True)
    return differences


def component_differences(a, work):
    import tokenizer_components as parts
    encoders = parts.all_encoders()
    encoders["normalizer/Precompiled-nmt_nfkc"] = parts.probe(
        normalizer={"type": "Precompiled", "precompiled_charsmap": parts.charsmap(normalization_rule_name="nmt_nfkc")})
    total = 0
    for name, spec in encoders.items():
        if a.only and not any(name.startswith(o) for o in a.only):
            continue
        plain = work / "component.json"
        plain.write_text(json.dumps(spec))
        total += compare(a.driver, from_tokenizer(name, "json", plain, Tokenizer.from_file(str(plain))), a.count, a.seed,
                         a.failures)
    for name, spec in parts.decoder_specs().items():
        plain = work / "component.json"
        plain.write_text(json.dumps(parts.decoder_tokenizer(spec)))
        t = Tokenizer.from_file(str(plain))
        ref = from_tokenizer("decoder/" + name, "json", plain, t)
        total += compare_decoding(a.driver, ref, t, a.count, a.seed, a.failures)
    return total


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--driver", required=True)
    args.add_argument("--shared", type=pathlib.Path)
    args.add_argument("--gguf", nargs="*", default=[])
    args.add_argument("--count", type=int, default=20000)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--only", nargs="*")
    args.add_argument("--failures", type=int, default=5)
    args.add_argument("--no-sentencepiece", action="store_true")
    args.add_argument("--components", action="store_true", help="every component of tokenizer.json instead of real files")
    a = args.parse_args()
    print(f"tokenizers {tokenizers.__version__}")
    total = 0
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        if a.components:
            sys.exit(1 if component_differences(a, work) else 0)
        makers = []
        if a.shared and a.shared.is_dir():
            makers += [(p.name, lambda p=p: [shared(a.shared, p.name, work)]) for p in sorted(a.shared.iterdir())
                       if (p / "tokenizer.json.xz").exists()]
        else:
            print("skipped: the shared tokenizers are not there")
        makers += [(pathlib.Path(g).stem, lambda g=g: [gguf_reference(g, work)]) for g in a.gguf]
        if not a.no_sentencepiece:
            makers.append(("sentencepiece", lambda: sentencepiece_references(work)))
        for name, make in makers:
            if a.only and name not in a.only:
                continue
            for ref in make():
                total += compare(a.driver, ref, a.count, a.seed, a.failures)
                if ref.tokenizer:
                    total += compare_decoding(a.driver, ref, ref.tokenizer, a.count // 10, a.seed, a.failures)
    sys.exit(1 if total else 0)


if __name__ == "__main__":
    main()
