/**
 * A project of its own for one guide, as a reader has it: a folder with the package in its node_modules, where the guide's files are written
 * and its programs run. Output that names the folder is made to name `~/project` instead.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { javascriptOf } from './examples.js';
import type { Block } from './guides.js';

export interface RunOptions {
  /** Whether commands whose output is not shown are run too. */
  readonly commands?: boolean;
}

export class GuideFolder {
  readonly #path = realpathSync(mkdtempSync(join(tmpdir(), 'opwright-guide-')));

  constructor() {
    const modules = join(this.#path, 'node_modules');
    const commands = join(modules, '.bin');
    mkdirSync(commands, { recursive: true });
    symlinkSync(process.cwd(), join(modules, 'opwright'), 'junction');
    symlinkSync(join(process.cwd(), 'dist', 'codegen', 'cli.js'), join(commands, 'opwright'));
    writeFileSync(join(this.#path, 'package.json'), '{ "type": "module" }\n');
  }

  /** Runs the blocks of a page in order and gives what each prints. Throws where one fails. */
  run(blocks: readonly Block[], { commands = false }: RunOptions = {}): readonly string[] {
    const outputs = new Map<Block, string>();
    let program: Block[] = [];
    const finish = (): void => {
      for (const [index, output] of program.length === 0 ? [] : this.#runProgram(program).entries())
        outputs.set(program[index]!, output);
      program = [];
    };
    for (const block of blocks) {
      if (block.language !== 'ts' || block.argument === 'new') finish();
      if (block.language === 'ts') program.push(block);
      else if (block.language === 'yaml' && block.argument !== '') this.#write(block.argument, block.text);
      else if (block.language === 'sh' && (commands || block.argument === 'show')) {
        const output = this.#spawn('bash', ['-euo', 'pipefail', '-c', block.text]);
        if (block.argument === 'show') outputs.set(block, output);
      }
    }
    finish();
    return blocks.map((block) => outputs.get(block) ?? '');
  }

  remove(): void {
    rmSync(this.#path, { recursive: true, force: true });
  }

  /** The blocks as one module. A line that no program prints stands between the outputs of two. */
  #runProgram(blocks: readonly Block[]): readonly string[] {
    const border = '\u0001';
    const source = blocks.map(({ text }) => text).join(`\n;console.log('${border}');\n`);
    this.#write('program.js', javascriptOf(source));
    const output = this.#spawn(process.execPath, ['program.js']);
    return output.split(new RegExp(`^${border}$`, 'm')).map((text) => text.replace(/^\n|\s+$/g, ''));
  }

  #write(name: string, text: string): void {
    const path = join(this.#path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }

  #spawn(command: string, args: readonly string[]): string {
    const PATH = [
      join(this.#path, 'node_modules', '.bin'),
      join(process.cwd(), 'node_modules', '.bin'),
      process.env['PATH'],
    ].join(delimiter);
    const { status, stdout, stderr, error } = spawnSync(command, args, {
      cwd: this.#path,
      encoding: 'utf8',
      env: { ...process.env, PATH, FORCE_COLOR: '0' },
    });
    if (error !== undefined) throw error;
    if (status !== 0) throw new Error(`a block ends with ${status}:\n${args.at(-1)}\n${stdout}\n${stderr}`);
    return stdout.replaceAll(this.#path, '~/project').replaceAll(process.cwd(), '~/opwright').trimEnd();
  }
}
