// What the page and its workers say to each other. Blobs cross as handles: no bytes are copied on the page's thread.

import type { ErrorFacts } from './error.js';
import type { Field, SummaryRequest } from './generated/api.js';
import type { Draft, Evidence, PictureLooks, PicturePath, PreparedPicture, Progress, TokenReason } from './types.js';

/** A piece of work for a worker, and what comes back. */
export interface Jobs {
  load: { ask: { part: 'core' | 'drawings' | 'decoders' | 'net' | 'draft' }; answer: null };
  prepare: { ask: { id: string; blob: Blob; options: PictureOptions }; answer: PreparedPicture };
  summarize: { ask: { options: UploadOptions; request: SummaryRequest; pictures: Map<string, Blob> }; answer: string };
  draft: { ask: { request: SummaryRequest; looks: Record<string, PictureLooks> }; answer: Draft };
  ground: { ask: { request: SummaryRequest; texts: Record<string, string> }; answer: Record<string, Evidence> };
}

export type Job = { [Kind in keyof Jobs]: { kind: Kind } & Jobs[Kind]['ask'] }[keyof Jobs];
export type Answer<Kind extends keyof Jobs> = Jobs[Kind]['answer'];

/** How a picture is prepared. */
export interface PictureOptions {
  /** In pixels, at least 1. */
  longest_edge: number;
  /** JPEG quality, 1 to 100. */
  quality: number;
  /** Transparency is kept, as a PNG; else it is laid onto white. */
  keep_alpha?: boolean;
  /** The ways that may be taken; all when absent. */
  paths?: PicturePath[];
}

/** What is told about a picture: all but what only the page and the worker know. `Facts` of `facts.rs`. */
export type Facts = Omit<PreparedPicture, 'id' | 'blob' | 'path'> & { mime: string };

/** `UploadOptions` of `options.rs`. */
export interface UploadOptions {
  endpoint: string;
  idempotency_key: string;
  attempts: number;
  max_wait_ms: number;
}

/** A progress whose error, if it has one, is still a plain object. */
export type PlainProgress =
  | Extract<Progress, { stage: 'uploading' | 'queued' | 'started' }>
  | { stage: 'retrying'; after_ms: number; attempt: number; error: ErrorFacts };

/** What a call tells on its way; `Told` of `upload.rs`. */
export type Told =
  | { kind: 'progress'; progress: PlainProgress }
  | { kind: 'delta'; field: Field; text: string }
  | { kind: 'field'; name: Field; value: unknown };

export type ToWorker = { call: number } & (
  { say: 'do'; job: Job } | { say: 'abort' } | { say: 'token'; token: string } | { say: 'no_token'; message: string }
);

export type FromWorker = { call: number } & (
  | { say: 'done'; answer: unknown }
  | { say: 'failed'; error: ErrorFacts }
  /** The module has trapped and is not to be used again. */
  | { say: 'trapped'; message: string }
  | { say: 'told'; told: Told }
  | { say: 'token'; reason: TokenReason['reason'] }
);
