#!/usr/bin/env python3
"""Writes tests/data/safetensors/configs.json: config.json files in the spellings of transformers 4 and 5, and the fields
that transformers' own configuration classes read from them.

usage: make_config_goldens.py tests/data/safetensors/configs.json
"""
import json
import sys

import transformers
from transformers import AutoConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

LLAMA = dict(architectures=["LlamaForCausalLM"], model_type="llama", hidden_act="silu", hidden_size=4096,
             intermediate_size=14336, num_attention_heads=32, num_hidden_layers=32, num_key_value_heads=8,
             rms_norm_eps=1e-05, vocab_size=128256, bos_token_id=128000, eos_token_id=128001, max_position_embeddings=8192,
             rope_theta=500000.0, tie_word_embeddings=False, torch_dtype="bfloat16")
LLAMA31 = dict(LLAMA, max_position_embeddings=131072, eos_token_id=[128001, 128008, 128009],
               rope_scaling=dict(factor=8.0, high_freq_factor=4.0, low_freq_factor=1.0, original_max_position_embeddings=8192,
                                 rope_type="llama3"))
MISTRAL = dict(architectures=["MistralForCausalLM"], model_type="mistral", bos_token_id=1, eos_token_id=2, hidden_size=4096,
               intermediate_size=14336, max_position_embeddings=32768, num_attention_heads=32, num_hidden_layers=32,
               num_key_value_heads=8, rms_norm_eps=1e-05, vocab_size=32000)
QWEN25 = dict(architectures=["Qwen2ForCausalLM"], model_type="qwen2", bos_token_id=151643, eos_token_id=151645,
              hidden_act="silu", hidden_size=3584, intermediate_size=18944, max_position_embeddings=32768,
              max_window_layers=28, num_attention_heads=28, num_hidden_layers=28, num_key_value_heads=4, rms_norm_eps=1e-06,
              rope_theta=1000000.0, sliding_window=131072, tie_word_embeddings=False, torch_dtype="bfloat16",
              use_sliding_window=False, vocab_size=152064)
QWEN3 = dict(architectures=["Qwen3ForCausalLM"], model_type="qwen3", attention_bias=False, bos_token_id=151643,
             eos_token_id=151645, head_dim=128, hidden_act="silu", hidden_size=1024, intermediate_size=3072,
             max_position_embeddings=40960, max_window_layers=28, num_attention_heads=16, num_hidden_layers=28,
             num_key_value_heads=8, rms_norm_eps=1e-06, rope_scaling=None, rope_theta=1000000, sliding_window=None,
             tie_word_embeddings=True, use_sliding_window=False, vocab_size=151936)
GEMMA3_1B = dict(architectures=["Gemma3ForCausalLM"], model_type="gemma3_text", attention_bias=False, bos_token_id=2,
                 eos_token_id=[1, 106], final_logit_softcapping=None, head_dim=256, hidden_activation="gelu_pytorch_tanh",
                 hidden_size=1152, intermediate_size=6912, max_position_embeddings=32768, num_attention_heads=4,
                 num_hidden_layers=26, num_key_value_heads=1, query_pre_attn_scalar=256, rms_norm_eps=1e-06,
                 rope_local_base_freq=10000, rope_scaling=None, rope_theta=1000000, sliding_window=512,
                 sliding_window_pattern=6, vocab_size=262144)
GEMMA3_4B = dict(architectures=["Gemma3ForConditionalGeneration"], model_type="gemma3", eos_token_id=[1, 106],
                 text_config=dict(hidden_size=2560, intermediate_size=10240, model_type="gemma3_text", num_hidden_layers=34,
                                  rope_scaling=dict(factor=8.0, rope_type="linear"), sliding_window=1024))
PHI3_LONG = dict(architectures=["Phi3ForCausalLM"], model_type="phi3", bos_token_id=1, eos_token_id=32000, hidden_act="silu",
                 hidden_size=192, intermediate_size=256, max_position_embeddings=131072, num_attention_heads=2,
                 num_hidden_layers=2, num_key_value_heads=2, original_max_position_embeddings=4096, rms_norm_eps=1e-05,
                 rope_scaling=dict(long_factor=[1.0 + 0.5 * i for i in range(48)], short_factor=[1.0 + 0.1 * i for i in range(48)],
                                   type="longrope"), rope_theta=10000.0, sliding_window=262144, vocab_size=32064,
                 tie_word_embeddings=False)


def without(d, *keys):
    return {k: v for k, v in d.items() if k not in keys}


def version5(d):
    """The same configuration as transformers 5 writes it."""
    return CONFIG_MAPPING[d["model_type"]].from_dict(dict(d)).to_dict()


CASES = {
    "llama 2, short": dict(architectures=["LlamaForCausalLM"], model_type="llama", hidden_size=5120, intermediate_size=13824,
                           num_attention_heads=40, num_hidden_layers=40, rms_norm_eps=1e-05, vocab_size=32000,
                           bos_token_id=1, eos_token_id=2),
    "llama 3": LLAMA,
    "llama 3.1": LLAMA31,
    "llama 3.1, version 5": version5(LLAMA31),
    "llama, nulls": dict(LLAMA, num_key_value_heads=None, head_dim=None, rope_scaling=None),
    "llama, linear, old type key": dict(LLAMA, rope_scaling=dict(type="linear", factor=2.5)),
    "llama, dynamic": dict(LLAMA, rope_scaling=dict(rope_type="dynamic", factor=4.0)),
    "llama, tied": dict(LLAMA, tie_word_embeddings=True, attention_bias=True, mlp_bias=True),
    "mistral 0.1": dict(MISTRAL, sliding_window=4096, rope_theta=10000.0),
    "mistral 0.2": dict(MISTRAL, sliding_window=None, rope_theta=1000000.0),
    "mistral, short": without(MISTRAL, "num_key_value_heads", "max_position_embeddings"),
    "mistral nemo": dict(MISTRAL, hidden_size=5120, head_dim=128, sliding_window=None, rope_theta=1000000.0),
    "qwen2.5 yarn": dict(QWEN25, rope_scaling=dict(type="yarn", factor=4.0, original_max_position_embeddings=32768)),
    "qwen2.5, version 5": version5(without(QWEN25, "torch_dtype")),
    "qwen3": QWEN3,
    "qwen3, no head_dim": without(QWEN3, "head_dim"),
    "gemma 3 1B": GEMMA3_1B,
    "gemma 3 1B, version 5": version5(GEMMA3_1B),
    "gemma 3 4B, mostly defaults": GEMMA3_4B,
    "phi 3 longrope": PHI3_LONG,
}


def rope(table):
    keep = ["rope_theta", "rope_type", "factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings",
            "partial_rotary_factor", "attention_factor", "beta_fast", "beta_slow", "long_factor", "short_factor"]
    return {k: table[k] for k in keep if table.get(k) is not None}


def expected(config):
    c = CONFIG_MAPPING[config["model_type"]].from_dict(dict(config))
    t = c.get_text_config()
    d = t.to_dict()
    tables = d["rope_parameters"]
    r = {k: d.get(k) for k in ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                               "num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings"]}
    r["head_dim"] = d.get("head_dim") or d["hidden_size"] // d["num_attention_heads"]
    r["hidden_act"] = d.get("hidden_activation") or d.get("hidden_act")
    r["rope"] = rope(tables.get("full_attention", tables))
    r["rope_local"] = rope(tables["sliding_attention"]) if "sliding_attention" in tables else None
    r["layer_types"] = d.get("layer_types") if d["model_type"] == "gemma3_text" else None
    r["sliding_window"] = d.get("sliding_window") if d["model_type"] in ("mistral", "gemma3_text") else -1
    return r


def main() -> None:
    cases = [{"name": n, "config": c, "expected": expected(c)} for n, c in CASES.items()]
    with open(sys.argv[1], "w") as f:
        json.dump({"transformers": transformers.__version__, "script": "tools/make_config_goldens.py", "cases": cases}, f,
                  indent=None, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
