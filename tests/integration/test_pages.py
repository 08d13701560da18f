"""Manual pages and shell completions: they have what --help has, formatters and shells take them, and bash completes."""
import re
import shutil
import subprocess

import pytest

from harness import BIN

PAGES = BIN.parent / "pages"
SHELLS = {"bash": "{}", "zsh": "_{}", "fish": "{}.fish"}


def run(*command, **more):
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=120, check=False, **more)


def help_of(*command):
    done = run(BIN / command[0], *command[1:], "--help")
    assert done.returncode == 0
    return done.stdout


def options_in(text):
    return set(re.findall(r"^  (--[a-z][a-z0-9-]*)", text, re.MULTILINE))


def commands():
    listed = help_of("sluice").split("Commands:\n", 1)[1].split("\n\n", 1)[0]
    return [line.split()[0] for line in listed.splitlines()]


def helps():
    """(name of the page, arguments that show the help) of every program and command."""
    yield from ((f"sluice-{name}", ("sluice", name)) for name in commands())
    yield from ((name, (name,)) for name in ("sluice-worker", "sluice-localaws"))


def page(name):
    return (PAGES / "man1" / f"{name}.1").read_text()


def plain(roff):
    return roff.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "").replace("\\fI", "")


def completion(shell, program):
    return (PAGES / shell / SHELLS[shell].format(program)).read_text()


def test_commands_are_listed_everywhere():
    assert {"run", "check", "status", "plan"} <= set(commands()) and "measure-naive" not in commands()
    overview = plain(page("sluice"))
    for name in commands():
        assert f".TP\n{name}\n" in overview, name
        assert (PAGES / "man1" / f"sluice-{name}.1").exists()
        assert f"complete -c sluice -n __fish_use_subcommand -a {name} " in completion("fish", "sluice")
        assert f"    '{name}:" in completion("zsh", "sluice")


def test_every_option_of_help_has_its_place():
    for name, command in helps():
        options = options_in(help_of(*command))
        assert "--help" in options and len(options) >= 2
        entries = set(re.findall(r"^\.TP\n(--[a-z][a-z0-9-]*)", plain(page(name)), re.MULTILINE))
        assert options == entries, name
        arm = re.search(rf"^ +'{command[1] if len(command) > 1 else ''}'\) _sluice_words '(.*)'", completion("bash", command[0]),
                        re.MULTILINE).group(1)
        assert options <= set(arm.split()), name
        zsh = completion("zsh", command[0])
        if len(command) > 1:
            zsh = zsh.split(f"\n{command[1]})\n", 1)[1].split("\n    ;;\n", 1)[0]
        assert options <= set(re.findall(r"^ +'(--[a-z][a-z0-9-]*)", zsh, re.MULTILINE)), name
        where = f"-n '__fish_seen_subcommand_from {command[1]}' " if len(command) > 1 else ""
        fish = set(re.findall(rf"^complete -c {command[0]} {where}-l ([a-z][a-z0-9-]*)", completion("fish", command[0]),
                              re.MULTILINE))
        assert {option[2:] for option in options} <= fish, name


def test_settings_of_the_configuration_are_in_its_page():
    text = plain((PAGES / "man5" / "sluice.json.5").read_text())
    for key in ("state_dir", "ready_share", "token_file", "heartbeat", "calls_per_minute", "poll_max", "stop_grace", "protect_busy",
                "scale_out_above", "stale_after", "target"):
        assert f".TP\n{key}\n" in text, key


def test_formatters_have_nothing_to_say():
    files = sorted(PAGES.glob("man?/*"))
    assert len(files) == len(commands()) + 4
    if shutil.which("mandoc"):
        done = run("mandoc", "-Tlint", "-W", "warning", *files)
        assert (done.returncode, done.stdout) == (0, "")
    else:
        done = run("groff", "-man", "-Tutf8", "-ww", "-z", *files)
        assert (done.returncode, done.stderr) == (0, "")
    assert not [file for file in files if not file.read_text().isascii()]


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_can_read_their_completions(shell):
    for program in ("sluice", "sluice-worker", "sluice-localaws"):
        path = PAGES / shell / SHELLS[shell].format(program)
        if shutil.which(shell):
            done = run(shell, "-n", path)
            assert (done.returncode, done.stderr) == (0, "")
        else:
            assert shell != "bash" and path.stat().st_size > 1000


def complete(*words, cwd=None):
    """What bash offers for the last of the words; "=" is a word of its own there."""
    program = words[0].replace("-", "_")
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
              f'_{program}; printf "%s\\n" "${{COMPREPLY[@]}}"')
    done = run("bash", "--norc", "-c", script, "bash", PAGES / "bash" / words[0], *words, cwd=cwd)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return set(done.stdout.split())


def test_bash_completes(tmp_path):
    (tmp_path / "fleet.json").touch()
    (tmp_path / "logs").mkdir()
    assert set(commands()) <= complete("sluice", "")
    assert complete("sluice", "sta") == {"status"}
    assert complete("sluice", "load", "--endp") == {"--endpoint-url"}
    assert complete("sluice", "load", "--rate", "") == set()
    assert complete("sluice", "run", "--config", "fl", cwd=tmp_path) == {"fleet.json"}
    assert complete("sluice", "run", "--config", "=", cwd=tmp_path) == {"fleet.json", "logs"}
    assert complete("sluice-localaws", "--ecs-task-logs", "", cwd=tmp_path) == {"logs"}
    assert complete("sluice-worker", "--sns", "=", "r") == {"raw"}
    assert complete("sluice-worker", "--handler", "p") == {"payment", "plugin"}
    assert "--exec-timeout" in complete("sluice-worker", "--handler", "exec", "--exec-")
    assert complete("sluice-worker", "--handler", "exec", "--", "fl", cwd=tmp_path) == {"fleet.json"}
    assert "--no-color" in complete("sluice", "demo", "--no-")
