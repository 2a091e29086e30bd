// The extension for VS Code, against a stand-in for the editor: what it starts, and what it asks for.
'use strict';

const assert = require('node:assert/strict');
const { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const Module = require('node:module');
const { tmpdir } = require('node:os');
const { dirname, join } = require('node:path');
const test = require('node:test');

const VSCODE = join(__dirname, '..', '..', 'deploy', 'vscode');
const EXTENSION = join(VSCODE, 'extension.js');
const { find } = require(join(VSCODE, 'command.js'));
const COMMAND = '${workspaceFolder}/env/dalsegno';

/** The extension at work in an editor where `typed` is what the person types, and `command` set. */
function activated(typed, command = COMMAND) {
    const registered = { complaints: [] };
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
            showErrorMessage: async (text) => { registered.complaints.push(text); },
            activeTextEditor: { document: { uri: { fsPath: '/project/flow.yaml' } } },
        },
        workspace: { getConfiguration: () => ({ get: () => command }) },
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

/** A folder with an empty program at each of these places, for as long as the test lasts. */
function withPrograms(t, ...places) {
    const folder = mkdtempSync(join(tmpdir(), 'dalsegno-extension-'));
    t.after(() => rmSync(folder, { recursive: true }));
    for (const place of places) {
        mkdirSync(dirname(join(folder, place)), { recursive: true });
        writeFileSync(join(folder, place), '');
        chmodSync(join(folder, place), 0o755);
    }
    return folder;
}

test('the command of the project goes before that of the path', (t) => {
    const own = withPrograms(t, '.venv/bin/dalsegno', 'env/other', 'dalsegno/file');
    const other = withPrograms(t, 'dalsegno');
    assert.equal(find('dalsegno', own, other), join(own, '.venv/bin/dalsegno'));
    assert.equal(find('dalsegno', '/nowhere', `/none:${other}`), join(other, 'dalsegno'));
    assert.equal(find('env/other', own, other), join(own, 'env/other'));
    assert.equal(find(join(other, 'dalsegno'), own, ''), join(other, 'dalsegno'));
    assert.equal(find('./dalsegno', own, other), undefined);
    assert.equal(find('dalsegno', '/nowhere', `/none::${own}`), undefined);
});

test('where there is no command, it is said, and no session begins', (t) => {
    const folder = withPrograms(t, 'env/dalsegno');
    const workspaceFolder = { uri: { fsPath: folder } };
    const begins = (configuration, command) => {
        const { configurations, complaints } = activated('', command);
        const given = configurations.resolveDebugConfigurationWithSubstitutedVariables(
            workspaceFolder, configuration);
        return [given, ...complaints];
    };
    assert.deepEqual(begins({ run: 'r' }), [{ run: 'r' }]);
    assert.deepEqual(begins({ port: 4711 }, 'no-such'), [{ port: 4711 }]);
    const [none, complaint] = begins({ run: 'r' }, 'no-such');
    assert.equal(none, undefined);
    assert.match(complaint, /nor the PATH of the editor has a command no-such: .*dalsegno.command/);
    assert.match(begins({ run: 'r' }, './no-such')[1], /^There is no command \.\/no-such: install/);
});

test('an adapter is started in the workspace, or connected to', () => {
    const { adapters } = activated('');
    const workspaceFolder = { uri: { fsPath: '/project' } };
    const started = (configuration) =>
        adapters.createDebugAdapterDescriptor({ configuration, workspaceFolder }).given;
    const own = ['/project/env/dalsegno', ['dap'], { cwd: '/project' }];
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
