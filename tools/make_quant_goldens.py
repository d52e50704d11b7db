#!/usr/bin/env python3
"""Writes tests/data/quant/<NAME>.bin: random blocks of each GGUF encoding and what the gguf package decodes them to.

File: "MSQG", u32 blocks, u32 bytes per block, u32 numbers per block, the blocks, then the numbers as f32.
Scales cover zero, subnormals, the largest finite half, negative numbers and infinity; codes are random bytes.
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


def main() -> None:
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
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
