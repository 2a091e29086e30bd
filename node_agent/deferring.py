"""What a handler returns whose attempt somebody else completes."""

import msgspec


class Deferral(msgspec.Struct, frozen=True):
    """As `ctx.defer()` makes it: whoever has the token of the attempt completes it. `digest`: of
    the token's secret."""

    digest: str
