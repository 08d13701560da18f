#!/usr/bin/env python3
"""Makes schema.json: names of the arguments and attributes of what terraform/ uses, out of what the provider itself tells.

    terraform init && terraform providers schema -json | tests/terraform/extract_schema.py VERSION > tests/terraform/schema.json

An attribute is r (required), o (optional) or c (computed, not to be set). A block is {"min": 1, "attributes": ..., "blocks": ...}.
"""
import json
import pathlib
import re
import sys

TERRAFORM = pathlib.Path(__file__).resolve().parents[2] / "terraform"


def attribute(schema):
    return "r" if schema.get("required") else "o" if schema.get("optional") else "c"


def block(schema):
    return {"attributes": {name: attribute(one) for name, one in sorted(schema.get("attributes", {}).items())},
            "blocks": {name: {"min": one.get("min_items", 0), **block(one["block"])}
                       for name, one in sorted(schema.get("block_types", {}).items())}}


def used(kind):
    text = "".join(path.read_text() for path in sorted(TERRAFORM.rglob("*.tf")))
    return sorted(set(re.findall(rf'^{kind} "(aws_\w+)"', text, re.MULTILINE)))


def main():
    provider = next(iter(json.load(sys.stdin)["provider_schemas"].values()))
    out = {"provider": sys.argv[1],
           "resource": {name: block(provider["resource_schemas"][name]["block"]) for name in used("resource")},
           "data": {name: block(provider["data_source_schemas"][name]["block"]) for name in used("data")}}
    print("{")
    print(f' "provider": {json.dumps(out["provider"])},')
    for kind in ("resource", "data"):
        rows = [f"  {json.dumps(name)}: {json.dumps(one, separators=(',', ':'))}" for name, one in out[kind].items()]
        print(f' "{kind}": {{\n' + ",\n".join(rows) + "\n }" + ("," if kind == "resource" else ""))
    print("}")


main()
