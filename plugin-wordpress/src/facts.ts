import type { Guidelines, Target } from '@smart-summary/web';

/** What the page knows from the server; `Editor::facts` of `class-editor.php`. */
export interface Facts {
  /** Address of the folder `build`. */
  build: string;
  version: string;
  endpoint: string;
  /** Whether address and key are set. */
  ready: boolean;
  /** The settings page, for those who may open it. */
  settings: string;
  post: number;
  /** The post's address as it was when the page was opened. */
  permalink: string;
  titleTarget: 'seo' | 'post';
  /** The place that titles and descriptions are fitted to; empty for none. */
  target: '' | Target;
  guidelines: Guidelines;
  /** The SEO plugin's short name; empty without one. */
  seo: '' | 'yoast' | 'rank-math' | 'aioseo' | 'seopress' | 'tsf';
  seoLabel: string;
  seoValues: SeoValues;
  record: unknown;
  /** BCP 47 tag or `auto`. */
  language: string;
  userLocale: string;
  site: { name: string; url: string; favicon: string };
}

export interface SeoValues {
  title: string;
  description: string;
}

export const facts: Facts = window.smartSummary;
