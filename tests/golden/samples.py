"""One full sample of every stored and every sent type: each optional field has another value than
its default, so that all of them are in the bytes. The bare sample, with required fields only,
follows from it."""

from typing import TypeVar

import msgspec

from events import api
from events import cluster_facts as c
from events import definition as d
from events import messages as m
from events import net as n
from events import operator_facts as o
from events import run_facts as r
from events import task_facts as t
from events.facts import (
    Called,
    Choice,
    Cut,
    Enabled,
    Fact,
    Failure,
    Flow,
    HostSample,
    Limited,
    Looping,
    Mapped,
    Moved,
    PartOf,
    PartResult,
    Placement,
    Stuck,
    Usage,
    Waiting,
)
from events.ids import Attempt
from events.policies import Needs, Origin, Retry, RunOptions, Timeouts
from events.values import Value

T = TypeVar("T", bound=msgspec.Struct)

AT = 1_700_000_000_000_000
KEY = bytes(range(32))
"""The data key of the personal samples."""
ATTEMPT = Attempt("run-1", "fetch", 1, 2)
VALUE: Value = {
    "text": 'é\U0001f600"\\\n\x00',
    "numbers": [0, -1, 9_223_372_036_854_775_807, 1.5, -0.0, 1e-9],
    "others": [None, True, False, [], {}],
}

RETRY = Retry(
    kind="decorrelated",
    attempts_max=5,
    initial_s=0.5,
    factor=3.0,
    cap_s=30.0,
    retryable_codes=("busy",),
    permanent_codes=("gone",),
)
TIMEOUTS = Timeouts(
    schedule_to_start_s=1.0, start_to_close_s=2.0, schedule_to_close_s=3.0, heartbeat_s=0.5
)
NEEDS = Needs(cpu=1.5, memory_bytes=2**30, disk_bytes=2**31, gpu=1, custom={"license": 1.0})
OPTIONS = RunOptions(
    timeout_s=60.0,
    error_policy="finish_others",
    retry=RETRY,
    timeouts=TIMEOUTS,
    priority=3,
    tags={"team": "census"},
    attributes={"amount": 2.5, "vip": True, "count": 3, "city": "Oslo"},
    concurrency_max=7,
    build="b7",
    personal=True,
)
ORIGIN = Origin(kind="parent", run_id="run-0", step="spawn", version=9, depth=1)
HOST = HostSample(cpu_share=0.5, memory_used_bytes=2**30, memory_total_bytes=2**31, load=1.25)
KILLED = t.Killed(
    attempt=2,
    node="n1",
    incarnation="i1",
    loss="node_restarted",
    dispatched_at=AT,
    started_at=AT + 1,
    lost_at=AT + 2,
)
FAILURE = Failure(code="boom", message="it went up", details=VALUE)
ENABLED = Enabled(step="fetch", inputs={"x": VALUE}, start_due_at=AT + 1, close_due_at=AT + 2)
CALLED = Called(
    step="ship[0]", run_id="run-3", workflow="ship", workflow_version="v2", input=VALUE, attempt=2
)
PART_CALLED = Called(step="scale[0][1]", run_id="run-4", workflow="census", share=250)
CUT = Cut(
    count=5,
    bounds=(0, 3),
    chunks=("aa", ""),
    lanes=2,
    inline_bytes_max=9,
    values={"input.by": VALUE},
)
PART = PartOf(step="scale[0]", count=5, inline_bytes_max=9, values={"input.by": VALUE})
PART_RESULT = PartResult(
    completed=2,
    failed=1,
    marks=b"\x19",
    results=[VALUE],
    hash="aa",
    bytes=9,
    failure=FAILURE,
    failed_at=1,
)
FLOW = Flow(
    tokens={"a>b": 1, "b>c": -1},
    enabled=(ENABLED,),
    choices=(Choice(step="route", arc="route>a", when="input.n > 3", values={"input.n": 5}),),
    variables={"v": VALUE},
    entered=("p",),
    left=("q",),
    skipped=("s",),
    stuck=(Stuck(step="bad", failure=FAILURE),),
    ended=True,
    loops=(Looping(step="each[0]", items=[VALUE]),),
    turned=("again",),
    calls=(CALLED, PART_CALLED),
    limited=(Limited(step="offer[0]", due_at=AT + 30),),
    maps=(
        Mapped(step="scale[0]", items=[VALUE]),
        Mapped(step="scale[1]", items=[VALUE], cut=CUT, first=3, share=2),
    ),
    moved=(Moved(step="scale[0]", cursor=3, output_bytes=9, input_bytes=7),),
    waiting=(
        Waiting(step="w", due_at=AT + 3, signal="go", correlation=VALUE),
        Waiting(step="u", due_at=AT + 4, absolute=True),
    ),
)
USAGE = Usage(wall_s=1.5, cpu_s=1.25, memory_peak_bytes=2**20, input_bytes=10, output_bytes=20)
SAID = t.Said(
    notes=("half way",),
    log=("line",),
    emitted=(t.Emitted(name="counted", data=VALUE),),
    spawned=(t.Spawned(workflow="child", input=VALUE, id="child-1"),),
)
PLACEMENT = Placement(
    candidates=3, score=0.75, excluded={"n2": "node_lost"}, weight=2.5, others={"n3": 0.5}
)

# -- definitions and nets -------------------------------------------------------------------------

TASK = d.TaskStep(
    id="fetch",
    depends_on=(),
    when="input.n > 0",
    task="fetch",
    inputs={"url": "${input.url}"},
    retry=RETRY,
    timeouts=TIMEOUTS,
    needs=NEEDS,
    labels={"zone": "a"},
    on_error=(d.Handler(codes=("gone",), steps=(d.SetStep(id="note", variables={"gone": True}),)),),
)
DEFINITION = d.Definition(
    name="census",
    description="Counts things.",
    steps=(
        TASK,
        d.ChoiceStep(
            id="route",
            depends_on=("fetch",),
            cases=(d.Case(when="steps.fetch.output.ok", steps=(d.TaskStep(id="a", task="work"),)),),
            default=(d.FailStep(id="stop", code="no", message="because ${run.id}"),),
        ),
        d.ParallelStep(id="p", branches={"l": (d.TaskStep(id="b", task="work"),), "r": ()}),
        d.WhileStep(
            id="poll",
            condition="vars.n < 3",
            steps=(d.TaskStep(id="c", task="work"),),
            iterations_max=9,
            on_error=(d.Handler(codes=("too_many_iterations",)),),
        ),
        d.UntilStep(
            id="again",
            condition="vars.n > 3",
            steps=(d.TaskStep(id="e", task="work"),),
            iterations_max=9,
            on_error=(d.Handler(codes=("too_many_iterations",)),),
        ),
        d.ForEachStep(
            id="each",
            items="${input.items}",
            steps=(d.TaskStep(id="f", task="work"),),
            iterations_max=9,
            on_error=(d.Handler(codes=("too_many_iterations",)),),
        ),
        d.WithinStep(
            id="offer",
            timeout_s=30.0,
            steps=(d.TaskStep(id="o", task="work"),),
            on_error=(d.Handler(codes=("within_timeout",)),),
        ),
        d.CallStep(
            id="ship",
            workflow="ship",
            version="v2",
            input={"order": "${input.order}"},
            retry=RETRY,
            on_error=(d.Handler(codes=("child_cancelled",)),),
        ),
        d.MapStep(
            id="scale",
            items="${input.items}",
            task="work",
            inputs={"x": "${iteration.item}"},
            concurrency=9,
            batch=90,
            complete_when="percent",
            number=12.5,
            retry=RETRY,
            timeouts=TIMEOUTS,
            needs=NEEDS,
            labels={"zone": "a"},
            on_error=(d.Handler(codes=("too_few_completed",)),),
        ),
        d.WaitStep(id="nap", duration=90.0),
        d.WaitStep(id="until", until="2026-12-24T18:00:00Z"),
        d.WaitStep(
            id="w",
            signal="go",
            correlation={"order": "${input.order}"},
            timeout_s=60.0,
            on_error=(d.Handler(codes=("signal_timeout",)),),
        ),
    ),
    output={"all": "${steps.b.output}"},
    options=OPTIONS,
    updates={"raise": d.Update(accept="update.n > 3", variables={"limit": "${update.n}"})},
)
NET = n.Net(
    steps=(
        n.NetStep(id="/start", action=n.Start()),
        n.NetStep(
            id="fetch",
            name="fetch",
            scope="inner",
            action=n.Task(
                task="fetch",
                inputs={"url": "${input.url}"},
                retry=RETRY,
                timeouts=TIMEOUTS,
                needs=NEEDS,
                labels={"zone": "a"},
            ),
        ),
        n.NetStep(id="note", name="note", action=n.Set(variables={"gone": True})),
        n.NetStep(id="route", name="route", action=n.Choice(skips={"route>a": ("stop",)})),
        n.NetStep(id="p", name="p", action=n.Split()),
        n.NetStep(id="p/end", action=n.Join(closes="p"), join="any"),
        n.NetStep(
            id="poll",
            name="poll",
            action=n.Loop(kind="while", when="vars.n < 3", iterations_max=9, sinks=("c",)),
        ),
        n.NetStep(
            id="each",
            name="each",
            action=n.Loop(kind="for_each", items="${input.items}", iterations_max=9),
        ),
        n.NetStep(
            id="ship",
            name="ship",
            action=n.Call(workflow="ship", version="v2", input={"o": 1}, retry=RETRY),
        ),
        n.NetStep(
            id="scale",
            name="scale",
            action=n.Map(
                items="${input.items}",
                body=n.Task(task="work", inputs={"x": "${iteration.item}"}, retry=RETRY),
                concurrency=9,
                batch=90,
                rule="percent",
                number=12.5,
            ),
        ),
        n.NetStep(id="offer", name="offer", action=n.Within()),
        n.NetStep(id="nap", name="nap", action=n.Wait(duration=90.0)),
        n.NetStep(id="until", name="until", action=n.Wait(until="2026-12-24T18:00:00Z")),
        n.NetStep(
            id="w",
            name="w",
            action=n.Wait(signal="go", correlation={"order": "${input.order}"}, timeout_s=60.0),
        ),
        n.NetStep(id="stop", name="stop", action=n.Fail(code="no", message="because")),
        n.NetStep(id="/end", action=n.End()),
    ),
    arcs=(
        n.Arc(id="/start>fetch", source="/start", target="fetch"),
        n.Arc(id="route>a", source="route", target="a", kind="conditional", when="input.n > 3"),
        n.Arc(id="fetch>note", source="fetch", target="note", kind="error", codes=("gone",)),
    ),
    scopes=(n.Scope(id=""), n.Scope(id="inner", parent="", timeout_s=5.0, repeats=True)),
    output={"all": "${steps.b.output}"},
    sinks=("b",),
    format=2,
    updates={"raise": n.Update(accept="update.n > 3", variables={"limit": "${update.n}"})},
)

# -- facts ----------------------------------------------------------------------------------------

FACTS: tuple[Fact, ...] = (
    r.RunStarted(
        run_id="run-1",
        workflow="census",
        workflow_version="v1",
        input=VALUE,
        options=OPTIONS,
        origin=ORIGIN,
        due_at=AT,
        flow=FLOW,
        part=PART,
        subject="customer-81",
    ),
    r.RunForked(
        run_id="run-2",
        source_run_id="run-1",
        source_version=7,
        workflow="census",
        workflow_version="v1",
        options=OPTIONS,
        origin=ORIGIN,
        due_at=AT,
        variables={"v": VALUE},
        renewed=(
            r.Renewed(step="fetch", start_due_at=AT + 1, close_due_at=AT + 2),
            r.Renewed(step="until", due_at=AT + 3, absolute=True),
            r.Renewed(step="ship[0]", call=CALLED),
            r.Renewed(step="bill", inputs={"x": VALUE}),
        ),
        reason="a mended input",
        retried=("bill",),
    ),
    o.ResultGiven(
        id="x1",
        step="scale[0][1]",
        status="failed",
        output=VALUE,
        failure=FAILURE,
        handled=True,
        by="user:ada",
        reason="it was shipped by hand",
        generation=2,
        flow=FLOW,
        forgotten=("x0",),
        unsettled=("scale[0][1]",),
    ),
    o.TaskMoved(
        id="x2",
        step="fetch",
        attempt=3,
        to="n2",
        off=("n1",),
        by="user:ada",
        reason="n1 is slow",
        backup=8,
        forgotten=("x0",),
    ),
    o.RunHalted(due_at=AT, steps=("fetch",), by="user:op", reason="mended"),
    o.RunRestored(
        id="x3",
        version=5,
        at=12,
        generation=2,
        mode="rerun_steps",
        steps=("fetch",),
        due_at=AT,
        renewed=(r.Renewed(step="fetch", start_due_at=AT + 1),),
        signals=(o.KeptSignal(id="s1", name="go", data=VALUE, correlation=VALUE),),
        undone=("u1",),
        by="user:ada",
        reason="the input was mended",
        backup=11,
        forgotten=("x0",),
        unsettled=("fetch",),
    ),
    r.SignalReceived(id="s1", name="go", data=VALUE, correlation=VALUE, forgotten=("s0",)),
    r.WaitEnded(step="w", signal="s1", output=VALUE, flow=FLOW),
    r.LoopAdvanced(
        step="each[0]",
        index=1,
        output=VALUE,
        output_bytes=9,
        when="vars.n < 3",
        values={"vars.n": 2},
        flow=FLOW,
    ),
    r.ChildCalled(call=CALLED),
    r.ChildCompleted(step="ship[0]", run_id="run-3", output=VALUE, flow=FLOW),
    r.ChildFailed(
        step="ship[0]",
        run_id="run-3",
        failure=FAILURE,
        next_attempt_at=AT,
        delay_s=1.5,
        why="run 1 of 3, fixed delay",
    ),
    r.MapAdvanced(step="scale[0]", flow=FLOW),
    r.MapDecided(step="scale[0]", failure=FAILURE, recalled=(1, 2), cancelled=(3,), flow=FLOW),
    r.GroupGivenUp(
        step="offer[0]",
        failure=FAILURE,
        recalled=("a[0]",),
        cancelled=("b[0]", "scale[0][1]"),
        flow=FLOW,
    ),
    r.MapPartCompleted(step="scale[0][1]", run_id="run-4", result=PART_RESULT, flow=FLOW),
    r.MapCompleted(step="scale[0]", completed=7, failed=2, flow=FLOW, output=VALUE),
    r.UpdateAccepted(
        id="u1",
        name="raise",
        data=VALUE,
        when="update.n > 3",
        values={"update.n": 5},
        variables={"limit": 5},
        forgotten=("u0",),
    ),
    r.RunPinned(build="b7", reason="its first attempt, of fetch, is on n1"),
    r.RunPaused(reason="a look first"),
    r.RunResumed(shift_us=90_000_000, reason="looked"),
    r.RunClosing(
        status="cancelled",
        reason="enough",
        failure=FAILURE,
        step="fetch",
        cancelled=("b", "c"),
        flow=FLOW,
    ),
    r.RunCompleted(output=VALUE),
    r.RunFailed(failure=FAILURE, step="fetch", cancelled=("b",), unsettled=("c",)),
    r.RunCancelled(reason="enough", cancelled=("b",)),
    r.RunTimedOut(failure=FAILURE, cancelled=("b",)),
    t.TaskDispatched(
        step="fetch",
        attempt=2,
        node="n1",
        incarnation="i1",
        placement=PLACEMENT,
        start_due_at=AT,
        generation=1,
        build_id="b7",
        transactional=True,
    ),
    t.TaskPending(step="fetch", obstacle="no_slot", detail="2 suitable nodes are full"),
    t.TaskStarted(step="fetch", attempt=2, started_at=AT, due_at=AT + 5),
    t.TaskProgressed(step="fetch", attempt=2, details=VALUE, fraction=0.5, sequence=3),
    t.OnceRecorded(step="fetch", attempt=2, name="charge", value=VALUE),
    t.TaskDeferred(
        step="fetch",
        attempt=2,
        digest="d1",
        due_at=AT + 5,
        started_at=AT,
        usage=USAGE,
        said=SAID,
    ),
    t.TaskSettling(
        step="fetch",
        attempt=2,
        failure=FAILURE,
        kind="lost",
        why="attempt 2 of 2 was the last",
        renews=True,
    ),
    t.TaskSettled(step="fetch", attempt=2, generation=3, start_due_at=AT),
    t.TaskDeadLettered(
        step="fetch",
        task="census.fetch",
        code="poison_task",
        kills=(KILLED,),
        details=VALUE,
    ),
    t.TaskRecalled(step="fetch", attempt=2, code="schedule_to_close_timeout", reason="too late"),
    t.TaskCompleted(
        step="fetch",
        attempt=2,
        output=VALUE,
        outcome="empty",
        started_at=AT,
        ended_at=AT + 5,
        usage=USAGE,
        said=SAID,
        flow=FLOW,
    ),
    t.AttemptFailed(
        step="fetch",
        attempt=2,
        failure=FAILURE,
        kind="lost",
        loss="node_lost",
        counted=False,
        next_attempt_at=AT + 9,
        delay_s=1.5,
        why="lost attempts are repeated and not counted",
        start_due_at=AT + 10,
        started_at=AT,
        usage=USAGE,
        said=SAID,
        killed=KILLED,
    ),
    t.TaskRetryDue(step="fetch", start_due_at=AT),
    t.TaskFailed(
        step="fetch",
        attempt=2,
        failure=FAILURE,
        kind="timed_out",
        why="attempt 2 of 2 was the last",
        handled=True,
        started_at=AT,
        ended_at=AT + 5,
        usage=USAGE,
        said=SAID,
        flow=FLOW,
        cancelled=("b", "c"),
    ),
    t.TaskCancelled(step="fetch", attempt=2, why="recalled", flow=FLOW),
    c.NodeRegistered(
        node="n1",
        incarnation="i1",
        tasks=("fetch", "work"),
        labels={"zone": "a"},
        build_id="b7",
        slots=4,
        credits=8,
        capacity=NEEDS,
        weight=2.5,
    ),
    c.NodeSampled(node="n1", incarnation="i1", sample=HOST),
    c.NodeSuspected(node="n1", incarnation="i1", silent_s=5.5),
    c.NodeRecovered(node="n1", incarnation="i1"),
    c.NodeLost(node="n1", incarnation="i1", silent_s=15.5),
    c.NodeDraining(node="n1", incarnation="i1", reason="update", due_at=AT),
    c.NodeCordoned(node="n1", reason="new disk"),
    c.NodeUncordoned(node="n1", reason="new disk"),
    c.NodeLeft(node="n1", incarnation="i1", reason="update"),
    c.LeaseAcquired(shard=3, epoch=9, holder="c1", previous_holder="c0"),
    c.LeaseReleased(shard=3, epoch=9, holder="c1"),
    c.PersonalErased(key_id="k1", subject="customer-81", runs=3, reason="request 4711"),
    c.RunImported(
        run_id="nightly-17",
        version=12,
        digest="d1",
        file="nightly-17.bundle",
        sha256="00ff",
        redacted=("customer.email",),
        by="user:ada",
    ),
    c.DefinitionRegistered(
        workflow="census", workflow_version="v1", definition=DEFINITION, net=NET, aside=True
    ),
)

# -- messages -------------------------------------------------------------------------------------

COMMANDS: tuple[m.Command, ...] = (
    m.Execute(
        attempt=ATTEMPT,
        shard=3,
        task="fetch",
        inputs={"x": VALUE},
        workflow="census",
        token=12,
        details=VALUE,
        start_within_s=1.0,
        start_to_close_s=2.0,
        heartbeat_s=0.5,
        needs=NEEDS,
        traceparent="00-aa-bb-01",
        dispatched_at=AT,
        epoch=9,
        once={"charge": VALUE},
        settle=True,
    ),
    m.Cancel(attempt=ATTEMPT, shard=3, code="timed_out", reason="too late"),
    m.Settle(attempts=(ATTEMPT,), once=((ATTEMPT, "charge"),)),
    m.Drop(attempts=(ATTEMPT,)),
    m.Drain(reason="update"),
)
REPORTS: tuple[m.Report, ...] = (
    m.Started(attempt=ATTEMPT, started_at=AT, dispatched_at=AT),
    m.Once(attempt=ATTEMPT, name="charge", value=VALUE, dispatched_at=AT),
    m.Progressed(attempt=ATTEMPT, details=VALUE, fraction=0.5, sequence=3, dispatched_at=AT),
    m.Deferred(
        attempt=ATTEMPT,
        digest="d1",
        started_at=AT,
        ended_at=AT + 5,
        usage=USAGE,
        said=SAID,
        dispatched_at=AT,
    ),
    m.Completed(
        attempt=ATTEMPT,
        output=VALUE,
        outcome="empty",
        started_at=AT,
        ended_at=AT + 5,
        usage=USAGE,
        said=SAID,
        dispatched_at=AT,
    ),
    m.Failed(
        attempt=ATTEMPT,
        failure=FAILURE,
        kind="timed_out",
        retryable=False,
        retry_after_s=7.5,
        started_at=AT,
        ended_at=AT + 5,
        usage=USAGE,
        said=SAID,
        dispatched_at=AT,
    ),
    m.Returned(
        attempt=ATTEMPT, reason="refused", message="no slot", started=True, dispatched_at=AT
    ),
)
HEARTBEAT = m.Heartbeat(
    node="n1",
    incarnation="i1",
    sequence=7,
    held=(ATTEMPT,),
    unsettled=(ATTEMPT,),
    slots=4,
    credits=8,
    cordoned=True,
    draining=True,
    refusal="the node is drained: new disk",
    leaving=True,
    tasks=("fetch",),
    labels={"zone": "a"},
    build_id="b7",
    capacity=NEEDS,
    host=HOST,
    weight=2.5,
    transactional=("fetch",),
    at=AT,
    protocol=1,
    ordered_at_version=6,
)
HEARTBEAT_ANSWERS: tuple[m.HeartbeatAnswer, ...] = (
    m.Granted(
        coordinator="c1",
        sequence=7,
        incarnation="i1",
        shards=(0, 3),
        lease_ttl_s=10.0,
        order=m.Order(cordoned=True, reason="new disk", drain_in_s=12.5, version=6),
        protocol=2,
        protocol_min=1,
        epochs=(9, 2),
        fenced=(ATTEMPT,),
    ),
    m.Reset(coordinator="c1", sequence=7, incarnation="i1", reason="declared lost"),
)
BATCHES: tuple[msgspec.Struct, ...] = (
    m.Commands(coordinator="c1", commands=COMMANDS),
    m.Reports(node="n1", incarnation="i1", reports=REPORTS),
    HEARTBEAT,
)

# -- requests and answers -------------------------------------------------------------------------

REQUESTS: tuple[api.AnyRequest, ...] = (
    api.Hello(actor="user:ada"),
    api.RegisterWorkflow(actor="user:ada", definition=DEFINITION, aside=True),
    api.StartRun(
        actor="user:ada",
        run_id="run-1",
        workflow="census",
        workflow_version="v1",
        input=VALUE,
        options=OPTIONS,
        origin=ORIGIN,
        traceparent="00-aa-bb-01",
        wait_s=2.5,
        build="pinned",
        tags={"team": "census"},
        attributes={"amount": 2.5},
        subject="customer-81",
    ),
    api.CancelRun(actor="user:ada", run_id="run-1", reason="enough"),
    api.SignalRun(
        actor="user:ada", run_id="run-1", name="go", id="s1", data=VALUE, correlation=VALUE
    ),
    api.UpdateRun(actor="user:ada", run_id="run-1", name="raise", id="u1", data=VALUE),
    api.QueryRun(actor="user:ada", run_id="run-1", expression="vars.limit"),
    api.CompleteTask(actor="user:ada", run_id="run-1", token="dst1.x.y", output=VALUE),
    api.FailTask(
        actor="user:ada",
        run_id="run-1",
        token="dst1.x.y",
        message="unsigned",
        code="late",
        details=VALUE,
        retryable=False,
    ),
    api.PauseRun(actor="user:ada", run_id="run-1", reason="a look first"),
    api.ResumeRun(actor="user:ada", run_id="run-1", reason="looked"),
    api.ForkRun(
        actor="user:ada",
        run_id="run-2",
        source_run_id="run-1",
        source_version=7,
        variables={"v": VALUE},
        reason="a mended input",
        steps=("bill",),
        workflow_version="v2",
    ),
    api.ShowRun(actor="user:ada", run_id="run-1"),
    api.AwaitRun(actor="user:ada", run_id="run-1", wait_s=2.5),
    api.KeepValues(actor="user:ada", values=[VALUE]),
    api.FetchValues(actor="user:ada", hash="aa"),
    api.FetchValues(actor="node:n1", hash="aa", first=700),
    api.ListNodes(actor="user:ada"),
    api.ShowNode(actor="user:ada", node="n1"),
    api.CordonNode(actor="user:ada", node="n1", reason="new disk"),
    api.DrainNode(actor="user:ada", node="n1", deadline_s=300.0, reason="new disk"),
    api.UncordonNode(actor="user:ada", node="n1", reason="new disk"),
    api.RepinRun(actor="user:ada", run_id="run-1", build="b8", reason="b7 is gone"),
    api.SkipStep(
        actor="user:ada",
        run_id="run-1",
        step="fetch",
        id="x1",
        output=VALUE,
        reason="not needed",
        unsettled=True,
    ),
    api.CompleteStep(
        actor="user:ada",
        run_id="run-1",
        step="fetch",
        id="x1",
        output=VALUE,
        reason="by hand",
        unsettled=True,
    ),
    api.FailStep(
        actor="user:ada",
        run_id="run-1",
        step="fetch",
        id="x1",
        code="gone",
        message="it will not come",
        reason="asked them",
        unsettled=True,
    ),
    api.MoveStep(
        actor="user:ada",
        run_id="run-1",
        step="fetch",
        id="x1",
        to="n2",
        off=("n1",),
        reason="n1 is slow",
    ),
    api.TerminateRun(actor="user:ada", run_id="run-1", reason="it loops", unsettled=True),
    api.RestoreRun(
        actor="user:ada",
        run_id="run-1",
        id="x1",
        version=5,
        mode="rerun_failed",
        reason="mended",
        unsettled=True,
    ),
    api.RerunRun(
        actor="user:ada",
        run_id="run-1",
        id="x1",
        steps=("fetch",),
        all=True,
        reason="mended",
        unsettled=True,
    ),
    api.ErasePersonal(
        actor="user:ada",
        run_id="run-1",
        key_id="k1",
        subject="customer-81",
        runs=3,
        reason="request 4711",
    ),
)
RUN = api.RunView(
    run_id="run-1",
    workflow="census",
    workflow_version="v1",
    version=9,
    status="failed",
    output=VALUE,
    error=api.ErrorView(code="boom", message="it went up", step="fetch", details=VALUE),
    steps=(
        api.StepView(name="fetch", kind="task", status="failed", started_at=AT, ended_at=AT + 5),
        api.StepView(name="w", kind="wait", status="waiting", started_at=AT, pending="signal go"),
    ),
    tasks=(
        api.TaskView(
            name="fetch",
            status="failed",
            attempts=2,
            node="n1",
            started_at=AT,
            ended_at=AT + 5,
            pending="timer",
            task="http.fetch",
        ),
    ),
    started_at=AT,
    ended_at=AT + 5,
    pending="paused: a look first",
    build="b7",
    actions=(
        api.ActionView(
            what="restore",
            at=AT,
            version=9,
            by="user:ada",
            reason="mended",
            step="fetch",
            to="5",
            backup=8,
        ),
    ),
    forked_from=api.SourceView(run_id="run-0", version=7),
)
NODE = api.NodeView(
    node="n1",
    status="healthy",
    incarnation="i1",
    slots=4,
    credits=8,
    outstanding=2,
    tasks=("fetch",),
    labels={"zone": "a"},
    build_id="b7",
    silent_s=0.5,
    host=HOST,
    weight=2.5,
    held=2,
    cordon=api.CordonView(actor="user:ada", reason="new disk", since=AT, drain_due_at=AT),
    refusal="cordoned by user:ada: new disk",
    clock_ahead_s=-0.5,
)
ANSWERS: tuple[api.AnyAnswer, ...] = (
    api.Here(
        coordinator="c1",
        shards=16,
        owned=(0, 3),
        release="0.1.0",
        strange=(api.StrangeReports(node="n2", number=3, since=AT, last_at=AT + 7),),
        at=AT,
    ),
    api.Registered(workflow="census", workflow_version="v1", created=True),
    api.RunAnswer(run=RUN, created=True),
    api.Updated(run_id="run-1", version=9, variables={"limit": 5}),
    api.Queried(run_id="run-1", version=9, value=VALUE),
    api.Nodes(nodes=(NODE,)),
    api.NodeAnswer(node=NODE),
    api.Kept(hash="aa"),
    api.Fetched(values=msgspec.Raw(b"[1]")),
    api.ErasureRecorded(key_id="k1", recorded=False),
    api.Refused(code="rejected", message="no such run"),
)

RUN_FACTS = tuple(f for f in FACTS if type(f).__module__ in (r.__name__, t.__name__, o.__name__))


def bare(sample: T) -> T:
    """The same type with its required fields only."""
    required = {
        field.name: getattr(sample, field.name)
        for field in msgspec.structs.fields(sample)
        if field.required
    }
    return type(sample)(**required)
