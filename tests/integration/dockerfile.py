"""Our Dockerfile read as a builder reads it, and the rules that its images keep."""
import json
import re

STAGE = re.compile(r"(\S+)(?:\s+AS\s+(\S+))?$")
# Known to every builder that we build with; a heredoc (buildah before 1.33) would show up as an unknown one.
INSTRUCTIONS = {"ARG", "FROM", "RUN", "COPY", "ADD", "LABEL", "USER", "VOLUME", "HEALTHCHECK", "ENTRYPOINT", "CMD", "ENV",
                "WORKDIR", "EXPOSE", "STOPSIGNAL"}


def instructions(text):
    """(name, rest) of each, continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    for line in filter(str.strip, joined.splitlines()):
        name, _, rest = line.strip().partition(" ")
        yield name, rest.strip()


class Stage:
    def __init__(self, base, name):
        self.base, self.name, self.steps = base, name, []

    def all_of(self, instruction):
        return [rest for name, rest in self.steps if name == instruction]


class Dockerfile:
    def __init__(self, text):
        self.arguments, self.stages, self.unknown = {}, [], []
        for name, rest in instructions(text):
            if name not in INSTRUCTIONS:
                self.unknown.append(name)
            elif name == "FROM":
                base, stage = STAGE.fullmatch(rest).groups()
                self.stages.append(Stage(base, stage))
            elif not self.stages:
                key, _, value = rest.partition("=")
                self.arguments[key] = value
            else:
                self.stages[-1].steps.append((name, rest))

    def lineage(self, name):
        """A stage and what it is built on, from the bottom up."""
        stages = {stage.name: stage for stage in self.stages}
        found = []
        while name in stages:
            found.insert(0, stages[name])
            name = stages[name].base
        return found

    def last(self, stage, instruction):
        """What is in force at the end of a stage; None: nothing."""
        values = [rest for part in self.lineage(stage) for rest in part.all_of(instruction)]
        return values[-1] if values else None

    def default(self, argument):
        for stage in self.stages:
            for rest in stage.all_of("ARG"):
                key, _, value = rest.partition("=")
                if key == argument and value:
                    return value
        return self.arguments.get(argument)


def exec_form(text):
    """The words of a command that no shell sees; None for any other."""
    try:
        words = json.loads(text)
    except ValueError:
        return None
    return words if isinstance(words, list) and words and all(isinstance(word, str) for word in words) else None


def faults(text, roles):
    """What is wrong with a Dockerfile, one line each; none for a good one."""
    file = Dockerfile(text)
    found = [f"{name}: unknown instruction" for name in file.unknown]
    found += [f"{role}: no stage" for role in roles if role not in {stage.name for stage in file.stages}]
    found += pin_faults(file)
    for stage in file.stages:
        found += [f"{stage.name}: ADD of {rest}" for rest in stage.all_of("ADD")]
        found += [f"{stage.name}: RUN with a heredoc" for rest in stage.all_of("RUN") if "<<" in rest]
        for rest in stage.all_of("RUN"):
            if "apt-get" in rest and "install " in rest and "--no-install-recommends" not in rest:
                found.append(f"{stage.name}: apt-get without --no-install-recommends")
            if "curl " in rest or "wget " in rest:
                found.append(f"{stage.name}: fetches by itself")
    for role in roles:
        found += image_faults(file, role)
    return found


def pin_faults(file):
    """Every stage begins with another one or with the dated base, and packages have a date."""
    found = []
    names = set()
    for stage in file.stages:
        if stage.base not in names and stage.base != "${BASE}":
            found.append(f"{stage.name}: FROM {stage.base} is not pinned by an argument")
        names.add(stage.name)
        for rest in stage.all_of("COPY"):
            source = re.match(r"--from=(\S+)", rest)
            if source and source.group(1) not in names:
                found.append(f"{stage.name}: COPY from {source.group(1)}, which is no stage before it")
    base, snapshot = file.arguments.get("BASE", ""), file.default("SNAPSHOT") or ""
    dated = re.fullmatch(r"docker\.io/library/debian:bookworm-(20\d{6})-slim", base)
    if not dated:
        found.append(f"BASE={base}: want a dated slim image of Debian, with its registry")
    elif not re.fullmatch(rf"{dated.group(1)}T\d{{6}}Z", snapshot):
        found.append(f"SNAPSHOT={snapshot}: want the time of the base, {dated.group(1)}")
    return found


def image_faults(file, role):
    found = []
    user = file.last(role, "USER") or ""
    if not re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user):
        found.append(f"{role}: USER {user}: want numbers of a user that is not root")
    entry = exec_form(file.last(role, "ENTRYPOINT") or "")
    if not entry or entry[0] not in ("sluice", "sluice-worker", "sluice-localaws"):
        found.append(f"{role}: ENTRYPOINT: want one of our programs, without a shell")
    command = file.last(role, "CMD")
    if command is not None and exec_form(command) is None:
        found.append(f"{role}: CMD with a shell")
    health = re.fullmatch(r"(?:--\S+\s+)*CMD\s+(\[.*\])", file.last(role, "HEALTHCHECK") or "")
    words = exec_form(health.group(1)) if health else None
    if not words or words[:2] != ["sluice", "health"]:
        found.append(f"{role}: HEALTHCHECK: want [\"sluice\", \"health\", ...]")
    for volume in filter(None, [file.last(role, "VOLUME")]):
        (path,) = exec_form(volume)
        if not any(f"install -d -o 10001 -g 10001 -m 0700 {path}" in rest
                   for stage in file.lineage(role) for rest in stage.all_of("RUN")):
            found.append(f"{role}: VOLUME {path} is not given to the user first")
    return found
