/** The tests that faults in one part of the library are shown to: ops that between them use all of it, then suites. */
import type { Plan } from '../mutant.js';

export const elementwise: Plan = {
  ops: ['gelu', 'add', 'where', 'cast', 'mod', 'floorDivide', 'pow', 'lessThan', 'isnan', 'sign'],
  suites: ['integers', 'tiles', 'ir', 'random-programs'],
};

export const reductions: Plan = {
  ops: ['softmax', 'layerNorm', 'sum', 'max', 'min', 'prod', 'any', 'all', 'argmax', 'variance', 'logsumexp'],
  suites: ['integers', 'tiles', 'ir', 'random-programs'],
};

export const fusion: Plan = {
  ops: ['softmax', 'batchNorm', 'crossEntropy', 'layerNorm', 'variance', 'klDiv', 'addmm', 'norm', 'dropout', 'concat'],
  suites: ['partition', 'random-programs', 'autograd'],
};

export const products: Plan = {
  ops: ['matmul', 'linear', 'bmm', 'mv', 'dot', 'addmm'],
  suites: ['library', 'selection'],
};

export const convolutions: Plan = {
  ops: ['convolution', 'convolutionInputGrad', 'convolutionWeightGrad', 'conv2d', 'conv2dTranspose'],
  suites: ['library', 'selection'],
};

/** Dispatch, layouts, storages. */
export const calls: Plan = {
  ops: [
    'add',
    'sum',
    'transpose',
    'reshape',
    'slice',
    'concat',
    'split',
    'batchNorm',
    'dropout',
    'clip',
    'gather',
    'indexSelect',
  ],
  suites: ['tensor', 'memory', 'autograd', 'random-ops', 'cpu-device', 'random-programs'],
};

export const gradients: Plan = {
  ops: ['add', 'softmax', 'concat', 'split', 'batchNorm'],
  first: ['gradient', 'second-order'],
  suites: ['autograd', 'memory', 'nn', 'random-programs'],
};
