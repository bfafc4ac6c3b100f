/**
 * The public names of `opwright/nn`: layers, losses and initializers.
 */
export type { ParameterAttribute, ParameterizedOptions } from './attribute.js';
export type { Pair } from './check.js';
export { ClipGradByGlobalNorm, ClipGradByNorm, ClipGradByValue, type GradientClip } from './gradient-clip.js';
export {
  Assign,
  Constant,
  type FanOptions,
  type Initializer,
  KaimingNormal,
  KaimingUniform,
  Normal,
  Uniform,
  XavierNormal,
  XavierUniform,
} from './initializer.js';
export { Layer } from './layer.js';
export { Dropout, type DropoutOptions, Flatten, GELU, ReLU, Sigmoid, Softmax, Tanh } from './layers/activation.js';
export {
  AvgPool2D,
  type AvgPoolOptions,
  Conv2D,
  type Conv2DOptions,
  MaxPool2D,
  type Padding,
  type PoolOptions,
} from './layers/convolution.js';
export { Embedding, type EmbeddingOptions, Linear } from './layers/linear.js';
export { CrossEntropyLoss, type CrossEntropyOptions, MSELoss, type MSELossOptions, type Reduction } from './layers/loss.js';
export { BatchNorm2D, type BatchNormOptions, LayerNorm, type LayerNormOptions } from './layers/normalization.js';
export { Sequential, type UnaryLayer } from './layers/sequential.js';
export { BufferTensor, Parameter, type ParameterOptions } from './parameter.js';
export type { StateDict } from './state.js';
