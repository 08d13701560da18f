#!/usr/bin/env python3
"""Makes schema-5.json or schema-6.json: names of the arguments and attributes of what terraform/ uses. Of a provider itself:

    terraform init && terraform providers schema -json | tests/terraform/extract_schema.py VERSION > tests/terraform/schema-5.json

or of the TypeScript declarations in npm's @cdktf/provider-aws, unpacked (its version is not the provider's; they name that):

    tests/terraform/extract_schema.py VERSION package/lib > tests/terraform/schema-6.json

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


def members(text, interface):
    """(snake_case name, whether it is a block, whether it is optional, type) of each member of a TypeScript interface."""
    body = re.search(rf"export interface {interface}\b[^{{]*\{{(.*?)\n\}}", text, re.DOTALL)[1]
    for comment, optional, kind in re.findall(r"/\*\*(.*?)\*/\s*readonly \w+(\??): ([^;]+);", body, re.DOTALL):
        name = re.search(r"#(\w+) ", comment)
        if name:
            yield name[1], f"* {name[1]} block" in comment, bool(optional), kind


def declared(text, interface, low=0):
    made = {"min": low, "attributes": {}, "blocks": {}}
    for name, is_block, optional, kind in members(text, interface):
        if is_block:
            made["blocks"][name] = declared(text, re.match(r"\w+", kind)[0], 0 if optional else 1)
        else:
            made["attributes"][name] = "o" if optional else "r"
    return made


def of_declarations(library, kind, name):
    folders = [library / (("data-" if kind == "data" else "") + each.replace("_", "-")) for each in (name, "aws_" + name)]
    text = next(folder for folder in folders if folder.exists()).joinpath("index.d.ts").read_text()
    config = re.search(r"export interface (\w+Config) extends cdktf\.TerraformMetaArguments", text)[1]
    made = declared(text, config)
    own = text[text.index(" extends cdktf.Terraform" + ("DataSource" if kind == "data" else "Resource")):]
    for camel in re.findall(r"^    get (\w+)\(\)", own, re.MULTILINE):
        snake = re.sub(r"([A-Z])", lambda m: "_" + m[1].lower(), camel)
        if snake not in made["blocks"] and not snake.endswith("_input"):
            made["attributes"].setdefault(snake, "c")
    return {key: made[key] for key in ("attributes", "blocks")}


def main():
    out = {"provider": sys.argv[1]}
    provider = next(iter(json.load(sys.stdin)["provider_schemas"].values())) if len(sys.argv) == 2 else None
    for kind in ("resource", "data"):
        if provider:
            schemas = provider["resource_schemas" if kind == "resource" else "data_source_schemas"]
            out[kind] = {name: block(schemas[name]["block"]) for name in used(kind)}
        else:
            out[kind] = {name: of_declarations(pathlib.Path(sys.argv[2]), kind, name.removeprefix("aws_")) for name in used(kind)}
    print("{")
    print(f' "provider": {json.dumps(out["provider"])},')
    for kind in ("resource", "data"):
        rows = [f"  {json.dumps(name)}: {json.dumps(one, separators=(',', ':'))}" for name, one in out[kind].items()]
        print(f' "{kind}": {{\n' + ",\n".join(rows) + "\n }" + ("," if kind == "resource" else ""))
    print("}")


main()
