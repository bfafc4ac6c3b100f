/**
 * The entry point `opwright/optimizer`: optimizers, with the ops they call.
 */
import '../generated/index.js';

export * from '../runtime/optimizer/index.js';
