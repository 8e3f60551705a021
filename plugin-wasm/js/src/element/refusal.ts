import { CODES, LIMITS } from '../generated/api.js';
import type { SmartSummaryError } from '../error.js';
import { bytes } from './measure.js';
import type { Messages } from './messages/index.js';
import { hasFields, type Refusal, type State } from './state.js';

/** The one thing that a writer can do about a refusal. */
export type RefusalAction = 'sign-in' | 'close' | 'leave-out' | 'fewer' | 'shorten' | 'hold' | 'again';

/** What to do: by the error's code, so that it holds in every language. */
export function actionOf({ error, automatic }: Refusal): RefusalAction {
  if (automatic) return 'hold';
  if (error.code === 'too_many_images') return 'fewer';
  if (error.code === 'content_too_long') return 'shorten';
  const status = statusOf(error);
  if (status === 401) return 'sign-in';
  if (status === 403) return 'close';
  const aboutPicture = error.image !== undefined && (status === 413 || status === 415 || status === 422);
  return aboutPicture ? 'leave-out' : 'again';
}

export function actionLabel(action: RefusalAction, m: Messages): string {
  return {
    'sign-in': m.signIn,
    close: m.close,
    'leave-out': m.leaveOut,
    fewer: m.fewer,
    shorten: m.shorten,
    hold: m.dontWait,
    again: m.tryAgain,
  }[action];
}

/** The error in the reader's words. */
export function wordsOf(error: SmartSummaryError, m: Messages, state: State): string {
  const limit = error.problem?.limit;
  const picture = nameOf(error.image, state) ?? m.thePicture;
  const number = (value: number) => new Intl.NumberFormat(m.tag).format(value);
  switch (error.code) {
    case 'offline':
      return state.draft === undefined || hasFields(state) ? m.offline : m.offlineDraft;
    case 'token_failed':
      return m.tokenFailed;
    case 'worker_failed':
      return m.workerFailed;
    case 'image_too_large':
      return m.imageTooLarge(picture, bytes(limit ?? LIMITS.max_image_bytes, m.tag));
    case 'too_many_pixels':
      return m.imageTooManyPixels(picture, number(limit ?? LIMITS.max_pixels));
    case 'unsupported_image':
    case 'not_an_image':
    case 'unsupported_media_type':
      return m.imageUnsupported(picture, foundIn(error));
    case 'image_broken':
      return m.imageBroken(picture);
    case 'content_too_long':
      return tooLong(state.chars, charLimitOf(error), m);
    case 'body_too_large':
      return m.bodyTooLarge;
    case 'too_many_images':
      return m.tooManyImages(limit ?? LIMITS.max_images);
    case 'content_refused':
      return m.contentRefused;
    case 'nothing_to_read':
      return m.empty;
    case 'budget_used_up':
      return m.budget;
    case 'engine_output':
      return error.message === '' ? m.engineOutput : m.serverFailed;
  }
  switch (statusOf(error)) {
    case 401:
      return m.signedOut;
    case 403:
      return m.forbidden;
    case 429:
      return m.limit;
    case 503:
      return m.full;
    case 400:
    case 409:
    case 422:
      return m.otherProblem(error.problem?.detail ?? error.message);
    default:
      return m.serverFailed;
  }
}

/** How many characters are taken; `undefined` when it is not their number, but all together, that is too much. */
export function charLimitOf({ problem }: SmartSummaryError): number | undefined {
  if (problem === undefined) return LIMITS.max_content_chars;
  return problem.field === '/article/content' ? problem.limit : undefined;
}

/** By how much the article is too long, where that is known. */
function tooLong(chars: number, limit: number | undefined, m: Messages): string {
  if (limit === undefined) return m.tooMuch;
  const number = (value: number) => new Intl.NumberFormat(m.tag).format(value);
  return m.tooLong(number(limit), chars > limit ? number(chars - limit) : undefined);
}

/** What the picture is instead, in the words of who looked into it. */
function foundIn({ message, problem }: SmartSummaryError): string | undefined {
  const found =
    /^([A-Z][\w .-]{1,20}) is not read\b/.exec(message) ??
    /\bis (?:an? )?(HEIC|HEIF|AVIF|SVG|TIFF|BMP|PDF)\b/.exec(problem?.detail ?? '');
  return found?.[1];
}

/** Why a picture is not sent and what can be done, as a line under its name. */
export function reasonOf(error: SmartSummaryError, m: Messages): string {
  const limit = error.problem?.limit ?? error.limit;
  switch (error.code) {
    case 'too_many_images':
      return m.reason.tooMany;
    case 'content_too_long':
      return m.reason.noRoom;
    case 'image_too_large':
      return m.reason.tooLarge(bytes(limit ?? LIMITS.max_image_bytes, m.tag));
    case 'too_many_pixels':
      return m.reason.tooManyPixels(new Intl.NumberFormat(m.tag).format(limit ?? LIMITS.max_pixels));
    case 'unsupported_image':
    case 'unsupported_media_type':
      return m.reason.unsupported(foundIn(error));
    case 'not_an_image':
      return m.reason.notAnImage;
    case 'worker_failed':
      return m.workerFailed;
    default:
      return m.reason.broken;
  }
}

/** The server has no place at this moment, for this writer or for anyone. */
export function isBusy(error: SmartSummaryError): boolean {
  const status = statusOf(error);
  return status === 429 || status === 503;
}

function statusOf({ status, code }: SmartSummaryError): number | undefined {
  return status ?? (CODES as Record<string, number>)[code];
}

function nameOf(id: string | undefined, { pictures }: State): string | undefined {
  return pictures.find((picture) => picture.id === id)?.name ?? id;
}
