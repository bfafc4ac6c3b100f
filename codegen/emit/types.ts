/** The TypeScript types of attributes: as users pass them, and as definitions receive them after checking. */
import type { AttrType } from '../../kernels/op.js';

/** What a caller may pass. */
export function givenType(type: AttrType): string {
  switch (type.kind) {
    case 'int':
    case 'number':
    case 'axis':
      return 'number';
    case 'boolean':
    case 'string':
    case 'null':
      return type.kind;
    case 'dtype':
      return 'Dtype';
    case 'shape':
      return 'readonly number[]';
    case 'literal':
      return typeof type.value === 'number' ? String(type.value) : `'${type.value}'`;
    case 'list':
      return listType(givenType(type.of), type.length);
    case 'pair':
      return 'number | readonly [number, number]';
    case 'axes':
      return 'number | readonly number[] | null';
    case 'union':
      return [...new Set(type.options.map(givenType))].join(' | ');
  }
}

/** What a definition receives. */
export function checkedType(type: AttrType): string {
  switch (type.kind) {
    case 'pair':
    case 'axes':
      return 'readonly number[]';
    case 'list':
      return `readonly ${parenthesised(checkedType(type.of))}[]`;
    case 'literal':
      return typeof type.value === 'number' ? 'number' : 'string';
    case 'union':
      return [...new Set(type.options.map(checkedType))].join(' | ');
    default:
      return givenType(type);
  }
}

/** What a definition may pass to another op: lists whose length only the check knows, words without their choice. */
export function operandType(type: AttrType): string {
  switch (type.kind) {
    case 'pair':
      return 'number | readonly number[]';
    case 'literal':
      return typeof type.value === 'number' ? 'number' : 'string';
    case 'list':
      return `readonly ${parenthesised(operandType(type.of))}[]`;
    case 'union':
      return [...new Set(type.options.map(operandType))].join(' | ');
    default:
      return givenType(type);
  }
}

function listType(of: string, length: number | undefined): string {
  if (length === undefined) return `readonly ${parenthesised(of)}[]`;
  return `readonly [${new Array(length).fill(of).join(', ')}]`;
}

const parenthesised = (type: string): string => (/[ |]/.test(type) ? `(${type})` : type);
