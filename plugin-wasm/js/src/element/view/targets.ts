import { LIMITS, type Target as Place } from '../../generated/api.js';

/** A place where a title and a description are shown: fonts, and how many characters and pixels it gives them. */
export interface Target {
  id: Place;
  kind: 'result' | 'card';
  title: Line;
  description: Line;
}

interface Line {
  font: string;
  pixels: number;
  narrow_chars: number;
  wide_chars: number;
}

const LATIN = 'Arial, sans-serif';
const CHINESE = 'Arial, "PingFang SC", "Microsoft YaHei", sans-serif';

/** The places in the order of their tabs; how much each of them shows is in the contract. */
export const TARGETS: readonly [Target, ...Target[]] = [
  target('google', 'result', LATIN),
  target('google_mobile', 'result', LATIN),
  target('bing', 'result', LATIN),
  target('baidu', 'result', CHINESE),
  target('wechat', 'card', CHINESE),
  target('x', 'card', LATIN),
];

function target(id: Place, kind: Target['kind'], family: string): Target {
  const { title, description } = LIMITS.places[id];
  return {
    id,
    kind,
    title: { ...title, font: `${title.font}px ${family}` },
    description: { ...description, font: `${description.font}px ${family}` },
  };
}

/** Names of places are not translated, but for those that have a Chinese one. */
export function targetName(id: Place, tag: string): string {
  const chinese = { google: 'Google', google_mobile: '手机', bing: '必应', baidu: '百度', wechat: '微信', x: 'X' };
  const latin = { google: 'Google', google_mobile: 'Mobile', bing: 'Bing', baidu: 'Baidu', wechat: 'WeChat', x: 'X' };
  return (tag === 'en' ? latin : chinese)[id];
}
