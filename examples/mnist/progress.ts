/**
 * The progress of one epoch: a bar on a terminal, nothing where the output is no terminal.
 */
const width = 30;

export class Progress {
  private readonly visible = process.stdout.isTTY === true;
  private lastDrawn = 0;

  constructor(
    private readonly label: string,
    private readonly total: number,
  ) {}

  /** Draws the bar, at most ten times a second. */
  update(done: number, note: string): void {
    const now = performance.now();
    if (!this.visible || now - this.lastDrawn < 100) return;
    this.lastDrawn = now;
    const filled = Math.round((done / this.total) * width);
    const bar = `${'█'.repeat(filled)}${'░'.repeat(width - filled)}`;
    process.stdout.write(`\r\x1b[K${this.label} ${bar} ${done}/${this.total} ${note}`);
  }

  /** Puts a line in place of the bar. */
  finish(line: string): void {
    process.stdout.write(`${this.visible ? '\r\x1b[K' : ''}${this.label} ${line}\n`);
  }
}
