#!/usr/bin/env python3
"""Builds and runs the test suite; the last line is "N passed, N failed, N skipped".

Stages run in order; a failing stage does not stop the others. --full adds what CI runs. Names given as arguments
select stages.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
JOBS = str(os.cpu_count() or 2)
SUMMARY = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, passed=0, failed=0, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped

    def check(self, ok, name):
        self.add(passed=int(ok), failed=int(not ok))
        if not ok:
            print(f"FAILED: {name}", flush=True)


def run(command, log=None, timeout=1800, env=None, cwd=ROOT):
    """Runs a command; its output goes to `log` (shown when it fails) or to the terminal."""
    print(f"$ {' '.join(map(str, command))}", flush=True)
    full_env = dict(os.environ, **(env or {}))
    try:
        if log is None:
            return subprocess.run(command, cwd=cwd, env=full_env, timeout=timeout).returncode == 0
        with open(log, "w") as out:
            ok = subprocess.run(command, cwd=cwd, env=full_env, timeout=timeout, stdout=out,
                                stderr=subprocess.STDOUT).returncode == 0
        if not ok:
            print(pathlib.Path(log).read_text(errors="replace")[-6000:], flush=True)
        return ok
    except subprocess.TimeoutExpired:
        print(f"timed out after {timeout} s", flush=True)
        return False


def build(tally, preset, targets=(), options=()):
    BUILD.mkdir(exist_ok=True)
    log = BUILD / f"{preset}.log"
    ok = run(["cmake", "--preset", preset, *options], log)
    command = ["cmake", "--build", "--preset", preset, "-j", JOBS]
    if targets:
        command += ["--target", *targets]
    ok = ok and run(command, log, timeout=3600)
    tally.check(ok, f"build {preset}")
    return ok


def gtests(tally, preset, names=None, env=None, timeout=1200):
    """Runs the GoogleTest programs of a build and counts their tests."""
    programs = sorted(p for p in (BUILD / preset).rglob("test_*") if p.is_file() and os.access(p, os.X_OK)
                      and "CMakeFiles" not in p.parts)
    for program in programs:
        if names and program.name not in names:
            continue
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            log = BUILD / f"{preset}-{program.name}.log"
            ok = run([program, "--gtest_brief=1", f"--gtest_output=json:{out.name}"], log, timeout, env)
            try:
                report = json.loads(pathlib.Path(out.name).read_text())
            except ValueError:
                tally.check(False, f"{program.name} wrote no report (crashed?)")
                continue
        failed = report["failures"] + report.get("errors", 0)
        skipped = sum(t.get("result") == "SKIPPED" for s in report["testsuites"] for t in s["testsuite"])
        tally.add(report["tests"] - failed - skipped - report["disabled"], failed, skipped + report["disabled"])
        if not ok and failed == 0:  # a sanitizer report at exit
            tally.check(False, f"{program.name} exited with an error")


def script(tally, name, command, timeout=1800, env=None):
    """A test script counts for what its last line says, or as one test."""
    log = BUILD / f"{name}.log"
    ok = run(command, log, timeout, env)
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    match = SUMMARY.match(lines[-1].strip()) if lines else None
    if match:
        passed, failed, skipped = (int(g or 0) for g in match.groups())
        tally.add(passed, failed, skipped)
        if not ok and failed == 0:
            tally.check(False, name)
    else:
        tally.check(ok, name)


def default_model():
    out = subprocess.run([sys.executable, "scripts/fetch_default_model.py"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    return out.stdout.strip() if out.returncode == 0 else None


def stage_unit(tally):
    if build(tally, "default", options=["-DMAINSPRING_TESTS=ON"]):
        gtests(tally, "default")


def stage_real(tally):
    """The default model through the finished program."""
    model = default_model()
    binary = BUILD / "default/bin/mainspring"
    if not model:
        tally.check(False, "fetch of the default model")
        return
    script(tally, "cli", [sys.executable, "tests/cli/run.py", binary, model], timeout=900)
    script(tally, "real", [sys.executable, "tests/cli/real_model.py", binary, model], timeout=900)


def stage_lint(tally):
    script(tally, "layers", [sys.executable, "scripts/check_layers.py"])
    for preset in ("default",):
        script(tally, "isa-symbols", ["scripts/check_isa_symbols.sh", BUILD / preset])


def stage_docs(tally):
    script(tally, "docs", [sys.executable, "scripts/check_docs.py"], timeout=900)


def venv():
    """Python packages of the differential tests, pinned, in build/venv."""
    python = BUILD / "venv/bin/python"
    stamp = BUILD / "venv/ready"
    if not stamp.exists():
        base = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
        ok = run([base, "-m", "venv", BUILD / "venv"], BUILD / "venv.log") and run(
            [python, "-m", "pip", "install", "-q", "-r", "tools/requirements-ci.txt"], BUILD / "venv.log")
        if not ok:
            return None
        stamp.touch()
    return python


def stage_differential(tally):
    python = venv()
    tally.check(python is not None, "install of the reference packages")
    if python is None:
        return
    tools = BUILD / "default/tests/tools"
    shared = ROOT.parent / "shared/tokenizers"
    if not shared.is_dir():
        print("skipped: the shared tokenizers are not here")
        tally.add(skipped=1)
    tokenizer = [python, "tools/tokenizer_differential.py", "--driver", tools / "tokenize_driver"]
    script(tally, "tokenizers", [*tokenizer, "--count", "3000", "--shared", shared, "--gguf", default_model() or ""],
           timeout=1500)
    script(tally, "tokenizer-parts", [*tokenizer, "--components", "--count", "200"], timeout=900)
    script(tally, "templates", [python, "tools/template_differential.py", "--driver", tools / "render_driver", "--cases",
                                "20000"], timeout=900)


def stage_asan(tally):
    if build(tally, "asan"):
        env = {"ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
        gtests(tally, "asan", env=env, timeout=2400)


def stage_tsan(tally):
    if build(tally, "tsan", targets=["test_engine", "test_base"]):
        gtests(tally, "tsan", names={"test_engine", "test_base"}, timeout=900)


def stage_fuzz(tally):
    if not build(tally, "fuzz", targets=["fuzzers"]):
        return
    seconds = os.environ.get("MAINSPRING_FUZZ_SECONDS", "60")
    programs = sorted(p for p in (BUILD / "fuzz").rglob("fuzz_*") if p.is_file() and os.access(p, os.X_OK)
                      and "CMakeFiles" not in p.parts)
    tally.check(len(programs) >= 5, "five fuzz targets exist")
    # Two at a time: the machine has two cores. The sanitizers cost a factor of five: 10 s here are 2 s in the program.
    for i in range(0, len(programs), 2):
        running = []
        for program in programs[i:i + 2]:
            corpus = ROOT / "tests/fuzz/corpus" / program.name
            work = BUILD / "fuzz" / f"{program.name}.corpus"
            work.mkdir(exist_ok=True)
            log = open(BUILD / f"{program.name}.log", "w")
            command = [program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=65536", work]
            if corpus.is_dir():
                command.append(corpus)
            print(f"$ {' '.join(map(str, command))}", flush=True)
            running.append((program, log, subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=BUILD)))
        for program, log, process in running:
            ok = process.wait() == 0
            log.close()
            if not ok:
                print(pathlib.Path(log.name).read_text(errors="replace")[-4000:], flush=True)
            tally.check(ok, program.name)


def stage_gcc(tally):
    if build(tally, "gcc", targets=["mainspring", "test_ops"]):
        gtests(tally, "gcc", names={"test_ops"})


def stage_neon(tally):
    script(tally, "neon", ["scripts/test_neon.sh", BUILD / "neon"], timeout=1200)


FAST = ["unit", "real", "lint", "docs"]
FULL = FAST + ["differential", "asan", "tsan", "fuzz", "gcc", "neon"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", help=f"of {' '.join(FULL)}")
    parser.add_argument("--full", action="store_true", help="everything CI runs")
    args = parser.parse_args()
    stages = args.stages or (FULL if args.full else FAST)
    total = Tally()
    for name in stages:
        if name not in FULL:
            sys.exit(f"test.py: unknown stage '{name}' (expected one of {' '.join(FULL)})")
        tally, start = Tally(), time.monotonic()
        print(f"== {name}", flush=True)
        globals()[f"stage_{name}"](tally)
        print(f"== {name}: {tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped "
              f"in {time.monotonic() - start:.0f} s", flush=True)
        total.add(tally.passed, tally.failed, tally.skipped)
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    sys.exit(1 if total.failed or not total.passed else 0)


if __name__ == "__main__":
    main()
