/** A residual block (support/residual-block.ts) in native code, where there is any. */
import test from 'ava';
import { CompilerProblem, findCompiler } from '../runtime/devices/cpu/native/compiler.js';
import { testResidualBlock } from './support/residual-block.js';

const compiler = findCompiler();
if (compiler instanceof CompilerProblem) test.skip(`no native code: ${compiler.problem}`, () => {});
else testResidualBlock('native');
