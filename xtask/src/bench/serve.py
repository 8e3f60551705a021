"""Drives the server and `transformers serve` on one checkpoint, in turns, and prints Markdown tables.

Standard library and Pillow only. Both servers get the same requests: a picture of an article, made small beforehand, and
the article's beginning, answered as a stream without chance. No two requests have the same picture or words, so that
neither side answers from what it keeps. Summaries are asked of ours alone. Run by `cargo xtask bench serve`.
"""

import argparse, base64, gzip, http.client, io, json, os, pathlib, re, socket, statistics, subprocess, sys, tempfile, threading, time

CALLERS = (1, 8, 32)
REQUESTS = {1: 6, 8: 24, 32: 64}
TOKENS = 32
CHARS = 600
EDGE = 512
SUMMARY_FIELDS = ["title", "meta_description", "alt_texts"]
CACHED = 400
MARKS = re.compile(r"</?think>|<\|(begin|end)_of_box\|>")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def requests(corpus, count):
    """Articles with a picture, both languages in turn: the text and the picture."""
    from PIL import Image

    by_language = {"en": [], "zh": []}
    with gzip.open(corpus / "dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            article = json.loads(line)
            folder = corpus / "images" / article["id"]
            if folder.is_dir() and len(by_language[article["lang"]]) < count:
                by_language[article["lang"]].append((article, sorted(folder.iterdir())))
    made = []
    for pair in zip(*by_language.values()):
        for article, files in pair:
            try:
                picture = Image.open(files[0]).convert("RGB")
            except OSError:
                continue
            picture.thumbnail((EDGE, EDGE))
            made.append((article["title"] + "\n" + article["body_markdown"][:CHARS], picture))
    return made[:count]


def jpeg(picture, number):
    """A `data:` URI of the picture with a corner that only this number has."""
    picture = picture.copy()
    picture.paste((number * 37 % 256, number * 101 % 256, number // 7 % 256), (0, 0, 16, 16))
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode()


def summary(text, picture, number):
    return json.dumps({
        "article": {"content": f"{number}. {text}", "format": "markdown"}, "fields": SUMMARY_FIELDS, "seed": 1,
        "images": [{"id": "hero", "data": jpeg(picture, number)}],
    })


def body(model, text, picture, number):
    content = [{"type": "text", "text": f"{number}. Describe the picture for this article:\n{text}"}]
    if picture is not None:
        content.insert(0, {"type": "image_url", "image_url": {"url": jpeg(picture, number)}})
    return json.dumps({
        "model": model, "messages": [{"role": "user", "content": content}],
        "max_tokens": TOKENS, "temperature": 0.0, "stream": True, "stream_options": {"include_usage": True},
    })


def stream(port, headers, payload):
    """Seconds to the first words and to the end, tokens written, the text, and tokens read."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1200)
    connection.request("POST", "/v1/chat/completions", payload, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    if answer.status != 200:
        raise SystemExit(f"port {port} answered {answer.status}: {answer.read(500)!r}")
    first, pieces, text, usage = None, 0, "", {}
    for line in answer:
        if not line.startswith(b"data: {"):
            continue
        chunk = json.loads(line[6:])
        if "error" in chunk:
            raise SystemExit(f"port {port}: {chunk}")
        usage = chunk.get("usage") or usage
        choices = chunk.get("choices") or [{}]
        if choices[0].get("delta", {}).get("content"):
            first = first or time.perf_counter() - began
            pieces += 1
            text += choices[0]["delta"]["content"]
    connection.close()
    ended = time.perf_counter() - began
    return first or ended, ended, usage.get("completion_tokens", pieces), text, usage.get("prompt_tokens", 0)


def fields(port, headers, payload):
    """Seconds to the first complete field and to the end of a summary's stream, tokens written, the title, tokens read."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1200)
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **headers}
    connection.request("POST", "/v1/summaries", payload, headers)
    answer = connection.getresponse()
    if answer.status != 200:
        raise SystemExit(f"a summary was answered {answer.status}: {answer.read(500)!r}")
    first, kind, whole = None, "", None
    for line in answer:
        if line.startswith(b"event: "):
            kind = line[7:].strip().decode()
        elif line.startswith(b"data: ") and kind == "field":
            first = first or time.perf_counter() - began
        elif line.startswith(b"data: ") and kind in ("completed", "failed"):
            whole = json.loads(line[6:])
            if kind == "failed":
                raise SystemExit(f"a summary failed: {whole}")
    connection.close()
    if first is None or whole is None:
        raise SystemExit("a summary's stream ended without its last event")
    usage = whole["usage"]
    read = usage["prompt_tokens"] + usage["image_tokens"]
    return first, time.perf_counter() - began, usage["completion_tokens"], whole.get("title", ""), read


def drive(port, headers, payloads, callers, ask=stream):
    """All payloads by so many callers; seconds for all, and what each took."""
    waiting, took, lock = list(payloads), [], threading.Lock()

    def call():
        while True:
            with lock:
                if not waiting:
                    return
                payload = waiting.pop()
            found = ask(port, headers, payload)
            with lock:
                took.append(found)

    threads = [threading.Thread(target=call) for _ in range(callers)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(took) != len(payloads):
        raise SystemExit("not every request was answered")
    return time.perf_counter() - began, took


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def until(what, condition, process, patience=600):
    for _ in range(patience * 10):
        if process.poll() is not None:
            raise SystemExit(f"{what}: the process ended with {process.returncode}")
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"{what}: not in time")


def status(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    return connection.getresponse().status


class Ours:
    """The server with an engine, and a key whose quota nothing here uses up."""

    def __init__(self, binary, engine, rows, data):
        (data / "smart-summary.toml").write_text(
            "tiers.high.requests_per_minute = 1000000\ntiers.high.request_burst = 1000000\n"
            "tiers.high.images_per_minute = 1000000\ntiers.high.tokens_per_minute = 1000000000\n"
            "queue.interactive_deadline_ms = 1200000\nqueue.max_waiting = 1000\nlog.level = \"warn\"\n"
            f"glm4v.rows = {rows}\n"
        )
        common = [binary, "--data-dir", str(data)]
        keys = ["keys", "create", "--name", "bench", "--scopes", "chat:write,summaries:write", "--tier", "high"]
        self.key = subprocess.run(common + keys, capture_output=True, text=True, check=True).stdout.strip()
        self.port, self.metrics_port = free_port(), free_port()
        self.process = subprocess.Popen(
            common + ["serve", "--bind", f"127.0.0.1:{self.port}", "--metrics-bind", f"127.0.0.1:{self.metrics_port}", *engine],
            stdout=subprocess.DEVNULL,
        )
        until("our server", lambda: status(self.port, "/readyz") == 200, self.process)

    def headers(self):
        return {"Authorization": "Bearer " + self.key}

    def queue(self):
        """Seconds that requests waited so far, and their number."""
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        sums = {"sum": 0.0, "count": 0.0}
        for line in text.splitlines():
            for name in sums:
                if line.startswith(f"smart_summary_queue_wait_seconds_{name}{{"):
                    sums[name] += float(line.rsplit(" ", 1)[1])
        return sums["sum"], sums["count"]


class Theirs:
    """`transformers serve` on the same checkpoint."""

    def __init__(self, python, checkpoint):
        self.port = free_port()
        program = str(pathlib.Path(python).parent / "transformers")
        self.process = subprocess.Popen(
            [program, "serve", "--host", "127.0.0.1", "--port", str(self.port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
        until("transformers serve", lambda: status(self.port, "/v1/models") < 500, self.process)

    def headers(self):
        return {}


def row(name, callers, seconds, took, queue):
    first, total = ([each[index] for each in took] for index in (0, 1))
    tokens = sum(each[2] for each in took)
    each = [f"{sum(each[index] for each in took) / len(took):.0f}" for index in (4, 2)]
    cells = [name, callers, *each, f"{statistics.median(first) * 1000:.0f}", f"{statistics.median(total) * 1000:.0f}",
             f"{len(took) / seconds:.2f}", f"{tokens / seconds:.1f}", queue]
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    return len(took) / seconds, tokens / seconds


def through(args, theirs, checkpoint, payloads, data):
    """The peer as the upstream of a server of ours: the same words, and what the way costs."""
    engine = ["--engine", "upstream", "--upstream", f"http://127.0.0.1:{theirs.port}/v1", "--upstream-model", checkpoint]
    between = Ours(args.binary, engine, 8, data)
    try:
        direct, passed = [], []
        for payload in payloads:
            direct.append(stream(theirs.port, theirs.headers(), payload))
            passed.append(stream(between.port, between.headers(), payload))
    finally:
        between.process.terminate()
        between.process.wait(60)
    # Ours leaves out the marks of thoughts and boxes, which a model without training writes anywhere.
    same = sum(MARKS.sub("", a[3]).strip() == MARKS.sub("", b[3]).strip() for a, b in zip(direct, passed))
    middle = [statistics.median(each[1] for each in side) * 1000 for side in (direct, passed)]
    return len(payloads), same, *middle


def cached(ours, article):
    """One summary again and again over one connection: everything that is not the engine."""
    payload = json.dumps({"article": {"content": article, "format": "markdown"}, "engine": "extractive"})
    connection = http.client.HTTPConnection("127.0.0.1", ours.port, timeout=60)
    headers = {"Content-Type": "application/json", **ours.headers()}

    def ask():
        began = time.perf_counter()
        connection.request("POST", "/v1/summaries", payload, headers)
        answer = connection.getresponse()
        told = json.loads(answer.read())
        if answer.status != 200:
            raise SystemExit(f"a summary was answered {answer.status}: {told}")
        return time.perf_counter() - began, told

    ask()
    before = cpu_seconds(ours.process.pid)
    asked = [ask() for _ in range(CACHED)]
    cpu = (cpu_seconds(ours.process.pid) - before) / CACHED
    if not all(told["cached"] for _, told in asked):
        raise SystemExit("an answer that should have been kept was made anew")
    took = sorted(seconds for seconds, _ in asked)
    return took[len(took) // 2], took[len(took) * 99 // 100], max(told["timings"]["total"] for _, told in asked), cpu


def main():
    parser = argparse.ArgumentParser()
    for name in ("--binary", "--checkpoint", "--corpus"):
        parser.add_argument(name, required=True)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    found = requests(pathlib.Path(args.corpus), max(REQUESTS.values()))
    checkpoint = str(pathlib.Path(args.checkpoint).resolve())
    with tempfile.TemporaryDirectory() as data, tempfile.TemporaryDirectory() as other_data:
        ours = Ours(args.binary, ["--engine", "glm4v", "--model", checkpoint], max(CALLERS), pathlib.Path(data))
        theirs = None
        try:
            theirs = Theirs(sys.executable, checkpoint)
            number = iter(range(1_000_000))

            def payloads(model, count):
                chosen = (found[index % len(found)] for index in range(count))
                return [body(model, text, picture, next(number)) for text, picture in chosen]

            # The first request loads the peer's model.
            drive(theirs.port, theirs.headers(), payloads(checkpoint, 1), 1)
            drive(ours.port, ours.headers(), payloads("auto", 1), 1)
            print("| server | callers | tokens read, mean | written, mean | ms to the first words, median | ms in all, median "
                  "| requests/s | tokens/s | ms in the queue, mean |")
            print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
            rates, engine_cpu = {}, None
            for callers in CALLERS:
                for _ in range(args.rounds):
                    waited, cpu = ours.queue(), cpu_seconds(ours.process.pid)
                    seconds, took = drive(ours.port, ours.headers(), payloads("auto", REQUESTS[callers]), callers)
                    after = ours.queue()
                    engine_cpu = (cpu_seconds(ours.process.pid) - cpu) / len(took)
                    queue = f"{(after[0] - waited[0]) / max(after[1] - waited[1], 1) * 1000:.0f}"
                    best = row("ours", callers, seconds, took, queue)
                    rates.setdefault(("ours", callers), []).append(best)
                    seconds, took = drive(theirs.port, theirs.headers(), payloads(checkpoint, REQUESTS[callers]), callers)
                    best = row("transformers serve", callers, seconds, took, "")
                    rates.setdefault(("theirs", callers), []).append(best)
            print("\n| callers | requests/s, ratio of the best rounds | tokens/s, ratio of the best rounds |\n|---:|---:|---:|")
            for callers in CALLERS:
                ratios = [max(rate[index] for rate in rates[("ours", callers)]) / max(rate[index] for rate in rates[("theirs", callers)])
                          for index in (0, 1)]
                print(f"| {callers} | {ratios[0]:.2f} | {ratios[1]:.2f} |")
            print("\n| summaries over SSE | callers | tokens read, mean | written, mean | ms to the first field, median "
                  "| ms in all, median | summaries/s | tokens/s | ms in the queue, mean |")
            print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
            for callers in CALLERS:
                chosen = [found[index % len(found)] for index in range(REQUESTS[callers])]
                asked = [summary(text, picture, next(number)) for text, picture in chosen]
                waited = ours.queue()
                seconds, took = drive(ours.port, ours.headers(), asked, callers, fields)
                after = ours.queue()
                row("ours", callers, seconds, took, f"{(after[0] - waited[0]) / max(after[1] - waited[1], 1) * 1000:.0f}")
            # Words alone: a picture would be checked and encoded anew between the two.
            words = [body(checkpoint, text, None, next(number)) for text, _ in found[:8]]
            count, same, direct, passed = through(args, theirs, checkpoint, words, pathlib.Path(other_data))
            print(f"\n`transformers serve` as the upstream of our server: {same} of {count} answers with the same words as without it between, "
                  f"{direct:.0f} ms without and {passed:.0f} ms with it in the median.")
            if same < count:
                raise SystemExit("a server between changed the words of an answer")
            median, worst, server, cpu = cached(ours, found[0][0])
            print(f"\nA kept answer: {median * 1000:.2f} ms at the caller in the median, {worst * 1000:.2f} ms at the 99th percentile, "
                  f"at most {server} ms by the server's own clock; {cpu * 1000:.2f} ms of CPU, "
                  f"{cpu / engine_cpu * 100:.2f} % of the {engine_cpu * 1000:.0f} ms that an answer of the model took.")
        finally:
            for server in (ours, theirs):
                if server is not None:
                    server.process.terminate()
                    server.process.wait(60)


if __name__ == "__main__":
    main()
