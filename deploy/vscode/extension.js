// Starts `dalsegno dap` for a session, in the folder that it is about; or connects to one that runs.
'use strict';

const vscode = require('vscode');

const TYPE = 'dalsegno';

/** Texts of settings may name the folder, as those of launch configurations do. */
function inFolder(text, folder) {
    return text.replaceAll('${workspaceFolder}', folder);
}

function folderOf(session) {
    const { folder } = session.configuration;
    return folder || session.workspaceFolder?.uri.fsPath || process.cwd();
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
    /** Without a launch.json: asks for the run, and takes the file that is open. */
    async resolveDebugConfiguration(folder, configuration) {
        if (configuration.type) {
            return configuration;
        }
        const run = await vscode.window.showInputBox({
            prompt: 'Id of the run', placeHolder: '`dalsegno run list` shows them',
        });
        if (!run) {
            return undefined;
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
