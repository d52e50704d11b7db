#!/usr/bin/env python3
"""Times llama.cpp on one GGUF file: a worker process that tools/bench_rival.py talks to.

It calls the C API through ctypes (llama_cpp.llama_decode, llama_synchronize) and times only those calls: no sampling,
no detokenising, no Python loop body. Decode feeds tokens fixed beforehand: speed does not depend on which they are. What a
metric needs in the KV cache is computed once and then cut back to its length, so that repeating a metric is cheap.

Protocol: one JSON object a line on stdin, one on stdout.
  {"what": "prefill", "prompt_tokens": 512, SETTING}                                   -> {"rate": tokens/s}
  {"what": "decode", "prompt_tokens": 16, "output_tokens": 128, "batch": 8, SETTING}    -> {"rate": tokens/s of the batch}
  {"what": "startup"}      first request only                                         -> seconds and memory, see startup()
  {"what": "info"}                                                 -> versions and the system information of llama.cpp
SETTING: "flash_attn": "auto" or "off"; "kv": "f16", "q8_0" or "q4_0".

usage: rival_llama.py model.gguf THREADS CONTEXT      (CONTEXT: tokens of one sequence)
Libraries other than those of the llama_cpp package are used with LLAMA_CPP_LIB_PATH=FOLDER (see tools/build_rival.sh).
"""

import json
import random
import sys
import time

import llama_cpp as llama

UBATCH = 512
FLASH_ATTN = {"auto": llama.LLAMA_FLASH_ATTN_TYPE_AUTO, "off": llama.LLAMA_FLASH_ATTN_TYPE_DISABLED}
KV_TYPES = {"f16": llama.GGML_TYPE_F16, "q8_0": llama.GGML_TYPE_Q8_0, "q4_0": llama.GGML_TYPE_Q4_0}


class Context:
    """One llama context: a setting, and room for `batch` sequences."""

    def __init__(self, model, tokens: list[int], threads: int, context: int, batch: int, flash_attn: str, kv: str):
        params = llama.llama_context_default_params()
        params.n_ctx = context * batch
        params.n_seq_max = batch
        params.n_batch = params.n_ubatch = UBATCH
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = FLASH_ATTN[flash_attn]
        params.type_k = params.type_v = KV_TYPES[kv]
        self.handle = llama.llama_init_from_model(model, params)
        if not self.handle:
            raise SystemExit("llama_init_from_model failed")
        self.memory = llama.llama_get_memory(self.handle)
        self.tokens = tokens
        self.batch = batch
        self.filled = 0  # tokens of every sequence
        self.parts = llama.llama_batch_init(UBATCH, 0, 1)

    def _run(self, entries: list[tuple[int, int, bool]]) -> None:
        """Entries: (position, sequence, wanted); at most UBATCH."""
        b = self.parts
        b.n_tokens = len(entries)
        for i, (position, sequence, wanted) in enumerate(entries):
            b.token[i] = self.tokens[(position + 977 * sequence) % len(self.tokens)]
            b.pos[i] = position
            b.n_seq_id[i] = 1
            b.seq_id[i][0] = sequence
            b.logits[i] = wanted
        if llama.llama_decode(self.handle, b) != 0:
            raise SystemExit("llama_decode failed")

    def _advance(self, count: int, one_by_one: bool) -> float:
        """Adds `count` tokens to every sequence; seconds in llama.cpp."""
        begin, end = self.filled, self.filled + count
        if one_by_one:
            steps = [[(p, s, True) for s in range(self.batch)] for p in range(begin, end)]
        else:
            every = [(p, s, p == end - 1) for s in range(self.batch) for p in range(begin, end)]
            steps = [every[i : i + UBATCH] for i in range(0, len(every), UBATCH)]
        taken = 0.0
        for step in steps:
            start = time.perf_counter()
            self._run(step)
            llama.llama_synchronize(self.handle)
            taken += time.perf_counter() - start
        self.filled = end
        return taken

    def prefill(self, prompt_tokens: int) -> float:
        llama.llama_memory_clear(self.memory, False)
        self.filled = 0
        return self.batch * prompt_tokens / self._advance(prompt_tokens, False)

    def decode(self, prompt_tokens: int, output_tokens: int) -> float:
        if self.filled > prompt_tokens:
            for s in range(self.batch):
                llama.llama_memory_seq_rm(self.memory, s, prompt_tokens, -1)
            self.filled = prompt_tokens
        elif self.filled < prompt_tokens:
            self._advance(prompt_tokens - self.filled, False)
        return self.batch * output_tokens / self._advance(output_tokens, True)


class Rival:
    def __init__(self, path: str, threads: int, context: int):
        self.threads, self.context = threads, context
        params = llama.llama_model_default_params()
        params.n_gpu_layers = 0
        self.start = time.perf_counter()
        self.model = llama.llama_model_load_from_file(path.encode(), params)
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load {path}")
        vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        source = random.Random(1)
        self.tokens = [source.randrange(vocabulary) for _ in range(4096)]
        self.contexts: dict[tuple, Context] = {}

    def use(self, request: dict) -> Context:
        key = (request.get("batch", 1), request.get("flash_attn", "auto"), request.get("kv", "f16"))
        if key not in self.contexts:
            batch, flash_attn, kv = key
            # Padded as llama.cpp pads it: every sequence gets its own part.
            context = -(-self.context // 256) * 256
            self.contexts[key] = Context(self.model, self.tokens, self.threads, context, batch, flash_attn, kv)
        return self.contexts[key]

    def startup(self) -> dict:
        """Seconds from the start of loading to the first token, and resident bytes beyond weights and KV cache then."""
        context = self.use({})
        context.prefill(2)
        seconds = time.perf_counter() - self.start
        heads = llama.llama_model_n_head(self.model)
        width = llama.llama_model_n_embd(self.model) // heads * llama.llama_model_n_head_kv(self.model)
        kv = 2 * 2 * width * llama.llama_model_n_layer(self.model) * llama.llama_n_ctx(context.handle)
        with open("/proc/self/statm") as f:
            resident = int(f.read().split()[1]) * 4096
        return {"seconds": seconds, "beyond_bytes": resident - kv - llama.llama_model_size(self.model)}


def main() -> None:
    path, threads, context = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

    @llama.llama_log_callback
    def quiet(level, text, data):
        pass

    llama.llama_log_set(quiet, None)
    llama.llama_backend_init()
    rival = Rival(path, threads, context)
    for line in sys.stdin:
        request = json.loads(line)
        if request["what"] == "info":
            answer = {"package": llama.__version__, "system": llama.llama_print_system_info().decode().strip()}
        elif request["what"] == "startup":
            answer = rival.startup()
        elif request["what"] == "prefill":
            answer = {"rate": rival.use(request).prefill(request["prompt_tokens"])}
        else:
            answer = {"rate": rival.use(request).decode(request["prompt_tokens"], request["output_tokens"])}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
