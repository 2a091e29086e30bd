"""Parked runs: their streams cannot be read, so requests about them are refused with the reason.

All their ids are kept while their shard is ours: what a node holds of such a run must never be
taken for over. The reasons are texts for people, and only the newest are kept.
"""

from collections import OrderedDict
from collections.abc import Iterator


class Parked:
    def __init__(self, reasons_max: int) -> None:
        self._runs: set[str] = set()
        self._reasons: OrderedDict[str, str] = OrderedDict()
        self._reasons_max = reasons_max

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._runs

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._runs))

    def add(self, run_id: str, reason: str) -> None:
        self._runs.add(run_id)
        self._reasons[run_id] = reason
        if len(self._reasons) > self._reasons_max:
            self._reasons.popitem(last=False)

    def reason(self, run_id: str) -> str:
        """Why nothing can be decided about the run."""
        forgotten = f"run {run_id} cannot be read: `dalsegno verify {run_id}` says why"
        return self._reasons.get(run_id, forgotten)

    def discard(self, run_id: str) -> None:
        """It is to be read again: its shard is not ours any more."""
        self._runs.discard(run_id)
        self._reasons.pop(run_id, None)
