"""Drives the server with wrk, beside a bare handler of actix-web that answers the same bytes, and prints Markdown tables.

Standard library only. While wrk counts requests and times, a caller of our own sends the same requests and compares every
answer with the one expected. Run by `cargo xtask bench gateway`.
"""

import argparse, http.client, json, os, pathlib, re, socket, subprocess, tempfile, threading, time

CALLERS = (1, 8, 64, 256, 1000)
# Callers of articles that nobody sent before: more would wait in the queue of the engine, and be refused as they should be.
FRESH_CALLERS = (1, 8, 64)
THREADS = 1
CHECK_EVERY = 0.01
WIDE = """
tiers.default.requests_per_minute = 1000000
tiers.default.request_burst = 1000000
tiers.default.tokens_per_minute = 1000000000
server.max_connections = 16384
queue.max_waiting = 1000
"""
PARAGRAPH = (
    "Rye bread needs time. A sourdough of rye flour and water stands for a day in a warm place, and it is fed twice. "
    "The crumb is dense and keeps for a week. Bakers in the north add caraway and fennel, those in the south coriander. "
)
# wrk's own random numbers start alike in each thread and run; the connection's thread and the clock set them apart.
FRESH = """
local number, mark = 0, tostring(os.time()) .. "-" .. tostring({}):sub(8)
function request()
  number = number + 1
  local body = wrk.body:gsub("NUMBER", mark .. "-" .. number)
  return wrk.format(nil, nil, nil, body)
end
"""
DONE = """
function done(summary, latency)
  io.write(string.format("told %d %d %d %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), summary.errors.status, summary.errors.connect, summary.errors.read + summary.errors.write,
    summary.errors.timeout))
end
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until_listening(port, process):
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit(f"{process.args[0]} ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{process.args[0]} does not listen")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def admission(port):
    """Seconds and number of requests in identity and limits, and how many of them took at most 10 us."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()

    def of(name):
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    prefix = "smart_summary_admission_seconds_"
    return of(prefix + "sum"), of(prefix + "count"), of(prefix + 'bucket{le="0.00001"}') + of(prefix + 'bucket{le="1e-5"}')


def article(words):
    return json.dumps({"article": {"title": "Rye bread", "content": words, "format": "text"}})


def ask(connection, key, body):
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/summaries", body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def words_of(answer):
    """What has to be the same in every answer to one request."""
    summary = json.loads(answer)
    return {name: value for name, value in summary.items() if name not in ("id", "timings", "cached")}


class Checker:
    """A caller beside wrk that compares each answer with the expected one."""

    def __init__(self, port, key, request, expected):
        self.port, self.key, self.request, self.expected = port, key, request, expected
        self.checked, self.wrong, self.over = 0, 0, threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while not self.over.wait(CHECK_EVERY):
            status, answer = ask(connection, self.key, self.request)
            self.checked += 1
            self.wrong += status != 200 or words_of(answer) != self.expected
        connection.close()

    def end(self):
        self.over.set()
        self.thread.join()
        return self.checked, self.wrong


def wrk(folder, port, key, body, callers, seconds, fresh):
    """Requests a second, milliseconds at p50 and p99, and answers that are none."""
    script = folder / "request.lua"
    head = [
        'wrk.method = "POST"',
        f"wrk.body = {json.dumps(body)}",
        'wrk.headers["Content-Type"] = "application/json"',
        f'wrk.headers["Authorization"] = "Bearer {key}"',
    ]
    script.write_text("\n".join(head) + (FRESH if fresh else "") + DONE)
    command = ["wrk", "-t", str(THREADS), "-c", str(callers), "-d", f"{seconds}s", "--timeout", "30s"]
    told = subprocess.run(
        [*command, "-s", str(script), f"http://127.0.0.1:{port}/v1/summaries"], capture_output=True, text=True
    )
    found = re.search(r"told (.*)", told.stdout)
    if told.returncode or not found:
        raise SystemExit(f"wrk: {told.stdout}{told.stderr}")
    requests, micros, p50, p99, *errors = map(int, found[1].split())
    return requests / micros * 1e6, p50 / 1000, p99 / 1000, sum(errors)


def server(args, folder):
    """The server with its embedded engine, its two ports and a key, made as an operator makes one."""
    config = folder / "smart-summary.toml"
    config.write_text(WIDE)
    command = [args.binary, "--data-dir", folder, "--config", config]
    made = subprocess.run(
        [*command, "keys", "create", "--name", "bench", "--scopes", "summaries:write", "--json"],
        capture_output=True, text=True, check=True,
    )
    port, metrics = free_port(), free_port()
    binds = ["--bind", f"127.0.0.1:{port}", "--metrics-bind", f"127.0.0.1:{metrics}"]
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(
            [*command, "serve", "--engine", "extractive", *binds], stdout=subprocess.DEVNULL, stderr=log
        )
    until_listening(port, process)
    return process, port, metrics, json.loads(made.stdout)["key"]


def measure(args, folder, running, port, key, metrics, body, expected, callers, fresh):
    before, cpu = admission(metrics) if metrics else None, cpu_seconds(running.pid)
    checker = Checker(port, key, article(PARAGRAPH * 4), expected) if metrics else None
    rate, p50, p99, failed = wrk(folder, port, key, body, callers, args.seconds, fresh)
    checked, wrong = checker.end() if checker else (0, 0)
    cpu = cpu_seconds(running.pid) - cpu
    row = {"rate": rate, "p50": p50, "p99": p99, "failed": failed, "checked": checked, "wrong": wrong, "cpu": cpu}
    row["mib"] = resident_mib(running.pid)
    if before:
        spent, count, quick = (after - start for after, start in zip(admission(metrics), before))
        row |= {"share": spent / cpu, "mean": spent / count * 1e6, "quick": quick / count}
    return row


def run(args, folder):
    cached = article(PARAGRAPH * 4)
    running, port, metrics, key = server(args, folder)
    peer = None
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        statuses = [ask(connection, key, cached) for _ in range(3)]
        if [status for status, _ in statuses] != [200] * 3 or not json.loads(statuses[-1][1])["cached"]:
            raise SystemExit(f"no cached answer: {statuses[-1]}")
        expected = words_of(statuses[0][1])
        (folder / "answer.json").write_bytes(statuses[-1][1])
        floor = free_port()
        peer = subprocess.Popen([args.bare, f"127.0.0.1:{floor}", folder / "answer.json"])
        until_listening(floor, peer)
        print(f"{len(cached)} bytes asked, {len(statuses[-1][1])} answered, {args.seconds} s for each row.\n")
        print("| answers | callers | requests/s | share of the bare handler's | p50 ms | p99 ms | MiB | failed | checked | wrong | identity and limits: share of CPU | mean us | at most 10 us |")
        print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
        for name, body, steps, fresh in (
            ("cached", cached, CALLERS, False),
            ("written by the embedded engine", article("Number NUMBER. " + PARAGRAPH * 4), FRESH_CALLERS, True),
        ):
            for callers in steps:
                ours = measure(args, folder, running, port, key, metrics, body, expected, callers, fresh)
                bare = measure(args, folder, peer, floor, key, None, body, None, callers, fresh)
                print(
                    f"| {name} | {callers} | {ours['rate']:,.0f} | {ours['rate'] / bare['rate']:.2f} of {bare['rate']:,.0f} "
                    f"| {ours['p50']:.2f} | {ours['p99']:.2f} | {ours['mib']:.0f} | {ours['failed']} | {ours['checked']} "
                    f"| {ours['wrong']} | {ours['share']:.1%} | {ours['mean']:.2f} | {ours['quick']:.2%} |",
                    flush=True,
                )
    finally:
        for process in filter(None, (running, peer)):
            process.terminate()
            process.wait()


def identity(args):
    told = subprocess.run([args.identity, str(args.keys), "1000000"], capture_output=True, text=True, check=True)
    found = json.loads(told.stdout)
    print(f"\n| identity and limits, {args.keys:,} keys | p50 us | p99 us | p99.9 us | most us | at most 10 us |\n|---|---|---|---|---|---|")
    for name, label in (
        ("cold", "a key's first request, read from SQLite"),
        ("warm", "those that follow, a million"),
        ("address", "of these: may the address try a key"),
        ("identity", "of these: whose key is it"),
        ("quota", "of these: has it room"),
    ):
        told = [f"{found[name][at] / 1000:.1f}" for at in ("p50", "p99", "p999", "most")]
        print("| " + " | ".join([label, *told, f"{found[name]['within_10_us']:.2%}"]) + " |")


def main():
    parser = argparse.ArgumentParser()
    for name in ("binary", "bare", "identity"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--keys", type=int, default=100_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(args, pathlib.Path(folder))
    identity(args)


main()
