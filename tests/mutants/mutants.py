#!/usr/bin/env python3
"""The mutant files as text: what tests/mutants/run --check judges, and how one is applied.

usage: mutants.py check [--compile BUILD_DIR]
       mutants.py apply NAME TREE
"""
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
KEYS = ("file", "find", "replace", "suite", "why")


class Wrong(Exception):
    """What is the matter with a mutant."""


def read(path):
    """The five keys of a mutant's file."""
    fields = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        key, colon, value = line.partition(":")
        if not colon or key not in KEYS:
            raise Wrong(f"line {number} begins with none of {', '.join(KEYS)}")
        if key in fields:
            raise Wrong(f"line {number}: {key} for a second time")
        fields[key] = value.removeprefix(" ")
    missing = [key for key in KEYS if not fields.get(key) and (key != "replace" or key not in fields)]
    if missing:
        raise Wrong(f"lacks {', '.join(missing)}")
    return fields


def mutated(fields, tree):
    """The text of the mutant's file in this tree, with the defect in it."""
    try:
        text = (tree / fields["file"]).read_text(encoding="utf-8")
    except OSError as error:
        raise Wrong(error.strerror) from error
    count = text.count(fields["find"])
    if count != 1:
        raise Wrong(f"\"{fields['find']}\" occurs {count} times, not once")
    if fields["find"] == fields["replace"]:
        raise Wrong("find and replace are the same")
    return text.replace(fields["find"], fields["replace"])


def test_names():
    """ctest's names, which follow from those of the test files."""
    names = {f"unit_{path.parent.name}_{path.stem[5:]}" for path in ROOT.glob("tests/unit/*/test_*.c")}
    return names | {f"{path.parent.name}_{path.stem[5:]}" for path in ROOT.glob("tests/*/test_*.py")}


def compile_commands(build):
    """Arguments of the compiler by source file, without those that name an output."""
    commands = {}
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        kept = []
        words = iter(shlex.split(entry["command"]))
        for word in words:
            if word in ("-o", "-MF", "-MT", "-MQ"):
                next(words)
            elif word not in ("-c", "-MD", "-Werror", entry["file"]) and not word.endswith("ccache"):
                kept.append(word)
        commands[os.path.relpath(entry["file"], ROOT)] = (kept, entry["directory"])
    return commands


def compile_one(fields, text, commands):
    """Raises unless the mutated source is still C. A header is compiled alone; other files are not compiled."""
    file = ROOT / fields["file"]
    if file.suffix == ".h":
        words, folder = next(iter(commands.values()))
    elif file.suffix == ".c":
        if fields["file"] not in commands:
            raise Wrong("no compiler's command in the build folder: build it first")
        words, folder = commands[fields["file"]]
    else:
        return
    with tempfile.NamedTemporaryFile("w", suffix=file.suffix, encoding="utf-8") as copy:
        copy.write(text)
        copy.flush()
        # What a source includes by name alone lies in its own folder.
        done = subprocess.run([*words, "-w", "-fsyntax-only", "-x", "c", "-iquote", str(file.parent), copy.name],
                              cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        message = next((line for line in done.stderr.splitlines() if "error:" in line), done.stderr.strip())
        raise Wrong(f"does not compile: {message.replace(copy.name, fields['file'])}")


def judge(path, tests, commands):
    """What is wrong with one mutant in one line, or None."""
    fields = {}
    try:
        fields = read(path)
        text = mutated(fields, ROOT)
        if not any(re.fullmatch(fields["suite"], name) for name in tests):
            raise Wrong(f"no test is named {fields['suite']}")
        if commands is not None:
            compile_one(fields, text, commands)
    except (Wrong, re.error) as error:
        return f"{path.stem}: {fields.get('file', path.name)}: {error}"
    return None


def check(build):
    """Judges all mutants; 1 when one of them would not do its work."""
    tests = test_names()
    commands = compile_commands(build) if build else None
    paths = sorted(HERE.glob("*.mutant"))
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        wrong = [line for line in pool.map(lambda path: judge(path, tests, commands), paths) if line]
    for line in wrong:
        print(line)
    print(f"{len(paths) - len(wrong)} of {len(paths)} mutants apply{' and compile' if build else ''}")
    return 1 if wrong or not paths else 0


def apply(name, tree):
    """Puts one mutant's defect into a copy of the tree."""
    try:
        fields = read(HERE / f"{name}.mutant")
        text = mutated(fields, tree)
    except Wrong as error:
        sys.exit(str(error))
    (tree / fields["file"]).write_text(text, encoding="utf-8")
    return 0


def main(arguments):
    match arguments:
        case ["check"]:
            return check(None)
        case ["check", "--compile", build]:
            return check(pathlib.Path(build).resolve())
        case ["apply", name, tree]:
            return apply(name, pathlib.Path(tree))
    sys.exit(__doc__.strip())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
