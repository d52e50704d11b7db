#!/usr/bin/env python3
"""Writes tiny checkpoints for the tests of src/weights.

For each architecture a GGUF file (tests/data/gguf/NAME.gguf, written by the gguf package) and what transformers reads
from it as a Hugging Face folder (tests/data/safetensors/NAME). Also a split GGUF, a sharded folder, a multimodal folder
as transformers saves it, and a file with every dtype. versions.json records the packages used.

usage: make_checkpoint_goldens.py tests/data
"""
import json
import os
import shutil
import sys

import gguf
import numpy as np
import safetensors
import torch
import transformers
from huggingface_hub import save_torch_state_dict
from safetensors.torch import save_file
from transformers import (Gemma3Config, Gemma3ForCausalLM, Gemma3ForConditionalGeneration, Gemma3TextConfig, LlamaConfig,
                          LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM)
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

Q = gguf.GGMLQuantizationType
RNG = np.random.default_rng(7)
COMMON = dict(vocab_size=40, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=4096, bos_token_id=1, eos_token_id=[2, 5])


def llama3_factors(config) -> np.ndarray:
    """What the converter stores in rope_freqs.weight: default frequency over scaled frequency."""
    plain = LlamaConfig(**COMMON, head_dim=config.head_dim, rope_parameters={
        "rope_type": "default", "rope_theta": config.rope_parameters["rope_theta"]})
    r = config.head_dim
    default = 1.0 / (plain.rope_parameters["rope_theta"] ** (np.arange(0, r, 2, dtype=np.float32) / r))
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    return (torch.tensor(default) / scaled).numpy().astype(np.float32)


def add_tokens(w, count):
    w.add_tokenizer_model("gpt2")
    w.add_token_list([f"t{i}" for i in range(count)])
    w.add_token_types([1] * count)
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_eot_token_id(5)


def add_tensor(w, name, shape, qtype, norm=False):
    data = RNG.standard_normal(shape).astype(np.float32) * 0.1 + (1.0 if norm else 0.0)
    if qtype == Q.F32:
        w.add_tensor(name, data)
    else:
        w.add_tensor(name, gguf.quants.quantize(data, qtype), raw_dtype=qtype)


def add_tensors(w, c, arch, weights, bias=False):
    d = c.head_dim if getattr(c, "head_dim", None) else c.hidden_size // c.num_attention_heads
    q, kv = c.num_attention_heads * d, c.num_key_value_heads * d
    h, m = c.hidden_size, c.intermediate_size
    kinds = iter(weights * 100)
    add_tensor(w, "token_embd.weight", (c.vocab_size, h), Q.Q8_0)
    add_tensor(w, "output_norm.weight", (h,), Q.F32, True)
    if not c.tie_word_embeddings:
        add_tensor(w, "output.weight", (c.vocab_size, h), Q.F16)
    for i in range(c.num_hidden_layers):
        p = f"blk.{i}."
        for name, shape in [("attn_q", (q, h)), ("attn_k", (kv, h)), ("attn_v", (kv, h)), ("attn_output", (h, q)),
                            ("ffn_gate", (m, h)), ("ffn_up", (m, h)), ("ffn_down", (h, m))]:
            add_tensor(w, p + name + ".weight", shape, next(kinds))
        norms = ["attn_norm", "ffn_norm"] + (["post_attention_norm", "post_ffw_norm"] if arch == "gemma3" else [])
        for name in norms:
            add_tensor(w, p + name + ".weight", (h,), Q.F32, True)
        if arch in ("qwen3", "gemma3"):
            for name in ("attn_q_norm", "attn_k_norm"):
                add_tensor(w, p + name + ".weight", (d,), Q.F32, True)
        if bias:
            for name, n in [("attn_q", q), ("attn_k", kv), ("attn_v", kv)] + ([("attn_output", h)] if arch == "llama" else []):
                add_tensor(w, p + name + ".bias", (n,), Q.F32)


def write_gguf(path, arch, c, weights, bias=False, split=0, extra=None):
    w = gguf.GGUFWriter(path, arch, split_max_tensors=split)
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_block_count(c.num_hidden_layers)
    w.add_feed_forward_length(c.intermediate_size)
    w.add_head_count(c.num_attention_heads)
    w.add_head_count_kv(c.num_key_value_heads)
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    w.add_vocab_size(c.vocab_size)
    if arch != "qwen2":
        w.add_key_length(c.head_dim)
        w.add_value_length(c.head_dim)
    rope = c.rope_parameters.get("full_attention", c.rope_parameters)
    w.add_rope_freq_base(rope["rope_theta"])
    add_tokens(w, c.vocab_size)
    if extra:
        extra(w)
    add_tensors(w, c, arch, weights, bias)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def reference_tensors(gguf_path, model, c):
    """The state dict transformers makes of the file, for a model that has every tensor."""
    tensors = load_gguf_checkpoint(gguf_path, return_tensors=True, model_to_load=model)["tensors"]
    names = set(model.state_dict())
    return {k: v.contiguous().to(torch.float32) for k, v in tensors.items() if k in names}


def save_folder(folder, c, architecture, tensors, shard=0):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    c.architectures = [architecture]
    c.dtype = "float32"
    c.save_pretrained(folder)
    if shard:
        save_torch_state_dict(tensors, folder, max_shard_size=shard)
    else:
        save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})


def main() -> None:
    out = sys.argv[1]
    os.makedirs(f"{out}/gguf", exist_ok=True)
    os.makedirs(f"{out}/safetensors", exist_ok=True)

    def both(name, arch, config_class, model_class, weights, bias=False, extra=None, shard=0, **kwargs):
        c = config_class(**{**COMMON, **kwargs})
        path = f"{out}/gguf/{name}.gguf"
        write_gguf(path, arch, c, weights, bias, extra=extra(c) if extra else None)
        # eps is a float32 in the file
        c.rms_norm_eps = float(np.float32(c.rms_norm_eps))
        save_folder(f"{out}/safetensors/{name}", c, model_class.__name__, reference_tensors(path, model_class(c), c), shard)
        return c

    both("llama", "llama", LlamaConfig, LlamaForCausalLM, [Q.Q4_1, Q.Q8_0, Q.F16], bias=True, head_dim=16,
         attention_bias=True, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 5e4})

    def factors(c):
        def add(w):
            w.add_rope_dimension_count(c.head_dim)
            w.add_tensor("rope_freqs.weight", llama3_factors(c))
        return add
    both("llama3", "llama", LlamaConfig, LlamaForCausalLM, [Q.Q8_0], extra=factors, head_dim=16, num_hidden_layers=1,
         tie_word_embeddings=False, rope_parameters={"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0,
                                                     "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                                     "original_max_position_embeddings": 64})
    both("qwen2", "qwen2", Qwen2Config, Qwen2ForCausalLM, [Q.Q5_0, Q.Q5_1], bias=True, num_hidden_layers=1,
         tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e6})
    both("qwen3", "qwen3", Qwen3Config, Qwen3ForCausalLM, [Q.Q4_0, Q.BF16], head_dim=16, tie_word_embeddings=False,
         shard=30000, rope_parameters={"rope_type": "default", "rope_theta": 1e6})

    def windows(c):
        def add(w):
            w.add_sliding_window(c.sliding_window)
            w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            w.add_rope_scaling_factor(8.0)
        return add
    gemma_rope = {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                  "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}
    both("gemma3", "gemma3", Gemma3TextConfig, Gemma3ForCausalLM, [Q.Q4_0], extra=windows, head_dim=16, num_hidden_layers=7,
         intermediate_size=32, num_attention_heads=2, num_key_value_heads=1, sliding_window=512, rope_parameters=gemma_rope)

    c = Qwen3Config(**COMMON, head_dim=16, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e6})
    write_gguf(f"{out}/gguf/split.gguf", "qwen3", c, [Q.Q4_0], split=10)

    torch.manual_seed(3)
    text = dict(vocab_size=40, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
                num_key_value_heads=1, head_dim=8, sliding_window=32)
    vision = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=28, patch_size=14)
    vlm = Gemma3ForConditionalGeneration(Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=1))
    vlm.save_pretrained(f"{out}/safetensors/gemma3_vlm")

    kinds = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64, "I64": torch.int64,
             "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
             "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2}
    base = torch.tensor([[0.0, 1.0, 2.0], [3.0, 0.5, 1.5]])
    os.makedirs(f"{out}/safetensors/dtypes", exist_ok=True)
    save_file({k: base.to(t) for k, t in kinds.items()}, f"{out}/safetensors/dtypes/model.safetensors")
    with open(f"{out}/safetensors/dtypes/config.json", "w") as f:
        json.dump({"model_type": "llama"}, f)
    for folder in ("gguf", "safetensors"):
        with open(f"{out}/{folder}/versions.json", "w") as f:
            json.dump({"gguf": __import__("importlib.metadata").metadata.version("gguf"), "safetensors": safetensors.__version__,
                       "torch": torch.__version__, "transformers": transformers.__version__,
                       "script": "tools/make_checkpoint_goldens.py"}, f, indent=1)
            f.write("\n")


if __name__ == "__main__":
    main()
