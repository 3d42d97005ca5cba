#!/usr/bin/env python3
"""The JSON-Schema-Test-Suite (github.com/json-schema-org/JSON-Schema-Test-Suite, a checkout of it) against the expressions that
Kedge makes of schemas: json_schema_suite.py PROBE SUITE_DIR [-v] [--converter FILE]. PROBE is the target kedge_schema_probe. With
--converter (llama.cpp's examples/json_schema_to_grammar.py) the expressions are those in the GBNF that this program makes of them.

Every group of cases is refused (counted by keyword), or every verdict of it is right. A text of the grammar that the suite calls
invalid is a wrong accept; there must be none. Members come in every order and whole numbers with and without decimals, since a
grammar may take one spelling of a value only. Cases of format/ are annotations in the specification and enforced here: of those, and
of the optional ones, only wrong accepts count.
"""
import argparse
import collections
import decimal
import importlib.util
import itertools
import json
import pathlib
import re
import subprocess
import sys

DRAFTS = {"draft4": "http://json-schema.org/draft-04/schema#", "draft6": "http://json-schema.org/draft-06/schema#",
          "draft7": "http://json-schema.org/draft-07/schema#", "draft2019-09": None, "draft2020-12": None}
MOST_SPELLINGS = 150


def number_spellings(text, as_written):
    if as_written:
        return [text]
    value = decimal.Decimal(text)
    plain = format(value, "f")
    spellings = [text, plain]
    if value == value.to_integral_value():
        spellings.append(format(value.to_integral_value(), "f"))
    return [s for s in dict.fromkeys(spellings) if s not in ("-0", "-0.0")] + (["0"] if value == 0 else [])


class Number(str):
    pass


def spellings(value, as_written):
    if isinstance(value, Number):
        return number_spellings(value, as_written)
    if isinstance(value, list):
        parts = itertools.islice(itertools.product(*[spellings(v, as_written) for v in value]), MOST_SPELLINGS)
        return ["[" + ",".join(p) + "]" for p in parts]
    if isinstance(value, dict):
        members = [[json.dumps(k, ensure_ascii=False) + ":" + v for v in spellings(m, as_written)] for k, m in value.items()]
        orders = (o for p in itertools.product(*members) for o in itertools.permutations(p))
        return ["{" + ",".join(o) + "}" for o in itertools.islice(orders, MOST_SPELLINGS)]
    return [json.dumps(value, ensure_ascii=False)]


class Probe:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, schema, texts):
        line = '{"unlisted":true,"schema":%s,"texts":%s}\n' % (json.dumps(schema), json.dumps(texts))
        return self.answer(line)

    def answer(self, line):
        self.process.stdin.write(line)
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Converted(Probe):
    """The GBNF of a converter; what it refuses, or writes so that it is no GBNF, is an error."""

    def __init__(self, path, converter):
        super().__init__(path)
        spec = importlib.util.spec_from_file_location("converter", converter)
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)

    def ask(self, schema, texts):
        try:
            converter = self.module.SchemaConverter(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
            converter.visit(converter.resolve_refs(schema, "stdin"), "")
            grammar = converter.format_grammar()
        except Exception as error:  # whatever a schema makes it raise: it is not taken
            return {"error": "/: refused: " + type(error).__name__}
        return self.answer('{"gbnf":%s,"texts":%s}\n' % (json.dumps(grammar), json.dumps(texts)))


def keyword_of(message):
    pointer = message.split(":")[0]
    found = re.search(r"(?:keyword|format) '([^']*)'|\$ref", message)
    return found.group(0) if found else pointer + " " + message.split(": ", 1)[-1][:60]


def run_group(probe, draft, group, only_accepts):
    """What became of it: ('refused', keyword), ('right', None) or a list of wrong verdicts."""
    schema = group["schema"]
    if DRAFTS[draft] and isinstance(schema, dict) and "$schema" not in schema:
        schema = {"$schema": DRAFTS[draft], **schema}
    texts = []
    for test in group["tests"]:
        value = json.loads(json.dumps(test["data"]), parse_float=Number, parse_int=Number)
        texts.append(spellings(value, draft == "draft4" and not test["valid"]))  # 1.0 is no integer there
    answer = probe.ask(schema, [t for one in texts for t in one])
    if "error" in answer:
        nothing = "contradicts itself" in answer["error"] or "no text" in answer["error"]
        if nothing and not any(t["valid"] for t in group["tests"]):
            return "right", None
        if nothing:
            return "wrong", ["REJECT all: " + answer["error"]]
        return "refused", keyword_of(answer["error"])
    wrong = []
    if None in answer["verdicts"]:
        wrong.append("DIFFER: the automaton and the expression")
    verdicts = iter(answer["verdicts"])
    for test, one in zip(group["tests"], texts):
        accepted = [text for text in one if next(verdicts)]
        if accepted and not test["valid"]:
            wrong.append("ACCEPT " + accepted[0][:80] + " # " + test["description"])
        if not accepted and test["valid"] and not only_accepts:
            wrong.append("REJECT " + one[0][:80] + " # " + test["description"])
    return ("wrong", wrong) if wrong else ("right", None)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("probe")
    arguments.add_argument("suite", type=pathlib.Path)
    arguments.add_argument("-v", action="store_true", help="what was refused, by keyword")
    arguments.add_argument("--converter", help="of schemas to GBNF")
    args = arguments.parse_args()
    probe = Converted(args.probe, args.converter) if args.converter else Probe(args.probe)
    suite = args.suite / "tests"
    wrong_accepts = accepts = 0
    for draft in DRAFTS:
        counts = collections.Counter()
        refused = collections.Counter()
        for path in sorted((suite / draft).rglob("*.json")):
            only_accepts = "format" in path.parts or path.name == "format.json" or "optional" in path.parts
            for group in json.loads(path.read_text()):
                what, detail = run_group(probe, draft, group, only_accepts)
                counts[what] += 1
                counts["cases"] += len(group["tests"])
                if what == "refused":
                    refused[detail] += 1
                if what == "wrong":
                    wrong_accepts += sum(d.startswith(("ACCEPT", "DIFFER")) for d in detail)
                    accepts += any(d.startswith("ACCEPT") for d in detail)
                    for line in detail if args.converter is None or args.v else []:
                        print(f"{draft}/{path.name}: {group['description']}: {line}")
        print(f"{draft}: {sum(counts[k] for k in ('right', 'refused', 'wrong'))} schemas, {counts['cases']} cases: "
              f"{counts['right']} schemas right, {counts['refused']} refused, {counts['wrong']} with a wrong verdict")
        if args.v:
            for keyword, n in refused.most_common():
                print(f"    {n:4} {keyword}")
    print(f"wrong accepts: {wrong_accepts} texts of {accepts} schemas")
    return wrong_accepts > 0


if __name__ == "__main__":
    sys.exit(main())
