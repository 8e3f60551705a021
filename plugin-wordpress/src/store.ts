// Typed doors to WordPress' stores; `never` in their own types keeps a wrong name from compiling silently.

interface EditorStore {
  getCurrentPostId(): number;
  getCurrentPostType(): string;
  getEditedPostAttribute(name: string): unknown;
  getEditedPostContent(): string;
  getPermalink(): string | null;
  isSavingPost(): boolean;
  isAutosavingPost(): boolean;
  didPostSaveRequestSucceed(): boolean;
  hasEditorUndo(): boolean;
}

interface BlockStore {
  getBlocks(root?: string): Block[];
  /** Of the chosen block, or an empty object. */
  getSelectionStart(): object;
  getSelectionEnd(): object;
}

export const editor = (): EditorStore => wp.data.select('core/editor') as unknown as EditorStore;
export const blockEditor = (): BlockStore => wp.data.select('core/block-editor') as unknown as BlockStore;

export interface CoreActions {
  editEntityRecord(
    kind: string,
    type: string,
    id: number,
    edits: Record<string, unknown>,
    options?: { undoIgnore: boolean },
  ): Promise<void>;
}

export const coreActions = (): CoreActions => wp.data.dispatch('core') as unknown as CoreActions;

/** Calls an action of a store, if there are such a store and action. */
export function call(store: string, action: string, ...values: unknown[]): boolean {
  const actions = wp.data.dispatch(store) as Record<string, (...values: unknown[]) => unknown> | undefined;
  if (typeof actions?.[action] !== 'function') return false;
  actions[action](...values);
  return true;
}

/** Asks a selector of a store, if there are such a store and selector. */
export function ask(store: string, selector: string, ...values: unknown[]): unknown {
  const selectors = wp.data.select(store) as Record<string, (...values: unknown[]) => unknown> | undefined;
  return typeof selectors?.[selector] === 'function' ? selectors[selector](...values) : undefined;
}
