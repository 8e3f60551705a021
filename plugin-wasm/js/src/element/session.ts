import { SmartSummaryError } from '../error.js';
import type { Field, Post, SmartSummary, Summary } from '../types.js';
import type { Adapter, HostValues, UndoHandle } from './adapter.js';
import { LIMITS, type Target } from '../generated/api.js';
import { beginning, charsOf, chosen, type Bounds } from './choice.js';
import type { Messages } from './messages/index.js';
import { charLimitOf } from './refusal.js';
import { FIELDS, initial, isBlank, leftOut, reduce, selected, type Action, type State } from './state.js';

const READ_AFTER_MS = 250;
const DRAFT_AFTER_MS = 800;
const GROUND_AFTER_MS = 600;
/** Short troubles pass unseen; a longer wait is the writer's to know of, and the panel tries again by itself once. */
const RETRY = { attempts: 3, max_wait_ms: 2_000 };
/** For one title or description there are others to choose from, so that "regenerate" gives a new one. */
const ALTERNATIVES = 3;

/** What a session needs from the element. */
export interface Surroundings {
  client(): SmartSummary | undefined;
  adapter(): Adapter | undefined;
  messages(): Messages;
  /** The place that title and description are fitted to. */
  target(): Target | undefined;
  /** The state has changed, or a second of a countdown is over. */
  render(): void;
  announce(text: string): void;
  emit(name: 'ss-run' | 'ss-apply' | 'ss-undo' | 'ss-error', detail?: unknown): void;
}

/** What happens over time: reading, drafting, running, waiting, applying. The state itself is the reducer's. */
export class Session {
  state: State = initial();
  readonly #around: Surroundings;
  #post: Post | undefined;
  /** Counts the posts that were here; what was begun for an earlier one is dropped. */
  #epoch = 0;
  #reads = 0;
  #newestRead = 0;
  #intent = false;
  #run: AbortController | undefined;
  #draft: AbortController | undefined;
  #undo: UndoHandle | undefined;
  #wanted: readonly Field[] = FIELDS;
  /** What a server has told that it takes, where that is less than the contract's limits. */
  #bounds: Bounds = { images: Infinity, contentChars: LIMITS.max_content_chars };
  /** The writer has agreed that only the beginning of this post is read. */
  #cut = false;
  /** The beginning of this post that a model may hold, after it could not hold more. */
  #part: Bounds = { images: Infinity, contentChars: Infinity };
  readonly #leftOut = new Set<string>();
  #saidLeftOut = '';
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #unsubscribe: (() => void) | undefined;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  dispatch(action: Action): void {
    this.state = reduce(this.state, action);
    if (action.do.startsWith('edit') || action.do.startsWith('take'))
      this.#later('ground', GROUND_AFTER_MS, () => this.#ground());
    this.#around.render();
  }

  /** Begins with an adapter; ends what was with the one before. */
  attach(adapter: Adapter | undefined): void {
    this.detach();
    this.#beginAnew();
    if (adapter === undefined) return;
    this.#unsubscribe = adapter.onChange(() => {
      this.#later('read', READ_AFTER_MS, () => this.#read());
      if (this.#intent) this.#later('draft', DRAFT_AFTER_MS, () => this.#makeDraft());
    });
    void this.#read();
  }

  /** Another post is in the editor: nothing of the one before stays. */
  reset(): void {
    this.stop();
    this.#beginAnew();
    void this.#read();
    if (this.#intent) this.#later('draft', DRAFT_AFTER_MS, () => this.#makeDraft());
  }

  /** Stops all that is under way. */
  detach(): void {
    this.stop();
    this.#drop();
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  /** The first hover, focus or press: what will be needed is loaded, and a draft is made. */
  intent(): void {
    const client = this.#around.client();
    if (this.#intent || client === undefined) return;
    this.#intent = true;
    // A load that fails is told by the call that needs it.
    client.load().catch(() => undefined);
    void this.#makeDraft();
  }

  /** Asks for the given fields, or for all. */
  async run(fields: readonly Field[] = FIELDS, retry: 'by-hand' | 'automatic' = 'by-hand'): Promise<void> {
    const client = this.#around.client();
    if (client === undefined || this.#run !== undefined) return;
    this.intent();
    this.#cancel('retry');
    const run = new AbortController();
    this.#run = run;
    const current = () => this.#run === run;
    const tell = (action: Action) => {
      if (current()) this.dispatch(action);
    };
    try {
      const read = await this.#read();
      if (read === undefined || this.state.empty || !current()) return;
      const post = this.#taken(read);
      const target = this.#around.target();
      const wanted = fields.filter((name) => name !== 'alt_texts' || post.images.length > 0);
      this.#wanted = wanted;
      const before = { ...this.state.fields };
      this.dispatch({ do: 'start', wanted });
      this.#around.emit('ss-run', { fields: wanted });
      this.#checkLength(post);
      const summary = await client.summarize(post, {
        signal: run.signal,
        retry: RETRY,
        fields: [...wanted],
        limits: target && { target },
        candidates: wanted.length === 1 && isAlternative(wanted[0]) ? ALTERNATIVES : undefined,
        prepared: this.state.pictures.flatMap(({ prepared }) => prepared ?? []),
        onProgress: (progress) => {
          tell({ do: 'progress', progress, now: Date.now() });
          if (current() && progress.stage === 'retrying') this.#tick();
          if (current() && progress.stage === 'uploading') this.#tellLeftOut();
        },
        onDelta: (field, text) => tell({ do: 'delta', field, text }),
        onField: (field, value) => tell({ do: 'field', field, value, host: this.#around.adapter()?.current() }),
      });
      if (!current()) return;
      const answer = wanted.length === 1 ? another(summary, wanted[0], before) : summary;
      this.dispatch({ do: 'finish', summary: answer, host: this.#around.adapter()?.current() });
      this.#around.announce(this.#readyWords(wanted));
      void this.#ground();
    } catch (cause) {
      if (current()) this.#fail(cause, retry);
    } finally {
      if (current()) this.#run = undefined;
      this.#around.render();
    }
  }

  /** What of the post is sent; pictures beyond the number that is taken are told before any is prepared. */
  #taken(post: Post): Post {
    const wanted = post.images.filter(({ id }) => !this.#leftOut.has(id));
    const limit = this.#imageLimit;
    const images = chosen(wanted, limit);
    const beyond = wanted.filter((image) => !images.includes(image)).map(({ id }) => id);
    this.dispatch({ do: 'too-many', images: beyond, limit });
    const taken = { ...post, images };
    return this.#cut ? beginning(taken, this.#charLimit) : taken;
  }

  get #imageLimit(): number {
    const part = this.#cut ? this.#part.images : Infinity;
    return Math.min(this.#bounds.images, part, this.#around.client()?.maxImages ?? LIMITS.max_images);
  }

  get #charLimit(): number {
    return Math.min(this.#bounds.contentChars, this.#cut ? this.#part.contentChars : Infinity);
  }

  #checkLength(post: Post): void {
    const limit = this.#bounds.contentChars;
    if (post.content.length <= limit || charsOf(post) <= limit) return;
    throw new SmartSummaryError({ code: 'content_too_long', message: `at most ${limit} characters are taken` });
  }

  /** Says once which pictures are not sent. */
  #tellLeftOut(): void {
    const names = leftOut(this.state).map(({ name }) => name);
    const said = names.join('\n');
    if (said === this.#saidLeftOut) return;
    this.#saidLeftOut = said;
    const m = this.#around.messages();
    if (names.length > 0) this.#around.announce(m.notSent(names.length, m.list(names)));
  }

  #beginAnew(): void {
    this.#drop();
    this.#epoch += 1;
    this.#post = undefined;
    this.#undo = undefined;
    this.#wanted = FIELDS;
    this.#leftOut.clear();
    this.#cut = false;
    this.#part = { images: Infinity, contentChars: Infinity };
    this.#saidLeftOut = '';
    this.state = initial();
    this.#around.render();
  }

  /** Drops the draft and everything that a clock would begin. */
  #drop(): void {
    this.#draft?.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Stops the run; what came stays. */
  stop(): void {
    this.#cancel('retry');
    const run = this.#run;
    this.#run = undefined;
    run?.abort();
    if (this.state.run !== undefined) {
      this.dispatch({ do: 'stop' });
      this.#around.announce(this.#around.messages().stopped);
    }
  }

  get running(): boolean {
    return this.#run !== undefined;
  }

  /** The same fields once more. */
  again(): void {
    void this.run(this.#wanted);
  }

  /** Only what did not come. */
  againFailed(): void {
    void this.run(FIELDS.filter((name) => this.state.fields[name].status === 'failed'));
  }

  leaveOut(image: string): void {
    this.#leftOut.add(image);
    this.dispatch({ do: 'progress', progress: { stage: 'refused', image, error: this.state.refusal!.error } });
    this.again();
  }

  /** Sends no more pictures than the server has said it takes. */
  fewer(): void {
    this.again();
  }

  /** Reads the beginning of an article that is too long. */
  shorten(): void {
    this.#cut = true;
    this.again();
  }

  /** No try by itself. */
  hold(): void {
    this.dispatch({ do: 'hold' });
  }

  /** Prepares the pictures without sending them, to show what would be sent. */
  async prepare(): Promise<void> {
    const client = this.#around.client();
    const post = await this.#read();
    if (client === undefined || post === undefined || this.running) return;
    const { images: taken } = this.#taken(post);
    const missing = new Set(this.state.pictures.filter(({ stage }) => stage === 'idle').map(({ id }) => id));
    if (missing.size === 0) return this.#tellLeftOut();
    const images = taken.filter(({ id }) => missing.has(id));
    const here = this.#here();
    const pictures = await client
      .prepare(images, {
        onProgress: (progress) => here() && progress.stage === 'refused' && this.dispatch({ do: 'progress', progress }),
      })
      .catch(() => []);
    if (!here()) return;
    this.dispatch({ do: 'prepared', pictures });
    this.#tellLeftOut();
    // What was measured on them counts.
    if (this.#intent && this.state.draft !== undefined) void this.#makeDraft();
  }

  async apply(): Promise<void> {
    const adapter = this.#around.adapter();
    const values = selected(this.state);
    const fields = Object.keys(values).length;
    if (adapter === undefined || fields === 0) return;
    const m = this.#around.messages();
    const here = this.#here();
    try {
      const handle = await adapter.apply(values);
      this.#around.emit('ss-apply', values satisfies HostValues);
      if (!here()) return;
      this.#undo = handle;
      this.dispatch({ do: 'applied', fields, host: adapter.current() });
      this.#follow(handle, fields, values);
      this.#around.announce(m.applied(fields));
    } catch (cause) {
      if (here()) this.dispatch({ do: 'apply-failed' });
      this.#around.emit('ss-error', asError(cause));
    }
  }

  /** Keeps up with the host's own undo and redo of what was applied. */
  #follow(handle: UndoHandle, fields: number, values: HostValues): void {
    const here = this.#here();
    const host = () => this.#around.adapter()?.current() ?? {};
    handle.onGone?.(() => {
      if (!here() || this.#undo !== handle) return;
      this.#undo = undefined;
      // Taken back, or still standing and only no longer in the history.
      if (holds(host(), values)) return this.dispatch({ do: 'undo-gone' });
      this.dispatch({ do: 'undone', host: host() });
      this.#around.announce(this.#around.messages().undone);
      this.#around.emit('ss-undo');
    });
    handle.onBack?.(() => {
      if (!here() || this.#undo !== undefined) return;
      this.#undo = handle;
      this.dispatch({ do: 'applied', fields, host: host() });
      this.#around.announce(this.#around.messages().applied(fields));
    });
  }

  async undo(): Promise<void> {
    const handle = this.#undo;
    if (handle === undefined) return;
    this.#undo = undefined;
    const here = this.#here();
    await handle.undo();
    if (!here()) return;
    this.dispatch({ do: 'undone', host: this.#around.adapter()?.current() ?? {} });
    this.#around.announce(this.#around.messages().undone);
    this.#around.emit('ss-undo');
  }

  /** Moves the editor to a sentence; false when it is not there. */
  reveal(sentence: string): boolean {
    return this.#around.adapter()?.reveal?.(sentence) ?? false;
  }

  async #read(): Promise<Post | undefined> {
    const adapter = this.#around.adapter();
    const here = this.#here();
    const number = ++this.#reads;
    const post = await adapter?.read();
    if (adapter === undefined || post === undefined || adapter !== this.#around.adapter()) return undefined;
    // An editor that answers late may speak of a post that has gone, or of an older state of this one.
    if (!here() || number < this.#newestRead) return this.#post;
    this.#newestRead = number;
    // A post has no id before it is first saved; getting one makes it no other post.
    if (this.#post?.id !== undefined && this.#post.id !== post.id) this.#another();
    this.#post = post;
    for (const id of this.#leftOut) if (!post.images.some((image) => image.id === id)) this.#leftOut.delete(id);
    this.dispatch({ do: 'read', post, host: adapter.current() });
    return post;
  }

  /** Another post was read. A run that waits for this reading is for the new post and goes on. */
  #another(): void {
    if (this.state.run !== undefined) this.stop();
    this.#beginAnew();
    if (this.#intent) this.#later('draft', DRAFT_AFTER_MS, () => this.#makeDraft());
  }

  /** Tells later whether the post is still the one of now. */
  #here(): () => boolean {
    const epoch = this.#epoch;
    return () => epoch === this.#epoch;
  }

  async #makeDraft(): Promise<void> {
    const client = this.#around.client();
    this.#draft?.abort();
    const draft = new AbortController();
    this.#draft = draft;
    const post = await this.#read();
    if (client === undefined || post === undefined || this.state.empty) return;
    const first = this.state.draft === undefined;
    const target = this.#around.target();
    try {
      const prepared = this.state.pictures.flatMap((picture) => picture.prepared ?? []);
      const limits = target && { target };
      const made = await client.draft(post, { signal: draft.signal, limits, prepared });
      if (draft.signal.aborted) return;
      this.dispatch({ do: 'drafted', draft: made });
      if (first && this.state.run === undefined) this.#around.announce(this.#around.messages().draftReady);
    } catch {
      // A draft is an extra: where none can be made, the panel is as it was.
    }
  }

  async #ground(): Promise<void> {
    const client = this.#around.client();
    const post = this.#post;
    if (client === undefined || post === undefined) return;
    const { fields } = this.state;
    const texts: Record<string, string> = {};
    for (const name of ['title', 'meta_description', 'summary'] as const) {
      const { value } = fields[name];
      if (!isBlank(value)) texts[name] = value!;
    }
    for (const word of fields.keywords.value ?? []) texts[`keywords:${word}`] = word;
    if (Object.keys(texts).length === 0) return;
    const here = this.#here();
    const evidence = await client.ground(post, texts).catch(() => undefined);
    if (evidence !== undefined && here()) this.dispatch({ do: 'evidence', evidence });
  }

  #fail(cause: unknown, retry: 'by-hand' | 'automatic'): void {
    const error = asError(cause);
    if (error.code === 'aborted') return this.dispatch({ do: 'stop' });
    const limit = error.problem?.limit;
    if (error.code === 'too_many_images') this.#bounds.images = limit ?? Math.floor(this.#imageLimit / 2);
    if (error.code === 'content_too_long') this.#takeLess(error);
    this.dispatch({ do: 'fail', error, now: Date.now(), automatic: retry === 'by-hand' });
    this.#around.emit('ss-error', error);
    this.#countDown();
  }

  /** Remembers how much is taken, or half of what was sent where the server cannot say. */
  #takeLess(error: SmartSummaryError): void {
    const limit = charLimitOf(error);
    if (limit !== undefined) {
      this.#bounds.contentChars = limit;
      return;
    }
    const half = (count: number) => Math.floor(count / 2);
    const sent = this.#post?.images.filter(({ id }) => !this.#leftOut.has(id)).length ?? 0;
    this.#part = {
      images: half(Math.min(sent, this.#imageLimit)),
      contentChars: half(Math.min(this.state.chars, this.#charLimit)),
    };
  }

  /** Renders every second until the refusal's time is over, then tries by itself if that is due. */
  #countDown(): void {
    const { refusal } = this.state;
    if (refusal?.retryAt === undefined) return;
    const left = refusal.retryAt - Date.now();
    if (left > 0) {
      this.#around.render();
      return this.#later('retry', Math.min(left, 1000), () => this.#countDown());
    }
    if (refusal.automatic) void this.run(this.#wanted, 'automatic');
    else this.#around.render();
  }

  /** While a client waits by itself, its wait is counted down too. */
  #tick(): void {
    if (this.state.run?.retryAt === undefined) return;
    this.#around.render();
    this.#later('tick', 1000, () => this.#tick());
  }

  #readyWords(wanted: readonly Field[]): string {
    const m = this.#around.messages();
    const { fields } = this.state;
    const alts = fields.alt_texts.value?.filter(({ text, decorative }) => decorative || text.trim() !== '').length ?? 0;
    const came = wanted.filter((name) => {
      const { status, notes } = fields[name];
      return status === 'ready' && !notes.includes('field_empty') && (name !== 'alt_texts' || alts > 0);
    });
    if (came.length === 0) return m.nothingCame;
    return m.ready(m.list(came.map((name) => (name === 'alt_texts' ? m.altTexts(alts) : m.lower(name)))));
  }

  #later(name: string, ms: number, work: () => unknown): void {
    this.#cancel(name);
    this.#timers.set(name, setTimeout(work, ms));
  }

  #cancel(name: string): void {
    clearTimeout(this.#timers.get(name));
  }
}

/** Whether the host holds all that was applied. */
function holds(host: HostValues, { alt_texts: alts = {}, ...values }: HostValues): boolean {
  const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);
  return (
    Object.entries(values).every(([name, value]) => same(host[name as keyof HostValues], value)) &&
    Object.entries(alts).every(([id, alt]) => host.alt_texts?.[id] === alt)
  );
}

function isAlternative(field: Field | undefined): field is 'title' | 'meta_description' {
  return field === 'title' || field === 'meta_description';
}

/** The answer, or an alternative where it repeats the text that stood there. */
function another(summary: Summary, field: Field | undefined, before: State['fields']): Summary {
  if (!isAlternative(field) || summary[field] !== before[field].made) return summary;
  const other = summary.candidates?.find((candidate) => candidate[field] && candidate[field] !== before[field].made);
  return other === undefined ? summary : { ...summary, [field]: other[field] };
}

function asError(cause: unknown): SmartSummaryError {
  if (cause instanceof SmartSummaryError) return cause;
  // Another copy of the package may have made it; its code is what counts.
  const known = cause as Partial<SmartSummaryError> | undefined;
  if (typeof known?.code === 'string')
    return new SmartSummaryError({ ...known, code: known.code, message: known.message ?? '' });
  return new SmartSummaryError({ code: 'worker_failed', message: String(cause) }, cause);
}
