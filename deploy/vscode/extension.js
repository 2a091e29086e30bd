// Starts `dalsegno dap` for a session, in its workspace folder; or connects to one that runs.
'use strict';

const vscode = require('vscode');

const { ENVIRONMENTS, find } = require('./command.js');

const TYPE = 'dalsegno';
const SETTING = `${TYPE}.command`;
const MEND = 'Open settings';

/** Texts of settings may name the folder, as those of launch configurations do. */
function inFolder(text, folder) {
    return text.replaceAll('${workspaceFolder}', folder);
}

/** Where the adapter is started, which takes a relative `folder` of the configuration from there. */
function folderOf(workspaceFolder, configuration) {
    return workspaceFolder?.uri.fsPath || configuration.folder || process.cwd();
}

/** The command that is to be started, and its file, if there is one. */
function commandIn(folder, workspaceFolder) {
    const settings = vscode.workspace.getConfiguration(undefined, workspaceFolder?.uri);
    const name = inFolder(settings.get(SETTING) || TYPE, folder);
    return { name, file: find(name, folder, process.env.PATH ?? '') };
}

/** Says that there is no such command, without waiting for what the person does about it. */
function complain(name, folder) {
    const own = `${ENVIRONMENTS.join(' nor ')} in ${folder}`;
    const places = name.includes('/')
        ? 'There is no command'
        : `Neither ${own} nor the PATH of the editor has a command`;
    const text = `${places} ${name}: install it, or name it in the setting ${SETTING}`;
    vscode.window.showErrorMessage(text, MEND).then((chosen) => {
        if (chosen === MEND) {
            vscode.commands.executeCommand('workbench.action.openSettings', SETTING);
        }
    });
}

class Adapters {
    createDebugAdapterDescriptor(session) {
        const { configuration, workspaceFolder } = session;
        if (configuration.port) {
            return new vscode.DebugAdapterServer(configuration.port, '127.0.0.1');
        }
        const cwd = folderOf(workspaceFolder, configuration);
        const { name, file } = commandIn(cwd, workspaceFolder);
        return new vscode.DebugAdapterExecutable(file ?? name, ['dap'], { cwd });
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

    /** No session without a command: the editor would end it without a word. */
    resolveDebugConfigurationWithSubstitutedVariables(workspaceFolder, configuration) {
        const folder = folderOf(workspaceFolder, configuration);
        const { name, file } = commandIn(folder, workspaceFolder);
        if (configuration.port || file) {
            return configuration;
        }
        complain(name, folder);
        return undefined;
    }
}

function activate(context) {
    context.subscriptions.push(
        vscode.debug.registerDebugAdapterDescriptorFactory(TYPE, new Adapters()),
        vscode.debug.registerDebugConfigurationProvider(TYPE, new Configurations()),
    );
}

module.exports = { activate, deactivate() {} };
