/**
 * What a layer's caller may say about one of its parameters, and the making of the parameter from that.
 */
import type { Shape } from '../../kernels/op.js';
import { type FloatingDtype, getDefaultDtype } from '../dtype.js';
import { checkOptions } from '../options.js';
import type { Initializer } from './initializer.js';
import { Parameter, type ParameterOptions } from './parameter.js';

/** An initializer alone, or with how the parameter is trained. */
export type ParameterAttribute = Initializer | (ParameterOptions & { readonly initializer?: Initializer });

/** Options of layers that own parameters. */
export interface ParameterizedOptions {
  /** The weight's initializer and training; each layer documents its default. */
  readonly weightAttr?: ParameterAttribute;
  /** The same for the bias, which begins at 0; false for no bias. */
  readonly biasAttr?: ParameterAttribute | false;
  /** The dtype of parameters; the default dtype unless given. */
  readonly dtype?: FloatingDtype;
}

export const parameterizedOptionNames = ['weightAttr', 'biasAttr', 'dtype'] as const;

/** A parameter as `attribute` says, with `initializer` where it does not say. */
export function createParameter(
  shape: Shape,
  initializer: Initializer,
  attribute: ParameterAttribute = {},
  dtype: FloatingDtype = getDefaultDtype(),
): Parameter {
  const settings = 'create' in attribute ? { initializer: attribute } : attribute;
  checkOptions('A parameter attribute', settings, ['initializer', 'trainable', 'learningRate']);
  using values = (settings.initializer ?? initializer).create(shape, dtype);
  return new Parameter(values, settings);
}
