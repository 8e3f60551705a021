import histograms from './samples/histograms.html?raw';
import keycloak from './samples/keycloak.html?raw';
import monastery from './samples/monastery.html?raw';

/** A post to try the panel with. */
export interface Sample {
  name: 'histograms' | 'keycloak' | 'monastery' | 'newPost';
  title: string;
  html: string;
}

export const samples: Sample[] = [
  { name: 'histograms', title: 'Reading Prometheus histograms without fooling yourself', html: histograms },
  { name: 'keycloak', title: '用 Keycloak 搭建单点登录：从创建客户端到离职演练', html: keycloak },
  { name: 'monastery', title: 'Three days in Catalonia without a car', html: monastery },
  { name: 'newPost', title: '', html: '' },
];
