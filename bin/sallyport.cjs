#!/usr/bin/env node
// Launcher, in syntax that old versions (from Node 10 on) understand: checks the version before anything newer is loaded. In a checkout
// with an older Node it starts the Node 24 that came with `npm ci`; otherwise it says exactly what to do.
'use strict';

/* oxlint-disable no-console -- a launcher has nothing else to speak with */

var path = require('path');
var fs = require('fs');

var LEAST_MAJOR = 24;
var root = path.join(__dirname, '..');

function isRecent(version) {
  return parseInt(version.split('.')[0], 10) >= LEAST_MAJOR;
}

function start() {
  // V8 would optimise the SQL parser's largest function in the background: seconds of a core and 500 MB, for a tenth of its time.
  // The last two follow from the first only when they are given at the start of the process.
  require('v8').setFlagsFromString('--liftoff-only');
  require('v8').setFlagsFromString('--no-wasm-tier-up');
  require('v8').setFlagsFromString('--no-wasm-dynamic-tiering');
  var bundle = path.join(root, 'sallyport.mjs');
  var main = fs.existsSync(bundle) ? bundle : path.join(root, 'src', 'app', 'main.ts');
  import(require('url').pathToFileURL(main).href).catch(function (error) {
    console.error(error);
    process.exitCode = 1;
  });
}

/** Runs the same command line under the package's own Node, hands on signals and its end. */
function restart(executable) {
  var child = require('child_process').spawn(executable, [__filename].concat(process.argv.slice(2)), { stdio: 'inherit' });
  var signals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'];
  function handOn(signal) {
    // From a terminal the whole group has got it already; a second copy would mean "now, at once" to the gateway.
    if (signal === 'SIGINT' && process.stdin.isTTY) return;
    child.kill(signal);
  }
  signals.forEach(function (signal) {
    process.on(signal, handOn);
  });
  child.on('error', function (error) {
    console.error('error: ' + executable + ' cannot be started: ' + error.message);
    process.exit(1);
  });
  child.on('exit', function (code, signal) {
    if (signal === null) process.exit(code === null ? 1 : code);
    signals.forEach(function (name) {
      process.removeListener(name, handOn);
    });
    process.kill(process.pid, signal);
  });
}

/** The Node of the `node-<platform>-<arch>` package, when there is one and it is recent enough. */
function packagedNode() {
  var candidates = [
    path.join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node'),
    path.join(
      root,
      'node_modules',
      'node-' + (process.platform === 'win32' ? 'win' : process.platform) + '-' + process.arch,
      'bin',
      process.platform === 'win32' ? 'node.exe' : 'node',
    ),
  ];
  for (var i = 0; i < candidates.length; i += 1) {
    if (!fs.existsSync(candidates[i])) continue;
    var asked = require('child_process').spawnSync(candidates[i], ['--version'], { encoding: 'utf8' });
    if (asked.status === 0 && isRecent(asked.stdout.replace(/^v/, ''))) return candidates[i];
  }
  return null;
}

if (isRecent(process.versions.node)) {
  start();
} else {
  var node = packagedNode();
  if (node !== null) {
    restart(node);
  } else {
    console.error(
      'error: sallyport needs Node ' +
        LEAST_MAJOR +
        ' or newer; this is ' +
        process.version +
        ' (' +
        process.execPath +
        ')\n' +
        '  next: in a checkout, run `npm ci`: it brings a Node ' +
        LEAST_MAJOR +
        ' along\n' +
        '        elsewhere, install Node ' +
        LEAST_MAJOR +
        ' (https://nodejs.org/en/download), or run\n' +
        '        npx -y -p node-' +
        (process.platform === 'win32' ? 'win' : process.platform) +
        '-' +
        process.arch +
        '@' +
        LEAST_MAJOR +
        ' -p sallyport sallyport ' +
        process.argv.slice(2).join(' '),
    );
    process.exit(2);
  }
}
