import type { Post } from '../types.js';

/** What the host holds for the fields, and what is handed to it. A field that it has no place for is absent. */
export interface HostValues {
  title?: string;
  meta_description?: string;
  keywords?: string[];
  slug?: string;
  summary?: string;
  /** Image id -> alt text; empty for a decorative picture. */
  alt_texts?: Record<string, string>;
  open_graph?: Record<string, string>;
  json_ld?: Record<string, unknown>;
}

/** Takes back one `apply`. */
export interface UndoHandle {
  /** Puts back each field that still holds what was applied; what was written since stays. */
  undo(): void | Promise<void>;
  /** Calls back each time the host's own undo has taken the step back, or can no longer do so. */
  onGone?(callback: () => void): void;
  /** Calls back each time the host's own redo has brought the step again. */
  onBack?(callback: () => void): void;
}

/** How the element reads a host's editor and writes into it. */
export interface Adapter {
  /** The post as it stands in the editor. */
  read(): Post | Promise<Post>;
  /** The values that the host holds now. */
  current(): HostValues;
  /** Takes the given fields over, as one undo step. */
  apply(values: HostValues): UndoHandle | Promise<UndoHandle>;
  /** Calls back after the post changed; returns how to stop. */
  onChange(callback: () => void): () => void;
  /** Moves to a sentence in the editor; false when it is not there. */
  reveal?(sentence: string): boolean;
}

/** The site's face in the previews. */
export interface Site {
  name: string;
  url: string;
  favicon?: string;
}
