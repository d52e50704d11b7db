#!/usr/bin/env python3
"""Draws docs/performance/*.svg and fills the tables of docs/performance.md from rows.

A table stands between <!-- table NAME --> and <!-- end -->; everything between is replaced. The newest row of every
metric counts; rows during which others took more than 10 % of the machine do not. Only the standard library is used.

usage: plot_results.py [--results bench/results] [--docs docs] [--check]      --check: fail when something would change
"""

import argparse
import csv
import html
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MAX_FOREIGN = 0.10
OURS, RIVAL, GRID, TEXT = "#1f6feb", "#b0b7c0", "#e3e6ea", "#24292f"
TARGETS = {  # model prefix: (decode, prefill) of issue 4: ratio to llama.cpp
    "smollm2": (1.5, 2.5),
    "qwen2.5": (1.4, 2.5),
    "synthetic-1b": (1.3, 1.8),
    "synthetic-8b": (1.15, 1.8),
}
METRIC_TARGETS = {"batch_8": 2.5, "batch_32": 2.0}
ATTENTION_TARGETS = {"q8_0": 5.0, "f16": 2.5, "f16 without flash": 2.5}


def read(path: str, key: tuple[str, ...]) -> dict[tuple, dict]:
    """The newest row of every key."""
    rows = {}
    if os.path.exists(path):
        with open(path, newline="") as f:
            for row in csv.DictReader(f):
                if float(row["foreign"] or 0) <= MAX_FOREIGN:
                    rows[tuple(row[k] for k in key)] = row
    return rows


def number(text: str) -> str:
    value = float(text)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def text(x: float, y: float, what: str, anchor: str = "start", size: int = 12, weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="{TEXT}">{html.escape(what)}</text>'
    )


def svg(width: int, height: int, parts: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">'
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="white"/>', *parts, "</svg>"]) + "\n"


def bars(title: str, items: list[tuple[str, float, float | None]]) -> str:
    """Horizontal bars of ratios (label, ratio, target), with a line at 1 = as fast as llama.cpp."""
    left, width, step, top = 310, 820, 22, 44
    most = max([2.0, *(r for _, r, _ in items), *(t for _, _, t in items if t)]) * 1.08
    scale = (width - left - 60) / most
    height = top + step * len(items) + 16
    parts = [text(12, 22, title, size=15, weight="bold")]
    parts += [
        f'<line x1="{left + i * scale:.1f}" x2="{left + i * scale:.1f}" y1="{top - 8}" y2="{height - 12}" '
        f'stroke="{TEXT if i == 1 else GRID}"/>'
        for i in range(int(most) + 1)
    ]
    for i, (label, ratio, target) in enumerate(items):
        y = top + i * step
        fill = OURS if ratio >= 1 else RIVAL
        parts.append(text(left - 8, y + 11, label, "end"))
        parts.append(f'<rect x="{left}" y="{y}" width="{ratio * scale:.1f}" height="14" fill="{fill}"/>')
        parts.append(text(left + ratio * scale + 5, y + 11, f"{ratio:.2f}x"))
        if target:
            x = left + target * scale
            place = f'x1="{x:.1f}" x2="{x:.1f}" y1="{y - 3}" y2="{y + 17}"'
            parts.append(f'<line {place} stroke="#d1242f" stroke-width="2"/>')
    return svg(width, height, parts)


def lines(title: str, unit: str, ticks: list[str], series: list[tuple[str, str, list[float | None]]]) -> str:
    """Curves over equally spaced ticks: (label, colour, values)."""
    width, height, left, right, top, bottom = 560, 300, 58, 110, 40, 36
    most = max(v for _, _, values in series for v in values if v is not None) * 1.08

    def at(i: int, v: float) -> tuple[float, float]:
        x = left + (width - left - right) * i / max(1, len(ticks) - 1)
        return x, height - bottom - (height - top - bottom) * v / most

    parts = [text(12, 22, title, size=15, weight="bold")]
    for k in range(5):
        x, y = at(0, most * k / 4)
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>')
        parts.append(text(left - 6, y + 4, number(str(most * k / 4)) if k else "0", "end", 11))
    parts += [text(at(i, 0)[0], height - bottom + 16, t, "middle", 11) for i, t in enumerate(ticks)]
    parts.append(text(width - right, height - 6, unit, "end", 11))
    taken: list[float] = []  # heights of labels so far
    for label, colour, values in series:
        points = [at(i, v) for i, v in enumerate(values) if v is not None]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.8" fill="{colour}"/>' for x, y in points]
        y = points[-1][1] + 4
        while any(abs(y - other) < 13 for other in taken):
            y += 13
        taken.append(y)
        parts.append(text(points[-1][0] + 6, y, label, size=11))
    return svg(width, height, parts)


def target_of(model: str, metric: str) -> float | None:
    if metric in METRIC_TARGETS:
        return METRIC_TARGETS[metric] if model.startswith("synthetic-1b") else None
    for prefix, (decode, prefill) in TARGETS.items():
        if model.startswith(prefix):
            return prefill if metric.startswith("prefill") else decode if re.match(r"decode_\d+_\d+$", metric) else None
    return None


def end_to_end(rows: dict) -> tuple[str, str]:
    out, items = [], []
    for (model, metric), r in rows.items():
        target = target_of(model, metric)
        wall = f"{float(r['wall_share']):.2f} / {float(r['rival_wall_share']):.2f}" if r["wall_share"] else ""
        cells = [model, metric, f"{number(r['ours_median'])} {r['unit']}", number(r["rival_median"])]
        out.append([*cells, r["ratio"], r["paired"], r["rounds"], f"{target}" if target else "", wall])
        if r["unit"] == "tokens/s":
            items.append((f"{model} {metric}", float(r["ratio"]), target))
    head = ["model", "metric", "ours", "llama.cpp", "ratio", "paired", "rounds", "target"]
    head.append("of the wall, ours / llama.cpp")
    return table(head, out), bars("Speed relative to llama.cpp, same file (red: target)", items) if items else ""


def linear_tables(rows: dict) -> str:
    out = []
    for (fmt, shape), group in grouped(rows).items():
        for r in group:
            share = f"{float(r['share_wall']):.2f} / {float(r['rival_share_wall'] or 0):.2f}"
            share = share if int(r["rows"]) <= 8 else ""
            rates = [number(r["ours_gop_s"]), number(r["rival_gop_s"] or "0")]
            errors = [f"{100 * float(r['ours_error']):.3f} %", f"{100 * float(r['rival_error'] or 0):.3f} %"]
            out.append([f"{fmt} {shape}", r["rows"], *rates, r["ratio"], share, r["share_peak"], *errors])
    head = ["matrix", "N", "ours GOP/s", "ggml GOP/s", "ratio", "of the wall, ours / ggml", "of the peak"]
    return table([*head, "our error", "ggml's"], out)


def grouped(rows: dict) -> dict[tuple[str, str], list[dict]]:
    groups: dict[tuple[str, str], list[dict]] = {}
    for (metric, fmt, shape, _, _), r in rows.items():
        if metric == "linear":
            groups.setdefault((fmt, shape), []).append(r)
    return {k: sorted(v, key=lambda r: int(r["rows"])) for k, v in sorted(groups.items())}


def linear_plots(rows: dict) -> dict[str, str]:
    plots = {}
    for (fmt, shape), group in grouped(rows).items():
        if not shape.endswith("14336"):
            continue
        ticks = [r["rows"] for r in group]
        ours = [float(r["ours_gop_s"]) for r in group]
        theirs = [float(r["rival_gop_s"]) if r["rival_gop_s"] else None for r in group]
        series = [("Mainspring", OURS, ours)]
        if any(v is not None for v in theirs):
            series.append((f"ggml {group[0]['rival_format']}", "#6e7781", theirs))
        plots[f"linear_{fmt}.svg"] = lines(f"{fmt}, {shape}: GOP/s over N", "rows N", ticks, series)
    return plots


def attention_table(rows: dict) -> tuple[str, str]:
    out, items = [], []
    for (metric, fmt, shape, _, rival_format), r in rows.items():
        if metric != "decode_attention" or not r["ratio"]:
            continue
        context = shape.rsplit(" ", 1)[1]
        target = ATTENTION_TARGETS.get(rival_format) if fmt == "int8" and context == "8192" else None
        cells = [fmt, context, rival_format, f"{number(r['ours_us'])} us", f"{number(r['rival_us'])} us", r["ratio"]]
        errors = [f"{100 * float(r['ours_error']):.2f} %", f"{100 * float(r['rival_error']):.2f} %"]
        out.append([*cells, f"{target}" if target else "", r["share_wall"], *errors])
        items.append((f"{fmt} vs {rival_format}, {context}", float(r["ratio"]), target))
    head = ["KV", "context", "ggml's KV", "ours", "ggml", "ratio", "target", "of the wall", "our error", "ggml's"]
    return table(head, out), bars("Decode attention relative to ggml (32/8 heads, d 128)", items) if items else ""


def targets(whole: dict, kernels: dict) -> str:
    """What has to hold, beside what was measured."""
    out = []

    def add(what: str, ours: str, rival: str, measured: float, target: str, met: bool) -> None:
        out.append([what, ours, rival, f"{measured:.3g}", target, "" if not target else "yes" if met else "**no**"])

    for kind in ("decode", "prefill", "batch"):
        for (model, metric), r in whole.items():
            target = target_of(model, metric)
            if target and metric.startswith(kind):
                rates = (number(r["ours_median"]), number(r["rival_median"]))
                ratio = float(r["ratio"])
                add(f"{model} {metric}, tokens/s", *rates, ratio, f">= {target}", ratio >= target)
    for model, least in (("synthetic-1b", 0.88), ("synthetic-8b", 0.93)):
        shares = [r for (m, metric), r in whole.items() if m.startswith(model) and metric.startswith("decode_16_")]
        for r in shares[:1]:
            share, what = float(r["wall_share"]), f"{r['model']} {r['metric']}, share of the wall"
            add(what, "", r["rival_wall_share"], share, f">= {least}", share >= least)
    linear = {(f, shape, int(n)): r for (metric, f, shape, n, _), r in kernels.items() if metric == "linear"}
    shape = "4096x14336"
    for fmt, least in (("w4_g128", 0.82), ("w4_g128_a8", 0.75), ("bf16", 0.88), ("w8a8", None)):
        r = linear.get((fmt, shape, 512))
        if r:
            rates = (number(r["ours_gop_s"]), number(r["rival_gop_s"] or "0"))
            what = f"{fmt} {shape} N=512, share of {r['peak']}'s {r['peak_gop_s']} GOP/s"
            share = float(r["share_peak"])
            add(what, *rates, share, f">= {least}" if least else "", least is None or share >= least)
    costs = {"w4_g128_a8": {4: 1.10, 8: 1.20}, "w4_g128": {4: 1.30, 8: 1.80}, "q4_0": {4: None, 8: None}}
    for fmt, limits in costs.items():
        one = linear.get((fmt, shape, 1))
        for n, most in limits.items():
            r = linear.get((fmt, shape, n))
            if one and r:
                cost = float(r["ours_us"]) / float(one["ours_us"])
                rival = f"{float(r['rival_us']) / float(one['rival_us']):.2f}" if r["rival_us"] else ""
                limit = f"<= {most}" if most else ""
                add(f"{fmt} {shape}, cost of N={n} over N=1", "", rival, cost, limit, most is None or cost <= most)
    for (metric, fmt, where, _, rival_format), r in kernels.items():
        if metric == "decode_attention" and fmt == "int8" and where.endswith(" 8192") and r["ratio"]:
            least = ATTENTION_TARGETS[rival_format]
            times = (f"{number(r['ours_us'])} us", f"{number(r['rival_us'])} us")
            ratio = float(r["ratio"])
            add(f"int8 attention at 8192, vs ggml's {rival_format}", *times, ratio, f">= {least}", ratio >= least)
    for (model, metric), r in whole.items():
        most = {"start_to_first_token": 0.6, "memory_beyond": 150}.get(metric)
        if most and (metric == "memory_beyond" or model.startswith("synthetic-8b")):
            ours = float(r["ours_median"])
            what = f"{model} {metric}, {r['unit']}"
            add(what, number(r["ours_median"]), number(r["rival_median"]), ours, f"<= {most}", ours <= most)
    for fmt in ("w4_g128", "q4_0"):
        r = linear.get((fmt, shape, 8))
        if r:
            error = 100 * float(r["ours_error"])
            rival = f"{100 * float(r['rival_error'] or 0):.3f}"
            add(f"{fmt} {shape}, error, % of the output", f"{error:.3f}", rival, error, "<= 0.3", error <= 0.3)
    return table(["what", "ours", "llama.cpp", "measured", "target", "met"], out)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", default=os.path.join(ROOT, "bench", "results"))
    parser.add_argument("--docs", default=os.path.join(ROOT, "docs"))
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    whole = read(os.path.join(args.results, "end_to_end.csv"), ("model", "metric"))
    kernels = read(os.path.join(args.results, "kernels.csv"), ("metric", "format", "shape", "rows", "rival_format"))
    tables, files = {}, {}
    tables["end_to_end"], files["end_to_end.svg"] = end_to_end(whole)
    tables["attention"], files["attention.svg"] = attention_table(kernels)
    tables["linear"] = linear_tables(kernels)
    tables["targets"] = targets(whole, kernels)
    files |= linear_plots(kernels)
    page = os.path.join(args.docs, "performance.md")
    with open(page) as f:
        old = f.read()

    def filled(match: re.Match) -> str:
        return f"{match[1]}\n{tables[match[2]]}\n{match[3]}"

    contents = {page: re.sub(r"(<!-- table (\w+) -->)\n.*?(<!-- end -->)", filled, old, flags=re.S)}
    contents |= {os.path.join(args.docs, "performance", name): data for name, data in files.items() if data}
    changed = []
    for path, data in contents.items():
        if not os.path.exists(path) or open(path).read() != data:
            changed.append(path)
            if not args.check:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w") as f:
                    f.write(data)
    print(f"{len(changed)} files {'would change' if args.check else 'written'}")
    return 1 if args.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
