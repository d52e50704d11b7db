#!/usr/bin/env python3
"""Builds tests/data/templates/cases.json: every template of tests/data/templates on a matrix of conversations, rendered
by Jinja2 as transformers sets it up. Also refreshes the templates of real models when their files are given:

    tools/template_matrix.py [--shared ../shared/tokenizers] [--gguf NAME=FILE ...]
"""
import argparse
import json
import pathlib

import jinja2

from template_reference import NOW, render, versions

DATA = pathlib.Path(__file__).resolve().parent.parent / "tests/data/templates"

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a city, \"now\" & <here>",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "The city, e.g. Zürich"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                "days": {"type": "array", "items": {"type": "integer"}, "nullable": True},
                "limits": {"type": "object", "properties": {"low": {"type": "number"}}, "required": ["low"]},
            },
            "required": ["city"],
        },
    },
}
CLOCK = {
    "type": "function",
    "function": {"name": "get_time", "description": "The time", "parameters": {"type": "object", "properties": {}}},
}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def system(text):
    return {"role": "system", "content": text}


def call(name, arguments, number):
    return {"id": f"abcdef{number:03d}", "type": "function", "function": {"name": name, "arguments": arguments}}


def tool(text, number=1, **more):
    return {"role": "tool", "content": text, "tool_call_id": f"abcdef{number:03d}", **more}


def conversations():
    ask = user("What is the weather in Zürich? 你好 👋")
    one_call = assistant("", tool_calls=[call("get_weather", {"city": "Zürich", "days": [1, 2.5, None, True]}, 1)])
    null_call = assistant(None, tool_calls=[call("get_weather", {"city": "Paris"}, 1)])
    text_call = assistant(None, tool_calls=[call("get_weather", '{"city": "Bern"}', 1)])
    two_calls = assistant("Let me see.", tool_calls=[call("get_weather", {"city": "Bern"}, 1), call("get_time", {}, 2)])
    result = tool('{"temperature": 21.5, "sky": "clear"}', name="get_weather")
    image = [{"type": "image"}, {"type": "text", "text": " What is this? "}]
    images = [{"type": "text", "text": "Compare "}, {"type": "image", "image": "a.png"}, {"type": "image_url", "image_url": {"url": "b.png"}},
              {"type": "video", "video": "c.mp4"}, {"type": "text", "text": "please"}]
    return {
        "user": [user("Hello!")],
        "padded": [user("  Hello,\n world! \t\n")],
        "system": [system("You are terse."), user("Hi")],
        "padded_system": [system("\n Be kind. \n"), user("Hi <b>&'\"\\ {{ x }} {% y %}")],
        "two_turns": [user("1+1?"), assistant("2"), user("2+2?")],
        "system_turns": [system("Sys"), user("a"), assistant(" b "), user("c"), assistant("d"), user("e")],
        "prefilled": [user("Write a haiku"), assistant("Autumn moonlight")],
        "thinking": [user("q"), assistant("<think>\nhmm\n</think>\n\nanswer"), user("more"), assistant("<think>x</think>\n\ny")],
        "reasoning": [user("q"), assistant("answer", reasoning_content="because\n"), user("more")],
        "empty_user": [user("")],
        "unicode": [system("Ünïcödé"), user("日本語 \u200b\u00a0 emoji 👩‍👩‍👧 \u2028 end")],
        "late_system": [user("a"), system("late"), user("b")],
        "assistant_first": [assistant("Hi"), user("Hello")],
        "other_role": [user("a"), {"role": "developer", "content": "x"}],
        "tool_call": [ask, one_call],
        "tool_result": [ask, one_call, result],
        "tool_null": [system("Use tools."), ask, null_call, result, assistant("21.5 degrees"), user("thanks")],
        "tool_text": [ask, text_call, result],
        "tool_two": [ask, two_calls, tool("sunny"), tool("12:00", 2), assistant("Sunny, noon.")],
        "tool_number": [ask, one_call, tool(42)],
        "tool_mapping": [ask, one_call, tool({"content": "nested", "n": 1})],
        "image": [{"role": "user", "content": image}],
        "images": [system("Look."), {"role": "user", "content": images}, assistant("Same."), {"role": "user", "content": image}],
        "parts_system": [{"role": "system", "content": [{"type": "text", "text": "S"}]}, {"role": "user", "content": [{"type": "text", "text": "U"}]}],
        "no_content": [{"role": "user"}],
        "none": [],
        "nested": [{"role": "a", "content": "x", "parts": [{"role": "b", "content": "y"}, {"role": "c", "content": None}]}, {"role": "d", "content": 5}],
    }


def variants():
    """Name -> variables of a render beside the messages."""
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    return {
        "plain": {**tokens, "add_generation_prompt": False},
        "prompt": {**tokens, "add_generation_prompt": True},
        "tools": {**tokens, "add_generation_prompt": True, "tools": [WEATHER, CLOCK]},
        "no_think": {**tokens, "add_generation_prompt": True, "enable_thinking": False, "tools": None, "add_vision_id": True,
                     "controls": {"citations": True, "length": "short"}, "documents": [{"text": "first"}, {"text": "second"}],
                     "tools_in_user_message": False},
        "bare": {},
    }


def outcome(source, variables):
    try:
        return {"text": render(source, variables)}
    except jinja2.exceptions.TemplateError as e:
        if type(e) is jinja2.exceptions.TemplateError:  # raise_exception
            return {"message": str(e)}
        return {"error": type(e).__name__}
    except Exception as e:  # Python errors inside the template
        return {"error": type(e).__name__}


def refresh(shared, ggufs):
    real = DATA / "real"
    real.mkdir(parents=True, exist_ok=True)
    found = {}
    for config in sorted(shared.glob("*/tokenizer_config.json")) if shared else []:
        found[config.parent.name] = json.loads(config.read_text()).get("chat_template")
    for item in ggufs:
        import gguf

        name, path = item.split("=", 1)
        found[name] = gguf.GGUFReader(path).fields["tokenizer.chat_template"].contents()
    for name, template in found.items():
        if template is None:
            print(f"{name}: no chat_template")
            continue
        (real / f"{name}.jinja").write_bytes(template.encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=pathlib.Path)
    parser.add_argument("--gguf", action="append", default=[])
    args = parser.parse_args()
    refresh(args.shared, args.gguf)
    chats, options = conversations(), variants()
    texts, index, cases = [], {}, []
    for path in sorted(DATA.glob("*/*.jinja")):
        source = path.read_bytes().decode()
        for chat in chats:
            for option in options:
                result = outcome(source, {**options[option], "messages": chats[chat]})
                if "text" in result:  # many cases give the same text: store each once
                    result = {"text": index.setdefault(result["text"], len(texts))}
                    if result["text"] == len(texts):
                        texts.append(next(reversed(index)))
                cases.append({"template": f"{path.parent.name}/{path.name}", "chat": chat, "options": option, **result})
    data = {"versions": versions(), "now": NOW, "chats": chats, "options": options, "cases": cases, "texts": texts}
    out = DATA / "cases.json"
    with open(out, "w") as f:
        f.write("{\n")
        for i, (key, value) in enumerate(data.items()):
            f.write(f"{json.dumps(key)}: ")
            if isinstance(value, list):
                f.write("[\n" + ",\n".join(json.dumps(v, ensure_ascii=False) for v in value) + "\n]")
            else:
                f.write(json.dumps(value, ensure_ascii=False))
            f.write(",\n" if i + 1 < len(data) else "\n}\n")
    kinds = {k: sum(k in c for c in cases) for k in ("text", "message", "error")}
    print(f"{len(cases)} cases {kinds}, {len(texts)} different texts, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
