import type {
  AltText,
  Post,
  SmartSummary,
  SummarizeOptions,
  Summary,
  Token,
  TokenReason,
  createSmartSummary,
} from '@smart-summary/web';

import { facts } from './facts.js';

/** Pictures in one request, as the backend takes them. */
const AT_ONCE = 8;

/** The package, loaded when it is first wanted. */
type Package = { createSmartSummary: typeof createSmartSummary };

/** What the route `token` answers. */
type Minted = Token & { single: boolean };

/** The backend, and what it wrote last, so that a text that a person has changed is told from one that was taken as it is. */
export interface WordPressClient extends SmartSummary {
  readonly made: Made;
}

/** The last answer's texts. */
export interface Made {
  engine: string;
  model: string;
  language: string;
  fields: Record<string, unknown>;
  alts: Record<string, AltText>;
}

/** Loads the package from the plugin's folder: as a module, so that nothing of it is loaded with the editor itself. */
export function loadPackage(): Promise<Package> {
  return import(/* webpackIgnore: true */ `${facts.build}web/panel.js?ver=${facts.version}`) as Promise<Package>;
}

/** The backend for this post. */
export async function createClient(): Promise<WordPressClient> {
  const { createSmartSummary } = await loadPackage();
  const tokens = new Tokens();
  const client = createSmartSummary({
    endpoint: facts.endpoint,
    token: (why) => tokens.get(why),
    workerUrl: `${facts.build}web/worker.js`,
    defaults: { guidelines: facts.guidelines },
  });
  const made: Made = { engine: '', model: '', language: '', fields: {}, alts: {} };
  return {
    made,
    // As many as the post has: they go in groups.
    maxImages: Infinity,
    load: () => client.load(),
    prepare: (images, options) => client.prepare(images, options),
    draft: async (post, options) => {
      const draft = await client.draft(post, options);
      Object.assign(made, { engine: 'device', model: '', language: draft.language });
      return draft;
    },
    ground: (post, texts) => client.ground(post, texts),
    dispose: () => client.dispose(),
    summarize: async (post, options = {}) => {
      tokens.beginRun();
      try {
        const summary = await inGroups(client, post, options);
        remember(made, summary);
        return summary;
      } catch (cause) {
        throw tokens.explain(cause);
      }
    },
  };
}

function remember(made: Made, summary: Summary): void {
  const { engine, model, language, alt_texts: alts = [], ...fields } = summary;
  Object.assign(made, { engine, model, language });
  Object.assign(made.fields, fields);
  for (const alt of alts) made.alts[alt.id] = alt;
}

/** A post with more pictures than one request takes is asked about in several: the first brings all fields, the others alt texts. */
export async function inGroups(client: SmartSummary, post: Post, options: SummarizeOptions): Promise<Summary> {
  const groups: Post['images'][] = [];
  for (let at = 0; at < post.images.length; at += AT_ONCE) groups.push(post.images.slice(at, at + AT_ONCE));
  if (groups.length <= 1) return client.summarize(post, options);
  const alts: AltText[] = [];
  let whole: Summary | undefined;
  for (const images of groups) {
    const wanted = whole === undefined ? options.fields : (['alt_texts'] as const);
    if (whole !== undefined && options.fields !== undefined && !options.fields.includes('alt_texts')) break;
    const before = [...alts];
    const part = await client.summarize(
      { ...post, images },
      {
        ...options,
        fields: wanted && [...wanted],
        candidates: whole === undefined ? options.candidates : undefined,
        // One key names one request.
        idempotencyKey: whole === undefined ? options.idempotencyKey : undefined,
        onDelta: whole === undefined ? options.onDelta : undefined,
        onField: (field, value) =>
          field === 'alt_texts'
            ? options.onField?.(field, [...before, ...(value as AltText[])])
            : options.onField?.(field, value),
      },
    );
    alts.push(...(part.alt_texts ?? []));
    whole =
      whole === undefined
        ? { ...part }
        : { ...whole, warnings: [...whole.warnings, ...part.warnings], timings: sum(whole.timings, part.timings) };
  }
  return { ...whole!, alt_texts: alts };
}

function sum(one: Summary['timings'], other: Summary['timings']): Summary['timings'] {
  return {
    queue: one.queue + other.queue,
    prefill: one.prefill + other.prefill,
    decode: one.decode + other.decode,
    total: one.total + other.total,
  };
}

/** The site's own problem, as `apiFetch` throws it. */
interface SiteProblem {
  code?: string;
  message?: string;
  data?: { status?: number; retry_after?: number | null };
}

/** Tokens from the site. Where a role has a quota each run has one of its own, so that the quota counts runs. */
class Tokens {
  #ofRun: Minted | undefined;
  #problem: SiteProblem | undefined;

  beginRun(): void {
    this.#ofRun = undefined;
    this.#problem = undefined;
  }

  async get({ reason, signal }: TokenReason): Promise<Token> {
    if (this.#ofRun?.single && reason !== 'refused') return { ...this.#ofRun, expires_at: 0 };
    try {
      const data = { post: facts.post };
      const minted = await wp.apiFetch<Minted>({ path: '/smart-summary/v1/token', method: 'POST', data, signal });
      this.#ofRun = minted;
      // A token that counts for one run is kept here and not by the package.
      return minted.single ? { ...minted, expires_at: 0 } : minted;
    } catch (cause) {
      this.#problem = cause as SiteProblem;
      throw cause;
    }
  }

  /** Says why the site gave no token, in the form that the panel has words for. */
  explain(cause: unknown): unknown {
    const problem = this.#problem;
    if ((cause as { code?: string } | undefined)?.code !== 'token_failed' || problem === undefined) return cause;
    const message = problem.message ?? '';
    const status = problem.data?.status;
    if (problem.code === 'quota_used_up') return { code: 'budget_used_up', message, status: 429 };
    if (problem.code === 'fetch_error' || problem.code === 'offline_error') return { code: 'offline', message };
    const wait = problem.data?.retry_after;
    if (status === 429) return { code: 'rate_limited', message, status, retry_after_ms: (wait ?? 30) * 1000 };
    if (status === 401) return { code: 'token_expired', message, status };
    if (status === 403) return { code: 'scope_missing', message, status };
    return { code: 'conflict', message, status: 422, problem: { code: 'conflict', status: 422, detail: message } };
  }
}
