"""What the reference (transformers, float32, eager attention, CPU) computes for real models, cached on disk."""

import hashlib
import json
import os
import time

import numpy as np


class Reference:
    """A model in a Hugging Face folder. Results are cached under `cache`, keyed by the weights and the input."""

    def __init__(self, folder: str, cache: str, threads: int = 1):
        self.folder, self.cache, self.threads = folder, cache, threads
        self._model = None
        self._tokenizer = None
        weights = os.path.join(folder, "model.safetensors")
        self._key = f"{os.path.abspath(weights)}:{os.path.getsize(weights)}:{int(os.path.getmtime(weights))}"
        os.makedirs(cache, exist_ok=True)

    def versions(self) -> dict:
        import torch
        import transformers

        return {
            "transformers": transformers.__version__,
            "torch": torch.__version__.split("+")[0],
            "dtype": "float32",
            "attention": "eager",
        }

    @property
    def model(self):
        if self._model is None:
            import torch
            from transformers import AutoModelForCausalLM

            torch.set_num_threads(self.threads)
            self._model = AutoModelForCausalLM.from_pretrained(
                self.folder, dtype=torch.float32, attn_implementation="eager"
            ).eval()
        return self._model

    @property
    def tokenizer(self):
        if self._tokenizer is None:
            from transformers import AutoTokenizer

            self._tokenizer = AutoTokenizer.from_pretrained(self.folder)
        return self._tokenizer

    def tokenize(self, text: str) -> list[int]:
        return self.tokenizer(text)["input_ids"]

    def _path(self, kind: str, *parts, ending: str = ".npy") -> str:
        digest = hashlib.sha256(json.dumps([self._key, kind, *parts]).encode()).hexdigest()[:24]
        return os.path.join(self.cache, f"{kind}-{digest}{ending}")

    def logits(self, ids: list[int], keep: bool = True) -> np.ndarray:
        """float32 [len(ids), vocab], one whole forward pass. keep: in the cache (hundreds of megabytes a text)."""
        path = self._path("logits", ids)
        if keep and os.path.exists(path):
            return np.load(path, mmap_mode="r")
        import torch

        with torch.no_grad():
            out = self.model(torch.tensor([ids]), use_cache=False).logits[0].numpy()
        if keep:
            _save(path, out)
        return out

    def cached_json(self, kind: str, parts: list, compute) -> dict:
        path = self._path(kind, parts, ending=".json")
        if not os.path.exists(path):
            result = compute()
            with open(path, "w") as f:
                json.dump(result, f)
        with open(path) as f:
            return json.load(f)

    def greedy(self, ids: list[int], count: int) -> tuple[list[int], list[float]]:
        """The greedy continuation and at each step the lead of the best logit over the second."""
        path = self._path("greedy", ids, count)
        if not os.path.exists(path):
            import torch

            tokens, leads, past, step = [], [], None, torch.tensor([ids])
            with torch.no_grad():
                for _ in range(count):
                    out = self.model(step, past_key_values=past, use_cache=True, logits_to_keep=1)
                    past, top = out.past_key_values, out.logits[0, -1].topk(2)
                    tokens.append(int(top.indices[0]))
                    leads.append(float(top.values[0] - top.values[1]))
                    step = top.indices[:1].unsqueeze(0)
            _save(path, np.array([tokens, leads], dtype=np.float64))
        tokens, leads = np.load(path)
        return [int(t) for t in tokens], leads.tolist()


def _save(path: str, array: np.ndarray) -> None:
    partial = f"{path}.{os.getpid()}.{time.time_ns()}.npy"
    np.save(partial, array)
    os.replace(partial, path)


def log_softmax(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
