// What the tests share: the scene that pytest has set, clients over either transport, and waiting.
'use strict';

const assert = require('node:assert/strict');
const { execFile, spawn } = require('node:child_process');
const { once } = require('node:events');
const readline = require('node:readline');
const { promisify } = require('node:util');
const { DebugClient } = require('@vscode/debugadapter-testsupport');

if (!process.env.EDITOR_SCENE) {
    throw new Error('run `make test-editor`: it makes the runs that these tests look at');
}
const scene = JSON.parse(process.env.EDITOR_SCENE);

/** A client of an adapter of its own, over standard input and output. */
async function overStandard(t) {
    const client = new DebugClient(scene.dalsegno, 'dap', 'dalsegno', { cwd: scene.folder });
    client.defaultTimeout = 15_000;
    await client.start();
    t.after(() => client.stopAdapter());
    return client;
}

/** A client of an adapter that listens; in a folder, with more arguments. */
async function overPort(t, ...more) {
    const adapter = spawn(scene.dalsegno, ['dap', '--port', '0', ...more], { cwd: scene.folder });
    t.after(async () => {
        adapter.kill();
        if (adapter.exitCode === null && adapter.signalCode === null) await once(adapter, 'exit');
    });
    const [line] = await once(readline.createInterface({ input: adapter.stdout }), 'line');
    const port = Number(/listening at 127\.0\.0\.1:(\d+)/.exec(line)[1]);
    const connect = async () => {
        const client = new DebugClient('', '', 'dalsegno');
        await client.start(port);
        t.after(() => client.stopAdapter());
        return client;
    };
    return { client: await connect(), connect, port };
}

/** Attaches, sets breakpoints, and gives the first stop. */
async function attached(client, configuration, configure = async () => {}) {
    const { body: capabilities } = await client.initializeRequest();
    const initialized = client.waitForEvent('initialized');
    await client.attachRequest(configuration);
    await initialized;
    await configure();
    const stopped = client.waitForEvent('stopped');
    await client.configurationDoneRequest();
    return { capabilities, stopped: (await stopped).body };
}

/** Sends a request that moves, and gives where it stopped. */
async function move(client, motion, threadId = 1) {
    const stopped = client.waitForEvent('stopped');
    await client[`${motion}Request`]({ threadId });
    return place(client, (await stopped).body);
}

/** Where a stop is: the reason, the name of the innermost frame, its line and its source. */
async function place(client, stop) {
    const { body } = await client.stackTraceRequest({ threadId: stop.threadId });
    const [frame] = body.stackFrames;
    return { stop, frame, frames: body.stackFrames, at: `${frame.name}:${frame.line}` };
}

/** The rows of a scope of a frame, by name. */
async function rows(client, frame, name) {
    return inside(client, { variablesReference: await scopeOf(client, frame, name) });
}

/** The reference of a scope of a frame. */
async function scopeOf(client, frame, name) {
    const { body } = await client.scopesRequest({ frameId: frame.id });
    const scope = body.scopes.find((one) => one.name.startsWith(name));
    assert.ok(scope, `no scope ${name} among ${body.scopes.map((one) => one.name)}`);
    return scope.variablesReference;
}

async function inside(client, row) {
    const { variablesReference } = row;
    const { body } = await client.variablesRequest({ variablesReference });
    return Object.fromEntries(body.variables.map((one) => [one.name, one]));
}

/** The number of the line of a text that has these words. */
function lineOf(text, words) {
    const found = text.split('\n').findIndex((line) => line.includes(words)) + 1;
    assert.ok(found, `no line with ${words}`);
    return found;
}

/** Runs a command of the product. */
const dalsegno = (...words) => promisify(execFile)(scene.dalsegno, words, { cwd: scene.folder });

/** The text of the error that a request is answered with. */
async function refusal(request) {
    try {
        await request;
    } catch (error) {
        return error.message;
    }
    return assert.fail('it was not refused');
}

module.exports = {
    attached, dalsegno, inside, lineOf, move, overPort, overStandard, place, refusal, rows, scene,
    scopeOf,
};
