"""What holds for every test: Hypothesis profiles, no silent skips where CI judges, no litter."""

import os
import shutil
import signal
import tempfile
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from orchestrator.cli.collecting import collect_rarely, keep_what_is_loaded

collect_rarely()

# Shared machines stall for longer than any sensible deadline; pytest's own timeout catches hangs.
_slow_machine = [HealthCheck.too_slow]
settings.register_profile("dev", deadline=None, suppress_health_check=_slow_machine)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    print_blob=True,
    max_examples=100,
    suppress_health_check=_slow_machine,
)
settings.register_profile(
    "thorough", deadline=None, max_examples=5_000, suppress_health_check=_slow_machine
)

IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if IN_CI else "dev"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop that asynchronous tests run on, unless their file says otherwise."""
    return "asyncio"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Put all `tmp_path` folders into one that goes when the session ends (unless KEEP_TMP is set).

    Left to itself, pytest keeps the folders of three sessions outside the clone.
    """
    # A shell starts what is to run in the background deaf to Ctrl-C, and so would be all that we
    # start, also what a test interrupts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.option.basetemp is None:
        config.option.basetemp = tempfile.mkdtemp(prefix="dalsegno-tests-")
        if not os.environ.get("KEEP_TMP"):
            config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp, ignore_errors=True))


def pytest_collection_finish() -> None:
    """What is there by now stays: to look for garbage in it all the time takes a tenth of it."""
    keep_what_is_loaded()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test fails: all it needs is in the lock, so nothing excuses it."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skips are forbidden in CI: {item.nodeid}: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole module that skips itself while it is imported."""
    report = yield
    if IN_CI and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"skips are forbidden in CI: {collector.nodeid}: {report.longrepr}"
    return report
