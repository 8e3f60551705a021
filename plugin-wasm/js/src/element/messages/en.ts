import type { Field, WarningCode } from '../../types.js';

const plural = new Intl.PluralRules('en');
const count = (n: number, one: string, other: string) => `${n} ${plural.select(n) === 'one' ? one : other}`;
const ORDINALS = ['', 'First', 'Second', 'Third', 'Fourth', 'Fifth', 'Sixth', 'Seventh', 'Eighth', 'Ninth'];
const seconds = (ms: number) => `${Math.max(1, Math.ceil(ms / 1000))} s`;

const fields: Record<Field, string> = {
  title: 'Title',
  meta_description: 'Description',
  keywords: 'Keywords',
  slug: 'Address',
  alt_texts: 'Alt texts',
  summary: 'Summary',
  open_graph: 'Open Graph',
  json_ld: 'JSON-LD',
};

const warnings: Record<WarningCode, string> = {
  image_too_soft: 'A picture is too blurred to be described well.',
  image_first_frame_only: 'Of an animated picture only the first frame was seen.',
  image_truncated: 'A picture is cut off; the rest of it was not seen.',
  image_not_seen: 'The picture was not looked at; this comes from its caption and the text around it.',
  language_uncertain: 'The language of the article is uncertain.',
  other_language: 'Written in another language than the article.',
  field_shortened: 'Shortened to fit.',
  field_empty: 'The article does not hold enough for this.',
  not_in_article: 'Holds words that are not in the article.',
  claim_unsupported: 'Says something that no sentence of the article says.',
  must_include_missing: 'A phrase that should occur is missing.',
  avoid_present: 'Holds a phrase that should not occur.',
  private_number_masked: 'A private number was masked.',
  engine_degraded: 'Made without the language model, which cannot be reached.',
};

const removed: Record<string, string> = {
  gps: 'GPS',
  serial_number: 'serial number',
  person: 'names',
  date: 'date',
  camera: 'camera',
  maker_note: "maker's notes",
  thumbnail: 'hidden thumbnail',
  comment: 'comments',
  exif: 'EXIF',
  xmp: 'XMP',
  iptc: 'IPTC',
  color_profile: 'colour profile',
  trailer: 'data after the picture',
  other: 'other data',
};

/** English, and the shape that every language has. */
export const en = {
  tag: 'en',
  panel: 'Smart summary',
  run: 'Smart summary',
  stop: 'Stop',
  empty: 'Write something or add a picture first.',
  fields,
  warnings,
  lower: (field: Field) =>
    field === 'json_ld' || field === 'open_graph' ? fields[field] : fields[field].toLowerCase(),
  list: (items: string[]) => items.join(', '),

  preparing: (name: string, index: number, total: number) => `${name} ${index} of ${total}`,
  preparingAll: 'Preparing the pictures.',
  sending: 'Sending.',
  reading: 'Reading the article.',
  writing: 'Writing.',
  queued: (position: number, wait?: number) => {
    const place = ORDINALS[position] ? `${ORDINALS[position]} in line` : `Number ${position} in line`;
    return wait === undefined ? `${place}.` : `${place}, about ${seconds(wait)}.`;
  },
  tryingAgain: (wait: number) => `Trying again in ${seconds(wait)}.`,

  draft: 'Draft, made on this device',
  draftReady: 'A draft, made on this device, is ready.',
  useDraft: 'Use the draft',

  facts: 'About this summary',
  languageTip: (name: string) => `Written in ${name}.`,
  engine: (model: string) => model,
  engineTip: {
    glm4v: 'A model that sees the pictures wrote this.',
    upstream: 'A model of another service wrote this.',
    extractive: 'Sentences of the article, chosen by rule.',
    device: 'Made on this device; nothing was sent.',
  },
  thisDevice: 'this device',
  seconds: (ms: number) => `${(ms / 1000).toFixed(1)} s`,
  secondsTip: 'From the request to the last word.',
  cached: 'cached',
  cachedTip: 'The same article was summarised before; nothing was computed again.',

  pictures: (n: number) => `Pictures (${n})`,
  leaves: 'what leaves this page',
  leavesNote:
    'Exactly these pictures are sent, made small and without what the camera wrote into them. The text of the post is sent with them.',
  sent: (name: string) => `${name} as it is sent`,
  bytes: (before: string, after: string) => `${before} → ${after}`,
  removedNames: removed,
  removed: (list: string) => `${list} removed`,
  nothingRemoved: 'held nothing private',
  soft: 'soft focus',
  softNames: (list: string) => `Soft focus: ${list}.`,
  softTip: 'Too blurred to be described well. A sharper picture gives a better alt text.',
  pictureWarnings: {
    first_frame_only: 'Only its first frame is sent.',
    truncated: 'The file ends before its picture does; the rest is missing.',
    profile_ignored: 'Its colour profile cannot be read; the colours may differ.',
  } as Record<string, string>,
  dark: 'too dark',
  darkTip: 'Most of it is nearly black. A brighter picture gives a better alt text.',
  bright: 'too bright',
  brightTip: 'Much of it is burnt out. A darker picture gives a better alt text.',
  notYet: 'not prepared yet',
  notSentTitle: (n: number) => `Not sent (${n})`,
  notSent: (n: number, list: string) => `${n === 1 ? 'Not sent' : `${n} pictures are not sent`}: ${list}.`,
  reason: {
    tooMany: 'More pictures than are sent at once. Write its alt text by hand, or remove another picture.',
    noRoom: 'The model of this server has no room for it beside the text. Write its alt text by hand.',
    tooLarge: (limit: string) => `The file is too large; save it with at most ${limit}.`,
    tooManyPixels: (limit: string) => `Too many pixels; save it with at most ${limit}.`,
    unsupported: (found?: string) => `${found ?? 'This kind of file'} is not read here; save it as JPEG.`,
    notAnImage: 'This is not a picture; choose a JPEG, PNG, WebP or GIF.',
    broken: 'The file cannot be read; open it in an image editor and save it again.',
  },

  was: (value: string) => `was: ${value}`,
  wasAction: (field: string, value: string) => `${field} was: ${value}. Put it back`,
  edited: 'edited',
  offer: (value: string) => `New: ${value}`,
  offerAction: (field: string) => `Use the new ${field}`,
  use: 'Use',
  unchanged: 'The same text came again.',
  regenerate: (field: string) => `Regenerate ${field}`,
  accept: (field: string) => `Apply ${field}`,
  chars: (n: number, max: number) => `${n} of ${max} characters`,
  pixels: (n: number, max: number) => `${n} of ${max} pixels`,
  words: (n: number, max: number) => `${n} of ${max} keywords`,
  over: (n: number) => `${n} too many`,
  tooWide: 'too wide, will be cut',
  addKeyword: 'Add a keyword',
  removeKeyword: (word: string) => `Remove ${word}`,
  altOf: (name: string) => `Alt text of ${name}`,
  needsWords: 'Nothing tells what this picture shows: write it in a few words, or mark it as decorative.',
  needsLook: 'A guess: hold this against the picture before you use it.',
  decorative: 'decorative',
  decorativeOf: (name: string) => `${name} is decorative`,
  notFound: 'Not found in the article',
  support: (field: string) => `Show what supports the ${field}`,
  supportedBy: 'In the article:',
  noSupport: 'No sentence of the article supports this.',
  reveal: 'Show in the article',
  notRevealed: 'That sentence is no longer in the article.',
  tryAgain: 'Try again',
  didNotCome: 'Did not come.',
  partly: (list: string) => `${list} did not come.`,

  structured: 'Open Graph · JSON-LD',
  copy: (what: string) => `Copy ${what}`,
  copied: 'Copied',
  notCopied: 'Select the text and copy it',

  preview: 'Preview',
  previewNote: 'Search engines may choose other words.',
  untitled: 'Untitled',

  apply: (n: number) => `Apply selected (${n})`,
  applied: (n: number) => `Applied ${count(n, 'field', 'fields')}.`,
  undo: 'Undo',
  undone: 'Undone.',
  applyFailed: 'The editor did not take the fields. Try again.',

  ready: (list: string) => `Summary ready: ${list}.`,
  altTexts: (n: number) => count(n, 'alt text', 'alt texts'),
  nothingCame: 'The article does not hold enough for a summary.',
  stopped: 'Stopped.',

  signIn: 'Sign in again',
  signedOut: "This editor's permission has expired.",
  forbidden: 'Your role may not do this.',
  close: 'Close',
  offline: 'No connection.',
  offlineDraft: 'No connection. The draft below was made on this device.',
  limit: 'Limit reached.',
  budget: "Today's budget is used up.",
  full: 'All places are taken.',
  againIn: (ms: number) => `Again in ${duration(ms)}.`,
  dontWait: "Don't wait",
  leaveOut: 'Leave it out and try again',
  fewer: 'Send the first ones',
  shorten: 'Use the beginning',
  imageTooLarge: (name: string, limit?: string) =>
    `${name} is too large${limit ? `; at most ${limit} are taken` : ''}.`,
  imageTooManyPixels: (name: string, limit?: string) =>
    `${name} has too many pixels${limit ? `; at most ${limit} are taken` : ''}.`,
  imageUnsupported: (name: string, found?: string) =>
    found === undefined
      ? `${name} is not a JPEG, PNG, WebP or GIF.`
      : `${name}: ${found} is not read here; save it as JPEG.`,
  contentRefused:
    'The server does not take this text, or what was written of it. Change the text, or ask whoever runs the server.',
  imageBroken: (name: string) => `${name} cannot be read.`,
  thePicture: 'A picture',
  tooLong: (limit: string, over?: string) =>
    `The article is ${over === undefined ? 'too long' : `${over} characters too long`}; at most ${limit} are taken.`,
  tooMuch:
    'This post is more than the model of this server can read at once. Use its beginning, or send fewer pictures.',
  tooManyImages: (limit: number) => `At most ${count(limit, 'picture is', 'pictures are')} taken at once.`,
  bodyTooLarge: 'The post and its pictures are too large together.',
  tokenFailed: 'This site did not give permission. Try again in a moment.',
  workerFailed: 'The helper of this page could not be loaded. Reload the page or try again.',
  serverFailed: 'The server could not finish this. Try again.',
  engineOutput: 'The answer did not hold it.',
  otherProblem: (detail: string) => detail,
};

function duration(ms: number): string {
  const minutes = Math.ceil(ms / 60_000);
  if (minutes < 2) return seconds(ms);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

/** The words of one language. */
export type Messages = typeof en;
