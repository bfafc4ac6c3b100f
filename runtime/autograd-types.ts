/**
 * The edge by which a tensor hangs in the gradient graph. autograd.ts makes and reads edges; to everything else, the tensor
 * included, they are opaque.
 */
export interface GradientEdge {
  /** Marks an edge among other objects. */
  readonly isGradientEdge: true;
}
