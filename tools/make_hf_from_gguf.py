#!/usr/bin/env python3
"""Writes a Hugging Face folder (config.json, model.safetensors in float32, tokenizer files) from a GGUF file.

The weights and the configuration are what transformers itself makes of the GGUF file, so that the folder is an
independent reference for Mainspring's GGUF reader.

usage: make_hf_from_gguf.py model.gguf out_folder
"""
import json
import os
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    gguf_path, out = sys.argv[1:3]
    folder, name = os.path.split(os.path.abspath(gguf_path))
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(out)
    versions = {"transformers": transformers.__version__, "torch": torch.__version__, "source": name}
    with open(os.path.join(out, "made_by.json"), "w") as f:
        json.dump(versions, f, indent=1)


if __name__ == "__main__":
    main()
