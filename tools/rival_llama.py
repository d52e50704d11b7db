#!/usr/bin/env python3
"""Times llama.cpp on one GGUF file: a worker process that tools/bench_rival.py talks to.

It calls the C API through ctypes (llama_cpp.llama_decode, llama_synchronize) and times only those calls: no sampling,
no detokenising, no Python loop body. Decode feeds tokens fixed beforehand: speed does not depend on which they are.

Protocol: one JSON object a line on stdin, one on stdout.
  {"what": "prefill", "flash_attn": "auto", "prompt_tokens": 512}                       -> {"tokens_per_s": ...}
  {"what": "decode", "flash_attn": "off", "prompt_tokens": 16, "output_tokens": 128}     -> {"tokens_per_s": ...}
  {"what": "info"}                                                  -> versions and the system information of llama.cpp

usage: rival_llama.py model.gguf THREADS CONTEXT
Libraries other than those of the llama_cpp package are used with LLAMA_CPP_LIB_PATH=FOLDER (see tools/build_rival.sh).
"""

import json
import random
import sys
import time

import llama_cpp as llama

UBATCH = 512
FLASH_ATTN = {"auto": llama.LLAMA_FLASH_ATTN_TYPE_AUTO, "off": llama.LLAMA_FLASH_ATTN_TYPE_DISABLED}


class Rival:
    def __init__(self, path: str, threads: int, context: int):
        model_params = llama.llama_model_default_params()
        model_params.n_gpu_layers = 0
        self.model = llama.llama_model_load_from_file(path.encode(), model_params)
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load {path}")
        self.contexts = {name: self._new_context(value, threads, context) for name, value in FLASH_ATTN.items()}
        vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        source = random.Random(1)
        self.tokens = [source.randrange(vocabulary) for _ in range(context)]

    def _new_context(self, flash_attn: int, threads: int, context: int):
        params = llama.llama_context_default_params()
        params.n_ctx = context
        params.n_batch = params.n_ubatch = UBATCH
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = flash_attn
        return llama.llama_init_from_model(self.model, params)

    def use(self, flash_attn: str) -> None:
        self.context = self.contexts[flash_attn]
        self.memory = llama.llama_get_memory(self.context)

    def _decode(self, begin: int, count: int) -> float:
        """Seconds for tokens [begin, begin + count), in batches of UBATCH at most."""
        batches = []
        for at in range(begin, begin + count, UBATCH):
            part = self.tokens[at : min(at + UBATCH, begin + count)]
            array = (llama.llama_token * len(part))(*part)
            batches.append((array, llama.llama_batch_get_one(array, len(part))))
        start = time.perf_counter()
        for _, batch in batches:
            if llama.llama_decode(self.context, batch) != 0:
                raise SystemExit("llama_decode failed")
        llama.llama_synchronize(self.context)
        return time.perf_counter() - start

    def prefill(self, prompt_tokens: int) -> float:
        llama.llama_memory_clear(self.memory, False)
        return prompt_tokens / self._decode(0, prompt_tokens)

    def decode(self, prompt_tokens: int, output_tokens: int) -> float:
        llama.llama_memory_clear(self.memory, False)
        self._decode(0, prompt_tokens)
        return output_tokens / sum(self._decode(prompt_tokens + i, 1) for i in range(output_tokens))


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
        rival.use(request.get("flash_attn", "auto"))
        if request["what"] == "info":
            answer = {"package": llama.__version__, "system": llama.llama_print_system_info().decode().strip()}
        elif request["what"] == "prefill":
            answer = {"tokens_per_s": rival.prefill(request["prompt_tokens"])}
        else:
            answer = {"tokens_per_s": rival.decode(request["prompt_tokens"], request["output_tokens"])}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
