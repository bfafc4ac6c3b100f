/** A contender in a process of its own: a JSON request on a line, its answer on a line. What is asked is the contender's business. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Answers come in the order of the requests. */
export class PeerProcess {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  private failure: Error | null = null;

  constructor(command: string, args: readonly string[], environment: Readonly<Record<string, string>>) {
    this.child = spawn(command, args, { env: { ...process.env, ...environment } });
    createInterface({ input: this.child.stdout }).on('line', (line) => this.waiting.shift()?.resolve(line));
    let complaints = '';
    this.child.stderr.on('data', (text) => {
      complaints += text;
    });
    this.child.on('error', (error) => this.fail(error));
    this.child.on('close', () => this.fail(new Error(complaints.trim().split('\n').at(-1) || 'the process ended')));
    this.child.stdin.on('error', () => {});
  }

  async ask<Answer>(request: object): Promise<Answer> {
    const line = await new Promise<string>((resolve, reject) => {
      if (this.failure !== null) reject(this.failure);
      this.waiting.push({ resolve, reject });
      this.child.stdin.write(`${JSON.stringify(request)}\n`);
    });
    const answer: Answer & { error?: string } = JSON.parse(line);
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  async close(): Promise<void> {
    this.child.stdin.end();
  }

  private fail(error: Error): void {
    this.failure ??= error;
    for (const { reject } of this.waiting.splice(0)) reject(this.failure);
  }
}
