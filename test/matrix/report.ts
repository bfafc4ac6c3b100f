/** What a run of the matrix did: how many comparisons of each kind, and what it left out and why. */
export class Report {
  private readonly done = new Map<string, number>();
  private readonly skipped = new Map<string, number>();

  constructor(private readonly check: string) {}

  /** A comparison that held. */
  count(times = 1): void {
    add(this.done, this.check, times);
  }

  skip(reason: string, times = 1): void {
    add(this.skipped, `${this.check}: ${reason}`, times);
  }

  addTo(total: { readonly done: Map<string, number>; readonly skipped: Map<string, number> }): void {
    for (const [key, times] of this.done) add(total.done, key, times);
    for (const [key, times] of this.skipped) add(total.skipped, key, times);
  }
}

function add(counts: Map<string, number>, key: string, times: number): void {
  counts.set(key, (counts.get(key) ?? 0) + times);
}
