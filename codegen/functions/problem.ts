/** The error for what is outside the language of kernel functions: it says where, and shows the line. */
import type { Node } from 'ts-morph';

export class KernelFunctionError extends Error {
  constructor(node: Node, problem: string) {
    const file = node.getSourceFile();
    const { line, column } = file.getLineAndColumnAtPos(node.getStart());
    const text = file.getFullText().split(/\r?\n/)[line - 1] ?? '';
    super(`${file.getFilePath()}:${line}:${column}: ${problem}\n  ${text}\n  ${' '.repeat(column - 1)}^`);
    this.name = 'KernelFunctionError';
  }
}
