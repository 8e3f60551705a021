import type { Target } from '../../generated/api.js';
import type { Site } from '../adapter.js';
import type { Messages } from '../messages/index.js';
import type { Session } from '../session.js';
import type { State } from '../state.js';

/** What every piece of the panel is given. */
export interface Panel {
  readonly m: Messages;
  readonly session: Session;
  state(): State;
  site(): Site | undefined;
  /** The place that the host publishes for, when it has named one. */
  target(): Target | undefined;
  /** An address for a prepared picture's bytes; kept while the picture is. */
  urlOf(image: string): string | undefined;
  announce(text: string): void;
  /** Does something once the change before it is on the page. */
  afterRender(work: () => void): void;
  /** Whether the editor can move to a sentence. */
  canReveal(): boolean;
  /** Moves the focus to the main button, when what held it has gone. */
  focusMain(): void;
}

/** A piece of the panel: made once, then brought up to the state in place. */
export interface View {
  root: HTMLElement;
  update(): void;
}
