/**
 * The entry point `opwright/io`: weights in files and batches of examples, with the ops they call.
 */
import '../generated/index.js';

export * from '../runtime/io/index.js';
