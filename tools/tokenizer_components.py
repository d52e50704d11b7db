# Tiny tokenizers that show what one component of tokenizer.json does; used by the golden and the differential tools.
#
# The probe model is BPE with the 256 byte tokens only and "|" as continuing_subword_prefix: the ids are the bytes of the
# text, with a "|" in front of every character that does not start a piece, so text and piece boundaries are visible.
import io
import json

from tokenizers import Regex, Tokenizer, decoders, models, normalizers as norm, pre_tokenizers as pre, trainers

CORPUS = ("the quick brown fox jumps over the lazy dog. The Dog's tail wags; it isn't \u00e9t\u00e9. "
          "low lower lowest new newer newest 12345 100 2023 \u4f60\u597d\u4e16\u754c \u041f\u0440\u0438\u0432\u0435\u0442 "
          "def f(x): return x + 1\n\tif a == b:\r\n  pass  ").split(" ")

BYTES = {f"<0x{b:02X}>": b for b in range(256)}


def probe(normalizer=None, pre_tokenizer=None, post_processor=None, added=()):
    model = {"type": "BPE", "vocab": dict(BYTES), "merges": [], "byte_fallback": True, "continuing_subword_prefix": "|",
             "unk_token": None, "end_of_word_suffix": None, "fuse_unk": False, "dropout": None}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": list(added), "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer, "post_processor": post_processor, "decoder": None, "model": model}


def token(i, content, **flags):
    base = {"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": False}
    return {**base, **flags}


def spec(component):
    """The JSON of a component made by the Python binding."""
    return json.loads(component.__getstate__())


def small_charsmap():
    """A compiled character map of a few rules (the real ones are 250 kB), from a throw-away sentencepiece model."""
    import tempfile
    rules = [("\ufb01", "fi"), ("\u2460", "1"), ("\u00e9", "e"), ("e\u0301", "E"), ("\u3000", " "), ("\u200b", ""),
             ("\uff41", "a"), ("\u337f", "\u682a\u5f0f\u4f1a\u793e"), ("\u304b\u3099", "\u304c")]
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as f:
        for a, b in rules:
            f.write(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n")
        f.flush()
        return charsmap(normalization_rule_tsv=f.name)


def charsmap(**rule):
    import base64
    import sentencepiece as spm
    from sentencepiece import sentencepiece_model_pb2 as pb
    out = io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS * 50), model_writer=out, vocab_size=60,
                                   hard_vocab_limit=False, minloglevel=2, **rule)
    proto = pb.ModelProto()
    proto.ParseFromString(out.getvalue())
    return base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()


def normalizer_specs():
    specs = {n: {"type": n} for n in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel")}
    for left, right in ((True, True), (True, False), (False, True)):
        specs[f"Strip-{left}-{right}"] = {"type": "Strip", "strip_left": left, "strip_right": right}
    specs["Prepend"] = {"type": "Prepend", "prepend": "\u2581"}
    specs["Replace-string"] = {"type": "Replace", "pattern": {"String": "a "}, "content": "\u2581\u2581"}
    specs["Replace-regex"] = {"type": "Replace", "pattern": {"Regex": "\\s+|[[:punct:]]"}, "content": "_"}
    specs["Replace-empty-match"] = {"type": "Replace", "pattern": {"Regex": "x*"}, "content": "-"}
    for clean, chinese, strip, lower in ((1, 1, None, 1), (1, 0, False, 0), (0, 1, True, 0), (0, 0, None, 1)):
        specs[f"Bert-{clean}{chinese}{strip}{lower}"] = {
            "type": "BertNormalizer", "clean_text": bool(clean), "handle_chinese_chars": bool(chinese),
            "strip_accents": strip, "lowercase": bool(lower)}
    specs["Precompiled"] = {"type": "Precompiled", "precompiled_charsmap": small_charsmap()}
    specs["Sequence"] = {"type": "Sequence", "normalizers": [specs["NFKC"], specs["Lowercase"], specs["Replace-string"],
                                                             specs["Strip-True-True"], specs["Prepend"]]}
    return specs


PATTERNS = {
    "cl100k": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
             r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
             r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "kimi": r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+|"
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?!\S)|\s+",
    "bloom": " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+",
    "bailing": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    "thousands": r"(?=(\d{3})+(?!\d))",
    "word-edge": r"\d{1,3}(?=(?:\d{3})*\b)|\b\w+\b|\h{2}|\W",
    "interval": r"\p{L}{2,3}+|[0-9]{,2}x|a{2}?|\p{^L}",
    "anchors": r"^\s+|\s+$|(?m:.)\n|[^\W\d]",
    "scripts": r"\p{Han}+|\p{Hiragana}+|\p{Katakana}+|\p{Thai}+|\p{Arabic}+|\p{Latin}+|\p{Hangul}",
    "posix": r"[[:alpha:]]+|[[:digit:]]+|[[:space:]]+|[[:upper:]]",
}


def split_spec(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def pre_tokenizer_specs():
    specs = {n: {"type": n} for n in ("Whitespace", "WhitespaceSplit", "BertPreTokenizer", "UnicodeScripts")}
    for prefix in (True, False):
        for regex in (True, False):
            specs[f"ByteLevel-{prefix}-{regex}"] = {"type": "ByteLevel", "add_prefix_space": prefix,
                                                    "trim_offsets": True, "use_regex": regex}
    behaviors = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
    for behavior in behaviors:
        specs[f"Punctuation-{behavior}"] = {"type": "Punctuation", "behavior": behavior}
        for invert in (True, False):
            specs[f"Split-{behavior}-{invert}"] = split_spec({"Regex": r"\s|[0-9]+"}, behavior, invert)
    specs["Split-string"] = split_spec({"String": "e."}, "MergedWithPrevious")
    for name, pattern in PATTERNS.items():
        specs[f"Regex-{name}"] = split_spec({"Regex": pattern})
    for scheme in ("always", "first", "never"):
        for split in (True, False):
            specs[f"Metaspace-{scheme}-{split}"] = {"type": "Metaspace", "replacement": "\u2581",
                                                    "prepend_scheme": scheme, "split": split}
    specs["Digits-True"] = {"type": "Digits", "individual_digits": True}
    specs["Digits-False"] = {"type": "Digits", "individual_digits": False}
    specs["CharDelimiterSplit"] = {"type": "CharDelimiterSplit", "delimiter": "o"}
    specs["FixedLength"] = {"type": "FixedLength", "length": 3}
    specs["Sequence"] = {"type": "Sequence", "pretokenizers": [
        specs["WhitespaceSplit"], specs["Digits-True"], specs["Metaspace-first-True"], specs["Punctuation-Isolated"]]}
    specs["Sequence-byte-level"] = {"type": "Sequence", "pretokenizers": [
        split_spec({"Regex": r"\p{N}{1,3}"}), split_spec({"Regex": "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"}),
        specs["ByteLevel-False-False"]]}
    return specs


ADDED = [token(256, "<s>", special=True), token(257, "</s>", special=True), token(258, "<both>", lstrip=True, rstrip=True),
         token(259, "dog", single_word=True), token(260, "<LOW>", normalized=True), token(261, "  ", normalized=True),
         token(262, "<sp>", special=True, normalized=True, rstrip=True), token(263, "<s>x", lstrip=True)]


def template(pieces):
    return {"type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}} if p == "A" else {"SpecialToken": {"id": p, "type_id": 0}}
                       for p in pieces],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [256], "tokens": ["<s>"]},
                               "<two>": {"id": "<two>", "ids": [257, 256], "tokens": ["</s>", "<s>"]}}}


def models_and_pipelines():
    """Small trained tokenizers, one per kind of model."""
    out = {}
    lines = [" ".join(CORPUS)] * 4

    def trained(model, trainer, normalizer=None, pre_tokenizer=None, decoder=None):
        t = Tokenizer(model)
        if normalizer:
            t.normalizer = normalizer
        if pre_tokenizer:
            t.pre_tokenizer = pre_tokenizer
        if decoder:
            t.decoder = decoder
        t.train_from_iterator(lines, trainer)
        return json.loads(t.to_str())

    specials = ["[UNK]", "[CLS]", "[SEP]"]
    alphabet = pre.ByteLevel.alphabet()
    out["bpe-byte-level"] = trained(models.BPE(), trainers.BpeTrainer(vocab_size=380, initial_alphabet=alphabet,
                                    special_tokens=["<|end|>"], show_progress=False),
                                    pre_tokenizer=pre.ByteLevel(add_prefix_space=True), decoder=decoders.ByteLevel())
    out["bpe-ignore-merges"] = json.loads(json.dumps(out["bpe-byte-level"]))
    out["bpe-ignore-merges"]["model"]["ignore_merges"] = True
    out["bpe-ignore-merges"]["model"]["merges"] = out["bpe-ignore-merges"]["model"]["merges"][:60]
    plain = trained(models.BPE(unk_token="[UNK]"), trainers.BpeTrainer(vocab_size=160, special_tokens=specials,
                    show_progress=False), pre_tokenizer=pre.WhitespaceSplit())
    for fuse in (True, False):
        out[f"bpe-unk-{fuse}"] = json.loads(json.dumps(plain))
        out[f"bpe-unk-{fuse}"]["model"]["fuse_unk"] = fuse
    out["bpe-suffix"] = trained(models.BPE(unk_token="[UNK]", end_of_word_suffix="</w>"), trainers.BpeTrainer(
        vocab_size=200, special_tokens=specials, end_of_word_suffix="</w>", show_progress=False),
        pre_tokenizer=pre.Whitespace(), decoder=decoders.BPEDecoder())
    out["bpe-prefix"] = trained(models.BPE(unk_token="[UNK]", continuing_subword_prefix="##"), trainers.BpeTrainer(
        vocab_size=200, special_tokens=specials, continuing_subword_prefix="##", show_progress=False),
        pre_tokenizer=pre.Whitespace(), decoder=decoders.WordPiece())
    whole = trained(models.BPE(), trainers.BpeTrainer(vocab_size=200, show_progress=False), pre_tokenizer=pre.Metaspace())
    whole["pre_tokenizer"] = None
    whole["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
    whole["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    n = len(whole["model"]["vocab"])
    for b in range(256):
        whole["model"]["vocab"][f"<0x{b:02X}>"] = n + b
    whole["model"].update(byte_fallback=True, fuse_unk=True)
    out["bpe-byte-fallback"] = whole
    out["wordpiece"] = trained(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=12), trainers.WordPieceTrainer(
        vocab_size=150, special_tokens=specials, show_progress=False), normalizer=norm.BertNormalizer(),
        pre_tokenizer=pre.BertPreTokenizer(), decoder=decoders.WordPiece())
    out["wordpiece"]["post_processor"] = {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}
    out["wordlevel"] = trained(models.WordLevel(unk_token="[UNK]"), trainers.WordLevelTrainer(
        vocab_size=100, special_tokens=specials, show_progress=False), pre_tokenizer=pre.Whitespace())
    unigram = trained(models.Unigram(), trainers.UnigramTrainer(vocab_size=120, special_tokens=["<unk>"], unk_token="<unk>",
                      show_progress=False), pre_tokenizer=pre.Metaspace(), decoder=decoders.Metaspace())
    out["unigram"] = unigram
    fallback = json.loads(json.dumps(unigram))
    fallback["model"]["byte_fallback"] = True
    fallback["model"]["vocab"] += [[f"<0x{b:02X}>", -9.5] for b in range(256)]
    out["unigram-byte-fallback"] = fallback
    return out


DECODER_TOKENS = ["\u2581Hello", "\u2581wor", "ld", "##ing", "##s", "the", "cat</w>", "s</w>", "<pad>", "|", "h", "e", "l", "o",
                  "<0xE4>", "<0xBD>", "<0xA0>", "<0x41>", "<0xFF>", "\u0120the", "\u00e4\u00bd", "\u0142", "\u010a", " ", ".",
                  "n't", "do not", "'s", "\u2581", "\u2581\u2581", "  x  ", "\u4f60"]


def decoder_specs():
    specs = {"none": None, "ByteLevel": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
             "ByteFallback": {"type": "ByteFallback"}, "Fuse": {"type": "Fuse"},
             "Replace": {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
             "Replace-regex": {"type": "Replace", "pattern": {"Regex": "l+"}, "content": "L"},
             "BPEDecoder": {"type": "BPEDecoder", "suffix": "</w>"}}
    specs["Strip"] = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    for cleanup in (True, False):
        specs[f"WordPiece-{cleanup}"] = {"type": "WordPiece", "prefix": "##", "cleanup": cleanup}
        specs[f"CTC-{cleanup}"] = {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": cleanup}
    for scheme in ("always", "first", "never"):
        specs[f"Metaspace-{scheme}"] = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": True}
    specs["Sequence"] = {"type": "Sequence", "decoders": [specs["Replace"], specs["ByteFallback"], specs["Fuse"],
                                                          specs["Strip"]]}
    return specs


def decoder_tokenizer(decoder):
    vocab = {t: i for i, t in enumerate(DECODER_TOKENS)}
    n = len(vocab)
    added = [token(n, "<s>", special=True), token(n + 1, "<x>"), token(n + 2, "\u2581y", special=True)]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": None, "post_processor": None, "decoder": decoder,
            "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "h"}}


def all_encoders():
    """name -> tokenizer.json of everything that encodes."""
    out = {}
    for name, s in normalizer_specs().items():
        out["normalizer/" + name] = probe(normalizer=s)
    for name, s in pre_tokenizer_specs().items():
        out["pre_tokenizer/" + name] = probe(pre_tokenizer=s)
    first = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True}
    strip = {"type": "Strip", "strip_left": True, "strip_right": False}
    out["mixed/first-after-strip"] = probe(normalizer=strip, pre_tokenizer=first)
    out["mixed/first-after-added"] = probe(pre_tokenizer=first, added=ADDED)
    out["mixed/first-after-replace"] = probe(
        normalizer={"type": "Sequence", "normalizers": [{"type": "NFKD"}, {"type": "Prepend", "prepend": "_"},
                                                        {"type": "Replace", "pattern": {"Regex": "^_ *t"}, "content": "Q"}]},
        pre_tokenizer=first, added=ADDED)
    out["added/plain"] = probe(added=ADDED)
    out["added/lowercase"] = probe(normalizer={"type": "Lowercase"}, added=ADDED)
    out["added/byte-level"] = probe(normalizer={"type": "ByteLevel"}, added=ADDED)
    out["post/template"] = probe(post_processor=template(["<s>", "A", "<two>", "A"]), added=ADDED)
    out["post/bert"] = probe(post_processor={"type": "BertProcessing", "sep": ["</s>", 257], "cls": ["<s>", 256]}, added=ADDED)
    roberta = {"type": "RobertaProcessing", "sep": ["</s>", 257], "cls": ["<s>", 256], "trim_offsets": True,
               "add_prefix_space": True}
    out["post/roberta"] = probe(post_processor=roberta, added=ADDED)
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    out["post/sequence"] = probe(post_processor={"type": "Sequence", "processors": [byte_level, template(["<s>", "A"])]},
                                 added=ADDED)
    out["post/template-roberta"] = probe(post_processor={"type": "Sequence", "processors": [template(["<s>", "A"]), roberta]},
                                         added=ADDED)
    for name, t in models_and_pipelines().items():
        out["model/" + name] = t
    return out
