"""Tags and search attributes of a run: its workflow's, and those that its starter adds."""

import msgspec

from events.api import StartRun
from events.policies import RunOptions


def labelled(options: RunOptions, request: StartRun) -> RunOptions:
    if not request.tags and not request.attributes:
        return options
    return msgspec.structs.replace(
        options,
        tags=options.tags | request.tags,
        attributes=options.attributes | request.attributes,
    )
