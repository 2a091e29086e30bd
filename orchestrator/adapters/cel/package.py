"""The `cel` package, without the command line that comes with it.

Its first line imports that command line, and with it a toolkit for terminals: a fifth of what a
coordinator spends on its start. So an empty module stands in its place for that moment; whoever
imports `cel.cli` afterwards has the real one.
"""

import sys
from types import ModuleType

_COMMAND_LINE = "cel.cli"

_stands_in = None if "cel" in sys.modules else ModuleType(_COMMAND_LINE)
if _stands_in is not None:
    sys.modules[_COMMAND_LINE] = _stands_in

import cel  # noqa: E402 -- only now
from cel import stdlib  # noqa: E402

if _stands_in is not None:
    del sys.modules[_COMMAND_LINE]
    del cel.cli

__all__ = ["cel", "stdlib"]
