#!/usr/bin/env python3
"""Mainspring against llama.cpp on the same GGUF file, interleaved, in one run: rows for bench/results.

Metrics, each a specification that --metrics can give otherwise:

  prefill:512        tokens/s of a prompt of 512 tokens that is not in any cache
  decode:16:128      tokens/s of 128 tokens after a prompt of 16
  batch:8:33:32      tokens/s of 8 sequences together, 32 tokens each after prompts of 33
  kv:8192:16         tokens/s of 16 tokens after 8192, once for every pair of KV formats in --kv
  startup            seconds from starting (a warm file) to the first token, and resident memory beyond weights and KV

Both programs keep the model loaded and are measured one after the other, in alternating order. llama.cpp is measured with
its flash attention as it chooses and without: each metric is compared with the faster of the two, found before the rounds.
`mainspring bench` does not speculate: llama.cpp has no counterpart here, and text of random weights repeats itself.

Before every sample bench/probe.cpp says what the machine can do at that moment. A sample during which other processes (or
the hypervisor) took more than 5 % of the machine is thrown away and taken again: a team of spinning threads that loses a
core for a moment is slowed many times over, which says nothing about the program. A row's ratio is that of the medians
(above 1: we are better, in seconds and bytes too); `paired` is the median of the rounds' own ratios, which drift of the
machine hardly touches. Only a ratio from one run counts: speeds of different runs do not compare.

Writes  DIR/end_to_end.csv  one summary row a metric, appended      DIR/samples-<time>.csv  every sample with its state

The rival is built once by tools/build_rival.sh. Without --model the default model is measured.

usage: bench_rival.py [--program build/default/bin/mainspring] [--model NAME=FILE.gguf ...] [--metrics SPEC,...]
       [--rounds 5] [--threads 2] [--out bench/results] [--ours-args "--isa avx512"] [--ours-model NAME=PATH ...]
       [--python PYTHON_OF_THE_RIVAL] [--rival-lib FOLDER]
"""

import argparse
import datetime
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from bench_common import HERE, ROOT, STATE, ForeignLoad, Probe, append, check_columns, commit, machine

DEFAULT_METRICS = "prefill:512,decode:16:128,decode:512:64,batch:8:33:32,batch:32:33:32,startup"
FLASH_ATTN = ("auto", "off")
COLUMNS = (
    "date machine commit rival rival_system rival_setting ours model metric unit threads rounds ours_median ours_min "
    "ours_max rival_median rival_min rival_max ratio paired wall_share rival_wall_share"
).split() + list(STATE)
MAX_FOREIGN = 0.05
MAX_TRIES = 60


class Busy(Exception):
    """Other programs do not leave the machine alone."""


@dataclass(frozen=True)
class Metric:
    name: str
    what: str  # prefill, decode, startup, memory
    prompt: int = 0
    output: int = 2
    batch: int = 1
    kv: tuple[str, str] = ("", "f16")  # ours ("": the default), rival's

    @property
    def unit(self) -> str:
        return {"startup": "s", "memory": "MB"}.get(self.what, "tokens/s")

    @property
    def context(self) -> int:
        return self.prompt + self.output


def parse_metrics(text: str, kv_pairs: str) -> list[Metric]:
    metrics = []
    for spec in text.split(","):
        kind, *numbers = spec.split(":")
        n = [int(x) for x in numbers]
        if kind == "prefill" and len(n) == 1:
            metrics.append(Metric(f"prefill_{n[0]}", "prefill", n[0]))
        elif kind == "decode" and len(n) == 2:
            metrics.append(Metric(f"decode_{n[0]}_{n[1]}", "decode", *n))
        elif kind == "batch" and len(n) == 3:
            metrics.append(Metric(f"batch_{n[0]}", "decode", n[1], n[2], n[0]))
        elif kind == "kv" and len(n) == 2:
            for pair in kv_pairs.split(","):
                ours, rival = pair.split(":")
                metrics.append(Metric(f"decode_{n[0]}_kv_{ours}_vs_{rival}", "decode", *n, kv=(ours, rival)))
        elif kind == "startup" and not n:
            metrics += [Metric("start_to_first_token", "startup"), Metric("memory_beyond", "memory")]
        else:
            raise SystemExit(f"--metrics: {spec!r} is none of prefill:N decode:N:N batch:N:N:N kv:N:N startup")
    return metrics


class Worker:
    """A process that answers one JSON line for every JSON line."""

    def __init__(self, command: list[str], env: dict | None = None):
        pipe = subprocess.PIPE
        self.command = command
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=env)

    @property
    def pid(self) -> int:
        return self.process.pid

    def ask(self, request: dict) -> dict:
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self.process.wait()
            raise SystemExit(
                f"{shlex.join(self.command)} ended with status {code}: {self.process.stderr.read()[-500:]}\n"
                "(status -11 of the rival on a CPU with AMX: see tools/build_rival.sh)"
            )
        return json.loads(line)

    def close(self) -> None:
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it ended, and ask() said why
        self.process.wait()


class Rival:
    def __init__(self, model: str, metrics: list[Metric], args):
        self.setting = dict.fromkeys(metrics, FLASH_ATTN[0])
        self.context = max((m.context for m in metrics), default=64)
        self.env = dict(os.environ)
        if args.rival_lib:
            self.env["LLAMA_CPP_LIB_PATH"] = args.rival_lib
        self.command = [args.python, os.path.join(HERE, "rival_llama.py"), model, str(args.threads)]
        self.worker = Worker([*self.command, str(self.context)], self.env)

    def pids(self) -> list[int]:
        return [self.worker.pid]

    def measure(self, m: Metric) -> float:
        if m.what in ("startup", "memory"):
            fresh = Worker([*self.command, "64"], self.env)
            answer = fresh.ask({"what": "startup"})
            fresh.close()
            return answer["seconds"] if m.what == "startup" else answer["beyond_bytes"] / 1e6
        return self._measure(m, self.setting[m])

    def _measure(self, m: Metric, flash_attn: str) -> float:
        request = {"what": m.what, "flash_attn": flash_attn, "prompt_tokens": m.prompt, "output_tokens": m.output}
        return self.worker.ask(request | {"batch": m.batch, "kv": m.kv[1]})["rate"]

    def tune(self, runs: int) -> None:
        """Warms up, and chooses the faster setting for every metric."""
        for m in self.setting:
            if m.what in ("startup", "memory"):
                continue
            possible = FLASH_ATTN if m.kv[1] == "f16" else FLASH_ATTN[:1]  # quantised values need it
            rates = {f: max(self._measure(m, f) for _ in range(runs)) for f in possible}
            self.setting[m] = max(rates, key=rates.get)
            rates_text = ", ".join(f"flash attention {f} {r:.1f} t/s" for f, r in rates.items())
            print(f"  rival {m.name}: {rates_text}", flush=True)

    def close(self) -> None:
        self.worker.close()


class Ours:
    def __init__(self, model: str, metrics: list[Metric], args):
        self.program, self.model = args.program, model
        self.flags = ["--threads", str(args.threads), *shlex.split(args.ours_args)]
        self.seed = 1000  # of prompts that no cache has
        self.workers: dict[str, Worker] = {}
        for kv in dict.fromkeys(m.kv[0] for m in metrics if m.what in ("prefill", "decode")):
            mine = [m for m in metrics if m.kv[0] == kv]
            numbers = {
                "prompt-tokens": max(m.prompt for m in mine),
                "output-tokens": max(m.output for m in mine),
                "batch": max(m.batch for m in mine),
                "context": max(m.context for m in mine) + 32,
            }
            flags = [x for name, n in numbers.items() for x in (f"--{name}", str(n))]
            flags += ["--kv-dtype", kv] if kv else []
            self.workers[kv] = Worker([self.program, "bench", "-m", model, "--requests", *self.flags, *flags])
        self.info = {}

    def pids(self) -> list[int]:
        return [w.pid for w in self.workers.values()]

    def measure(self, m: Metric) -> float:
        if m.what == "startup":
            command = [self.program, "generate", "-m", self.model, "--raw", "-n", "1", "--context", "64", *self.flags]
            start = time.perf_counter()
            subprocess.run([*command, "Hi"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
            return time.perf_counter() - start
        if m.what == "memory":
            command = [self.program, "bench", "-m", self.model, "--prompt-tokens", "2", "--output-tokens", "2"]
            command += ["--context", "64", "--repeat", "1", "--json", *self.flags]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            return json.loads(done.stdout)["resident_beyond_weights_and_kv_bytes"] / 1e6
        # Decoding is timed on prompts that are in the prefix cache; prefill on ones that are not.
        self.seed += 1
        seed = self.seed if m.what == "prefill" else m.prompt
        request = {"prompt_tokens": m.prompt, "output_tokens": m.output, "batch": m.batch, "seed": seed}
        self.info = self.workers[m.kv[0]].ask(request)
        return self.info[f"{m.what}_tokens_per_s"]

    def close(self) -> None:
        for w in self.workers.values():
            w.close()


def step_bytes(program: str, model: str) -> int:
    """Bytes of weights that a decode step reads: all but an embedding that is not also the head."""
    command = [program, "inspect", model, "--json", "--tensors"]
    info = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    tensors = info["tensors"]["list"]
    tied = info["config"].get("tie_word_embeddings", False)
    return sum(t["bytes"] for t in tensors if tied or t["name"] != "model.embed_tokens.weight")


def rival_python() -> str:
    for python in (os.path.join(ROOT, "build", "rival", "venv", "bin", "python"), sys.executable):
        if (
            os.path.exists(python)
            and not subprocess.run([python, "-c", "import llama_cpp"], capture_output=True).returncode
        ):
            return python
    raise SystemExit(
        "bench_rival: llama.cpp is not built yet; run tools/build_rival.sh (some minutes), or name a --python that "
        "has llama-cpp-python"
    )


def default_model() -> str:
    script = os.path.join(ROOT, "scripts", "fetch_default_model.py")
    done = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    return "smollm2-135m=" + done.stdout.strip()


def undisturbed(side, m: Metric, pids: list[int], probe: Probe, args) -> tuple[float, dict]:
    """One sample and the state of the machine before it."""
    for _ in range(MAX_TRIES):
        load = ForeignLoad(pids)
        state = probe.state()
        value = side.measure(m)
        state["foreign"] = round(load.share(), 4)
        if state["foreign"] <= args.max_foreign:
            return value, state
        print(f"    thrown away: others took {100 * state['foreign']:.0f} % of the machine", flush=True)
        time.sleep(1)
    raise Busy


def measure_model(name: str, path: str, ours_path: str, metrics: list[Metric], probe: Probe, args) -> tuple[list, dict]:
    ours, rival = Ours(ours_path, metrics, args), Rival(path, metrics, args)
    sides = {"ours": ours, "rival": rival}
    try:
        info = rival.worker.ask({"what": "info"})
        rival.tune(args.tune_runs)
        for m in metrics:
            ours.measure(m)  # warms up: prompts of decode metrics enter the prefix cache
        pids = ours.pids() + rival.pids() + [probe.pid]
        samples = []
        for r, m in ((r, m) for r in range(args.rounds) for m in metrics):
            both = []
            for side in list(sides)[:: 1 if r % 2 == 0 else -1]:
                value, state = undisturbed(sides[side], m, pids, probe, args)
                sample = {"round": r, "model": name, "metric": m.name, "side": side, "value": round(value, 3)}
                both.append(sample | state)
                print(f"  {r} {name} {m.name:28s} {side:5s} {value:9.2f} {m.unit}   {state}", flush=True)
            samples += both
    except Busy:
        print("bench_rival: the machine is busy: rows of the rounds so far", flush=True)
    finally:
        ours.close()
        rival.close()
    setting = {m.name: f"flash attention {rival.setting[m]}, KV {m.kv[1]}" for m in metrics}
    device = f"{ours.info.get('device', '')}, {ours.info.get('dtype', '')}"
    kv = {m.name: m.kv[0] or ours.info.get("kv_dtype", "") for m in metrics}
    return samples, {
        "rival": f"llama.cpp (llama-cpp-python {info['package']})",
        "rival_system": info["system"].strip(" |"),
        "rival_setting": setting,
        "ours": {m.name: f"{device}, KV {kv[m.name]}" for m in metrics},
    }


def summarize(samples: list[dict], metrics: list[Metric], info: dict, weights: int, args, date: str) -> list[dict]:
    rows = []
    for m in metrics:
        mine = [s for s in samples if s["metric"] == m.name]
        if not mine:
            continue
        a = [s["value"] for s in mine if s["side"] == "ours"]
        b = [s["value"] for s in mine if s["side"] == "rival"]
        rounds = sorted({s["round"] for s in mine})
        of = {(s["round"], s["side"]): s["value"] for s in mine}
        state = {k: round(statistics.median(s[k] for s in mine), 4) for k in STATE}
        better = (lambda x, y: x / y) if m.unit == "tokens/s" else (lambda x, y: y / x)
        share = weights / 1e9 / state["read_gb_s"] if m.what == "decode" and m.batch == 1 and m.prompt < 4096 else None
        rows.append(
            {
                "date": date,
                "machine": machine(),
                "commit": args.commit or commit(),
                **info,
                "rival_setting": info["rival_setting"][m.name],
                "ours": info["ours"][m.name],
                "model": mine[0]["model"],
                "metric": m.name,
                "unit": m.unit,
                "threads": args.threads,
                "rounds": len(rounds),
                "ours_median": round(statistics.median(a), 3),
                "ours_min": min(a),
                "ours_max": max(a),
                "rival_median": round(statistics.median(b), 3),
                "rival_min": min(b),
                "rival_max": max(b),
                "ratio": round(better(statistics.median(a), statistics.median(b)), 3),
                "paired": round(statistics.median(better(of[r, "ours"], of[r, "rival"]) for r in rounds), 3),
                "wall_share": round(share * statistics.median(a), 3) if share else "",
                "rival_wall_share": round(share * statistics.median(b), 3) if share else "",
            }
            | state
        )
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "default", "bin", "mainspring"))
    parser.add_argument("--model", action="append", metavar="NAME=GGUF")
    parser.add_argument("--ours-model", action="append", default=[], metavar="NAME=PATH", help="another file for us")
    parser.add_argument("--metrics", default=DEFAULT_METRICS)
    parser.add_argument("--kv", default="f16:f16,int8:q8_0,int4:q4_0", help="pairs of KV formats, ours and the rival's")
    parser.add_argument("--python", help="interpreter that has llama-cpp-python")
    parser.add_argument("--rival-lib", help="folder of llama.cpp's libraries, instead of those of the package")
    parser.add_argument("--probe", help="bench/probe.cpp compiled; without it, it is compiled")
    parser.add_argument("--ours-args", default="", help="further arguments of mainspring")
    parser.add_argument("--commit", help="of the program that is measured, where it is not this working tree's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tune-runs", type=int, default=2, help="runs of each setting of the rival, to choose")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--max-foreign", type=float, default=MAX_FOREIGN, help="share of the machine that others may take"
    )
    parser.add_argument("--out", default=os.path.join(ROOT, "bench", "results"))
    args = parser.parse_args()
    if not os.path.exists(args.program):
        raise SystemExit(f"bench_rival: {args.program} is not there; build it first, or name it with --program")
    metrics = parse_metrics(args.metrics, args.kv)
    args.python = args.python or rival_python()
    os.makedirs(args.out, exist_ok=True)
    check_columns(os.path.join(args.out, "end_to_end.csv"), COLUMNS)
    probe = Probe(args.threads, args.probe)
    now = datetime.datetime.now(datetime.timezone.utc)
    others = dict(x.split("=", 1) for x in args.ours_model)
    for model in args.model or [default_model()]:
        name, _, path = model.partition("=")
        ours_path = others.get(name, path)
        samples, info = measure_model(name, path, ours_path, metrics, probe, args)
        rows = summarize(samples, metrics, info, step_bytes(args.program, path), args, now.strftime("%Y-%m-%d %H:%M"))
        if rows:
            append(os.path.join(args.out, f"samples-{now:%Y%m%d-%H%M}.csv"), samples)
            append(os.path.join(args.out, "end_to_end.csv"), rows)
        for row in rows:
            print(
                f"{row['model']} {row['metric']}: ours {row['ours_median']} rival {row['rival_median']} {row['unit']}, "
                f"ratio {row['ratio']} (paired {row['paired']})",
                flush=True,
            )
    probe.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
