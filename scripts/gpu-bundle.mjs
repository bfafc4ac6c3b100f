/**
 * `npm run gpu-bundle -- <folder>`: everything that a bare, offline x86-64 Linux machine with an NVIDIA GPU needs to test and measure the
 * CUDA device, in one folder: Node, the built package, its packages, tests and bench. NVRTC is taken along with --nvrtc <its folder>
 * (that of a toolkit or of the wheel nvidia-cuda-nvrtc), for machines that have the driver alone. There, `./run` says what it can do.
 */
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { root } from './install.mjs';

/** Of the repository, what running needs. */
const parts = [
  ...['package.json', 'LICENSE', 'README.md', 'ops.yaml', 'dist', 'generated/tests', 'generated/api.json', 'docs/examples.json'],
  ...[
    'test/golden',
    'test/cuda-sim',
    'kernels/functions',
    'codegen/templates',
    'codegen/paddle-names.txt',
    'bench/peers/package.json',
    'bench/peers/torch_peer.py',
  ],
];

/** Packages that only building and checking need, and what builds leave behind. */
const leftOut = new Set(['.bin', '.cache', '@biomejs', '@typescript', 'typescript']);

const run = `#!/bin/sh
# Tests and measures Opwright on this machine's GPU. Nothing is installed, and nothing outside of this folder is written.
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/opwright" || exit 1
export OPWRIGHT_CACHE_DIR="\${OPWRIGHT_CACHE_DIR:-$here/kernels}"
for nvrtc in "$here"/nvrtc/libnvrtc.so.*; do
  case "$nvrtc" in *.so.1[123]|*.so.11.[0-9]) export OPWRIGHT_NVRTC="\${OPWRIGHT_NVRTC:-$nvrtc}";; esac
done
command=$1
[ $# -gt 0 ] && shift
case "$command" in
  doctor) exec "$here/node" dist/codegen/cli.js doctor "$@" ;;
  test) OPWRIGHT_TEST_GPU=1 exec "$here/node" node_modules/ava/entrypoints/cli.mjs 'dist/test/ops-cuda-*.test.js' "$@" ;;
  train) exec "$here/node" dist/examples/mnist/main.js --device cuda "$@" ;;
  bench) exec "$here/node" dist/bench/gpu/main.js "$@" ;;
  *)
    echo "Usage: ./run doctor | test | train | bench [options]"
    echo
    echo "  doctor   what is there: driver, GPU, NVRTC"
    echo "  test     the op matrix on the GPU; OPWRIGHT_FULL=1 for its long form, OPWRIGHT_TEST=softmax for one op"
    echo "  train    LeNet on the full MNIST; --quick for a first look"
    echo "  bench    against PyTorch, where OPWRIGHT_PYTHON (python3) has it; --help lists the options"
    exit 2 ;;
esac
`;

const { values, positionals } = parseArgs({ allowPositionals: true, options: { nvrtc: { type: 'string' } } });
const [folder] = positionals;
if (folder === undefined || positionals.length > 1) {
  console.error('Usage: npm run gpu-bundle -- [--nvrtc <folder of libnvrtc>] <new folder>');
  process.exitCode = 2;
} else if (existsSync(folder) && readdirSync(folder).length > 0) {
  console.error(`${folder} is not empty.`);
  process.exitCode = 2;
} else if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.error('The bundle takes the Node that runs this along, which has to be one for Linux on x86-64.');
  process.exitCode = 2;
} else if (build()) bundle(resolve(folder));
else process.exitCode = 1;

function bundle(target) {
  const inside = join(target, 'opwright');
  mkdirSync(inside, { recursive: true });
  for (const part of parts) cpSync(join(root, part), join(inside, part), { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules')).filter((name) => !leftOut.has(name)))
    cpSync(join(root, 'node_modules', name), join(inside, 'node_modules', name), { recursive: true, dereference: true });
  copyFileSync(process.execPath, join(target, 'node'));
  chmodSync(join(target, 'node'), 0o755);
  writeFileSync(join(target, 'run'), run, { mode: 0o755 });
  if (values.nvrtc !== undefined) {
    const libraries = readdirSync(values.nvrtc).filter((name) => name.startsWith('libnvrtc'));
    if (libraries.length === 0) throw new Error(`${values.nvrtc} holds no libnvrtc.`);
    for (const name of libraries) cpSync(join(values.nvrtc, name), join(target, 'nvrtc', name), { dereference: true });
  }
  console.log(`${target} is complete: copy it to the machine with the GPU and call ./run there.`);
}
