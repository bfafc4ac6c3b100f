/**
 * The entry point `opwright/nn`: layers, losses and initializers, with the ops they call.
 */
import '../generated/index.js';

export * from '../runtime/nn/index.js';
