"""Limits: every bound of definitions, values and runs, with its unit and what happens when met."""

import msgspec

from events.constraints import DURATION_S_MAX, Amount, Count, Depth, Duration, Wait

KIB = 1024
MIB = 1024 * KIB


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults are what a coordinator uses unless its configuration says otherwise.

    "Refused at check" means a `Rejected` with all problems when a definition is checked or
    registered; nothing is stored.
    """

    definition_bytes_max: Count = 4 * MIB
    """Bytes of a definition, as a file and as canonical JSON. Refused at check."""

    net_bytes_max: Count = 16 * MIB
    """Bytes of a compiled net as JSON. Refused at check: split the workflow."""

    steps_max: Count = 10_000
    """Steps of a definition, those inside branches and handlers included. Refused at check."""

    arcs_max: Count = 100_000
    """Arcs of a compiled net. Refused at check."""

    nesting_max: Depth = 32
    """Levels of steps inside steps. Refused at check."""

    name_chars_max: Count = 200
    """Characters of a workflow name, step id, task type, branch, variable or code. Refused."""

    description_chars_max: Count = 10_000
    """Characters of a description. Refused at check."""

    expression_chars_max: Count = 2_000
    """Characters of one expression. Refused at check: let a task compute it."""

    expression_nesting_max: Depth = 40
    """Levels of brackets in one expression. Refused at check."""

    expression_loops_max: Amount = 2
    """Levels of `map`, `filter`, `all` … inside each other in one expression: the work grows with
    this power of the list's length. Refused at check."""

    expression_work_max: Count = 1_000_000
    """Rounds that the loops of one evaluation may take, estimated from the sizes of the values that
    it reads; a quarter of a second. The evaluation fails: let a task compute this."""

    payload_bytes_max: Count = 1 * MIB
    """Bytes of one value as JSON: a run's input, a task's inputs or output, all variables of a run,
    heartbeat details. A client's request is refused; a task's output that is over it fails the
    attempt with code `payload_too_large`; inputs or variables that are over it fail the step."""

    tags_max: Count = 64
    """Tags of a run, or labels of a task. Refused at check, a run's own when it is started."""

    codes_max: Count = 100
    """Codes that a retry policy may name in one list. Refused like tags."""

    attempts_max: Count = 1_000
    """Most attempts that a retry policy may ask for. Refused at check."""

    retry_after_s_max: Duration = 3_600.0
    """Seconds that a failed task may ask to be left alone before its next attempt. When it asks for
    more, it gets these."""

    losses_max: Amount = 20
    """Attempts of one task that may be lost with their node before it fails with code `lost`."""

    refused_delay_s: Wait = 0.2
    """Seconds before a task that a node refused is placed again; doubles with each refusal in a
    row up to `refused_delay_s_max`."""

    refused_delay_s_max: Duration = 5.0
    """Longest of these waits, seconds."""

    run_events_max: Count = 100_000
    """Events of a run. One that gets there fails with code `too_many_events` as soon as what is
    under way has come back: start runs for parts of its work."""

    iterations_max: Count = 10_000
    """Most iterations that a loop may ask for. Refused at check."""

    instances_max: Count = 20_000
    """Steps of a run, those of each iteration of its loops counted. A loop that would make more
    fails with code `too_many_instances`."""

    calls_depth_max: Count = 10
    """Levels of runs that are started by steps of runs. A step that would make one more fails with
    code `call_refused`."""

    map_items_max: Count = 1_000_000
    """Items that a map may go through. A longer list fails the step with code `too_many_items`."""

    map_part_items_max: Count = 1_000
    """Items that a map counts in its own run. A longer list is cut into parts of so many, which are
    runs of their own."""

    map_parts_max: Count = 4
    """Parts of a map that are under way at the same time; the others begin as these end."""

    map_results_inline_bytes_max: Count = 1 * MIB
    """Bytes of the results of a map in parts that are its output as they are. Beyond, they are
    stored by hash and the output is a reference: as soon as a part has more than its even share."""

    values_answer_bytes_max: Count = 256 * KIB
    """Bytes of the values of a stored list in one answer to who reads it, unless a single value has
    more. The rest is asked for with the next request."""

    map_inputs_bytes_max: Count = 16 * MIB
    """Bytes of what the items of a map that are under way are given, together. The next ones begin
    as these end; one is always under way."""

    signals_max: Count = 1_000
    """Signals that a run keeps for steps that have not taken them yet. A further one is refused."""

    signal_ids_max: Count = 10_000
    """Ids of taken signals that a run remembers, to know them when they are sent again; beyond, the
    oldest is forgotten."""

    update_ids_max: Count = 1_000
    """Ids of updates that a run remembers, to know them when they are sent again; beyond, the
    oldest is forgotten."""

    updates_max: Count = 100
    """Updates that a workflow may declare. Refused at check."""

    start_to_close_margin_s: Wait = 5.0
    """Seconds beyond start-to-close after which the coordinator asks for the attempt back; until
    then the agent enforces it."""

    duration_s_max: Duration = DURATION_S_MAX
    """Seconds of any timeout or delay, about ten years. Refused at check."""

    concurrency_max: Count = 10_000
    """Most outstanding tasks that a run may ask for. Refused at check."""

    problems_max: Count = 100
    """Problems that one check reports; the rest is counted only."""

    @property
    def stream_events_max(self) -> int:
        """Events that the stream of a run never has more of: beyond `run_events_max` there are the
        rest of a decision, and for each attempt that is out its beginning and its end."""
        return self.run_events_max + DECISION_EVENTS + 2 * self.concurrency_max


DECISION_EVENTS = 2_000
"""More than one decision makes."""
