#!/usr/bin/env python3
"""Writes tests/data/quant/<NAME>.bin: random blocks of each GGUF encoding and what the gguf package decodes them to,
and groups of weights with the codes and scales of load-time quantisation (in float64 with numpy).

<ENCODING>.bin: "MSQG", u32 blocks, u32 bytes per block, u32 numbers per block, the blocks, then the numbers as f32.
Scales cover zero, subnormals, the largest finite half, negative numbers and infinity; codes are random bytes.
round_<NAME>.bin: "MSQW", u32 weights per group, u32 groups, u32 bits, u32 1 for symmetric codes, the weights as f32,
then per group scale and offset as f32 (all scales, all offsets), then the codes as bytes.
versions.json records the packages used.

usage: make_quant_goldens.py out_folder
"""
import json
import os
import struct
import sys
import warnings

import gguf
import numpy as np

ENCODINGS = ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]
# Byte offsets of the f16 numbers in a block.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0]}
EXTREME = [0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x7BFF, 0xFBFF, 0x3C00, 0xBC00, 0x7C00]


SHRINK = [1 - 0.02 * i for i in range(12)]
ROUNDED = {"u4_g32": (32, 4, False), "u4_g64": (64, 4, False), "u4_g128": (128, 4, False), "s8_g32": (32, 8, True),
           "s8_row": (331, 8, True)}   # weights per group, bits, symmetric


def round_group(w, bits, symmetric):
    """Scale, offset, codes: round to nearest with the shrunk range and least-squares scale of least squared error."""
    top = 2 ** (bits - 1) - 1 if symmetric else 2 ** bits - 1
    low, high = min(0.0, w.min()), max(0.0, w.max())
    span = max(-low, high) if symmetric else high - low
    if span < 1e-30:
        return 0.0, 0.0, np.zeros(len(w), np.uint8)
    step = span / top
    zero = 0 if symmetric else np.rint(-low / step)
    first, last = (-top, top) if symmetric else (-zero, top - zero)
    best, scale = 0.0, 0.0
    for s in SHRINK:
        q = np.clip(np.rint(w / (step * s)), first, last)
        if (q * q).sum() > 0 and (w * q).sum() ** 2 / (q * q).sum() > best:
            best, scale = (w * q).sum() ** 2 / (q * q).sum(), (w * q).sum() / (q * q).sum()
    codes = np.clip(np.rint(w / scale), first, last) + zero
    return scale, -scale * zero, codes.astype(np.int64).astype(np.uint8)


def weights(rng, groups, n):
    w = rng.standard_normal((groups, n)) * np.exp(rng.uniform(-6, 1, (groups, 1)))
    heavy = rng.standard_t(3, (groups, n)) * 0.02
    w[groups // 4:groups // 2] = heavy[groups // 4:groups // 2]
    w[0] = 0                        # nothing
    w[1] = np.abs(w[1])             # one-sided
    w[2] = -np.abs(w[2])
    w[3] = 0.25                     # all the same
    w[4, 5] = 100 * np.abs(w[4]).max()   # one outlier
    w[5] *= 1e-20
    w[6] = 0
    w[6, 7] = -3.5                  # one number
    return w.astype("<f4")


def write_rounded(out, rng):
    for name, (n, bits, symmetric) in ROUNDED.items():
        w = weights(rng, 64 if n < 331 else 24, n)
        rounded = [round_group(g.astype(np.float64), bits, symmetric) for g in w]
        with open(os.path.join(out, f"round_{name}.bin"), "wb") as f:
            f.write(b"MSQW" + struct.pack("<4I", n, len(w), bits, symmetric) + w.tobytes())
            for column in (0, 1):
                f.write(np.array([r[column] for r in rounded], "<f4").tobytes())
            f.write(np.stack([r[2] for r in rounded]).tobytes())


def main() -> None:
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    write_rounded(out, np.random.default_rng(20241124))
    rng = np.random.default_rng(20240917)
    for name in ENCODINGS:
        kind = gguf.GGMLQuantizationType[name]
        numbers, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = 2048 if numbers == 1 else (40 if numbers == 32 else 16)
        data = rng.integers(0, 256, size=(blocks, size), dtype=np.uint8)
        for offset in HALVES.get(name, []):
            halves = (rng.standard_normal(blocks) * 0.02).astype(np.float16).view(np.uint16)
            halves[: len(EXTREME)] = EXTREME if offset in (0, 80, 108, 208) else EXTREME[::-1]
            data[:, offset] = halves & 255
            data[:, offset + 1] = halves >> 8
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = gguf.quants.dequantize(data.reshape(1, -1), kind).astype("<f4").reshape(-1)
        assert values.size == blocks * numbers
        with open(os.path.join(out, name + ".bin"), "wb") as f:
            f.write(b"MSQG" + struct.pack("<3I", blocks, size, numbers))
            f.write(data.tobytes() + values.tobytes())
    from importlib.metadata import version
    with open(os.path.join(out, "versions.json"), "w") as f:
        json.dump({"gguf": version("gguf"), "numpy": np.__version__, "script": "tools/make_quant_goldens.py"}, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
