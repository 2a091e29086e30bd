// The extension for VS Code, against a stand-in for the editor: what it starts, and what it asks for.
'use strict';

const assert = require('node:assert/strict');
const Module = require('node:module');
const { join } = require('node:path');
const test = require('node:test');

const EXTENSION = join(__dirname, '..', '..', 'deploy', 'vscode', 'extension.js');
const SETTING = '${workspaceFolder}/.venv/bin/dalsegno';

/** The extension at work in an editor where `typed` is what the person types. */
function activated(typed) {
    const registered = {};
    class Started {
        constructor(...given) {
            this.given = given;
        }
    }
    const editor = {
        DebugAdapterExecutable: class extends Started {},
        DebugAdapterServer: class extends Started {},
        debug: {
            registerDebugAdapterDescriptorFactory: (_, made) => { registered.adapters = made; },
            registerDebugConfigurationProvider: (_, made) => { registered.configurations = made; },
        },
        window: {
            showInputBox: async () => typed,
            activeTextEditor: { document: { uri: { fsPath: '/project/flow.yaml' } } },
        },
        workspace: { getConfiguration: () => ({ get: () => SETTING }) },
    };
    const load = Module._load;
    Module._load = (name, ...more) => (name === 'vscode' ? editor : load(name, ...more));
    try {
        delete require.cache[EXTENSION];
        require(EXTENSION).activate({ subscriptions: [] });
    } finally {
        Module._load = load;
    }
    return registered;
}

test('an adapter is started in the workspace, or connected to', () => {
    const { adapters } = activated('');
    const workspaceFolder = { uri: { fsPath: '/project' } };
    const started = (configuration) =>
        adapters.createDebugAdapterDescriptor({ configuration, workspaceFolder }).given;
    const own = ['/project/.venv/bin/dalsegno', ['dap'], { cwd: '/project' }];
    assert.deepEqual(started({ run: 'r' }), own);
    assert.deepEqual(started({ run: 'r', folder: 'inner' }), own);
    assert.deepEqual(started({ run: 'r', port: 4711 }), [4711, '127.0.0.1']);
});

test('the run is asked for where none is named', async () => {
    const resolve = (typed, given) =>
        activated(typed).configurations.resolveDebugConfiguration(undefined, given);
    const named = { type: 'dalsegno', request: 'attach', name: 'n', file: 'a.bundle' };
    assert.deepEqual(await resolve('r1', named), named);
    const open = { type: 'dalsegno', request: 'attach', name: 'n', definition: '${file}' };
    assert.deepEqual(await resolve('r1', open), { ...open, run: 'r1' });
    assert.equal(await resolve('', open), undefined);
    assert.deepEqual(await resolve('r1', {}), {
        type: 'dalsegno', request: 'attach', name: 'run r1', run: 'r1',
        definition: '/project/flow.yaml',
    });
});
