/** A bounded map from call signatures to plans: two generations, so that what is used stays and what is not goes. */
export class PlanCache<E extends { readonly free: () => void }> {
  private young = new Map<string, E>();
  private old = new Map<string, E>();

  /** At most twice `capacity` entries are kept. */
  constructor(private readonly capacity: number) {}

  get(key: string): E | undefined {
    const young = this.young.get(key);
    if (young !== undefined) return young;
    const old = this.old.get(key);
    if (old === undefined) return undefined;
    this.old.delete(key);
    this.set(key, old);
    return old;
  }

  set(key: string, entry: E): void {
    if (this.young.size >= this.capacity) {
      for (const forgotten of this.old.values()) forgotten.free();
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, entry);
  }
}
