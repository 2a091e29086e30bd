// A run that goes on, breakpoints of every kind, and clients that get things wrong.
'use strict';

const assert = require('node:assert/strict');
const { join } = require('node:path');
const test = require('node:test');
const h = require('./helpers.js');

const TIMEOUT = { timeout: 50_000 };

test('a run that goes on is followed', TIMEOUT, async (t) => {
    const client = await h.overStandard(t);
    const path = join(h.scene.folder, 'waiting.yaml');
    await client.initializeRequest();
    const initialized = client.waitForEvent('initialized');
    await client.attachRequest({
        run: h.scene.waiting, definition: 'waiting.yaml', at: 'end', stopOnEntry: false,
    });
    await initialized;
    await client.setBreakpointsRequest({ source: { path }, breakpoints: [{ line: 5 }] });
    let stopped = client.waitForEvent('stopped');
    await client.configurationDoneRequest();
    assert.match(await h.refusal(client.stackTraceRequest({ threadId: 1 })), /it moves: send `pause`/);
    await h.dalsegno('run', 'signal', h.scene.waiting, 'go', '--data', '42');
    const here = await h.place(client, (await stopped).body);
    assert.equal(here.stop.reason, 'breakpoint');
    assert.equal(here.at, 'waiting: done:5');
    assert.equal((await h.rows(client, here.frame, 'Variables')).answer.value, '42');
    const end = await h.move(client, 'continue');
    assert.match(end.stop.description, /run.completed/);
    await client.disconnectRequest();
});

test('breakpoints on names, hits, messages and data', TIMEOUT, async (t) => {
    const client = await h.overStandard(t);
    const path = join(h.scene.folder, 'orders.yaml');
    const output = [];
    client.on('output', (event) => output.push(event.body.output));
    await h.attached(client, { run: h.scene.run, definition: 'orders.yaml' }, async () => {
        const { body } = await client.setBreakpointsRequest({
            source: { path },
            breakpoints: [{ line: 11, logMessage: 'total {vars.total} of {input.articles.size()}' }],
        });
        assert.equal(body.breakpoints[0].verified, true);
        const names = await client.setFunctionBreakpointsRequest({
            breakpoints: [
                { name: 'shop.price', hitCondition: '2' }, { name: 'nobody' },
                { name: 'reserve', condition: 'vars.total >' },
            ],
        });
        const found = names.body.breakpoints;
        assert.deepEqual(found.map((one) => one.verified), [true, false, false]);
        assert.match(found[1].message, /no step of the workflow is called `nobody`/);
    });
    let here = await h.move(client, 'continue');
    assert.equal(here.stop.reason, 'function breakpoint');
    assert.match(here.frame.name, /^articles\[1\]: price$/);
    assert.deepEqual(output.filter((one) => one.startsWith('total')), ['total 6 of 2\n']);

    const { body } = await client.scopesRequest({ frameId: here.frame.id });
    const { variablesReference } = body.scopes.find((one) => one.name === 'Variables');
    const info = (await client.dataBreakpointInfoRequest({ variablesReference, name: 'total' })).body;
    assert.equal(info.dataId, 'vars.total');
    await client.setDataBreakpointsRequest({ breakpoints: [{ dataId: info.dataId }] });
    here = await h.move(client, 'continue');
    assert.equal(here.stop.reason, 'data breakpoint');
    assert.equal((await h.rows(client, here.frame, 'Variables')).total.value, '26');

    // Every time that the loop's step began, to go to.
    const targets = (await client.gotoTargetsRequest({ source: { path }, line: 11 })).body.targets;
    assert.deepEqual(targets.map((one) => one.label.split(' ')[0]), ['add[0]', 'add[1]']);
    const stopped = client.waitForEvent('stopped');
    await client.gotoRequest({ threadId: 1, targetId: targets[0].id });
    here = await h.place(client, (await stopped).body);
    assert.equal(here.stop.reason, 'goto');
    assert.equal((await h.rows(client, here.frame, 'Variables')).total.value, '6');
    await client.disconnectRequest();
});

test('requests that are wrong are refused with what to do', TIMEOUT, async (t) => {
    const { client, connect } = await h.overPort(t);
    assert.match(await h.refusal(client.threadsRequest()), /send `initialize` first/);
    await client.initializeRequest();
    assert.match(await h.refusal(client.initializeRequest()), /`initialize` is not possible now/);
    assert.match(await h.refusal(client.customRequest('setBreakpoint')), /did you mean/);
    assert.match(await h.refusal(client.attachRequest({})), /give `run`.*or `file`/);
    assert.match(
        await h.refusal(client.attachRequest({ run: 'nobody' })), /there is no run nobody/);
    assert.match(await h.refusal(client.attachRequest({ run: h.scene.run, at: 9999 })), /no version/);
    assert.match(
        await h.refusal(client.attachRequest({ run: h.scene.run, stopOnEntry: 'no' })),
        /the arguments of `attach`.*stopOnEntry/);
    assert.match(
        await h.refusal(client.attachRequest({ run: h.scene.run, definition: 'bills.py' })),
        /would be executed: name it where the adapter is started/);
    assert.match(
        await h.refusal(client.attachRequest({ file: '/etc/passwd' })), /outside of/);
    const initialized = client.waitForEvent('initialized');
    await client.attachRequest({ run: h.scene.run });
    await initialized;
    await client.configurationDoneRequest();
    assert.match(await h.refusal(client.scopesRequest({ frameId: 77 })), /ask for `stackTrace` again/);
    assert.match(
        await h.refusal(client.continueRequest({ threadId: 77 })), /ask for `threads` again/);
    const here = await evaluated(client, ':to 5');
    const variablesReference = await h.scopeOf(client, here.frame, 'Variables');
    await client.setVariableRequest({ variablesReference, name: 'total', value: '90' });
    assert.match(
        await h.refusal(client.evaluateRequest({ expression: ':fork', context: 'repl' })),
        /only looks: use `dalsegno fork order-1 --at 5 --set total=90`/);
    const other = await connect(); // which is served beside it
    assert.equal((await other.initializeRequest()).body.supportsStepBack, true);
    await other.disconnectRequest();
    await client.disconnectRequest();
});

/** A command of the console that moves. */
async function evaluated(client, expression) {
    const stopped = client.waitForEvent('stopped');
    await client.evaluateRequest({ expression, context: 'repl' });
    return h.place(client, (await stopped).body);
}

test('a variable can be changed in a fork only', TIMEOUT, async (t) => {
    const client = await h.overStandard(t);
    const { stopped } = await h.attached(client, { run: h.scene.run, at: 'end' });
    const { frame } = await h.place(client, stopped);
    const { body } = await client.scopesRequest({ frameId: frame.id });
    const { variablesReference } = body.scopes.find((one) => one.name === 'Input');
    assert.match(
        await h.refusal(client.setVariableRequest({
            variablesReference, name: 'articles', value: '[]',
        })),
        /only variables of the workflow can be changed, and only in a fork/);
    const output = [];
    client.on('output', (event) => output.push(event.body.output));
    const here = await evaluated(client, ':to 5');
    const variables = await h.scopeOf(client, here.frame, 'Variables');
    const change = { variablesReference: variables, name: 'total', value: '90' };
    const { body: answer } = await client.setVariableRequest(change);
    assert.deepEqual([answer.value, answer.type], ['90', 'in a fork only']);
    assert.match(output.join(''), /executed again: .*price\[1\]/);
    assert.match(output.join(''), /dalsegno fork order-1 --at 5 --set total=90/);
    const begun = (await client.evaluateRequest({ expression: ':fork', context: 'repl' })).body;
    const [, fork] = /^run (\w+) has begun, forked from run order-1 at its version 5/.exec(begun.result);
    const { stdout } = await h.dalsegno('run', 'show', fork, '--json');
    assert.equal(JSON.parse(stdout).run_id, fork);
    await client.disconnectRequest();
});
