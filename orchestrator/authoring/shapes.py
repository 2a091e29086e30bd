"""Shapes: the keys of every object of the authored form, what may stand there, and what for.

The one list of them. The reader refuses other keys and misses required ones; the published schema
is made of the same, so that editors complete and explain what the reader takes.
"""

from typing import Literal, TypeAlias

import msgspec

from events.definition import ITERATIONS_MAX, MAP_CONCURRENCY
from events.limits import PRIORITY_MAX
from events.policies import Retry
from events.values import Value
from orchestrator.authoring import fragments as f
from orchestrator.kernel import ranges

Rule: TypeAlias = Literal["all", "any", "count", "percent", "fail_fast", "collect"]
RULES: tuple[Rule, ...] = ("all", "any", "fail_fast", "collect")
COUNTED: tuple[Rule, ...] = ("count", "percent")
ErrorPolicy: TypeAlias = Literal["fail_fast", "finish_others"]
ERROR_POLICIES: tuple[ErrorPolicy, ...] = ("fail_fast", "finish_others")
RetryKind: TypeAlias = Literal["fixed", "linear", "exponential", "decorrelated"]
RETRY_KINDS: tuple[RetryKind, ...] = ("fixed", "linear", "exponential", "decorrelated")


class Key(msgspec.Struct, frozen=True):
    """`words` explain it to whoever writes one. `usual` is what holds when it is left out."""

    name: str
    value: f.Fragment
    words: str
    is_required: bool = False
    usual: Value = None


class Shape(msgspec.Struct, frozen=True):
    """An object with known keys. Exactly one of `one_of` is there, when there are any."""

    name: str
    words: str
    keys: tuple[Key, ...]
    one_of: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(key.name for key in self.keys)

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(key.name for key in self.keys if key.is_required)


_RETRY = Retry()
RETRY = Shape(
    "retry",
    "How often and when a failed attempt is followed by another.",
    (
        Key(
            "attempts",
            f.integer(1, f.LIMITS.attempts_max),
            "Most attempts, the first one included. 1 is no retry.",
            usual=_RETRY.attempts_max,
        ),
        Key(
            "kind",
            f.one_of(*RETRY_KINDS),
            "How the delay grows: `fixed`, `linear`, `exponential`, or `decorrelated` (random "
            "between the first delay and three times the last one).",
            usual=_RETRY.kind,
        ),
        Key(
            "initial",
            f.DURATION,
            "The delay before the second attempt, `200ms`.",
            usual=_RETRY.initial_s,
        ),
        Key(
            "factor",
            f.number(1),
            "What an exponential delay is multiplied by.",
            usual=_RETRY.factor,
        ),
        Key("cap", f.DURATION, "The longest delay, `1m`.", usual=_RETRY.cap_s),
        Key("retryable", f.CODES, "Only failures with one of these codes are tried again."),
        Key("permanent", f.CODES, "Failures with one of these codes are never tried again."),
    ),
)
TIMEOUTS = Shape(
    "timeouts",
    "Limits of time of a task; what is left out is not limited.",
    (
        Key(
            "schedule_to_start",
            f.LIMIT,
            "From when it could start to when a node starts it, each attempt anew.",
        ),
        Key("start_to_close", f.LIMIT, "One attempt, from its start to its end."),
        Key(
            "schedule_to_close",
            f.LIMIT,
            "From when it could first start to its end, all attempts and delays included.",
        ),
        Key("heartbeat", f.LIMIT, "The longest silence of a task that sends heartbeats."),
    ),
)
NEEDS = Shape(
    "needs",
    "What a task needs of a node.",
    (
        Key("cpu", f.number(0), "Cores, `1.5`.", usual=0),
        Key("memory", f.SIZE, "Memory, `512MB`.", usual=0),
        Key("disk", f.SIZE, "Disk, `1GiB`.", usual=0),
        Key("gpu", f.integer(0, 2**53), "Devices.", usual=0),
        Key("custom", f.object_of(f.number(0)), "Units of your own by name, `{licence: 1}`."),
    ),
)
HANDLER = Shape(
    "handler",
    "What is done when the step fails for good.",
    (
        Key("codes", f.CODES, "The codes that it is for; left out, all."),
        Key("steps", f.STEPS, "What is done; the flow then goes on. `[]` only goes on.", True),
    ),
)
UPDATE = Shape(
    "update",
    "A change that clients may make while a run is open.",
    (
        Key(
            "accept",
            f.CONDITION_OR_NONE,
            "The change is refused unless this holds; it may read `update`, the request's data.",
        ),
        Key("set", f.VARIABLES, "Variables that are set.", True),
    ),
)
OPTIONS = Shape(
    "options",
    "What holds for whole runs, and for tasks that say nothing else.",
    (
        Key("timeout", f.LIMIT, "Of a run, `1h`; after it the run ends as timed out."),
        Key(
            "error_policy",
            f.one_of(*ERROR_POLICIES),
            "What a failure that nothing handles does to the other tasks under way.",
            usual=ERROR_POLICIES[0],
        ),
        Key("retry", f.ref("retry"), "For tasks without a `retry` of their own."),
        Key("timeouts", f.ref("timeouts"), "For tasks without `timeouts` of their own."),
        Key("tags", f.TAGS, "Of every run, to find it by."),
        Key("attributes", f.ATTRIBUTES, "As tags, with values that have a type."),
        Key(
            "priority",
            f.integer(-PRIORITY_MAX, PRIORITY_MAX),
            "Tasks of runs with a higher one are placed first.",
            usual=0,
        ),
        Key(
            "concurrency_max",
            f.integer(1, f.LIMITS.concurrency_max),
            "Most tasks of a run that are under way at the same time.",
        ),
        Key(
            "build",
            f.text(f.LIMITS.name_chars_max),
            "The build of the tasks that a run keeps to: an agent's build id, or `pinned` for that "
            "of the node which its first task is given to.",
        ),
        Key(
            "personal",
            {"type": "boolean"},
            "What users and handlers say in a run is sealed with a key that can be dropped.",
            usual=False,
        ),
    ),
)
WORKFLOW = Shape(
    "workflow",
    "A workflow of Dal Segno.",
    (
        Key("$schema", f.TEXT, "Where editors find this schema; means nothing else."),
        Key("workflow", f.name(ranges.WORKFLOW_NAME), "Its name.", True),
        Key(
            "description",
            f.text(f.LIMITS.description_chars_max),
            "What it is for.",
        ),
        Key("options", f.ref("options"), OPTIONS.words),
        Key(
            "steps",
            f.list_of(f.ref("step"), least=1),
            "What is done: each step after the one before, unless it says `depends_on`.",
            True,
        ),
        Key(
            "output",
            f.ANY,
            "What a run returns; may hold `${ … }`. Left out, what its last steps return.",
        ),
        Key(
            "updates",
            f.object_of(f.ref("update"), f.name(ranges.SIGNAL_NAME)),
            "Changes that clients may make while a run is open, by name.",
        ),
    ),
)

# -- steps ----------------------------------------------------------------------------------------

_OF_TASKS = (
    Key("with", f.OBJECT, 'Its parameters; may hold `${ … }`, `{url: "${ input.url }"}`.'),
    Key("retry", f.ref("retry"), RETRY.words),
    Key("timeouts", f.ref("timeouts"), TIMEOUTS.words),
    Key("needs", f.ref("needs"), NEEDS.words),
    Key("labels", f.TAGS, "Labels that the node must carry."),
)
CASE = Shape(
    "case",
    "What is done when this is the first case whose condition holds.",
    (
        Key("when", f.CONDITION, "A condition in CEL, `steps.price.output.total > 100`.", True),
        Key("steps", f.STEPS, "What is done; `[]` is nothing.", True),
    ),
)
DEFAULT = Shape(
    "default",
    "The last case.",
    (Key("default", f.STEPS, "What is done when no condition holds; `[]` is nothing.", True),),
)
WAIT = Shape(
    "wait",
    "Exactly one of `for`, `until` and `signal`.",
    (
        Key("for", f.DURATION_OR_EXPRESSION, "So long, `5m`; an expression may give it."),
        Key("until", f.SOME_TEXT, "An instant, `2026-12-24T18:00:00Z`; an expression may give it."),
        Key("signal", f.name(ranges.SIGNAL_NAME), "A signal of this name to the run."),
        Key("correlation", f.ANY, "Only a signal with an equal one is taken; may hold `${ … }`."),
        Key("timeout", f.LIMIT, "After it the step fails with code `signal_timeout`."),
    ),
    ("for", "until", "signal"),
)
COUNT = Shape(
    "count",
    "So many, or so many of a hundred.",
    (
        Key("count", f.integer(1, f.LIMITS.map_items_max), "So many have completed."),
        Key(
            "percent",
            f.PERCENT,
            "So many of a hundred have completed.",
        ),
    ),
    COUNTED,
)
MAP = Shape(
    "map",
    "A task for each item of a list, many at the same time.",
    (
        Key(
            "items",
            f.ITEMS_OR_COUNT,
            "A list, how many items there are, or an expression that gives one of these.",
            True,
        ),
        Key("task", f.name(ranges.TASK_TYPE), "The task type that is done for each.", True),
        *_OF_TASKS,
        Key(
            "concurrency",
            f.integer(1, f.LIMITS.concurrency_max),
            "Most items under way at the same time.",
            usual=MAP_CONCURRENCY,
        ),
        Key(
            "batch",
            f.integer(1, f.LIMITS.map_items_max),
            "Items of which all are over before the next so many begin.",
        ),
        Key(
            "complete_when",
            f.any_of(f.one_of(*RULES), f.ref("count")),
            "When it is done: `all` have completed, `any` has, `fail_fast` (all, and the first "
            "failure ends it), `collect` (all are over), `{count: 10}`, `{percent: 95}`.",
            usual=RULES[0],
        ),
    ),
)
CALL = Shape(
    "call",
    "Another workflow, as a run of its own.",
    (
        Key("workflow", f.name(ranges.WORKFLOW_NAME), "Its name.", True),
        Key(
            "version",
            f.text(f.LIMITS.name_chars_max),
            "A version of it; left out, the newest when the step is reached.",
        ),
        Key("input", f.ANY, "The input of that run; may hold `${ … }`."),
    ),
)
FAIL = Shape(
    "fail",
    "The end of the run, as failed.",
    (
        Key("code", f.name(ranges.CODE), "For programs, `too_many`.", True),
        Key("message", f.TEXT, "For people; may hold `${ … }`."),
    ),
)

_COMMON = (
    Key("id", f.name(ranges.STEP_ID), "The step's name, once in a workflow.", True),
    Key(
        "depends_on",
        f.list_of(f.name(ranges.STEP_ID)),
        "Steps of the same list to wait for, instead of the one before; `[]`: none.",
    ),
    Key("when", f.CONDITION, "The step is skipped unless this condition (CEL) holds."),
)
_ON_ERROR = Key(
    "on_error",
    f.list_of(f.ref("handler")),
    "What is done when the step fails for good; the first that is for its code.",
)
_BODY = (
    Key("steps", f.list_of(f.ref("step"), least=1), "What is repeated.", True),
    Key(
        "max",
        f.integer(1, f.LIMITS.iterations_max),
        "Most iterations; needing more fails with code `too_many_iterations`.",
        usual=ITERATIONS_MAX,
    ),
    _ON_ERROR,
)


def _step(kind: str, value: f.Fragment, words: str, *more: Key) -> Shape:
    return Shape(f"{kind}_step", words, (Key(kind, value, words, True), *_COMMON, *more))


_CASES: f.Fragment = {
    "type": "array",
    "items": f.any_of(f.ref("case"), f.ref("default")),
    "minItems": 2,
    "contains": {"type": "object", "required": ["default"]},
}
STEPS = {
    "task": _step(
        "task",
        f.name(ranges.TASK_TYPE),
        "Work for a node: the task type, `shop.fetch`.",
        *_OF_TASKS,
        _ON_ERROR,
    ),
    "choice": _step(
        "choice", _CASES, "The first case whose `when` holds; `default` is the last one."
    ),
    "parallel": _step(
        "parallel",
        f.object_of(f.list_of(f.ref("step"), 1), f.name(ranges.STEP_ID), least=1),
        "Branches by name, all at the same time.",
    ),
    "set": _step(
        "set", f.VARIABLES, "Sets variables of the run, `vars.<name>`; may hold `${ … }`."
    ),
    "wait": _step(
        *(
            "wait",
            f.ref("wait"),
            "Waits for time or a signal: one of `for`, `until`, `signal`.",
        ),
        _ON_ERROR,
    ),
    "while": _step(
        "while",
        f.CONDITION,
        "Repeats `steps` as long as this holds, looked at before each.",
        *_BODY,
    ),
    "until": _step(
        "until", f.CONDITION, "Repeats `steps` until this holds, looked at after each.", *_BODY
    ),
    "for_each": _step(
        "for_each", f.ITEMS, "Repeats `steps` for each item, one after the other.", *_BODY
    ),
    "within": _step(
        "within",
        f.LIMIT,
        "So long for all of `steps` together, `30s`; after it what of them is under way is called "
        "back, and the step fails with code `within_timeout`.",
        Key("steps", f.list_of(f.ref("step"), least=1), "What is to be over in time.", True),
        _ON_ERROR,
    ),
    "map": _step("map", f.ref("map"), MAP.words, _ON_ERROR),
    "call": _step(
        "call",
        f.ref("call"),
        CALL.words,
        Key("retry", f.ref("retry"), "Whether another run follows one that failed."),
        _ON_ERROR,
    ),
    "fail": _step("fail", f.ref("fail"), FAIL.words),
}
"""The shape of each kind of step."""
PARTS = (
    *(
        RETRY,
        TIMEOUTS,
        NEEDS,
        HANDLER,
        UPDATE,
        OPTIONS,
        CASE,
        DEFAULT,
        WAIT,
        COUNT,
        MAP,
        CALL,
        FAIL,
    ),
    *STEPS.values(),
)
