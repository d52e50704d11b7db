#!/usr/bin/env python3
"""Writes checkpoints with random weights in real shapes, for benchmarks of sizes that nobody wants to download.

  1b    Llama, 16 layers, 2048/8192, 32 heads and 8 KV heads of 64, vocabulary 128256, one Q6_K matrix for embedding and head
  8b    the shape of Llama 3 8B: 32 layers, 4096/14336, 32 heads and 8 KV heads of 128, Q4_0 embedding, Q6_K head

The layers are Q4_0 in GGUF, or bf16 in a Hugging Face folder. Blocks are written as random blocks: nothing is quantised, and
the file streams to disk. Scales are chosen, with random signs, so that every matrix has zero mean and standard deviation
1/sqrt(inputs): activations keep their size over all layers. The text such a model writes is noise; its speed is real.

The tokenizer is that of another GGUF file, padded with unused tokens to the vocabulary.

usage: make_synthetic.py 1b|8b OUT.gguf --tokenizer FILE.gguf
       make_synthetic.py 1b OUT_FOLDER --tokenizer HF_FOLDER        (bf16; the folder has tokenizer.json)
"""

import argparse
import json
import os
import shutil
from collections.abc import Iterator

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType

SHAPES = {
    "1b": {"layers": 16, "hidden": 2048, "ffn": 8192, "heads": 32, "kv_heads": 8, "head_dim": 64, "tied": True},
    "8b": {"layers": 32, "hidden": 4096, "ffn": 14336, "heads": 32, "kv_heads": 8, "head_dim": 128, "tied": False},
}
VOCAB = 128256
CONTEXT = 32768
ROPE_THETA = 500000.0
NORM_EPS = 1e-5
UNUSED_TOKEN = 5  # llama.cpp's token type
STD_Q4 = 4.61  # of a nibble minus 8, uniformly random
STD_Q6 = 18.47  # of six bits minus 32
CHUNK_ROWS = 4096

Q4_0, Q6_K, F32 = GGMLQuantizationType.Q4_0, GGMLQuantizationType.Q6_K, GGMLQuantizationType.F32


def tensors(shape: dict, embedding: object, head: object, matrix: object) -> Iterator[tuple[str, tuple[int, ...], object]]:
    """(GGUF name, shape as rows x columns, type) of every tensor; a `head` of None is tied to the embedding."""
    h, f = shape["hidden"], shape["ffn"]
    q, kv = shape["heads"] * shape["head_dim"], shape["kv_heads"] * shape["head_dim"]
    yield "token_embd.weight", (VOCAB, h), embedding
    for i in range(shape["layers"]):
        yield f"blk.{i}.attn_norm.weight", (h,), F32
        for name, rows, columns in (("q", q, h), ("k", kv, h), ("v", kv, h), ("output", h, q)):
            yield f"blk.{i}.attn_{name}.weight", (rows, columns), matrix
        yield f"blk.{i}.ffn_norm.weight", (h,), F32
        for name, rows, columns in (("gate", f, h), ("up", f, h), ("down", h, f)):
            yield f"blk.{i}.ffn_{name}.weight", (rows, columns), matrix
    yield "output_norm.weight", (h,), F32
    if head is not None:
        yield "output.weight", (VOCAB, h), head


def random_bytes(rng: np.random.Generator, *shape: int) -> np.ndarray:
    count = int(np.prod(shape))
    words = rng.integers(0, 1 << 64, size=-(-count // 8), dtype=np.uint64)
    return words.view(np.uint8)[:count].reshape(shape)


def scales(rng: np.random.Generator, count: int, size: float) -> np.ndarray:
    """Random in sign and within 20 % of `size`, as the bytes of f16."""
    values = rng.uniform(0.8, 1.2, count).astype(np.float32) * size
    values *= rng.integers(0, 2, count, dtype=np.int8) * 2 - 1
    return values.astype(np.float16).view(np.uint8).reshape(count, 2)


def q4_0(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Blocks of 32: f16 scale, 16 bytes of nibbles."""
    blocks = random_bytes(rng, rows * columns // 32, 18)
    blocks[:, :2] = scales(rng, len(blocks), columns**-0.5 / STD_Q4)
    return blocks.reshape(rows, -1)


def q6_k(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Blocks of 256: 128 bytes of low and 64 of high bits, 16 int8 scales, f16 scale."""
    blocks = random_bytes(rng, rows * columns // 256, 210)
    blocks[:, 192:208] = rng.integers(12, 21, (len(blocks), 16), dtype=np.int8).view(np.uint8)
    blocks[:, 208:] = scales(rng, len(blocks), columns**-0.5 / STD_Q6 / 16)
    return blocks.reshape(rows, -1)


def rows_of(rng: np.random.Generator, shape: tuple[int, ...], kind: object) -> Iterator[np.ndarray]:
    """The bytes of one tensor, some rows at a time."""
    if kind == F32:
        yield np.ones(shape, dtype=np.float32).view(np.uint8)
        return
    rows, columns = shape
    for at in range(0, rows, CHUNK_ROWS):
        yield {Q4_0: q4_0, Q6_K: q6_k}[kind](rng, min(CHUNK_ROWS, rows - at), columns)


def bytes_of(shape: tuple[int, ...], kind: object) -> int:
    count = int(np.prod(shape))
    return {F32: count * 4, Q4_0: count // 32 * 18, Q6_K: count // 256 * 210}[kind]


def unused(i: int) -> str:
    return f"<|unused_{i}|>"


def add_tokenizer(writer: GGUFWriter, path: str) -> None:
    reader = GGUFReader(path)
    for field in reader.fields.values():
        if not field.name.startswith("tokenizer."):
            continue
        value = field.contents()
        if field.name == "tokenizer.ggml.tokens":
            value = [*value, *map(unused, range(len(value), VOCAB))]
        elif field.name == "tokenizer.ggml.token_type":
            value = [*value, *[UNUSED_TOKEN] * (VOCAB - len(value))]
        elif field.name == "tokenizer.ggml.scores":
            value = [*value, *[0.0] * (VOCAB - len(value))]
        sub_type = field.types[1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, value, field.types[0], sub_type)


def write_gguf(name: str, out: str, tokenizer: str, rng: np.random.Generator) -> None:
    shape = SHAPES[name]
    writer = GGUFWriter(out, "llama")
    writer.add_name(f"synthetic-{name}")
    writer.add_file_type(LlamaFileType.MOSTLY_Q4_0)
    writer.add_block_count(shape["layers"])
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape["hidden"])
    writer.add_feed_forward_length(shape["ffn"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["kv_heads"])
    writer.add_rope_dimension_count(shape["head_dim"])
    writer.add_rope_freq_base(ROPE_THETA)
    writer.add_layer_norm_rms_eps(NORM_EPS)
    writer.add_vocab_size(VOCAB)
    add_tokenizer(writer, tokenizer)
    embedding, head = (Q6_K, None) if shape["tied"] else (Q4_0, Q6_K)
    all_tensors = list(tensors(shape, embedding, head, Q4_0))
    for tensor, dims, kind in all_tensors:
        writer.add_tensor_info(tensor, dims, np.dtype(np.float32), bytes_of(dims, kind), None if kind == F32 else kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    file = writer.fout[0]
    writer.write_padding(file, file.tell())
    for _, dims, kind in all_tensors:
        for part in rows_of(rng, dims, kind):
            part.tofile(file)
        writer.write_padding(file, bytes_of(dims, kind))
    writer.close()


def normal_bf16() -> np.ndarray:
    """The bf16 bits of 65536 normally distributed values: a table that random 16-bit words pick from."""
    rng = np.random.default_rng(2)
    bits = rng.standard_normal(65536).astype(np.float32).view(np.uint32)
    return (bits >> 16).astype(np.uint16)


def hf_name(name: str) -> str:
    parts = name.split(".")
    top = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
    if parts[0] != "blk":
        return f"{top[parts[0]]}.weight"
    inner = {
        "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
        "attn_output": "self_attn.o_proj",
    } | {f"attn_{x}": f"self_attn.{x}_proj" for x in "qkv"} | {f"ffn_{x}": f"mlp.{x}_proj" for x in ("gate", "up", "down")}
    return f"model.layers.{parts[1]}.{inner[parts[2]]}.weight"


def write_hf(name: str, out: str, tokenizer: str, rng: np.random.Generator) -> None:
    shape = SHAPES[name]
    os.makedirs(out, exist_ok=True)
    for file in ("tokenizer_config.json", "special_tokens_map.json", "generation_config.json"):
        if os.path.exists(os.path.join(tokenizer, file)):
            shutil.copy(os.path.join(tokenizer, file), out)
    with open(os.path.join(tokenizer, "tokenizer.json")) as f:
        text_model = json.load(f)
    vocab = text_model["model"]["vocab"]
    for i in range(1 + max([*vocab.values(), *(t["id"] for t in text_model["added_tokens"])]), VOCAB):
        vocab[unused(i)] = i
    with open(os.path.join(out, "tokenizer.json"), "w") as f:
        json.dump(text_model, f, ensure_ascii=False)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": shape["hidden"],
        "intermediate_size": shape["ffn"],
        "num_hidden_layers": shape["layers"],
        "num_attention_heads": shape["heads"],
        "num_key_value_heads": shape["kv_heads"],
        "head_dim": shape["head_dim"],
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": NORM_EPS,
        "rope_theta": ROPE_THETA,
        "tie_word_embeddings": shape["tied"],
        "vocab_size": VOCAB,
        "torch_dtype": "bfloat16",
    }
    with open(os.path.join(tokenizer, "config.json")) as f:
        config |= {k: v for k, v in json.load(f).items() if k in ("bos_token_id", "eos_token_id", "pad_token_id")}
    with open(os.path.join(out, "config.json"), "w") as f:
        json.dump(config, f, indent=1)
    all_tensors = list(tensors(shape, F32, None if shape["tied"] else F32, F32))
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for tensor, dims, _ in all_tensors:
        size = int(np.prod(dims)) * 2
        header[hf_name(tensor)] = {"dtype": "BF16", "shape": list(dims), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    normal = normal_bf16()
    with open(os.path.join(out, "model.safetensors"), "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for _, dims, _ in all_tensors:
            if len(dims) == 1:
                np.full(dims, 0x3F80, dtype=np.uint16).tofile(f)  # 1.0
                continue
            scaled = (normal.astype(np.uint32) << 16).view(np.float32) * np.float32(dims[1] ** -0.5)
            table = (scaled.view(np.uint32) >> 16).astype(np.uint16)
            for row in range(0, dims[0], CHUNK_ROWS):
                rows = min(CHUNK_ROWS, dims[0] - row)
                table[random_bytes(rng, rows * dims[1] * 2).view(np.uint16)].tofile(f)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("out")
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = np.random.Generator(np.random.SFC64(args.seed))
    write = write_gguf if args.out.endswith(".gguf") else write_hf
    write(args.shape, args.out, args.tokenizer, rng)
    print(args.out)


if __name__ == "__main__":
    main()
