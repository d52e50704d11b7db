#!/usr/bin/env python3
"""Writes tests/data/families/<family>_<case>/: tiny random checkpoints and what transformers computes from them.

Each folder holds a checkpoint as a user would have it (config.json, generation_config.json, model.safetensors or its
shards, or model.gguf) and

  golden.json  versions, the prompts (token ids), the positions whose logits are stored, a greedy continuation
  golden.bin   float32 little-endian [rows, vocab]: prompt by prompt, position by position, in golden.json's order

Truth: the checkpoint is loaded back from the folder by transformers (float32, eager attention, CPU), each prompt runs
as one whole forward pass without a cache. Greedy tokens come from whole forward passes too, so that no cache of the
reference is trusted. Weights are scaled so that logits have a standard deviation near 3 and attention is far from
uniform; stored values are exact in the file's dtype.

Dynamic RoPE: the reference derives the table from the length of the call, and keys already cached keep an older
table. So its golden logits beyond max_position_embeddings are those of one whole forward pass, and its greedy
continuation stays within max_position_embeddings.

usage: make_family_goldens.py [--out tests/data/families] [case ...]
"""

import argparse
import copy
import dataclasses
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field

import gguf
import numpy as np
import safetensors
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

MAX_FOLDER_BYTES = 150_000
LOGIT_STD = 3.0
GREEDY_TOKENS = 24
MIN_MARGIN = 0.02  # top-1 minus top-2 logit at every greedy step: far above the comparison bound of 2e-3
EOS = 1


@dataclass
class Case:
    name: str  # <family>_<what it covers>
    model_type: str
    config: dict  # in the transformers 5 spelling
    spelling: int = 5  # of config.json as written
    dtype: str = "bfloat16"
    shard_bytes: int = 0  # 0: one file
    gguf: bool = False
    lengths: tuple = (1, 7, 33, 70)
    greedy_length: int = 7
    notes: str = ""
    seed: int = field(default=0)


def rope(rope_type: str = "default", theta: float = 10000.0, **more) -> dict:
    return {"rope_type": rope_type, "rope_theta": theta, **more}


def sizes(hidden=32, inter=64, layers=2, heads=2, kv=1, head_dim=64, vocab=128, max_pos=256, tied=True, **more) -> dict:
    return dict(
        hidden_size=hidden,
        intermediate_size=inter,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv,
        head_dim=head_dim,
        vocab_size=vocab,
        max_position_embeddings=max_pos,
        tie_word_embeddings=tied,
        rms_norm_eps=1e-5,
        bos_token_id=0,
        eos_token_id=EOS,
        pad_token_id=None,
        **more,
    )


def gemma_sizes(**kw) -> dict:
    local_theta, full = kw.pop("local_theta", 100.0), kw.pop("full", rope(theta=10000.0))
    return sizes(**kw, rope_parameters={"full_attention": full, "sliding_attention": rope(theta=local_theta)})


CASES = [
    Case(
        "llama_gqa3",
        "llama",
        sizes(hidden=24, heads=3, kv=1, tied=False, rope_parameters=rope()),
        spelling=4,
        notes="3 query heads per KV head, untied, head_dim differs from hidden / heads",
    ),
    Case(
        "llama_bias_mha",
        "llama",
        sizes(
            hidden=32,
            inter=48,
            heads=2,
            kv=2,
            head_dim=16,
            attention_bias=True,
            mlp_bias=True,
            rope_parameters=rope(theta=500.0),
        ),
        dtype="float32",
        notes="biases on q, k, v, o, gate, up, down; one query head per KV head",
    ),
    Case(
        "llama_linear",
        "llama",
        sizes(
            hidden=32,
            inter=56,
            heads=2,
            kv=1,
            head_dim=80,
            tied=False,
            rope_parameters=rope("linear", 100.0, factor=4.0),
        ),
        spelling=4,
        dtype="float16",
        notes="head_dim 80, linear RoPE",
    ),
    Case(
        "llama_dynamic",
        "llama",
        sizes(max_pos=48, rope_parameters=rope("dynamic", 100.0, factor=2.0)),
        spelling=4,
        lengths=(1, 7, 33, 48, 49, 70, 120),
        notes="dynamic RoPE; prompts of 49, 70 and 120 tokens pass max_position_embeddings",
    ),
    Case(
        "llama_yarn",
        "llama",
        sizes(
            max_pos=256,
            heads=4,
            kv=2,
            head_dim=32,
            rope_parameters=rope("yarn", 1000.0, factor=4.0, original_max_position_embeddings=64),
        ),
        lengths=(1, 7, 33, 70, 130),
    ),
    Case(
        "llama_llama3",
        "llama",
        sizes(
            hidden=32,
            heads=1,
            kv=1,
            head_dim=128,
            tied=False,
            rope_parameters=rope(
                "llama3",
                5000.0,
                factor=8.0,
                low_freq_factor=1.0,
                high_freq_factor=4.0,
                original_max_position_embeddings=64,
            ),
        ),
        shard_bytes=40_000,
        spelling=4,
        lengths=(1, 7, 33, 70, 130),
        notes="head_dim 128, llama3 RoPE, shards with an index",
    ),
    Case(
        "mistral_window",
        "mistral",
        sizes(heads=3, kv=1, sliding_window=16, tied=False, rope_parameters=rope(theta=100.0)),
        notes="every layer slides; the window is shorter than the prompts",
    ),
    Case(
        "mistral_full",
        "mistral",
        sizes(
            hidden=40, heads=1, kv=1, head_dim=128, sliding_window=None, inter=56, rope_parameters=rope(theta=1000.0)
        ),
        spelling=4,
        notes="no window, head_dim 128",
    ),
    Case(
        "qwen2_gqa7",
        "qwen2",
        sizes(
            hidden=28,
            inter=32,
            heads=7,
            kv=1,
            head_dim=64,
            use_sliding_window=False,
            sliding_window=8,
            max_window_layers=0,
            rope_parameters=rope(theta=1000.0),
        ),
        spelling=4,
        notes="7 query heads per KV head; sliding_window is written but use_sliding_window is false",
    ),
    Case(
        "qwen2_window",
        "qwen2",
        sizes(
            layers=3,
            use_sliding_window=True,
            sliding_window=12,
            max_window_layers=1,
            inter=48,
            rope_parameters=rope(theta=100.0),
        ),
        spelling=4,
        notes="layers from max_window_layers on slide",
    ),
    Case(
        "qwen2_yarn",
        "qwen2",
        sizes(
            hidden=32,
            heads=2,
            kv=2,
            head_dim=64,
            inter=48,
            tied=False,
            max_pos=64,
            rope_parameters=rope("yarn", 1000.0, factor=4.0, original_max_position_embeddings=32),
        ),
        spelling=4,
        lengths=(1, 7, 33, 60),
        dtype="float16",
        notes="yarn, untied",
    ),
    Case(
        "qwen3_gqa3",
        "qwen3",
        sizes(hidden=24, inter=48, heads=3, kv=1, head_dim=64, rope_parameters=rope(theta=1000.0)),
        spelling=4,
        notes="q and k norms",
    ),
    Case(
        "qwen3_hd128",
        "qwen3",
        sizes(
            hidden=24,
            heads=2,
            kv=1,
            head_dim=128,
            attention_bias=True,
            tied=False,
            inter=32,
            rope_parameters=rope(theta=1000.0),
        ),
        notes="head_dim 128, biases on q, k, v, o",
    ),
    Case(
        "qwen3_yarn_window",
        "qwen3",
        sizes(
            layers=3,
            heads=2,
            kv=1,
            head_dim=64,
            inter=40,
            vocab=96,
            max_pos=320,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            use_sliding_window=True,
            sliding_window=8,
            rope_parameters=rope("yarn", 1000.0, factor=2.0, original_max_position_embeddings=64),
        ),
        lengths=(1, 7, 33, 70, 130),
        notes="layer_types mixes both kinds; yarn whose factor is not max / original",
    ),
    Case(
        "gemma3_mix",
        "gemma3_text",
        gemma_sizes(
            layers=3,
            heads=4,
            kv=2,
            head_dim=32,
            inter=64,
            sliding_window=16,
            query_pre_attn_scalar=24,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        ),
        spelling=4,
        notes="sliding_window_pattern 2 over 3 layers; attention scale from query_pre_attn_scalar",
    ),
    Case(
        "gemma3_hd256",
        "gemma3_text",
        gemma_sizes(
            hidden=16,
            layers=2,
            heads=2,
            kv=1,
            head_dim=256,
            inter=48,
            sliding_window=12,
            query_pre_attn_scalar=256,
            layer_types=["sliding_attention", "full_attention"],
        ),
        notes="head_dim 256",
    ),
    Case(
        "gemma3_linear",
        "gemma3_text",
        gemma_sizes(
            layers=2,
            heads=2,
            kv=2,
            head_dim=48,
            inter=64,
            sliding_window=8,
            local_theta=50.0,
            query_pre_attn_scalar=48,
            full=rope("linear", 1000.0, factor=8.0),
            layer_types=["sliding_attention", "full_attention"],
        ),
        notes="linear RoPE on the full layers only",
    ),
    Case(
        "llama_gguf",
        "llama",
        sizes(heads=2, kv=1, head_dim=32, tied=False, vocab=128, rope_parameters=rope(theta=1000.0)),
        gguf=True,
        notes="GGUF: q and k rows permuted as the llama.cpp converter does; F32, F16 and Q8_0 tensors",
    ),
    Case(
        "qwen2_gguf",
        "qwen2",
        sizes(heads=3, kv=1, head_dim=32, hidden=96, inter=64, rope_parameters=rope(theta=1000.0)),
        gguf=True,
        notes="GGUF: not permuted, biases, tied",
    ),
    Case(
        "qwen3_gguf",
        "qwen3",
        sizes(heads=2, kv=1, head_dim=64, rope_parameters=rope(theta=1000.0)),
        gguf=True,
        notes="GGUF: q and k norms, key_length differs from hidden / heads",
    ),
    Case(
        "gemma3_gguf",
        "gemma3_text",
        gemma_sizes(
            heads=2,
            kv=1,
            head_dim=64,
            sliding_window=8,
            layers=6,
            inter=32,
            vocab=96,
            local_theta=10000.0,
            full=rope(theta=1000.0),
            query_pre_attn_scalar=64,
        ),
        gguf=True,
        notes="GGUF: norms stored with 1 added; five sliding layers to one full; the file has no key for the local base (10000)",
    ),
]


# ---- weights ---------------------------------------------------------------------------------------------------------


def randomize(model: torch.nn.Module, gemma: bool) -> None:
    base = 0.0 if gemma else 1.0  # Gemma multiplies by 1 + w
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("norm.weight"):
                gain = 1.3 if ("q_norm" in name or "k_norm" in name) else 1.0
                p.copy_(gain * (1.0 + 0.25 * torch.randn_like(p)) - (1.0 - base))
            elif name.endswith(".bias"):
                p.copy_((0.1 if ("o_proj" in name or "mlp" in name) else 0.5) * torch.randn_like(p))
            elif "embed_tokens" in name:
                # Small where tied: else a token's own embedding would win its logits and the model would repeat itself.
                gain = 0.3 if model.config.tie_word_embeddings else 1.0
                p.copy_(gain * torch.randn_like(p) * (p.shape[1] ** -0.5 if gemma else 1.0))
            else:
                gain = 1.6 if ("q_proj" in name or "k_proj" in name) else 1.0
                p.copy_(gain * torch.randn_like(p) * p.shape[1] ** -0.5)


def set_logit_scale(model: torch.nn.Module, gemma: bool) -> None:
    """Scales the last norm so that logits have a standard deviation of LOGIT_STD."""
    ids = torch.randint(2, model.config.vocab_size, (1, 40))
    with torch.no_grad():
        s = LOGIT_STD / model(ids, use_cache=False).logits[:, 8:].std()
        w = model.model.norm.weight
        w.copy_(s * (w + 1.0) - 1.0 if gemma else s * w)


def build(case: Case) -> torch.nn.Module:
    torch.manual_seed(1000 + case.seed)
    config = AutoConfig.for_model(case.model_type, **copy.deepcopy(case.config))
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    gemma = case.model_type == "gemma3_text"
    randomize(model, gemma)
    set_logit_scale(model, gemma)
    return model


# ---- the folder as a user has it -------------------------------------------------------------------------------------


def to_version_4(config: dict, full: dict, case: Case) -> dict:
    """The same configuration in the spelling of transformers 4 (`full` has every key, defaults included)."""
    out = dict(config)
    parameters = out.pop("rope_parameters")
    out["torch_dtype"] = out.pop("dtype")
    out["transformers_version"] = "4.51.3"
    layer_types = out.pop("layer_types", None)
    if case.model_type == "gemma3_text":
        out["rope_local_base_freq"] = parameters["sliding_attention"]["rope_theta"]
        parameters = parameters["full_attention"]
        out["sliding_window_pattern"] = layer_types.index("full_attention") + 1
        out.pop("_sliding_window_pattern", None)
    parameters = dict(parameters)
    out["rope_theta"] = parameters.pop("rope_theta")
    kind = parameters.pop("rope_type")
    key = "rope_type" if kind == "llama3" else "type"  # as the published files of each age write it
    out["rope_scaling"] = None if kind == "default" else {key: kind, **parameters}
    for k in ("use_sliding_window", "sliding_window", "max_window_layers"):
        if k in case.config:
            out[k] = case.config[k]
    return out


def write_checkpoint(model: torch.nn.Module, case: Case, folder: str) -> None:
    stored = copy.deepcopy(model).to(getattr(torch, case.dtype))
    stored.config.dtype = getattr(torch, case.dtype)
    more = {"max_shard_size": case.shard_bytes} if case.shard_bytes else {}
    stored.save_pretrained(folder, **more)
    path = os.path.join(folder, "config.json")
    config = json.load(open(path))
    if case.spelling == 4:
        config = to_version_4(config, stored.config.to_dict(), case)
    with open(path, "w") as f:
        json.dump(config, f, indent=1, sort_keys=True)
        f.write("\n")
    with open(os.path.join(folder, "generation_config.json"), "w") as f:
        json.dump({"bos_token_id": 0, "eos_token_id": [EOS], "transformers_version": transformers.__version__}, f)
        f.write("\n")


def load(folder: str, built: torch.nn.Module) -> torch.nn.Module:
    """What transformers reads back; it must be the model that was built, whatever the spelling of config.json."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.arange(2, 62).unsqueeze(0) % model.config.vocab_size
    with torch.no_grad():
        diff = (copy.deepcopy(model)(ids).logits - copy.deepcopy(built)(ids).logits).abs().max()
    if model.dtype != torch.float32 or not diff <= 1e-5:
        raise SystemExit(f"{folder}: the model read back differs from the one written by {float(diff)}")
    return model


# ---- GGUF ------------------------------------------------------------------------------------------------------------

GGUF_LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "post_attention_layernorm": "ffn_norm",
}
GGUF_LAYER_GEMMA = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
GGUF_TOP = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
GGUF_ARCH = {"llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma3_text": "gemma3"}


def gguf_name(name: str, gemma: bool) -> str:
    if name in GGUF_TOP:
        return GGUF_TOP[name]
    _, _, layer, rest = name.split(".", 3)
    module, kind = rest.rsplit(".", 1)
    table = {**GGUF_LAYER, **GGUF_LAYER_GEMMA} if gemma else GGUF_LAYER
    return f"blk.{layer}.{table[module]}.{kind}"


def gguf_type(name: str) -> gguf.GGMLQuantizationType:
    q = gguf.GGMLQuantizationType
    if name.endswith("norm.weight") or name.endswith(".bias"):
        return q.F32
    return q.F16 if ("attn_v" in name or "ffn_down" in name) else q.Q8_0


def round_to_gguf(model: torch.nn.Module, gemma: bool) -> None:
    """Gives every parameter the value that its GGUF tensor decodes to (the gguf package is the decoder)."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            kind = gguf_type(gguf_name(name, gemma))
            values = p.numpy()
            if kind == gguf.GGMLQuantizationType.F16:
                values = values.astype(np.float16).astype(np.float32)
            elif kind != gguf.GGMLQuantizationType.F32:
                values = gguf.quants.dequantize(gguf.quants.quantize(values, kind), kind)
            p.copy_(torch.from_numpy(np.ascontiguousarray(values)))


def permute_rows(values: np.ndarray, heads: int) -> np.ndarray:
    """llama's row order in GGUF: the two halves that rotate together become neighbours (pair p of a head: rows 2p, 2p + 1)."""
    head_dim = values.shape[0] // heads
    order = np.arange(head_dim).reshape(2, head_dim // 2).T.reshape(-1)
    return values.reshape(heads, head_dim, *values.shape[1:])[:, order].reshape(values.shape)


def add_gguf_metadata(w: gguf.GGUFWriter, case: Case) -> None:
    c = case.config
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_block_count(c["num_hidden_layers"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_head_count_kv(c["num_key_value_heads"])
    w.add_key_length(c["head_dim"])
    w.add_value_length(c["head_dim"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    w.add_vocab_size(c["vocab_size"])
    if case.model_type == "gemma3_text":
        w.add_rope_freq_base(c["rope_parameters"]["full_attention"]["rope_theta"])
        w.add_sliding_window(c["sliding_window"])
    else:
        w.add_rope_freq_base(c["rope_parameters"]["rope_theta"])
        w.add_rope_dimension_count(c["head_dim"])
    # A byte-level vocabulary, so that the file is whole: two control tokens, then single characters.
    tokens = ["<s>", "</s>"] + [chr(0x21 + i) for i in range(c["vocab_size"] - 2)]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("default")
    w.add_token_list(tokens)
    w.add_token_types([3, 3] + [1] * (len(tokens) - 2))
    w.add_token_merges(["a b"])
    w.add_bos_token_id(0)
    w.add_eos_token_id(EOS)


def write_gguf(model: torch.nn.Module, case: Case, folder: str) -> None:
    gemma = case.model_type == "gemma3_text"
    w = gguf.GGUFWriter(os.path.join(folder, "model.gguf"), GGUF_ARCH[case.model_type])
    add_gguf_metadata(w, case)
    for name, p in model.named_parameters():
        values, out = p.detach().numpy(), gguf_name(name, gemma)
        if case.model_type == "llama" and ("attn_q." in out or "attn_k." in out):
            heads = case.config["num_attention_heads" if "attn_q." in out else "num_key_value_heads"]
            values = permute_rows(values, heads)
        if gemma and name.endswith("norm.weight"):
            values = values + np.float32(1.0)
        kind = gguf_type(out)
        if kind == gguf.GGMLQuantizationType.F32:
            w.add_tensor(out, values.astype(np.float32))
        elif kind == gguf.GGMLQuantizationType.F16:
            w.add_tensor(out, values.astype(np.float16))
        else:
            w.add_tensor(out, gguf.quants.quantize(values, kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


# ---- goldens ---------------------------------------------------------------------------------------------------------


def forward(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    if "dynamic" in str(model.config.rope_parameters):
        model = copy.deepcopy(model)  # dynamic RoPE keeps state between calls
    with torch.no_grad():
        return model(torch.tensor([ids]), use_cache=False).logits[0]


def chosen_positions(n: int) -> list[int]:
    return sorted({0, n // 2, n - 3, n - 2, n - 1} & set(range(n)))


def greedy(model: torch.nn.Module, prompt: list[int], count: int) -> tuple[list[int], float]:
    ids, margin = list(prompt), float("inf")
    for _ in range(count):
        top = forward(model, ids)[-1].topk(2)
        margin = min(margin, float(top.values[0] - top.values[1]))
        ids.append(int(top.indices[0]))
    return ids[len(prompt) :], margin


def find_greedy(model: torch.nn.Module, case: Case, rng: np.random.Generator) -> dict:
    """A prompt whose continuation is unambiguous at every step, free of the end token, and the most varied of those."""
    best = None
    for _ in range(40):
        prompt = rng.integers(2, case.config["vocab_size"], case.greedy_length).tolist()
        tokens, margin = greedy(model, prompt, GREEDY_TOKENS)
        if margin < MIN_MARGIN or EOS in tokens:
            continue
        if best is None or len(set(tokens)) > len(set(best["tokens"])):
            best = {"prompt": prompt, "tokens": tokens, "min_margin": round(margin, 4)}
        if len(set(tokens)) >= GREEDY_TOKENS // 2:
            break
    if best is None or len(set(best["tokens"])) < 3:
        raise SystemExit(f"{case.name}: no prompt with an unambiguous continuation")
    return best


def make_case(case: Case, out_root: str) -> None:
    folder = os.path.join(out_root, case.name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    model = build(case)
    gemma = case.model_type == "gemma3_text"
    if case.gguf:
        round_to_gguf(model, gemma)
        if gemma:  # what is stored is fl(1 + w): give the reference the weight that this means
            with torch.no_grad():
                for name, p in model.named_parameters():
                    if name.endswith("norm.weight"):
                        p.copy_((p + 1.0) - 1.0)
        write_gguf(model, case, folder)
        with tempfile.TemporaryDirectory() as plain:
            write_checkpoint(model, dataclasses.replace(case, dtype="float32"), plain)
            model = load(plain, model)
    else:
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(p.to(getattr(torch, case.dtype)).float())
        write_checkpoint(model, case, folder)
        model = load(folder, model)
    rng = np.random.default_rng(case.seed + 7)
    prompts, rows, stds = [], [], []
    for n in case.lengths:
        ids = rng.integers(2, case.config["vocab_size"], n).tolist()
        logits = forward(model, ids)
        positions = chosen_positions(n)
        prompts.append({"ids": ids, "positions": positions, "first_row": len(rows)})
        rows += [logits[p].numpy() for p in positions]
        stds.append(float(logits.std()))
    np.stack(rows).astype("<f4").tofile(os.path.join(folder, "golden.bin"))
    golden = {
        "case": case.name,
        "model_type": case.model_type,
        "notes": case.notes,
        "made_by": {
            "script": "tools/make_family_goldens.py",
            "transformers": transformers.__version__,
            "torch": torch.__version__.split("+")[0],
            "safetensors": safetensors.__version__,
            "attention": "eager",
            "dtype": "float32",
            "stored_dtype": "gguf" if case.gguf else case.dtype,
        },
        "vocab_size": case.config["vocab_size"],
        "rows": len(rows),
        "prompts": prompts,
        "greedy": find_greedy(model, case, rng),
    }
    with open(os.path.join(folder, "golden.json"), "w") as f:
        json.dump(golden, f, separators=(",", ":"))
        f.write("\n")
    total = sum(os.path.getsize(os.path.join(folder, x)) for x in os.listdir(folder))
    print(
        f"{case.name:20s} {total:7d} bytes, {len(rows)} rows, logit std {min(stds):.2f}..{max(stds):.2f}, "
        f"greedy margin {golden['greedy']['min_margin']}, {len(set(golden['greedy']['tokens']))} distinct",
        flush=True,
    )
    if total > MAX_FOLDER_BYTES:
        raise SystemExit(f"{case.name}: {total} bytes, at most {MAX_FOLDER_BYTES} wanted")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=os.path.join(os.path.dirname(__file__), "..", "tests", "data", "families"))
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    for i, case in enumerate(CASES):
        case.seed = i
        if not args.cases or case.name in args.cases:
            make_case(case, args.out)


if __name__ == "__main__":
    main()
