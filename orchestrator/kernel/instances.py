"""Instances: a step that is inside repetitions is there once for each of their iterations.

An instance's id is the step's id in the net and a suffix: one bracket for each repetition that
encloses it, outermost first, `parse[3]`, `parse[2][0]`. Where nothing repeats the suffix is empty,
so id and instance are one. The same suffix marks the tokens on the arcs inside an iteration. No id
of a net has a bracket.
"""


def static_of(instance: str) -> str:
    """The step's id in the net."""
    at = instance.find("[")
    return instance if at < 0 else instance[:at]


def suffix_of(instance: str) -> str:
    at = instance.find("[")
    return "" if at < 0 else instance[at:]


def inside(suffix: str, index: int) -> str:
    """The suffix of an iteration of what has this suffix."""
    return f"{suffix}[{index}]"


def outside(suffix: str) -> str:
    """The suffix of what repeats."""
    return suffix[: suffix.rfind("[")] if suffix else ""


def index_of(suffix: str) -> int:
    """The number of the innermost iteration, from 0."""
    return int(suffix[suffix.rfind("[") + 1 : -1])


def prefix(suffix: str, depth: int) -> str:
    """The suffix that a step inside `depth` repetitions has, seen from inside more of them."""
    at = 0
    for _ in range(depth):
        at = suffix.find("]", at) + 1
    return suffix[:at]
