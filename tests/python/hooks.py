"""What Schemathesis must know of this server.

`OWN_KEY_ID` is the key that it asks with, `OTHER_KEY_ID` one that may be lost.
"""

import json
import os

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    # It reads the list of keys, and would revoke its own: all that it asks from then on would be refused.
    if (case.path_parameters or {}).get("id") == os.environ["OWN_KEY_ID"]:
        case.path_parameters["id"] = os.environ["OTHER_KEY_ID"]


@schemathesis.deserializer("application/jsonl")
def first_line(context, response):
    # The document describes one line, and a batch has at least one.
    return json.loads(response.text.split("\n", 1)[0])
