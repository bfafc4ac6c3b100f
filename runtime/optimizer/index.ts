/**
 * The public names of `opwright/optimizer`.
 */
export { type Batch, type LearningRateSchedule, Optimizer, type OptimizerOptions, type Slots } from './optimizer.js';
export { Adam, type AdamOptions, AdamW, Momentum, type MomentumOptions, SGD } from './optimizers.js';
