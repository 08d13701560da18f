"""Fixtures shared by the integration, conformance and chaos suites."""
import os

import pytest

import harness

LEFT_OUT = pytest.StashKey[int]()
NAMED = os.environ.get("SLUICE_TEST_LEFT_OUT", "").split()  # by tests/portability/run: what cannot run where this runs


def is_left_out(item):
    where = item.get_closest_marker("only_where")
    return (item.originalname in NAMED or (where and not where.args[0]) or
            (harness.SANITIZED and item.get_closest_marker("full_speed")) or (harness.TIER == "quick" and item.get_closest_marker("slow")))


def of_one_process(item):
    """What a module makes once, all tests that use it share, also when a session has several processes."""
    fixtures = item._fixtureinfo.name2fixturedefs  # pylint: disable=protected-access
    shared = sorted(name for name, found in fixtures.items() if found[-1].scope == "module")
    return f"{item.module.__name__}:{shared[0]}" if shared else None


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in the same hook
def pytest_collection_modifyitems(config, items):
    """Scenarios that need the machine at full speed are left out under a sanitizer: others cover the same code there. So
    are those that need a program which no installation of ours brings; the suite says what judged instead. Slow ones are
    left out of the quick tier, and begin first in the others, so that nobody waits for them at the end."""
    for item in items:
        group = of_one_process(item)
        if group:
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    left_out = [item for item in items if is_left_out(item)]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
        config.stash[LEFT_OUT] = len(left_out)


def pytest_sessionfinish(session, exitstatus):
    """A file of which everything is left out has not failed; of several processes the one that started them judges."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(LEFT_OUT, 0)
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.stash.get(LEFT_OUT, 0) > 0:
        session.exitstatus = pytest.ExitCode.OK


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """Pytest-xdist's: one of its processes has ended."""
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


@pytest.fixture
def spawn(tmp_path):
    """spawn(argv, env, name=...) starts a program; all are stopped (killed if need be) when the test ends."""
    started = []

    def start(argv, env, name=None, **popen):
        process = harness.Process(argv, tmp_path, env, name=name, **popen)
        started.append(process)
        return process

    yield start
    for process in reversed(started):
        process.kill()


@pytest.fixture
def localaws(tmp_path):
    """localaws(speed=..., ...) starts sluice-localaws; it is stopped when the test ends."""
    started = []

    def start(**options):
        name = "localaws" if not started else f"localaws-{len(started)}"
        server = harness.LocalAws(tmp_path, name=name, **options)
        started.append(server)
        return server

    yield start
    for server in reversed(started):
        server.kill()
