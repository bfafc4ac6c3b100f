/**
 * The edge by which a tensor hangs in the gradient graph. autograd.ts makes and reads edges; to everything else, the tensor
 * included, they are opaque. A tensor lets go of its edge when it is disposed.
 */
export interface GradientEdge {
  /** Marks an edge among other objects. */
  readonly isGradientEdge: true;
  /** Whether the tensor was computed from nothing that has a gradient, and collects its own. */
  readonly isLeaf: boolean;
  /** One tensor less that leads to the graph. */
  release(): void;
}
