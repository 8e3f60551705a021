import { SmartSummaryError } from '../error.js';
import { LIMITS } from '../generated/api.js';
import type {
  AltText,
  Draft,
  Evidence,
  Field,
  Post,
  PreparedPicture,
  Progress,
  Summary,
  WarningCode,
} from '../types.js';
import type { HostValues } from './adapter.js';
import { charsOf } from './choice.js';

/** The fields in the order in which the panel shows them. */
export const FIELDS = [
  'title',
  'meta_description',
  'keywords',
  'slug',
  'alt_texts',
  'summary',
  'open_graph',
  'json_ld',
] as const satisfies readonly Field[];

/** Fields that are one text. */
export type TextField = 'title' | 'meta_description' | 'slug' | 'summary';
export const TEXT_FIELDS = ['title', 'meta_description', 'slug', 'summary'] as const satisfies readonly TextField[];

/** The type of each field's value. */
export interface Values {
  title: string;
  meta_description: string;
  keywords: string[];
  slug: string;
  summary: string;
  alt_texts: AltText[];
  open_graph: Record<string, string>;
  json_ld: Record<string, unknown>;
}

/** `awaited`: a run will bring it; `writing`: some of it is here; `failed`: it did not come. */
export type FieldStatus = 'absent' | 'awaited' | 'writing' | 'ready' | 'failed';

/** One field of the panel. */
export interface FieldState<T> {
  status: FieldStatus;
  value?: T;
  /** As the engine gave it; what the structured data repeat. */
  made?: T;
  /** What a later run gave for a field that the writer had edited. */
  offer?: T;
  edited: boolean;
  /** Whether "Apply" takes it. */
  accepted: boolean;
  /** The writer said so; until then an arrival decides by what the host holds. */
  chosen?: boolean;
  error?: SmartSummaryError;
  /** What a person should look at. */
  notes: WarningCode[];
  /** A new run gave the text that was there already. */
  unchanged?: boolean;
}

export type FieldStates = { [F in Field]: FieldState<Values[F]> };

/** One picture of the post. */
export interface PictureState {
  id: string;
  name: string;
  /** Bytes of the original, when they are at hand; another size is another picture. */
  size?: number;
  stage: 'idle' | 'preparing' | 'ready' | 'refused';
  prepared?: PreparedPicture;
  error?: SmartSummaryError;
  /** Of one picture's alt text: whether the writer changed it, whether "Apply" takes it. */
  altEdited: boolean;
  altAccepted: boolean;
  altChosen?: boolean;
}

/** What stands in the way of a run, until it is answered. */
export interface Refusal {
  error: SmartSummaryError;
  /** Unix time in milliseconds from which a further try makes sense. */
  retryAt?: number;
  /** The panel will try by itself at `retryAt`. */
  automatic: boolean;
}

/** The run that is under way. */
export interface Run {
  phase: 'preparing' | 'waiting' | 'writing';
  wanted: readonly Field[];
  position?: number;
  wait_ms?: number;
  /** The client tries again at this Unix time in milliseconds, because of `error`. */
  retryAt?: number;
  error?: SmartSummaryError;
}

/** Where the texts came from. */
export interface Facts {
  language: string;
  source: 'device' | Summary['engine'];
  model: string;
  total_ms: number;
  cached: boolean;
}

export interface State {
  /** Nothing to read: no words and no picture. */
  empty: boolean;
  /** Characters of the post's source, as the server counts them. */
  chars: number;
  /** The post's own language tag, or one told by its letters. */
  language: string;
  host: HostValues;
  draft?: Draft;
  pictures: PictureState[];
  fields: FieldStates;
  run?: Run;
  refusal?: Refusal;
  /** The last run gave some of its fields and not the others. */
  partly?: SmartSummaryError;
  facts?: Facts;
  /** Keyed by field, or `keywords:` and the keyword. */
  evidence: Record<string, Evidence>;
  applied?: { fields: number; undoable: boolean };
  applyFailed?: boolean;
}

/** All that can happen to the panel. */
export type Action =
  | { do: 'read'; post: Post; host: HostValues }
  | { do: 'drafted'; draft: Draft }
  | { do: 'take-draft' }
  | { do: 'start'; wanted: readonly Field[] }
  | { do: 'progress'; progress: Progress; now?: number }
  | { do: 'delta'; field: Field; text: string }
  /** `host`: what the host holds at this moment. */
  | { do: 'field'; field: Field; value: unknown; host?: HostValues }
  | { do: 'finish'; summary: Summary; host?: HostValues }
  | { do: 'stop' }
  /** These pictures are more than are taken at once. */
  | { do: 'too-many'; images: readonly string[]; limit: number }
  | { do: 'fail'; error: SmartSummaryError; now: number; automatic: boolean }
  | { do: 'dismiss' }
  | { do: 'hold' }
  | { do: 'edit'; field: 'title' | 'meta_description' | 'slug' | 'summary'; value: string }
  | { do: 'edit-keywords'; value: string[] }
  | { do: 'edit-alt'; id: string; text?: string; decorative?: boolean }
  | { do: 'take-offer'; field: Field }
  | { do: 'accept'; field: Field; on: boolean }
  | { do: 'accept-alt'; id: string; on: boolean }
  | { do: 'evidence'; evidence: Record<string, Evidence> }
  | { do: 'prepared'; pictures: PreparedPicture[] }
  | { do: 'applied'; fields: number; host: HostValues }
  | { do: 'apply-failed' }
  | { do: 'undo-gone' }
  | { do: 'undone'; host: HostValues };

export function initial(): State {
  const field = () => ({ status: 'absent' as const, edited: false, accepted: false, notes: [] });
  const fields = Object.fromEntries(FIELDS.map((name) => [name, field()])) as unknown as FieldStates;
  return { empty: true, chars: 0, language: '', host: {}, pictures: [], fields, evidence: {} };
}

/** The next state; pure, so that every state can be made in a test. */
export function reduce(state: State, action: Action): State {
  switch (action.do) {
    case 'read':
      return read(state, action.post, action.host);
    case 'drafted':
      return { ...state, draft: action.draft };
    case 'take-draft':
      return takeDraft(state);
    case 'start':
      return start(state, action.wanted);
    case 'progress':
      return progressed(state, action.progress, action.now ?? Date.now());
    case 'delta':
      return state.run === undefined ? state : grown(state, state.run, action.field, action.text);
    case 'field':
      if (state.run === undefined) return state;
      return arrived(withHost(writing(state, state.run), action.host), action.field, action.value);
    case 'finish':
      return finished(withHost(state, action.host), action.summary);
    case 'too-many':
      return tooMany(state, action.images, action.limit);
    case 'stop':
      return settled(state, undefined);
    case 'fail':
      return failed(state, action.error, action.now, action.automatic);
    case 'dismiss':
      return { ...settled(state, undefined), refusal: undefined, partly: undefined };
    case 'hold':
      return state.refusal ? { ...state, refusal: { ...state.refusal, automatic: false } } : state;
    case 'edit':
      return withField(state, action.field, { value: action.value, ...EDITED });
    case 'edit-keywords':
      return withField(state, 'keywords', { value: action.value, ...EDITED });
    case 'edit-alt':
      return editAlt(state, action);
    case 'take-offer':
      return takeOffer(state, action.field);
    case 'accept':
      return withField(state, action.field, { accepted: action.on, chosen: action.on });
    case 'accept-alt':
      return withPicture(state, action.id, { altAccepted: action.on, altChosen: action.on });
    case 'evidence':
      return { ...state, evidence: action.evidence };
    case 'prepared':
      return action.pictures.reduce((next, prepared) => withPicture(next, prepared.id, ready(prepared)), state);
    case 'applied':
      return applied(state, action.fields, action.host);
    case 'apply-failed':
      return { ...state, applyFailed: true };
    case 'undo-gone':
      return state.applied ? { ...state, applied: { ...state.applied, undoable: false } } : state;
    case 'undone':
      return { ...state, host: action.host, applied: undefined };
  }
}

const EDITED = {
  status: 'ready',
  edited: true,
  accepted: true,
  chosen: true,
  offer: undefined,
  error: undefined,
  unchanged: false,
} as const;
const RETRYABLE = new Set([
  'rate_limited',
  'too_many_failures',
  'overloaded',
  'draining',
  'engine_unavailable',
  'store_unavailable',
]);

function withField<F extends Field>(state: State, name: F, change: Partial<FieldState<Values[F]>>): State {
  return { ...state, fields: { ...state.fields, [name]: { ...state.fields[name], ...change } } };
}

function withHost(state: State, host: HostValues = state.host): State {
  return { ...state, host };
}

function withPicture(state: State, id: string, change: Partial<PictureState>): State {
  return { ...state, pictures: state.pictures.map((one) => (one.id === id ? { ...one, ...change } : one)) };
}

function ready(prepared: PreparedPicture): Partial<PictureState> {
  return { stage: 'ready', prepared, error: undefined };
}

function read(state: State, post: Post, host: HostValues): State {
  const known = new Map(state.pictures.map((picture) => [picture.id, picture]));
  const pictures = post.images.map(({ id, filename, source }): PictureState => {
    const name = filename || id;
    const was = known.get(id);
    const size = source instanceof Blob ? source.size : undefined;
    if (was !== undefined && was.name === name && was.size === size) return was;
    const altAccepted = !host.alt_texts?.[id];
    return { id, name, size, stage: 'idle', altEdited: false, altAccepted };
  });
  const empty = textOf(post).trim() === '' && post.images.length === 0;
  const chars = charsOf(post);
  return { ...state, empty, chars, host, pictures, language: languageOf(post), draft: empty ? undefined : state.draft };
}

function takeDraft(state: State): State {
  const { draft } = state;
  if (draft === undefined) return state;
  const { language, ...values } = draft;
  let next: State = { ...state, refusal: undefined };
  for (const name of FIELDS) {
    const value = values[name as keyof typeof values];
    if (value !== undefined && value.length > 0) next = arrived(next, name, value);
  }
  return { ...next, facts: { language, source: 'device', model: '', total_ms: 0, cached: false } };
}

function start(state: State, wanted: readonly Field[]): State {
  let next = state;
  for (const name of wanted) {
    const { edited } = state.fields[name];
    const kept = edited || name === 'alt_texts' ? {} : { status: 'awaited' as const };
    next = withField(next, name, { ...kept, error: undefined, offer: undefined, unchanged: false, notes: [] });
  }
  if (wanted.includes('alt_texts') && state.pictures.length > 0)
    next = withField(next, 'alt_texts', { status: 'awaited' });
  const phase = state.pictures.some(({ prepared }) => prepared === undefined) ? 'preparing' : 'waiting';
  return { ...next, run: { phase, wanted }, refusal: undefined, partly: undefined, applied: undefined };
}

function progressed(state: State, progress: Progress, now: number): State {
  const { run } = state;
  switch (progress.stage) {
    case 'preparing':
      return withPicture(state, progress.image, { stage: 'preparing' });
    case 'prepared':
      return withPicture(state, progress.picture.id, ready(progress.picture));
    case 'refused':
      return withPicture(state, progress.image, { stage: 'refused', prepared: undefined, error: progress.error });
    case 'started':
      return run === undefined ? state : writing(state, run);
  }
  if (run === undefined) return state;
  const { wanted } = run;
  switch (progress.stage) {
    case 'uploading':
      return { ...state, run: { wanted, phase: 'waiting' } };
    case 'queued':
      return { ...state, run: { wanted, phase: 'waiting', position: progress.position, wait_ms: progress.wait_ms } };
    case 'retrying':
      return {
        ...state,
        run: { wanted, phase: 'waiting', retryAt: now + progress.after_ms, error: progress.error },
      };
  }
}

function writing(state: State, { wanted }: Run): State {
  return state.run?.phase === 'writing' ? state : { ...state, run: { phase: 'writing', wanted } };
}

function grown(state: State, run: Run, name: Field, text: string): State {
  const next = writing(state, run);
  const field = next.fields[name];
  if (field.edited) return next;
  if (!isText(name)) return withField(next, name, { status: 'writing' });
  const before = field.status === 'writing' ? (field.value as string) : '';
  return withField(next, name, { status: 'writing', value: before + text });
}

/** A field in full. What the writer edited stays; the new text is offered beside it. */
function arrived(state: State, name: Field, value: unknown): State {
  if (name === 'alt_texts') return altsArrived(state, value as AltText[]);
  const field = state.fields[name];
  if (field.edited)
    return withField(state, name, { offer: same(field.value, value) || isBlank(value) ? undefined : (value as never) });
  if (isBlank(value)) return cameBlank(state, name);
  const accepted = field.chosen ?? (isBlank(state.host[name]) && isWhole(name, value));
  return withField(state, name, {
    status: 'ready',
    value: value as never,
    made: value as never,
    accepted,
    unchanged: same(field.made, value),
  });
}

/** An answer without words is no answer: what was there stays, and the note says why nothing new came. */
function cameBlank(state: State, name: Field): State {
  const { made, notes } = state.fields[name];
  return withField(state, name, {
    status: made === undefined ? 'absent' : 'ready',
    value: made as never,
    notes: [...new Set([...notes, 'field_empty' as const])],
    ...(made === undefined && { accepted: false }),
  });
}

/** Structured data that lack a title or a description are not handed over unasked. */
function isWhole(name: Field, value: unknown): boolean {
  const needed = { open_graph: ['og:title', 'og:description'], json_ld: ['headline', 'description'] };
  if (name !== 'open_graph' && name !== 'json_ld') return true;
  return needed[name].every((key) => !isBlank((value as Record<string, unknown>)[key]));
}

/** The writer's choices were for what has now been handed over. */
function applied(state: State, fields: number, host: HostValues): State {
  let next: State = { ...state, host, applyFailed: false, applied: { fields, undoable: true } };
  for (const name of FIELDS) if (next.fields[name].accepted) next = withField(next, name, { chosen: undefined });
  const pictures = next.pictures.map((one) => (one.altAccepted ? { ...one, altChosen: undefined } : one));
  return { ...next, pictures };
}

function altsArrived(state: State, alts: AltText[]): State {
  if (alts.length === 0) return cameBlank(state, 'alt_texts');
  const had = new Map(state.fields.alt_texts.value?.map((alt) => [alt.id, alt]));
  const keep = new Set(state.pictures.filter(({ altEdited }) => altEdited).map(({ id }) => id));
  const value = alts.map((alt) => (keep.has(alt.id) ? (had.get(alt.id) ?? alt) : alt));
  const pictures = state.pictures.map((one) => ({
    ...one,
    altAccepted: one.altChosen ?? isBlank(state.host.alt_texts?.[one.id]),
  }));
  return withField({ ...state, pictures }, 'alt_texts', { status: 'ready', value, made: alts, accepted: true });
}

function finished(state: State, summary: Summary): State {
  const wanted = state.run?.wanted ?? [];
  let next = state;
  for (const name of wanted) {
    const value = summary[name];
    const hollow = summary.warnings.some(({ code, field }) => code === 'field_empty' && field === name);
    if (value === undefined && !hollow) continue;
    if (isBlank(value)) {
      if (!next.fields[name].edited) next = cameBlank(next, name);
      continue;
    }
    const done = name !== 'alt_texts' && same(next.fields[name].made, value) && next.fields[name].status === 'ready';
    if (!done) next = arrived(next, name, value);
  }
  for (const { code, field } of summary.warnings) {
    if (field !== undefined)
      next = withField(next, field, { notes: [...new Set([...next.fields[field].notes, code])] });
  }
  const { language, engine, model, timings, cached } = summary;
  const missing = new SmartSummaryError({ code: 'engine_output', message: '' });
  next = settled(next, missing);
  const partly = wanted.some((name) => next.fields[name].status === 'failed') ? missing : undefined;
  return { ...next, partly, facts: { language, source: engine, model, total_ms: timings.total, cached } };
}

/** Pictures that are not sent: more than `limit`; none at all fits where a model holds little beside the text. */
function tooMany(state: State, images: readonly string[], limit: number): State {
  const code = limit === 0 ? 'content_too_long' : 'too_many_images';
  const error = new SmartSummaryError({ code, message: `at most ${limit} pictures are sent` });
  const pictures = state.pictures.map((one): PictureState => {
    if (images.includes(one.id)) return { ...one, stage: 'refused', prepared: undefined, error };
    const back = one.error?.code === 'too_many_images' || one.error?.code === 'content_too_long';
    return back ? { ...one, stage: 'idle', error: undefined } : one;
  });
  return { ...state, pictures };
}

/** Ends the run: what came stays; what did not is as before, or failed when there is a reason. */
function settled(state: State, reason: SmartSummaryError | undefined): State {
  let next = state;
  for (const name of FIELDS) {
    const field = state.fields[name];
    if (field.status !== 'awaited' && field.status !== 'writing') continue;
    if (name === 'alt_texts' && state.pictures.length === 0) {
      next = withField(next, name, { status: 'absent' });
    } else if (reason !== undefined) {
      next = withField(next, name, { status: 'failed', value: field.made as never, error: reason });
    } else {
      next = withField(next, name, {
        status: field.made === undefined ? 'absent' : 'ready',
        value: field.made as never,
      });
    }
  }
  const pictures = next.pictures.map((one) => (one.stage === 'preparing' ? { ...one, stage: 'idle' as const } : one));
  return { ...next, pictures, run: undefined };
}

function failed(state: State, error: SmartSummaryError, now: number, automatic: boolean): State {
  const wanted = state.run?.wanted ?? [];
  const some = wanted.some((name) => state.fields[name].status === 'ready' && !state.fields[name].edited);
  if (some && state.run?.phase === 'writing') return { ...settled(state, error), partly: error };
  const next = settled(state, undefined);
  const wait = error.retry_after_ms;
  const retryAt = wait === undefined ? undefined : now + wait;
  const again = automatic && retryAt !== undefined && RETRYABLE.has(error.code);
  return { ...next, refusal: { error, retryAt, automatic: again } };
}

function editAlt(state: State, { id, text, decorative }: { id: string; text?: string; decorative?: boolean }): State {
  const value = (state.fields.alt_texts.value ?? []).map((alt) => {
    if (alt.id !== id) return alt;
    return { ...alt, ...(text !== undefined && { text }), ...(decorative !== undefined && { decorative }) };
  });
  const next = withField(state, 'alt_texts', { value, status: 'ready' });
  return withPicture(next, id, { altEdited: true, altAccepted: true, altChosen: true });
}

function takeOffer(state: State, name: Field): State {
  const { offer } = state.fields[name];
  if (offer === undefined) return state;
  return withField(state, name, { value: offer as never, made: offer as never, offer: undefined, edited: false });
}

/** What "Apply" hands to the host. */
export function selected(state: State): HostValues {
  const values: Record<string, unknown> = {};
  for (const name of FIELDS) {
    const { value, accepted, status } = state.fields[name];
    if (name === 'alt_texts' || !accepted || status !== 'ready' || isBlank(value)) continue;
    values[name] = name === 'open_graph' || name === 'json_ld' ? structured(state, name) : value;
  }
  const alts = acceptedAlts(state);
  if (alts.length > 0)
    values.alt_texts = Object.fromEntries(alts.map(({ id, text, decorative }) => [id, decorative ? '' : text]));
  return values as HostValues;
}

function acceptedAlts(state: State): AltText[] {
  const { status, value } = state.fields.alt_texts;
  if (status !== 'ready') return [];
  const on = new Set(state.pictures.filter(({ altAccepted }) => altAccepted).map(({ id }) => id));
  return (value ?? []).filter(({ id, text, decorative }) => on.has(id) && (decorative || text.trim() !== ''));
}

/** The structured data with the writer's words in place of the engine's. */
export function structured<F extends 'open_graph' | 'json_ld'>(state: State, name: F): Values[F] | undefined {
  const { value } = state.fields[name];
  if (value === undefined) return undefined;
  const words = new Map<unknown, string>();
  for (const field of TEXT_FIELDS) {
    const { made, value: now } = state.fields[field];
    if (made && now && made !== now) words.set(made, now);
  }
  return Object.fromEntries(Object.entries(value).map(([key, text]) => [key, words.get(text) ?? text])) as Values[F];
}

/** The pictures that are sent, or will be as far as is known. */
export function sent({ pictures }: State): PictureState[] {
  return pictures.filter(({ stage }) => stage !== 'refused');
}

/** The pictures that are not sent, each with its reason. */
export function leftOut({ pictures }: State): PictureState[] {
  return pictures.filter(({ stage }) => stage === 'refused');
}

/** Whether any field has something to show. */
export function hasFields(state: State): boolean {
  return FIELDS.some((name) => {
    const { status, value, notes } = state.fields[name];
    return status === 'failed' || notes.length > 0 || !isBlank(value);
  });
}

/** The tag whose limits hold: the answer's, else the draft's, else the post's. */
export function languageTag(state: State): string {
  return state.facts?.language ?? state.draft?.language ?? state.language;
}

/** Whether the language's characters take two columns, as the server's table of lengths has it. */
export function isWide(language: string): boolean {
  return ['zh', 'ja', 'ko', 'cmn', 'wuu', 'yue'].includes(language.toLowerCase().split(/[-_]/)[0] ?? '');
}

export function limits(state: State) {
  return isWide(languageTag(state)) ? LIMITS.wide : LIMITS.narrow;
}

export function isBlank(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value === 'string') return value.trim() === '';
  return (Array.isArray(value) ? value.length : Object.keys(value).length) === 0;
}

function isText(name: Field): name is TextField {
  return (TEXT_FIELDS as readonly Field[]).includes(name);
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** The post's words. Good enough to tell whether there are any; the server reads properly. */
export function textOf({ content, format }: Post): string {
  return format === 'html' ? content.replace(/<[^>]*>|&nbsp;/g, ' ') : content;
}

function languageOf(post: Post): string {
  if (post.language !== undefined && post.language !== 'auto') return post.language;
  const text = textOf(post).slice(0, 2000);
  const wide = text.match(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/gu)?.length ?? 0;
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  return wide * 3 > letters ? 'zh' : '';
}
