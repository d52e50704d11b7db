#!/usr/bin/env python3
"""End-to-end tests of the mainspring program: run.py PROGRAM MODEL [--filter WORD].

MODEL is a small chat model with a template (the embedded default is meant). Only the standard library is used. Each
test runs the program as a user does, with its own home folder; chat is driven through a pseudo-terminal.
"""
import argparse
import hashlib
import http.server
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

PROGRAM = MODEL = HOME = ""


def environment(**extra):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAINSPRING_", "XDG_", "HF_", "HUGGINGFACE_"))}
    env.pop("NO_COLOR", None)
    env.update({"HOME": HOME, "TERM": "xterm", "LC_ALL": "C.UTF-8"})
    env.update(extra)
    return env


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout.decode(), done.stderr.decode()

    def json(self):
        return json.loads(self.out)


def run(*args, stdin=b"", env=None, timeout=300):
    stdin = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run([PROGRAM, *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment(**(env or {})), timeout=timeout)
    return Result(done)


def good(*args, **kw):
    r = run(*args, **kw)
    assert r.code == 0, f"{args}: status {r.code}: {r.err}"
    return r


def fails(status, text, *args, **kw):
    """The program ends with `status` and one line on stderr that holds `text`, and prints nothing else."""
    r = run(*args, **kw)
    assert r.code == status, f"{args}: status {r.code} instead of {status}: {r.err}"
    assert r.err.startswith("mainspring: error: ") and r.err.count("\n") == 1, f"{args}: not one error line: {r.err!r}"
    assert text in r.err, f"{args}: {text!r} is not in {r.err!r}"
    assert r.out == "", f"{args}: stdout {r.out!r}"
    return r


def greedy(*args, n=12, **kw):
    return good("generate", "-m", MODEL, "--temperature", "0", "--max-tokens", str(n), *args, **kw)


COMMANDS = ["chat", "generate", "inspect", "tokenize", "perplexity", "logits", "bench", "doctor", "pull", "pack", "list", "rm",
            "version", "completion"]


# ---- options and settings ------------------------------------------------------------------------------------------

def test_help_of_every_command():
    top = good("--help").out
    for c in COMMANDS:
        assert re.search(rf"^  {c} ", top, re.M), f"{c} is missing in --help"
        text = good(c, "--help").out
        assert "Usage: mainspring " + c in text and "--print-config" in text
        assert good("help", c).out == text
    assert run().code == 2


def test_usage_errors():
    fails(2, "did you mean 'generate'?", "genrate")
    fails(2, "did you mean '--temperature'?", "generate", "--temprature", "1")
    fails(2, "--seed needs a value", "generate", "--seed")
    fails(2, "--top-p: expected a number in 0..1, found '7'", "generate", "--top-p", "7", "x")
    fails(2, "--top-p must be above 0", "generate", "--top-p", "0", "x")
    fails(2, "--logit-bias: expected ID:BIAS", "generate", "--logit-bias", "cat", "x")
    fails(2, "--dtype: expected one of auto, bf16, f16, f32", "generate", "--dtype", "int3", "x")
    fails(2, "MAINSPRING_TOP_K: expected a whole number", "generate", "x", env={"MAINSPRING_TOP_K": "lots"})
    fails(2, "unexpected argument 'x'", "doctor", "x")
    fails(2, "perplexity needs FILE", "perplexity")
    fails(2, "exclude each other", "generate", "x", "--prompt-file", "y", "-m", MODEL)
    fails(2, "exclude each other", "generate", "x", "--batch", "y")


def test_precedence():
    folder = os.path.join(HOME, ".config", "mainspring")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "config.toml")
    with open(path, "w") as f:
        f.write('temperature = 0.1\ntop_k = 5\n[generate]\ntop_k = 6\n[chat]\ntop_k = 7\n')
    try:
        def show(command, *args, env=None):
            if command == "chat":   # has no --json
                return good(command, *args, "--print-config", env=env).out
            return good(command, *args, "--print-config", "--json", env=env).json()
        c = show("generate")
        assert (c["temperature"]["value"], c["top_k"]["value"]) == (0.1, 6)
        assert c["top_k"]["origin"] == "file" and "config.toml:4" in c["top_k"]["source"]
        assert c["seed"]["value"] is None and c["dtype"]["origin"] == "default"
        assert re.search(r"^top_k = 7 +# file", show("chat"), re.M)
        c = show("generate", env={"MAINSPRING_TOP_K": "8"})
        assert c["top_k"] == {"value": 8, "origin": "environment", "source": "MAINSPRING_TOP_K"}
        c = show("generate", "--top-k", "9", env={"MAINSPRING_TOP_K": "8"})
        assert c["top_k"] == {"value": 9, "origin": "command line", "source": "--top-k"}
        with open(path, "w") as f:
            f.write('temprature = 0.1\n')
        fails(2, "config.toml:1: unknown key 'temprature', did you mean 'temperature'?", "generate", "x")
    finally:
        os.remove(path)
    fails(4, "/no/such.toml", "generate", "--config", "/no/such.toml", "x")


def test_completion():
    for shell in ("bash", "zsh", "fish"):
        script = good("completion", shell).out
        assert "prompt-logprobs" in script
        if shutil.which(shell):
            check = subprocess.run([shell, "-n"], input=script.encode(), capture_output=True)
            assert check.returncode == 0, check.stderr
        else:
            print(f"    skipped 1: {shell} is not installed")
    fails(2, "bash, zsh, fish", "completion", "csh")


def test_version_and_doctor():
    assert re.fullmatch(r"mainspring \d+\.\d+\.\d+\n", good("version").out)
    assert good("--version").out == good("version").out
    assert good("version", "--json").json()["name"] == "mainspring"
    assert isinstance(good("doctor", "--json").json(), dict)
    assert len(good("doctor").out.splitlines()) > 2


# ---- models --------------------------------------------------------------------------------------------------------

def test_models_that_are_not_there():
    fails(4, "/no/such/model", "generate", "-m", "/no/such/model", "x")
    r = fails(4, "mainspring pull no-such-org/no-such-model", "generate", "-m", "no-such-org/no-such-model", "x")
    assert "generate" not in r.out
    with tempfile.NamedTemporaryFile(suffix=".gguf") as f:
        f.write(b"GGUFgarbage")
        f.flush()
        fails(2, f.name, "generate", "-m", f.name, "x")
        fails(2, f.name, "inspect", f.name)
    fails(3, "KV cache", "generate", "-m", MODEL, "--context", "16000000", "x")


def test_model_cache():
    env = {"HF_HUB_CACHE": os.path.join(HOME, "empty-hub")}
    assert run("list", "--quiet", env=env).out.strip() == ""
    assert good("list", "--json", env=env).json() == {"models": []}
    fails(4, "no-such-org/no-such-model", "rm", "no-such-org/no-such-model", env=env)
    fails(2, "expected org/name", "pull", "not a reference", env=env)


class Hub(http.server.BaseHTTPRequestHandler):
    """A hub on this machine with one repository, tiny/model-GGUF, that holds MODEL."""
    protocol_version = "HTTP/1.1"
    commit = "0123456789abcdef0123456789abcdef01234567"
    delay = 0.0      # per MiB

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/api/models/tiny/model-GGUF/revision/main":
            return self.answer(200, json.dumps({"sha": self.commit}).encode())
        if path == f"/api/models/tiny/model-GGUF/tree/{self.commit}":
            entry = {"type": "file", "path": "model-Q4_1.gguf", "size": os.path.getsize(MODEL), "oid": "0" * 40,
                     "lfs": {"oid": self.server.sha256, "size": os.path.getsize(MODEL)}}
            return self.answer(200, json.dumps([entry]).encode())
        if path == f"/tiny/model-GGUF/resolve/{self.commit}/model-Q4_1.gguf":
            return self.send_model()
        self.answer(404, b"{}")

    def send_model(self):
        begin = int(re.match(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-")).group(1))
        size = os.path.getsize(MODEL)
        self.server.begins.append(begin)
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
        self.send_header("Content-Length", str(size - begin))
        self.end_headers()
        with open(MODEL, "rb") as f:
            f.seek(begin)
            try:
                while block := f.read(1 << 20):
                    self.wfile.write(block)
                    time.sleep(Hub.delay)
            except OSError:
                pass     # the client was stopped

    def log_message(self, *_):
        pass


def test_pull_list_rm():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.daemon_threads = True
    server.begins = []
    with open(MODEL, "rb") as f:
        server.sha256 = hashlib.file_digest(f, "sha256").hexdigest()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HUB_CACHE": os.path.join(HOME, "hub")}
    name = "tiny/model-GGUF"
    try:
        fails(4, "mainspring pull " + name, "generate", "-m", name, "x", env=env)
        fails(4, "tiny/absent", "pull", "tiny/absent", env=env)
        Hub.delay = 0.05
        p = subprocess.Popen([PROGRAM, "pull", name], env=environment(**env), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(1.5)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=20)
        assert p.returncode == 130 and (out, err) == (b"", b""), (p.returncode, out, err)
        Hub.delay = 0.0
        t = Terminal("chat", name, "-n", "4", env=env)   # offers to pull, and goes on where the first pull stopped
        t.expect(r"not downloaded yet. Download it now\? \[Y/n\] ")
        t.line("")
        t.expect(">>> ")
        t.line("Hi")
        t.expect(STATISTICS)
        t.line("/exit")
        assert t.end() == 0
        assert server.begins[0] == 0 and server.begins[-1] > 0, server.begins
        assert good("list", "--quiet", env=env).out == name + "\n"
        listed = good("list", "--json", env=env).json()["models"]
        assert listed[0]["complete"] and listed[0]["bytes"] == os.path.getsize(MODEL)
        assert name in good("list", env=env).out
        pulls = len(server.begins)
        path = good("pull", name, env=env).out.strip()
        assert len(server.begins) == pulls and os.path.samefile(path, os.path.realpath(path))
        assert good("generate", "-m", name, "--raw", "--temperature", "0", "-n", "8", "Once upon", env=env).out == \
            greedy("--raw", "Once upon", n=8).out
        assert "removed" in good("rm", name, env=env).out
        assert good("list", "--json", env=env).json() == {"models": []}
    finally:
        server.shutdown()


def test_inspect():
    small = good("inspect", MODEL, "--context", "1024", "--json").json()
    large = good("inspect", MODEL, "--context", "1024", "--concurrency", "4", "--json").json()
    assert small["memory"]["kv_bytes"] * 4 == large["memory"]["kv_bytes"] > 0
    int8 = good("inspect", MODEL, "--context", "1024", "--kv-dtype", "int8", "--json").json()
    assert int8["memory"]["kv_bytes"] < small["memory"]["kv_bytes"]
    text = good("inspect", MODEL).out
    assert "architectures" in text and "MiB" in text
    listed = good("inspect", MODEL, "--tensors", "--json").json()["tensors"]
    assert len(listed["list"]) == listed["tensors"]


def dense_model(folder):
    """A tiny checkpoint with dense weights, and a tokenizer of a few letters and many names."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../data/families/llama_gqa3")
    shutil.copytree(source, folder)
    with open(os.path.join(folder, "config.json")) as f:
        size = json.load(f)["vocab_size"]
    vocab = {letter: i for i, letter in enumerate([*"abcdefgh ", *(f"<{n}>" for n in range(size - 9))])}
    with open(os.path.join(folder, "tokenizer.json"), "w") as f:
        json.dump({"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": vocab, "merges": []}}, f)
    return folder


def test_quantize():
    model = dense_model(os.path.join(HOME, "model"))
    def config(*args, **kw):
        return good("logits", "--print-config", "--json", *args, **kw).json()
    assert config("--quantize", "w4")["quantize"] == {"value": "w4", "origin": "command line", "source": "--quantize"}
    assert config(env={"MAINSPRING_QUANTIZE": "w8a8"})["quantize"]["value"] == "w8a8"
    dense = good("inspect", model, "--json").json()["memory"]["weights_bytes"]
    w4 = good("inspect", model, "--quantize", "w4", "--json").json()["memory"]
    assert w4["weights_bytes"] < dense and w4["quantize"] == "w4 g128"
    plain = good("logits", "-m", model, "-p", "abc", "--json").json()["top"]
    rounded = good("logits", "-m", model, "-p", "abc", "--json", "--quantize", "w4").json()["top"]
    assert plain != rounded
    fails(2, "--quantize-group: expected 32, 64 or 128, found 48", "logits", "-m", model, "-p", "a",
          "--quantize", "w4", "--quantize-group", "48")
    fails(2, "--quantize: expected one of none, w4, w8a8", "logits", "-m", model, "-p", "a", "--quantize", "w2")


def test_pack():
    packed, four = os.path.join(HOME, "model.msp"), os.path.join(HOME, "four.msp")
    report = good("pack", MODEL, packed, "--json").json()
    assert report["bytes"] == os.path.getsize(packed) and report["path"] == packed
    assert [f for f in os.listdir(HOME) if f.endswith(".tmp")] == []
    for args in (("--raw", "Once upon"), ("What is the capital of France?",)):
        assert good("generate", "-m", packed, "--temperature", "0", "-n", "12", *args).out == greedy(*args).out
    assert good("tokenize", "-m", packed, "Hello").out == good("tokenize", "-m", MODEL, "Hello").out
    seen, original = good("inspect", packed, "--json", "--verify").json(), good("inspect", MODEL, "--json").json()
    assert seen["container"] == "packed" and seen["packed"]["from"] == "gguf " + os.path.basename(MODEL)
    assert seen["config"] == original["config"] and seen["tokenizer"] == original["tokenizer"]
    assert seen["tensors"]["parameters"] == original["tensors"]["parameters"]
    assert "packed" in good("inspect", packed).out
    with open(os.path.join(HOME, "notes.txt"), "w") as f:
        f.write("no model")
    with open(os.path.join(HOME, "damaged.msp"), "w") as f:
        f.write("no model")
    listed = {m["model"]: m for m in good("list", HOME, "--json").json()["models"]}
    assert set(listed) == {"model.msp", "damaged.msp"} and listed["damaged.msp"]["bytes"] is None
    assert listed["model.msp"]["kind"].startswith("packed for cpu ") and listed["model.msp"]["bytes"] == report["bytes"]
    assert "packed for cpu" in good("list", HOME).out and good("list", HOME, "-q").out == "damaged.msp\nmodel.msp\n"
    fails(4, "no/such", "list", "/no/such")
    good("pack", MODEL, packed)   # a packed file may be replaced
    fails(2, "is packed already", "pack", packed, four)
    fails(2, "is packed already", "generate", "-m", packed, "--quantize", "w4", "--raw", "x")
    fails(2, "was packed for bf16", "generate", "-m", packed, "--dtype", "f32", "--raw", "x")
    fails(2, "use --device cpu", "generate", "-m", packed, "--device", "ref", "--raw", "x")
    fails(2, "pack needs OUT", "pack", MODEL)
    fails(2, "is no packed file", "pack", MODEL, __file__)
    fails(4, "no/such/folder", "pack", MODEL, os.path.join(HOME, "no/such/folder/x"))
    with open(packed, "r+b") as f:
        f.truncate(os.path.getsize(packed) - 1)
    fails(2, "the file was cut", "generate", "-m", packed, "--raw", "x")
    model = dense_model(os.path.join(HOME, "model"))
    good("pack", model, four, "--quantize", "w4")
    assert good("inspect", four, "--json").json()["packed"]["quantize"] == "w4 g128"
    assert good("logits", "-m", four, "-p", "abc", "--json").json()["top"] == \
        good("logits", "-m", model, "-p", "abc", "--json", "--quantize", "w4").json()["top"]


def test_pack_interrupted():
    """Ctrl-C at several moments: there is the whole file or nothing."""
    out = os.path.join(HOME, "model.msp")
    for delay in (0.02, 0.05, 0.1, 0.15, 0.2, 0.25):
        p = subprocess.Popen([PROGRAM, "pack", MODEL, out], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(delay)
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=60)
        assert p.returncode in (0, 130) and err == b"", (p.returncode, err)
        assert os.listdir(HOME) in ([], ["model.msp"]), os.listdir(HOME)
        assert p.returncode == 0 or not os.path.exists(out)
        if os.path.exists(out):
            os.remove(out)


# ---- text in, text out ---------------------------------------------------------------------------------------------

def test_tokenize():
    text = "The capital of France is\n  naïve 日本 <|im_start|>"
    t = good("tokenize", "--model", MODEL, "--json", stdin=text).json()
    assert t["count"] == len(t["tokens"]) == len(t["pieces"]) > 5
    assert good("tokenize", "--model", MODEL, "--json", "--prompt", text).json() == t
    back = good("tokenize", "-m", MODEL, "--decode", stdin=json.dumps(t["tokens"])).out
    assert back.endswith(text), back
    assert good("tokenize", "-m", MODEL, "a b").out.count("\n") == good("tokenize", "-m", MODEL, "--json", "a b").json()["count"]
    plain = good("tokenize", "-m", MODEL, "--no-parse-special", "--json", stdin=text).json()
    assert plain["count"] > t["count"]
    fails(2, "expected token ids", "tokenize", "-m", MODEL, "--decode", stdin="1 two")


def test_logits():
    text = "The capital of France is"
    r = good("logits", "--model", MODEL, "--top", "5", "--json", stdin=text).json()
    assert r["tokens"] == good("tokenize", "--model", MODEL, "--json", stdin=text).json()["tokens"]
    assert r["position"] == len(r["tokens"]) - 1
    values = [t["logit"] for t in r["top"]]
    assert len(values) == 5 and values == sorted(values, reverse=True)
    every = good("logits", "--model", MODEL, "--top", "5", "--all", "--json", stdin=text).json()["positions"]
    assert [p["position"] for p in every] == list(range(len(r["tokens"])))
    assert [t["id"] for t in every[-1]["top"]] == [t["id"] for t in r["top"]]
    with tempfile.NamedTemporaryFile() as f:
        good("logits", "-m", MODEL, "--output", f.name, "--json", stdin=text)
        values = struct.unpack("<%df" % (os.path.getsize(f.name) // 4), f.read())
        best = max(range(len(values)), key=values.__getitem__)
        assert best == r["top"][0]["id"] and values[best] == r["top"][0]["logit"]
    nxt = greedy("--raw", "--json", stdin=text, n=1).json()["tokens"]
    assert nxt == [r["top"][0]["id"]]
    fails(2, "no tokens", "logits", "-m", MODEL, stdin="")


def test_generate_raw():
    text = "Once upon a time"
    from_stdin = greedy("--raw", stdin=text)
    assert from_stdin.out and from_stdin.err == ""
    j = greedy("--raw", "--json", stdin=text).json()
    assert j["text"] == from_stdin.out            # stdout is exactly the continuation
    assert j["finish_reason"] == "length" and len(j["tokens"]) == j["usage"]["output_tokens"] == 12
    with tempfile.NamedTemporaryFile("w") as f:
        f.write(text)
        f.flush()
        assert greedy("--raw", "--prompt-file", f.name).out == from_stdin.out
    assert greedy("--raw", "--prompt-file", "-", stdin=text).out == from_stdin.out
    assert greedy("--raw", text).out == from_stdin.out
    assert good("generate", "--raw", text, env={"MAINSPRING_MODEL": MODEL, "MAINSPRING_TEMPERATURE": "0",
                                                "MAINSPRING_MAX_TOKENS": "12"}).out == from_stdin.out
    for kv in ("f16", "bf16", "int8", "k8v4", "int4"):
        assert greedy("--raw", "--kv-dtype", kv, "--threads", "1", "--ignore-eos", text).out
    fails(2, "prompt is empty", "generate", "-m", MODEL, "--raw", stdin="")


def test_generate_sampling():
    def sample(seed, *more):
        return good("generate", "-m", MODEL, "--raw", "--temperature", "1.3", "--seed", str(seed), "-n", "16", *more,
                    "Once upon a time").out
    assert sample(1) == sample(1)
    assert len({sample(s) for s in range(4)}) > 1
    assert sample(3, "--top-k", "1") == sample(4, "--top-k", "1")
    words = greedy("--raw", "--json", "Once upon a time", n=16).json()
    stop = words["text"].strip().split(" ")[3]
    stopped = greedy("--raw", "--json", "--stop", stop, "Once upon a time", n=16).json()
    assert stop not in stopped["text"] and stopped["finish_reason"] == "stop"
    kept = greedy("--raw", "--include-stop", "--stop", stop, "Once upon a time", n=16).out
    assert kept.endswith(stop)
    first = words["tokens"][0]
    banned = greedy("--raw", "--json", "--logit-bias", f"{first}:-100", "Once upon a time", n=4).json()
    assert banned["tokens"][0] != first
    logprobs = greedy("--raw", "--json", "--logprobs", "3", "Once upon a time", n=4).json()["logprobs"]
    assert len(logprobs) == 4 and all(len(t["top"]) == 3 and t["rank"] == 1 for t in logprobs)


def test_generate_template():
    plain = greedy("What is the capital of France?", n=24).out
    assert plain.endswith("\n") and plain != greedy("--raw", "What is the capital of France?", n=24).out
    assert greedy(stdin="What is the capital of France?\n", n=24).out == plain
    assert greedy("--system", "You answer only in French.", "What is the capital of France?", n=24).out
    fails(2, "exclude each other", "generate", "-m", MODEL, "--raw", "--system", "s", "x")


def test_batch():
    lines = [{"id": "b", "prompt": "Once upon a time", "raw": True, "max_tokens": 9},
             {"prompt": "What is the capital of France?", "max_tokens": 20},
             {"id": 7, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 3}]
    lines += [{"id": f"n{i}", "prompt": f"{i} and", "raw": True, "max_tokens": 1 + i % 5} for i in range(30)]
    text = "\n".join(map(json.dumps, lines)) + "\n"
    r = good("generate", "-m", MODEL, "--temperature", "0", "--batch", "-", stdin=text)
    out = [json.loads(line) for line in r.out.splitlines()]
    assert [o["id"] for o in out] == ["b", 2, 7] + [f"n{i}" for i in range(30)]
    assert r.err == ""
    for o in out:
        assert {"text", "finish_reason", "usage", "tokens"} <= set(o) and "error" not in o
    # The company in a batch does not change an answer.
    assert out[0]["text"] == greedy("--raw", "Once upon a time", n=9).out
    assert out[1]["text"] + "\n" == greedy("What is the capital of France?", n=20).out
    with tempfile.NamedTemporaryFile("w") as f:
        f.write(text)
        f.flush()
        again = good("generate", "-m", MODEL, "--temperature", "0", "--batch", f.name)
        assert [json.loads(x)["text"] for x in again.out.splitlines()] == [o["text"] for o in out]
    fails(2, "stdin:2: ", "generate", "-m", MODEL, "--batch", "-", stdin='{"prompt": "a"}\n{"prompt": \n')
    fails(2, "stdin:3: unknown member 'tempereture'", "generate", "-m", MODEL, "--batch", "-",
          stdin='{"prompt": "a"}\n\n{"prompt": "b", "tempereture": 1}\n')
    one_bad = good_or(2, "generate", "-m", MODEL, "--context", "64", "--batch", "-",
                      stdin=json.dumps({"prompt": "word " * 500}) + "\n" + json.dumps({"prompt": "hi", "max_tokens": 2}))
    a, b = [json.loads(x) for x in one_bad.out.splitlines()]
    assert a["error"]["code"] == "invalid_input" and "error" not in b, one_bad.out


def good_or(status, *args, **kw):
    r = run(*args, **kw)
    assert r.code == status, f"{args}: status {r.code} instead of {status}: {r.err}"
    return r


def test_perplexity():
    text = "The cat sat on the mat. " * 40
    r = good("perplexity", "-m", MODEL, "-", "--window", "64", "--stride", "32", "--json", stdin=text).json()
    assert r["predicted"] == r["tokens"] - 1 and r["windows"] > 1
    assert 1 < r["perplexity"] < 20
    apart = good("perplexity", "-m", MODEL, "-", "--window", "64", "--json", stdin=text).json()
    assert apart["predicted"] == apart["tokens"] - apart["windows"]
    assert apart["perplexity"] > r["perplexity"], "longer contexts predict better"
    rng = random.Random(1)
    noise = "".join(chr(rng.randrange(33, 127)) for _ in range(400))
    n = good("perplexity", "-m", MODEL, "-", "--json", stdin=noise).json()
    assert n["perplexity"] > 5 * r["perplexity"] and n["windows"] == 1
    fails(2, "at least two tokens", "perplexity", "-m", MODEL, "-", stdin="")
    fails(2, "--stride: expected at most", "perplexity", "-m", MODEL, "-", "--stride", "65", "--window", "64", stdin=text)


def test_bench():
    r = good("bench", "-m", MODEL, "--prompt-tokens", "32", "--output-tokens", "8", "--batch", "2", "--repeat", "2",
             "--json").json()
    for name in ("prefill_tokens_per_s", "decode_tokens_per_s", "ttft_s"):
        assert 0 < r[name]["min"] <= r[name]["median"] <= r[name]["max"] and len(r[name]["all"]) == 2
    assert r["load_s"] > 0 and r["weight_bytes"] > 0
    lines = good("bench", MODEL, "--requests", "--prompt-tokens", "40", "--output-tokens", "8", "--batch", "2",
                 stdin='{"prompt_tokens": 9, "output_tokens": 2}\n{}\n').out.splitlines()
    assert len(lines) == 2 and all(json.loads(x)["decode_tokens_per_s"] > 0 for x in lines)
    fails(2, "batch: expected 1 to 1, found 2", "bench", MODEL, "--requests", stdin='{"batch": 2}')
    assert "decode tokens/s" in good("bench", MODEL, "--prompt-tokens", "8", "--output-tokens", "4", "--repeat", "1").out


# ---- signals and pipes ---------------------------------------------------------------------------------------------

def long_generation(**kw):
    return subprocess.Popen([PROGRAM, "generate", "-m", MODEL, "--raw", "--ignore-eos", "-n", "100000", "Once upon"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                            env=environment(), **kw)


def test_signals_end_cleanly():
    for sig, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        p = long_generation()
        assert p.stdout.read(1)
        p.send_signal(sig)
        _, err = p.communicate(timeout=20)
        assert p.returncode == status, (p.returncode, err)
        assert err == b"", err


def test_closed_pipe():
    p = long_generation()
    assert p.stdout.read(1)
    p.stdout.close()
    assert p.wait(timeout=20) == 141
    assert p.stderr.read() == b""


# ---- chat ----------------------------------------------------------------------------------------------------------

def test_chat_from_a_pipe():
    r = good("chat", MODEL, "--temperature", "0", "-n", "24", stdin="What is the capital of France?\nAnd of Italy?\n")
    first = greedy("What is the capital of France?", n=24).out
    assert r.out.startswith(first), (r.out, first)
    assert len(r.out) > len(first) and r.err == ""
    one = good("chat", MODEL, "--temperature", "0", "-n", "4", stdin='"""\ntwo\nlines\n"""\n/image x\n')
    assert one.out.count("\n") == 1 and "not supported yet" in one.err
    assert good("chat", MODEL, stdin="").out == ""
    assert good("chat", MODEL, stdin="/exit\nWhat?\n").out == ""


class Terminal:
    """The program on a pseudo-terminal."""

    def __init__(self, *args, env=None):
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(PROGRAM, [PROGRAM, *args], environment(**(env or {})))

    def read(self, seconds):
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:   # the other side is closed
            return None
        if not data:
            return None
        self.seen += data.decode(errors="replace")
        return True

    def expect(self, pattern, timeout=60):
        """Waits for a pattern in what was not matched before; returns the text up to its end."""
        end = time.time() + timeout
        while True:
            m = re.search(pattern, self.seen, re.S)
            if m:
                text, self.seen = self.seen[:m.end()], self.seen[m.end():]
                return text
            left = end - time.time()
            if left <= 0 or self.read(left) is None:
                m = re.search(pattern, self.seen, re.S)
                if m:
                    continue
                raise AssertionError(f"{pattern!r} did not come; seen: {self.seen[-2000:]!r}")

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def line(self, text):
        self.type(text + "\r")

    def echo_on(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def end(self, timeout=20):
        limit = time.time() + timeout
        while time.time() < limit:
            if self.read(0.1) is None:
                break
        for _ in range(100):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.1)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError(f"the program did not end; seen: {self.seen[-2000:]!r}")


STATISTICS = r"\[\d+ tokens.*?first token [\d.]+ s, prompt (\d+)( \((\d+) cached\))?[^\]]*\]"


def test_chat_on_a_terminal():
    state = os.path.join(HOME, "state")
    t = Terminal("chat", MODEL, "--temperature", "0", "-n", "40", env={"XDG_STATE_HOME": state})
    t.expect(r"/help lists the commands.*>>> ")
    t.line("What is the capital of France?")
    t.expect("Paris")
    t.expect(STATISTICS)
    t.expect(">>> ")
    t.line("And of Italy?")
    second = re.search(STATISTICS, t.expect(STATISTICS))
    assert second.group(3) and int(second.group(3)) >= 16, "the second turn reuses the first one's prefix"
    t.expect(">>> ")
    t.type("\x1b[A\x1b[A")                       # history: the first question again
    t.expect("capital of France")
    t.type("\x15")                               # and away with it
    t.line("/help")
    t.expect("/system TEXT.*/save FILE.*>>> ")
    t.line("/hlep")
    t.expect("did you mean '/help'.*>>> ")
    t.line("/image cat.png")
    t.expect("not supported yet.*>>> ")
    file = os.path.join(HOME, "saved.json")
    t.line("/save " + file)
    t.expect("saved 4 messages.*>>> ")
    saved = json.load(open(file))
    assert [m["role"] for m in saved["messages"]] == ["user", "assistant"] * 2
    assert "Paris" in saved["messages"][1]["content"]
    t.line("/system You are a pirate.")
    t.expect("begins anew.*>>> ")
    t.type('"""one\rtwo"""\r')
    t.expect(STATISTICS)
    t.expect(">>> ")
    t.line("/exit")
    assert t.end() == 0
    history = open(os.path.join(state, "mainspring", "history")).read()
    assert history.startswith("What is the capital of France?\nAnd of Italy?\n/help\n")
    assert 'one\\ntwo' in history
    assert os.stat(os.path.join(state, "mainspring", "history")).st_mode & 0o077 == 0


def test_chat_interrupted():
    t = Terminal("chat", MODEL, "--ignore-eos", "--no-history", "--temperature", "0")
    t.expect(">>> ")
    assert not t.echo_on(), "the line editor has the keyboard"
    t.line("Tell me a very long story.")
    t.expect("tell me a very long story|\\w+ \\w+ \\w+ \\w+ \\w+", 60)
    time.sleep(0.5)
    assert t.echo_on()
    started = time.time()
    t.type("\x03")                               # stops the answer and not the program
    t.expect(r"stopped\]")
    assert time.time() - started < 5
    t.expect(">>> ")
    t.line("/help")
    t.expect("/reset.*>>> ")
    t.type("half a line\x03")                    # drops the line
    t.expect(">>> ")
    t.type("\x03")
    assert t.end() == 130
    t = Terminal("chat", MODEL)
    t.expect(">>> ")
    t.type("\x03")
    t.expect("Ctrl-C again.*>>> ")
    t.type("x\x7f")                              # typing does not count as leaving
    t.type("\x04")
    assert t.end() == 0


def test_chat_terminated():
    t = Terminal("chat", MODEL)
    t.expect(">>> ")
    os.kill(t.pid, signal.SIGTERM)
    time.sleep(0.5)
    assert t.echo_on(), "the terminal is as it was"
    assert t.end() == 143


def test_no_color():
    t = Terminal("chat", MODEL, env={"NO_COLOR": "1"})
    assert "\x1b[2m" not in t.expect(">>> ")
    t.type("\x04")
    assert t.end() == 0
    t = Terminal("chat", MODEL)
    assert "\x1b[2m" in t.expect(">>> ")
    t.type("\x04")
    t.end()


def main():
    # A background job starts with SIGINT ignored, which its children would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    global PROGRAM, MODEL, HOME
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--filter", default="")
    args = parser.parse_args()
    PROGRAM, MODEL = os.path.abspath(args.program), os.path.abspath(args.model)
    failed = passed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_") or args.filter not in name:
            continue
        HOME = tempfile.mkdtemp(prefix="mainspring-cli-")
        started = time.time()
        try:
            test()
            passed += 1
            print(f"ok      {name} ({time.time() - started:.1f} s)", flush=True)
        except Exception as e:   # noqa: BLE001: a test must not take the others down
            failed += 1
            print(f"FAILED  {name}: {type(e).__name__}: {e}", flush=True)
        finally:
            shutil.rmtree(HOME, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
