"""How a command runs what is async, and how it ends when it is interrupted."""

import signal
from collections.abc import Callable

import anyio
import pytest

from orchestrator.cli.common import go

real = signal.signal


@pytest.mark.parametrize("late", [False, True], ids=["as it begins", "later"])
def test_an_interrupt_is_one_whenever_it_comes(monkeypatch: pytest.MonkeyPatch, late: bool) -> None:
    def listening(number: int, handler: Callable[..., object]) -> object:
        before = real(number, handler)
        if number == signal.SIGINT and handler is not signal.default_int_handler:
            signal.raise_signal(signal.SIGINT)
        return before

    async def work() -> None:
        if late:
            signal.raise_signal(signal.SIGINT)
        await anyio.sleep(60)

    real(signal.SIGINT, signal.default_int_handler)
    if not late:
        monkeypatch.setattr(signal, "signal", listening)
    with pytest.raises(KeyboardInterrupt):
        go(work)
