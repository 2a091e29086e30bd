// Which `dalsegno` is started. An editor has the path of the shell that it was started from, and
// knows nothing of a project's environment.
'use strict';

const { accessSync, constants, statSync } = require('node:fs');
const { delimiter, join, resolve } = require('node:path');

/** Where a project keeps its commands, from its folder. */
const ENVIRONMENTS = ['.venv/bin', 'venv/bin'];

function runs(file) {
    try {
        accessSync(file, constants.X_OK);
        return statSync(file).isFile();
    } catch {
        return false;
    }
}

/**
 * The file that a name stands for, or undefined: one with a slash is a path from the folder; any
 * other is looked for in the folder's environments, then on the path.
 */
function find(name, folder, path) {
    const environments = ENVIRONMENTS.map((environment) => join(folder, environment));
    const folders = [...environments, ...path.split(delimiter).filter(Boolean)];
    const places = name.includes('/') ? [folder] : folders;
    return places.map((place) => resolve(place, name)).find(runs);
}

module.exports = { ENVIRONMENTS, find };
