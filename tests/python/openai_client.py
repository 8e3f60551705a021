"""OpenAI's own client against this server: `openai_client.py BASE_URL KEY`, the picture on standard input as a data: URI.

Exits non-zero, with a line that says what, when anything is not as the client expects it.
"""

import sys

import openai


def check(condition, what):
    if not condition:
        sys.exit(f"not as expected: {what}")


base_url, key = sys.argv[1:3]
picture = sys.stdin.read().strip()
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0)

models = [model.id for model in client.models.list()]
check(models == ["scripted"], f"models: {models}")
model = client.models.retrieve("scripted")
check(model.id == "scripted" and model.object == "model", f"model: {model}")

messages = [
    {"role": "system", "content": [{"type": "text", "text": "Answer in one word."}]},
    {
        "role": "user",
        "content": [
            {"type": "image_url", "image_url": {"url": picture}},
            {"type": "text", "text": "[pieces] What is it?"},
        ],
    },
]
answer = client.chat.completions.create(model="scripted", messages=messages, max_tokens=50, seed=1)
text = answer.choices[0].message.content
check(text == "An answer that comes in pieces.", f"text: {text!r}")
check(answer.choices[0].finish_reason == "stop", "finish_reason")
check(answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens, "usage")

stream = client.chat.completions.create(
    model="auto", messages=messages, stream=True, stream_options={"include_usage": True}
)
pieces, usage = [], None
for chunk in stream:
    usage = chunk.usage or usage
    pieces.extend(choice.delta.content or "" for choice in chunk.choices)
check("".join(pieces) == text, f"streamed: {pieces}")
check(len([piece for piece in pieces if piece]) > 3, "it came in pieces")
check(usage == answer.usage, f"usage: {usage} and {answer.usage}")

several = client.chat.completions.create(model="scripted", messages=messages, n=3)
check([choice.index for choice in several.choices] == [0, 1, 2], "n")

schema = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 9}}, "required": ["a"]}
as_json = client.chat.completions.create(
    model="scripted",
    messages=[{"role": "user", "content": "Anything."}],
    response_format={"type": "json_schema", "json_schema": {"name": "one", "schema": schema}},
)
check(as_json.choices[0].message.content == "{}", "response_format")


def refused(error, what, **changes):
    try:
        client.chat.completions.create(**{"model": "scripted", "messages": messages, **changes})
    except error as found:
        check(found.code and found.message, f"{what}: {found}")
        return found
    sys.exit(f"not refused: {what}")


found = refused(openai.NotFoundError, "another model", model="gpt-0")
check(found.code == "model_not_found" and found.param == "model", f"{found.code} {found.param}")
found = refused(openai.UnprocessableEntityError, "logprobs", logprobs=True)
check(found.param == "logprobs", f"{found.param}")
for ask in [lambda: client.models.retrieve("owner/gpt-0"), lambda: client.embeddings.create(model="scripted", input="a")]:
    try:
        sys.exit(f"not refused: {ask()}")
    except openai.NotFoundError as found:
        check(found.code and found.message and found.type == "not_found_error", f"{found.body}")
client = openai.OpenAI(base_url=base_url, api_key="nonsense", max_retries=0)
refused(openai.AuthenticationError, "a bad key")
print("ok")
