import { LIMITS } from '../../generated/api.js';

/** A place where a title and a description are shown: fonts and the pixels that it gives them. */
export interface Target {
  id: 'google' | 'mobile' | 'bing' | 'baidu' | 'wechat' | 'x';
  kind: 'result' | 'card';
  title: { font: string; pixels: number };
  description: { font: string; pixels: number };
}

const LATIN = 'Arial, sans-serif';
const CHINESE = 'Arial, "PingFang SC", "Microsoft YaHei", sans-serif';

/**
 * The search engines' and networks' present habits; none of them promises these widths. A card's widths are those of two
 * lines of its text.
 */
export const TARGETS: readonly [Target, ...Target[]] = [
  {
    id: 'google',
    kind: 'result',
    title: { font: `20px ${LATIN}`, pixels: LIMITS.title_pixels },
    description: { font: `14px ${LATIN}`, pixels: LIMITS.description_pixels },
  },
  {
    id: 'mobile',
    kind: 'result',
    title: { font: `16px ${LATIN}`, pixels: 680 },
    description: { font: `14px ${LATIN}`, pixels: 680 },
  },
  {
    id: 'bing',
    kind: 'result',
    title: { font: `20px ${LATIN}`, pixels: 560 },
    description: { font: `14px ${LATIN}`, pixels: 980 },
  },
  {
    id: 'baidu',
    kind: 'result',
    title: { font: `18px ${CHINESE}`, pixels: 560 },
    description: { font: `13px ${CHINESE}`, pixels: 1040 },
  },
  {
    id: 'wechat',
    kind: 'card',
    title: { font: `17px ${CHINESE}`, pixels: 500 },
    description: { font: `13px ${CHINESE}`, pixels: 420 },
  },
  {
    id: 'x',
    kind: 'card',
    title: { font: `15px ${LATIN}`, pixels: 960 },
    description: { font: `14px ${LATIN}`, pixels: 960 },
  },
];

/** Names of places are not translated, but for those that have a Chinese one. */
export function targetName(id: Target['id'], tag: string): string {
  const chinese = { google: 'Google', mobile: '手机', bing: '必应', baidu: '百度', wechat: '微信', x: 'X' };
  const latin = { google: 'Google', mobile: 'Mobile', bing: 'Bing', baidu: 'Baidu', wechat: 'WeChat', x: 'X' };
  return (tag === 'en' ? latin : chinese)[id];
}
