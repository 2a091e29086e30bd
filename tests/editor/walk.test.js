// One walk through a recorded run, as an editor would take it: from the log over standard input and
// output, and from an exported file over a port.
'use strict';

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const test = require('node:test');
const h = require('./helpers.js');

const TIMEOUT = { timeout: 50_000 };
const ORDERS = join(h.scene.folder, 'orders.yaml');

/** The whole walk; `source` is what the client calls the definition, `text` what is in it. */
async function walk(client, configuration, source, text) {
    const priced = h.lineOf(text, 'id: price');
    const added = h.lineOf(text, 'id: add');
    const asked = h.lineOf(text, 'id: ask');
    const { capabilities, stopped } = await h.attached(client, configuration, async () => {
        const { body } = await client.setBreakpointsRequest({
            source,
            breakpoints: [
                { line: priced },
                { line: added, condition: 'vars.total > 20', logMessage: '' },
            ],
        });
        assert.deepEqual(body.breakpoints.map((one) => [one.verified, one.line]), [
            [true, priced], [true, added],
        ]);
        await client.setExceptionBreakpointsRequest({ filters: ['attempt_failed'] });
    });
    assert.equal(capabilities.supportsStepBack, true);
    assert.equal(stopped.reason, 'entry');
    assert.deepEqual((await client.threadsRequest()).body.threads.map((one) => one.id), [1]);

    // Forward: both iterations, the second of which is where the condition holds.
    let here = await h.move(client, 'continue');
    assert.equal(here.stop.reason, 'breakpoint');
    assert.equal(here.at, `articles[0]: price:${priced}`);
    assert.deepEqual(here.frames.map((one) => one.name), ['articles[0]: price', 'orders: articles']);
    assert.deepEqual(await values(client, here.frame, 'Iteration'), {
        index: '0', item: '{"name": "pen", "count": 2}',
    });
    here = await h.move(client, 'continue');
    assert.equal(here.at, `articles[1]: price:${priced}`);
    let rows = await h.rows(client, here.frame, 'Variables');
    assert.equal(rows.total.value, '6');
    assert.match(rows.total.type, /^integer, set at version \d+ by add\[0\]$/);
    here = await h.move(client, 'continue');
    assert.equal(here.at, `articles[1]: add:${added}`);
    rows = await h.rows(client, here.frame, 'Variables');
    assert.equal(rows.total.value, '26');

    // What is so here.
    const evaluate = async (expression, context = 'watch') =>
        (await client.evaluateRequest({ expression, frameId: here.frame.id, context })).body.result;
    assert.equal(await evaluate('vars.total * 2'), '52');
    assert.equal(await evaluate('${ steps.price.output + iteration.index }', 'hover'), '21');
    assert.equal(await evaluate('input.articles[0].name', 'repl'), '"pen"');
    assert.match(await h.refusal(evaluate('vars.nothing')), /`vars.nothing` is not set yet/);
    const { body: proposed } = await client.completionsRequest({
        text: 'vars.t', column: 7, frameId: here.frame.id,
    });
    assert.deepEqual(proposed.targets.map((one) => one.label), ['total']);

    // An attempt that failed, in a branch.
    here = await h.move(client, 'continue');
    assert.equal(here.stop.reason, 'exception');
    assert.equal(here.at, `checks/credit: ask:${asked}`);
    const { body: info } = await client.exceptionInfoRequest({ threadId: here.stop.threadId });
    assert.equal(info.exceptionId, 'busy');
    assert.match(info.description, /ask again/);
    const names = (await client.threadsRequest()).body.threads.map((one) => one.name);
    assert.ok(names.includes('checks/credit'), names.join());

    // And back: to the same places, in the other order; then to the very beginning.
    here = await h.move(client, 'reverseContinue');
    assert.equal(here.at, `articles[1]: add:${added}`);
    here = await h.move(client, 'stepBack');
    assert.equal(here.at, `articles[1]: price:${priced}`);
    rows = await h.rows(client, here.frame, 'Variables');
    assert.equal(rows.total.value, '6');
    here = await h.move(client, 'stepBack');
    assert.equal(here.at, `articles[0]: add:${added}`);
    await client.setBreakpointsRequest({ source, breakpoints: [] });
    here = await h.move(client, 'reverseContinue');
    assert.equal(here.stop.reason, 'entry');
    assert.equal(here.at, `orders: begin:${h.lineOf(text, 'id: begin')}`);

    // Over and into: `next` takes the loop in one, `stepIn` goes to what happens next.
    here = await h.move(client, 'next');
    assert.equal(here.at, `orders: articles:${h.lineOf(text, 'id: articles')}`);
    await client.setExceptionBreakpointsRequest({ filters: [] });
    here = await h.move(client, 'next');
    assert.equal(here.at, `orders: checks:${h.lineOf(text, 'id: checks')}`);
    here = await h.move(client, 'next');
    assert.equal(here.at, `orders: bill:${h.lineOf(text, 'id: bill')}`);
    return here;
}

async function values(client, frame, name) {
    const found = Object.entries(await h.rows(client, frame, name));
    return Object.fromEntries(found.map(([key, row]) => [key, row.value]));
}

test('a run of the log, over standard input and output', TIMEOUT, async (t) => {
    const client = await h.overStandard(t);
    const text = readFileSync(ORDERS, 'utf8');
    const configuration = { run: h.scene.run, definition: ['orders.yaml', 'bills.py'] };
    let here = await walk(client, configuration, { path: ORDERS }, text);
    assert.equal(here.frame.source.path, ORDERS);

    // Into the run that was called, which is written in Python; and out of it again.
    here = await h.move(client, 'stepIn');
    const bills = join(h.scene.folder, 'bills.py');
    assert.equal(here.frame.source.path, bills);
    assert.equal(here.at, `bills: net:${h.lineOf(readFileSync(bills, 'utf8'), 'flow.set')}`);
    assert.deepEqual(here.frames.map((one) => one.name), ['bills: net', 'orders: bill']);
    here = await h.move(client, 'next', here.stop.threadId);
    assert.equal(here.frame.line, h.lineOf(readFileSync(bills, 'utf8'), 'flow.task'));
    here = await h.move(client, 'stepOut', here.stop.threadId);
    assert.match(here.stop.text, /the end of the history: run.completed/);
    const { body: modules } = await client.modulesRequest();
    assert.deepEqual(modules.modules.map((one) => one.name), ['orders']);
    await client.disconnectRequest();
});

for (const file of h.scene.files) {
    test(`an exported ${file.split('.').pop()}, over a port`, TIMEOUT, async (t) => {
        const { client, connect } = await h.overPort(t);
        // Where the file with the definition is not at hand there is the stored one.
        const peek = { file, at: 'end' };
        const { stopped } = await h.attached(client, peek);
        const { frame } = await h.place(client, stopped);
        assert.match(frame.source.name, /^orders@[0-9a-f]{20}\.yaml$/);
        const { sourceReference } = frame.source;
        const { body } = await client.sourceRequest({ source: frame.source, sourceReference });
        assert.match(body.content, /^workflow: orders$/m);
        await client.disconnectRequest();

        const again = await connect();
        await walk(again, { file }, { sourceReference: 1 }, body.content);
        await again.disconnectRequest();
    });
}
