/** A residual block (support/residual-block.ts) in WebAssembly. */
import { testResidualBlock } from './support/residual-block.js';

testResidualBlock('wasm');
