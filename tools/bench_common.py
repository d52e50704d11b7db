"""What the benchmark tools share: the machine and its state, load by others, result files."""

import csv
import json
import os
import platform
import resource
import shutil
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
STATE = ("read_gb_s", "read_1t_gb_s", "round_trip_ns", "clock_ghz", "foreign")


class Probe:
    """bench/probe.cpp as a worker: it fills the memory that it reads only once."""

    def __init__(self, threads: int, program: str | None = None):
        self.process = subprocess.Popen(
            [program or build_probe(), str(threads), "1024", "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.state()

    @property
    def pid(self) -> int:
        return self.process.pid

    def state(self) -> dict:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def build_probe() -> str:
    """Compiled once into the build folder."""
    out = os.path.join(ROOT, "build", "probe")
    sources = [os.path.join(ROOT, "bench", name) for name in ("probe.cpp", "machine_state.h", "peaks.h")]
    if not os.path.exists(out) or os.path.getmtime(out) < max(map(os.path.getmtime, sources)):
        compiler = next((c for c in (os.environ.get("CXX"), "clang++-19", "g++") if c and shutil.which(c)), None)
        if not compiler:
            raise SystemExit("no C++ compiler for bench/probe.cpp; set CXX")
        os.makedirs(os.path.dirname(out), exist_ok=True)
        subprocess.run([compiler, "-std=c++20", "-O2", "-pthread", sources[0], "-o", out], check=True)
    return out


class ForeignLoad:
    """The share of the machine that processes other than this one, its ended children, and the processes `pids` took
    since this object was made (Linux; else 0)."""

    def __init__(self, pids: list[int]):
        self.pids = pids
        self.start = self._now()

    def _now(self) -> tuple[float, float, float]:
        usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        own = sum(u.ru_utime + u.ru_stime for u in usages)
        try:
            tick = os.sysconf("SC_CLK_TCK")
            with open("/proc/stat") as f:
                user, nice, system, _, _, irq, softirq, steal = map(int, f.readline().split()[1:9])
            for pid in self.pids:
                with open(f"/proc/{pid}/stat") as f:
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


def check_columns(path: str, columns: list[str]) -> None:
    """Before anything is measured."""
    if os.path.exists(path):
        with open(path, newline="") as f:
            if next(csv.reader(f), None) != columns:
                raise SystemExit(f"{path}: give its rows the columns {','.join(columns)} first")


def append(path: str, rows: list[dict]) -> None:
    new = not os.path.exists(path)
    with open(path, "a", newline="") as f:
        writer = csv.DictWriter(f, fieldnames=list(rows[0]))
        if new:
            writer.writeheader()
        writer.writerows(rows)
