#!/usr/bin/env python3
"""Mainspring against llama.cpp on the same GGUF file, interleaved, in one run: rows for bench/results.

Each round measures, one after the other and in alternating order, both programs on every metric:

  prefill_512      tokens/s of a prompt of 512 tokens that is not in any cache
  decode_16_128    tokens/s of 128 tokens after a prompt of 16
  decode_512_64    tokens/s of 64 tokens after a prompt of 512

llama.cpp is measured with its flash attention as it chooses and without: each metric is compared with the faster of the two,
found before the rounds (on CPUs the one is often better at prefill and the other at decode).

Before every sample bench/probe.cpp says what the machine can do at that moment. A sample during which other processes (or
the hypervisor) took more than 5 % of the machine is thrown away and taken again: a team of spinning threads that loses a
core for a moment is slowed many times over, which says nothing about the program. A row's ratio is that of the medians;
`paired` is the median of the rounds' own ratios, which drift of the machine hardly touches. Only a ratio from one run
counts: speeds of different runs do not compare.

Writes  DIR/samples-<time>.csv  every sample with its state      DIR/rival.csv  one summary row a metric, appended

The rival is built once by tools/build_rival.sh. Without --model the default model is measured.

usage: bench_rival.py [--program build/default/bin/mainspring] [--model NAME=FILE.gguf ...] [--rounds 5] [--threads 2]
       [--out bench/results] [--ours-args "--isa avx512"] [--python PYTHON_OF_THE_RIVAL] [--rival-lib FOLDER]
"""

import argparse
import csv
import datetime
import json
import os
import platform
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
METRICS = {  # name: (what, prompt tokens, output tokens)
    "prefill_512": ("prefill", 512, 2),
    "decode_16_128": ("decode", 16, 128),
    "decode_512_64": ("decode", 512, 64),
}
FLASH_ATTN = ("auto", "off")
STATE = ("read_gb_s", "round_trip_ns", "mops", "foreign")
COLUMNS = (
    "date machine commit rival rival_system rival_setting ours model metric threads rounds ours_median ours_min ours_max "
    "rival_median rival_min rival_max ratio paired"
).split() + list(STATE)
MAX_FOREIGN = 0.05
MAX_TRIES = 60


class Rival:
    def __init__(self, model: str, args):
        self.setting = dict.fromkeys(METRICS, FLASH_ATTN[0])
        env = dict(os.environ)
        if args.rival_lib:
            env["LLAMA_CPP_LIB_PATH"] = args.rival_lib
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [args.python, os.path.join(HERE, "rival_llama.py"), model, str(args.threads), "1024"],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            env=env,
        )

    def ask(self, request: dict) -> dict:
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            raise SystemExit(
                f"the rival ended with status {code}: {self.process.stderr.read()[-500:]}\n"
                "(status -11 on a CPU with AMX: see tools/build_rival.sh)"
            )
        return json.loads(line)

    def measure(self, metric: str) -> float:
        return self._measure(metric, self.setting[metric])

    def _measure(self, metric: str, flash_attn: str) -> float:
        what, prompt, output = METRICS[metric]
        request = {"what": what, "flash_attn": flash_attn, "prompt_tokens": prompt, "output_tokens": output}
        return self.ask(request)["tokens_per_s"]

    def tune(self) -> None:
        """Warms up, and chooses the faster setting for every metric."""
        for metric in METRICS:
            rates = {f: max(self._measure(metric, f) for _ in range(3)) for f in FLASH_ATTN}
            self.setting[metric] = max(rates, key=rates.get)
            print(
                f"  rival {metric}: " + ", ".join(f"flash attention {f} {r:.1f} t/s" for f, r in rates.items()),
                flush=True,
            )

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


class Ours:
    def __init__(self, model: str, args):
        self.command = [
            args.program,
            "bench",
            "--model",
            model,
            "--threads",
            str(args.threads),
            "--repeat",
            "1",
            "--json",
            *shlex.split(args.ours_args),
        ]

    def run(self, metric: str) -> dict:
        _, prompt, output = METRICS[metric]
        done = subprocess.run(
            [*self.command, "--prompt-tokens", str(prompt), "--output-tokens", str(output)],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(self.command)} failed: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def measure(self, metric: str) -> float:
        return self.run(metric)[f"{METRICS[metric][0]}_tokens_per_s"]["median"]


class ForeignLoad:
    """The share of the machine that processes other than ours took since this object was made (Linux; else 0)."""

    def __init__(self, rival_pid: int):
        self.rival_pid = rival_pid
        self.start = self._now()

    def _now(self) -> tuple[float, float, float]:
        own = sum(
            u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )
        try:
            tick = os.sysconf("SC_CLK_TCK")
            with open("/proc/stat") as f:
                user, nice, system, _, _, irq, softirq, steal = map(int, f.readline().split()[1:9])
            with open(f"/proc/{self.rival_pid}/stat") as f:
                own += sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13])) / tick
        except OSError:
            return time.monotonic(), 0.0, own
        return time.monotonic(), (user + nice + system + irq + softirq + steal) / tick, own

    def share(self) -> float:
        wall, busy, own = (b - a for a, b in zip(self.start, self._now()))
        return max(0.0, (busy - own) / (wall * os.cpu_count()))


def machine() -> str:
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as f:
            text = f.read()
        name = next(line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name"))
        flags = next(line for line in text.splitlines() if line.startswith("flags")).split()
        name += "".join(f" {x}" for x in ("avx512_vnni", "avx512_bf16", "amx_int8") if x in flags)
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} cpus"


def commit() -> str:
    git = ["git", "-C", HERE]
    name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    dirty = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "src"]).returncode
    return (name or "unknown") + ("+" if dirty else "")


def probe(args) -> dict:
    done = subprocess.run([args.probe, str(args.threads)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def build_probe() -> str:
    """Compiled once into the build folder."""
    source, out = os.path.join(ROOT, "bench", "probe.cpp"), os.path.join(ROOT, "build", "probe")
    if not os.path.exists(out) or os.path.getmtime(out) < os.path.getmtime(source):
        compiler = next((c for c in (os.environ.get("CXX"), "clang++-19", "g++") if c and shutil.which(c)), None)
        if not compiler:
            raise SystemExit("bench_rival: no C++ compiler for bench/probe.cpp; set CXX")
        os.makedirs(os.path.dirname(out), exist_ok=True)
        subprocess.run([compiler, "-std=c++20", "-O2", "-pthread", source, "-o", out], check=True)
    return out


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
    return "smollm2=" + done.stdout.strip()


def check_columns(path: str) -> None:
    """Before anything is measured."""
    if os.path.exists(path):
        with open(path, newline="") as f:
            if next(csv.reader(f), None) != COLUMNS:
                raise SystemExit(f"{path}: give its rows the columns {','.join(COLUMNS)} first")


def append(path: str, rows: list[dict]) -> None:
    new = not os.path.exists(path)
    with open(path, "a", newline="") as f:
        writer = csv.DictWriter(f, fieldnames=list(rows[0]))
        if new:
            writer.writeheader()
        writer.writerows(rows)


def undisturbed(side, metric: str, rival_pid: int, args) -> tuple[float, dict]:
    """One sample and the state of the machine before it."""
    for _ in range(MAX_TRIES):
        load = ForeignLoad(rival_pid)
        state = probe(args)
        rate = side.measure(metric)
        state["foreign"] = round(load.share(), 4)
        if state["foreign"] <= args.max_foreign:
            return rate, state
        print(f"    thrown away: others took {100 * state['foreign']:.0f} % of the machine", flush=True)
        time.sleep(1)
    raise SystemExit("bench_rival: the machine is busy; try again when nothing else runs")


def measure_model(name: str, path: str, args) -> tuple[list[dict], dict]:
    ours, rival = Ours(path, args), Rival(path, args)
    sides = {"ours": ours, "rival": rival}
    try:
        info = rival.ask({"what": "info"})
        ours_info = ours.run("decode_16_128")
        rival.tune()
        samples = []
        for r in range(args.rounds):
            for metric in METRICS:
                for side in list(sides)[:: 1 if r % 2 == 0 else -1]:
                    rate, state = undisturbed(sides[side], metric, rival.process.pid, args)
                    samples.append(
                        {
                            "round": r,
                            "model": name,
                            "metric": metric,
                            "side": side,
                            "tokens_per_s": round(rate, 2),
                            **state,
                        }
                    )
                    print(f"  {r} {name} {metric:14s} {side:5s} {rate:9.1f} t/s   {state}", flush=True)
    finally:
        rival.close()
    return samples, {
        "rival": f"llama.cpp (llama-cpp-python {info['package']})",
        "rival_system": info["system"].strip(" |"),
        "rival_setting": rival.setting,
        "ours": f"{ours_info['device']}, {ours_info['dtype']}, KV {ours_info['kv_dtype']}",
    }


def summarize(samples: list[dict], info: dict, args, date: str) -> list[dict]:
    rows = []
    for model, metric in dict.fromkeys((s["model"], s["metric"]) for s in samples):
        mine = [s for s in samples if (s["model"], s["metric"]) == (model, metric)]
        a = [s["tokens_per_s"] for s in mine if s["side"] == "ours"]
        b = [s["tokens_per_s"] for s in mine if s["side"] == "rival"]
        rounds = sorted({s["round"] for s in mine})
        of = {(s["round"], s["side"]): s["tokens_per_s"] for s in mine}
        row = {
            "date": date,
            "machine": machine(),
            "commit": commit(),
            **info,
            "rival_setting": f"flash attention {info['rival_setting'][metric]}",
            "model": model,
            "metric": metric,
            "threads": args.threads,
            "rounds": len(rounds),
            "ours_median": round(statistics.median(a), 1),
            "ours_min": min(a),
            "ours_max": max(a),
            "rival_median": round(statistics.median(b), 1),
            "rival_min": min(b),
            "rival_max": max(b),
            "ratio": round(statistics.median(a) / statistics.median(b), 3),
            "paired": round(statistics.median(of[r, "ours"] / of[r, "rival"] for r in rounds), 3),
        }
        row |= {k: round(statistics.median(s[k] for s in mine), 4) for k in STATE}
        rows.append(row)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "default", "bin", "mainspring"))
    parser.add_argument("--model", action="append", metavar="NAME=GGUF")
    parser.add_argument("--python", help="interpreter that has llama-cpp-python")
    parser.add_argument("--rival-lib", help="folder of llama.cpp's libraries, instead of those of the package")
    parser.add_argument("--probe", help="bench/probe.cpp compiled; without it, it is compiled")
    parser.add_argument("--ours-args", default="", help="further arguments of mainspring bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--max-foreign", type=float, default=MAX_FOREIGN, help="share of the machine that others may take"
    )
    parser.add_argument("--out", default=os.path.join(ROOT, "bench", "results"))
    args = parser.parse_args()
    if not os.path.exists(args.program):
        raise SystemExit(f"bench_rival: {args.program} is not there; build it first, or name it with --program")
    args.python = args.python or rival_python()
    args.probe = args.probe or build_probe()
    args.model = args.model or [default_model()]
    os.makedirs(args.out, exist_ok=True)
    check_columns(os.path.join(args.out, "rival.csv"))
    now = datetime.datetime.now(datetime.timezone.utc)
    for model in args.model:
        name, _, path = model.partition("=")
        samples, info = measure_model(name, path, args)
        rows = summarize(samples, info, args, now.strftime("%Y-%m-%d %H:%M"))
        append(os.path.join(args.out, f"samples-{now:%Y%m%d-%H%M}.csv"), samples)
        append(os.path.join(args.out, "rival.csv"), rows)
        for row in rows:
            print(
                f"{row['model']} {row['metric']}: ours {row['ours_median']} rival {row['rival_median']} t/s, "
                f"ratio {row['ratio']} (paired {row['paired']})",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
