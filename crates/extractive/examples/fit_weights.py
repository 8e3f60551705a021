#!/usr/bin/env python3
"""Fits the ranker's weights and prints them, with their cross-validation by source.

  cargo run -p extractive --example predict -- dev.jsonl predictions.jsonl --features features.jsonl
  python3 crates/extractive/examples/fit_weights.py features.jsonl dev.jsonl --evaluate DIR/evaluate.py

With `--left-out FILE` it also writes predictions: for each article what weights choose that were fitted without its source.
Needs numpy. `dev.jsonl` is the corpus, one article a line; `evaluate.py` is the corpus' own script, whose ROUGE-L is the
target. Descriptions: ridge regression within each article, then gradient ascent of the expected ROUGE-L of a soft choice.
Keywords: logistic regression of "is a human tag". Alt texts: ridge regression.
"""
import argparse, importlib.util, json, os
from collections import namedtuple

os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')  # these matrices are small
import numpy as np


# What could have been chosen for one article or picture: x is [choices, features], y the target of each choice.
Row = namedtuple('Row', 'source x y id file texts')


class Rows:
    def __init__(self):
        self.descriptions = {'en': [], 'zh': []}
        self.keywords = {'en': [], 'zh': []}
        self.alt_texts = {'en': [], 'zh': []}
        self.names = None


def read(features, corpus, evaluate):
    articles = {row['id']: row for row in map(json.loads, open(corpus))}
    rows = Rows()
    for found in map(json.loads, open(features)):
        article = articles[found['id']]
        source, language, rows.names = article['source_repo'], article['lang'], found['names']

        def note(where, choices, target, file=None):
            if choices:
                x = np.array([choice['features'] for choice in choices], dtype=np.float32)
                texts = [choice['text'] for choice in choices]
                row = Row(source, x, np.array([target(text) for text in texts]), found['id'], file, texts)
                where[language].append(row)

        human = evaluate.tokens(article['description'])
        note(rows.descriptions, faultless(found), lambda text: evaluate.rouge_l(evaluate.tokens(text), human))
        tags = {evaluate.norm(tag) for tag in article.get('keywords') or []} - {''}
        if tags:
            note(rows.keywords, found['keywords'], lambda text: float(evaluate.norm(text) in tags))
        for image in article['images']:
            alt = evaluate.tokens(image['alt'])
            choices = found['alt_texts'].get(image['file'])
            note(rows.alt_texts, choices, lambda text, alt=alt: evaluate.rouge_l(evaluate.tokens(text), alt), image['file'])
    return rows


def faultless(found):
    """The descriptions without a fault of form, when there are any: the others are never weighed against them."""
    place = found['names'][0].index('faults')
    return [choice for choice in found['descriptions'] if not choice['features'][place]] or found['descriptions']


def ridge(rows, penalty):
    """Weights that explain the differences of the target within each article."""
    many = [(row.x - row.x.mean(0), row.y - row.y.mean(), len(row.y)) for row in rows if len(row.y) > 1]
    x = np.vstack([x for x, _, _ in many])
    y = np.concatenate([y for _, y, _ in many])
    share = np.concatenate([np.full(n, 1 / n) for _, _, n in many])[:, None]
    return np.linalg.solve((x * share).T @ x + penalty * np.eye(x.shape[1]), (x * share).T @ y)


def soft(rows, start, pull=0.3, temperature=0.02, steps=60, rate=0.006):
    """From `start` towards the largest expected target of a soft choice (Adam), pulled back to `start`."""
    w, first, second = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for step in range(1, steps + 1):
        gradient = np.zeros_like(w)
        for row in rows:
            score = row.x @ w / temperature
            p = np.exp(score - score.max())
            p /= p.sum()
            gradient += (p * (row.y - p @ row.y)) @ row.x / temperature
        gradient = gradient / len(rows) - pull * (w - start)
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        w += rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
    return w


def logistic(rows, penalty=0.03, steps=25):
    """Newton's method with a constant term, which is not part of the result: it does not change an order."""
    x = np.vstack([np.hstack([row.x, np.ones((len(row.y), 1))]) for row in rows])
    y = np.concatenate([row.y for row in rows])
    share = np.concatenate([np.full(len(row.y), 1 / len(row.y)) for row in rows])
    w = np.zeros(x.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-x @ w))
        slope = (x.T * (share * p * (1 - p))) @ x + penalty * np.eye(len(w))
        w += np.linalg.solve(slope, x.T @ (share * (y - p)) - penalty * w)
    return w[:-1]


def left_out(rows, more, fit):
    """Each row with its choices' scores by weights that were fitted without its source."""
    for source in sorted({row.source for row in rows}):
        weights = fit([row for row in rows if row.source != source], [row for row in more if row.source != source])
        yield from ((row, row.x @ weights) for row in rows if row.source == source)


def best(scores, targets):
    return targets[np.argmax(scores)]


def recall_of_six(scores, targets):
    return targets[np.argsort(-scores)[:6]].sum() / max(targets.sum(), 1)


def predict(predictions, part, row, scores):
    """Notes what these scores choose; of keywords six, near-repeats among them."""
    prediction = predictions.setdefault(row.id, {'id': row.id, 'description': '', 'keywords': [], 'alt_texts': {}})
    order = [row.texts[place] for place in np.argsort(-scores)[:6]]
    if part == 'descriptions':
        prediction['description'] = order[0]
    elif part == 'keywords':
        prediction['keywords'] = order
    else:
        prediction['alt_texts'][row.file] = order[0]


def table(name, weights, names):
    print(f'const {name}: &[(&str, f32)] = &[')
    print('\n'.join(f'    ("{feature}", {weight:.4f}),' for feature, weight in zip(names, weights)))
    print('];')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('features')
    parser.add_argument('corpus')
    parser.add_argument('--evaluate', required=True)
    parser.add_argument('--left-out', metavar='FILE')
    arguments = parser.parse_args()
    spec = importlib.util.spec_from_file_location('evaluate', arguments.evaluate)
    evaluate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(evaluate)
    rows = read(arguments.features, arguments.corpus, evaluate)

    def lowered(weights):
        """A description of fifty characters, and one without a fault of form, is taken where there is one."""
        weights[rows.names[0].index('too_short')] -= 0.2
        weights[rows.names[0].index('faults')] = -2.0
        return weights

    def describe_en(own, more):
        return lowered(soft(own, ridge(own, 3.0)))

    def unpromised(row):
        """Only English sentences become promises: that they do tells nothing of Chinese."""
        kept = row.x[:, rows.names[0].index('promise')] == 0
        return row._replace(x=row.x[kept], y=row.y[kept])

    def describe_zh(own, more):
        more = [unpromised(row) for row in more]
        return lowered(soft(own + more[::3], ridge(own + more, 3.0)))

    parts = [
        ('descriptions', rows.descriptions, {'en': describe_en, 'zh': describe_zh}, best),
        ('keywords', rows.keywords, dict.fromkeys(('en', 'zh'), lambda own, more: logistic(own)), recall_of_six),
        ('alt_texts', rows.alt_texts, dict.fromkeys(('en', 'zh'), lambda own, more: ridge(own + more, 0.3)), best),
    ]
    predictions = {}
    for (part, by_language, fits, worth), names in zip(parts, rows.names):
        for language, other in (('en', 'zh'), ('zh', 'en')):
            own, more, fit = by_language[language], by_language[other], fits[language]
            figures = []
            for row, scores in left_out(own, more, fit):
                figures.append(worth(scores, row.y))
                predict(predictions, part, row, scores)
            figure = np.mean(figures)
            print(f'// {part}, {language}: {len(own)} rows, cross-validated by source {figure:.3f} ({worth.__name__})')
            table({'en': 'ENGLISH', 'zh': 'CHINESE'}[language], fit(own, more), names)
    if arguments.left_out:
        with open(arguments.left_out, 'w') as file:
            file.writelines(json.dumps(prediction, ensure_ascii=False) + '\n' for prediction in predictions.values())


if __name__ == '__main__':
    main()
