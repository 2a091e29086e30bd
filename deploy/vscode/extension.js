// Starts `dalsegno dap` for a session, in its workspace folder; or connects to one that runs.
'use strict';

const vscode = require('vscode');

const TYPE = 'dalsegno';

/** Texts of settings may name the folder, as those of launch configurations do. */
function inFolder(text, folder) {
    return text.replaceAll('${workspaceFolder}', folder);
}

/** Where the adapter is started, which takes a relative `folder` of the configuration from there. */
function folderOf(session) {
    const { folder } = session.configuration;
    return session.workspaceFolder?.uri.fsPath || folder || process.cwd();
}

class Adapters {
    createDebugAdapterDescriptor(session) {
        const { port } = session.configuration;
        if (port) {
            return new vscode.DebugAdapterServer(port, '127.0.0.1');
        }
        const cwd = folderOf(session);
        const settings = vscode.workspace.getConfiguration(TYPE, session.workspaceFolder?.uri);
        const command = inFolder(settings.get('command') || 'dalsegno', cwd);
        return new vscode.DebugAdapterExecutable(command, ['dap'], { cwd });
    }
}

class Configurations {
    /** Asks for the run where none is named; without a launch.json takes the file that is open. */
    async resolveDebugConfiguration(folder, configuration) {
        if (configuration.run || configuration.file) {
            return configuration;
        }
        const run = await vscode.window.showInputBox({
            prompt: 'Id of the run', placeHolder: '`dalsegno run list` shows them',
        });
        if (!run) {
            return undefined;
        }
        if (configuration.type) {
            return { ...configuration, run };
        }
        const definition = vscode.window.activeTextEditor?.document.uri.fsPath;
        return { type: TYPE, request: 'attach', name: `run ${run}`, run, definition };
    }
}

function activate(context) {
    context.subscriptions.push(
        vscode.debug.registerDebugAdapterDescriptorFactory(TYPE, new Adapters()),
        vscode.debug.registerDebugConfigurationProvider(TYPE, new Configurations()),
    );
}

module.exports = { activate, deactivate() {} };
